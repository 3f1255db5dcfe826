package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// Store is what the API asks of the store; *storage.Queries is one.
type Store interface {
	Calls(ctx context.Context, f storage.CallFilter) ([]storage.Call, *storage.Cursor, error)
	Call(ctx context.Context, id uuid.UUID) (storage.Call, bool, error)
	CallRecords(ctx context.Context, session, call uuid.UUID, after int64, limit int) ([]storage.CallRecord, error)
	CallsAt(ctx context.Context, f storage.CallFilter) ([]storage.Call, *storage.Cursor, error)
	CallsByID(ctx context.Context, since time.Time, ids []uuid.UUID) (map[uuid.UUID]storage.Call, error)
	PresencesAt(ctx context.Context, at time.Time, calls []storage.Call) (map[uuid.UUID][]storage.Presence, error)
	Legs(ctx context.Context, f storage.LegFilter) ([]storage.Leg, *storage.Cursor, error)
	Meetings(ctx context.Context, f storage.MeetingFilter) ([]storage.MeetingSummary, *storage.Cursor, error)
	Meeting(ctx context.Context, correlator uuid.UUID) (storage.Meeting, bool, error)
	Completeness(ctx context.Context, p storage.Period) (storage.Completeness, error)
	BridgesNow(ctx context.Context) ([]storage.BridgeNow, error)
	Alarms(ctx context.Context, f storage.AlarmFilter) ([]storage.AlarmInterval, *storage.Cursor, error)
	// LicenseFigures and Explain answer for a pool.
	LicenseFigures(ctx context.Context, ask storage.LicenseQuestion) (storage.LicenseAnswer, error)
	LicenseSnapshots(ctx context.Context, clusters []string, p storage.Period) ([]licensing.Snapshot, error)
	LicenseProgress(ctx context.Context, clusters []string) (time.Time, error)
	ExplainLicenses(ctx context.Context, clusters []string, at time.Time) ([]storage.ExplainedMeeting, error)
}

// list is the shape of every list: items, the cursor of the next page (absent on the last), and how complete the records of the period are.
type list[T any] struct {
	Items        []T                   `json:"items"`
	Next         string                `json:"next,omitempty"`
	Completeness *completenessOfPeriod `json:"completeness,omitempty"`
}

// completenessOfPeriod is the share of the records of the period's sessions that are there.
type completenessOfPeriod struct {
	Ratio   *float64 `json:"ratio"`
	Records int64    `json:"records"`
	Missing int64    `json:"missing"`
}

func listOf[T any](items []T, next *storage.Cursor, c storage.Completeness) list[T] {
	answer := list[T]{Items: items, Completeness: &completenessOfPeriod{c.Ratio(), c.Records(), c.Missing()}}
	if next != nil {
		answer.Next = next.String()
	}
	return answer
}

const (
	defaultLimit = 100
	maxLimit     = 1000
	// defaultPeriod is how far a list without a period looks back.
	defaultPeriod = 7 * 24 * time.Hour
)

type callsParams struct {
	From    time.Time `query:"from" description:"Calls that started at or after this time; seven days before to (or now) when left out"`
	To      time.Time `query:"to" description:"Calls that started before this time"`
	Q       string    `query:"q" description:"Text in the call's name, owner or tag, or in a name or address of one of its legs, in any case"`
	Bridge  string    `query:"bridge" description:"Name of the Call Bridge"`
	Cluster string    `query:"cluster" description:"Name of the cluster"`
	Space   uuid.UUID `query:"space" format:"uuid" description:"Id of the space"`
	Active  bool      `query:"active" description:"Calls that are going on, with who is in them; replaces from and to"`
	At      time.Time `query:"at" description:"Calls that were going on at this time, with who was in them and on which bridge; replaces from and to"`
	Limit   int       `query:"limit" description:"Most items, up to 1000; 100 when left out"`
	After   string    `query:"after" description:"Cursor: next of the page before"`
}

type legsParams struct {
	From    time.Time `query:"from" description:"Legs that started at or after this time; seven days before to (or now) when left out"`
	To      time.Time `query:"to" description:"Legs that started before this time"`
	Q       string    `query:"q" description:"Text in any name or address, in any case"`
	Call    uuid.UUID `query:"call" format:"uuid" description:"Legs of this call; replaces from and to"`
	Bridge  string    `query:"bridge" description:"Name of the Call Bridge"`
	Cluster string    `query:"cluster" description:"Name of the cluster"`
	Reason  string    `query:"reason" description:"End reason, such as remoteTeardown"`
	Alarm   string    `query:"alarm" description:"Quality alarm, such as packetLoss"`
	Limit   int       `query:"limit" description:"Most items, up to 1000; 100 when left out"`
	After   string    `query:"after" description:"Cursor: next of the page before"`
}

type meetingsParams struct {
	From  time.Time `query:"from" description:"Meetings that started at or after this time; seven days before to (or now) when left out"`
	To    time.Time `query:"to" description:"Meetings that started before this time"`
	Q     string    `query:"q" description:"Text in the meeting's name or owner, in any case"`
	Limit int       `query:"limit" description:"Most items, up to 1000; 100 when left out"`
	After string    `query:"after" description:"Cursor: next of the page before"`
}

type alarmsParams struct {
	From    time.Time `query:"from" description:"Faults that still held at this time; seven days before to (or now) when left out"`
	To      time.Time `query:"to" description:"Faults that began before this time"`
	Active  bool      `query:"active" description:"Only faults that hold now; replaces from and to"`
	Bridge  string    `query:"bridge" description:"Name of the Call Bridge"`
	Cluster string    `query:"cluster" description:"Name of the cluster"`
	Type    string    `query:"type" description:"Type of the alarm, such as turnServerUnavailable"`
	Limit   int       `query:"limit" description:"Most items, up to 1000; 100 when left out"`
	After   string    `query:"after" description:"Cursor: next of the page before"`
}

type noParams struct{}

type idParams struct {
	ID uuid.UUID `path:"id" format:"uuid" description:"GUID"`
}

type recordsParams struct {
	ID    uuid.UUID `path:"id" format:"uuid" description:"GUID"`
	Limit int       `query:"limit" description:"Most items, up to 1000; 100 when left out"`
	After string    `query:"after" description:"Cursor: next of the page before"`
}

type correlatorParams struct {
	Correlator uuid.UUID `path:"call_correlator" format:"uuid" description:"Correlator of the meeting"`
}

type periodParams struct {
	From time.Time `query:"from" description:"Sessions with records at or after this time"`
	To   time.Time `query:"to" description:"Sessions with records before this time"`
}

// callAnswer is one call with its legs.
type callAnswer struct {
	storage.Call
	Legs []storage.Leg `json:"legs"`
}

// routes is the table of the API.
func (s *Server) routes() []route {
	return append(s.licenseRoutes(), []route{
		{"/calls", "Calls, newest first", callsParams{}, list[callItem]{}, func(ctx context.Context, store Store, p any) (any, error) {
			q := p.(*callsParams)
			after, limit, err := pageOf(q.After, q.Limit)
			if err != nil {
				return nil, err
			}
			period, err := s.periodOf(q.From, q.To)
			if err != nil {
				return nil, err
			}
			f := storage.CallFilter{Period: period, At: q.At, Active: q.Active, Text: q.Q, Bridge: q.Bridge, Cluster: q.Cluster, Space: q.Space, After: after, Limit: limit}
			var items []callItem
			var next *storage.Cursor
			switch {
			case q.Active && !q.At.IsZero():
				return nil, badRequest("parameters %q and %q exclude each other", "active", "at")
			case q.Active:
				// How complete the records of all time are says nothing of now, and would cost the answer most of its time.
				f.Period = storage.Period{}
				if items, next, err = s.activeCalls(ctx, store, f); err != nil {
					return nil, err
				}
				answer := list[callItem]{Items: items}
				if next != nil {
					answer.Next = next.String()
				}
				return answer, nil
			case !q.At.IsZero():
				f.Period, period = storage.Period{}, storage.Period{}
				items, next, err = callsAt(ctx, store, f)
			default:
				var calls []storage.Call
				calls, next, err = store.Calls(ctx, f)
				items = make([]callItem, len(calls))
				for i, c := range calls {
					items[i].Call = c
				}
			}
			if err != nil {
				return nil, err
			}
			return withCompleteness(ctx, store, period, items, next)
		}},
		{"/calls/{id}", "One call and its legs", idParams{}, callAnswer{}, func(ctx context.Context, store Store, p any) (any, error) {
			id := p.(*idParams).ID
			call, found, err := store.Call(ctx, id)
			if err != nil {
				return nil, err
			}
			if !found {
				return nil, notFound("call", id.String())
			}
			legs, _, err := store.Legs(ctx, storage.LegFilter{Call: id, Limit: maxLegsOfCall})
			return callAnswer{call, legs}, err
		}},
		{"/calls/{id}/records", "The records of one call and of what was in it, with the fields of theirs that are not known here", recordsParams{}, list[storage.CallRecord]{}, callRecords},
		{"/legs", "Call legs, newest first", legsParams{}, list[storage.Leg]{}, func(ctx context.Context, store Store, p any) (any, error) {
			q := p.(*legsParams)
			after, limit, err := pageOf(q.After, q.Limit)
			if err != nil {
				return nil, err
			}
			period, err := s.periodOf(q.From, q.To)
			if err != nil {
				return nil, err
			}
			legs, next, err := store.Legs(ctx, storage.LegFilter{Period: period, Text: q.Q, Call: q.Call, Bridge: q.Bridge, Cluster: q.Cluster,
				Reason: q.Reason, Alarm: q.Alarm, After: after, Limit: limit})
			if err != nil {
				return nil, err
			}
			return withCompleteness(ctx, store, period, legs, next)
		}},
		{"/meetings", "Meetings over all bridges, newest first", meetingsParams{}, list[storage.MeetingSummary]{}, func(ctx context.Context, store Store, p any) (any, error) {
			q := p.(*meetingsParams)
			after, limit, err := pageOf(q.After, q.Limit)
			if err != nil {
				return nil, err
			}
			period, err := s.periodOf(q.From, q.To)
			if err != nil {
				return nil, err
			}
			meetings, next, err := store.Meetings(ctx, storage.MeetingFilter{Period: period, Text: q.Q, After: after, Limit: limit})
			if err != nil {
				return nil, err
			}
			return withCompleteness(ctx, store, period, meetings, next)
		}},
		{"/meetings/{call_correlator}", "One meeting: its calls, legs, recordings and streams on all bridges", correlatorParams{}, storage.Meeting{},
			func(ctx context.Context, store Store, p any) (any, error) {
				correlator := p.(*correlatorParams).Correlator
				meeting, found, err := store.Meeting(ctx, correlator)
				if err == nil && !found {
					err = notFound("meeting", correlator.String())
				}
				return meeting, err
			}},
		{"/bridges", "Call Bridges as they were last seen", noParams{}, list[storage.BridgeNow]{}, func(ctx context.Context, store Store, _ any) (any, error) {
			bridges, err := store.BridgesNow(ctx)
			return list[storage.BridgeNow]{Items: s.withConfigured(bridges)}, err
		}},
		{"/alarms", "Faults as intervals, newest first: alarms of CMS and what Bridgewatch found itself", alarmsParams{}, list[storage.AlarmInterval]{}, func(ctx context.Context, store Store, p any) (any, error) {
			q := p.(*alarmsParams)
			after, limit, err := pageOf(q.After, q.Limit)
			if err != nil {
				return nil, err
			}
			period, err := s.periodOf(q.From, q.To)
			if err != nil {
				return nil, err
			}
			if q.Active {
				period = storage.Period{}
			}
			alarms, next, err := store.Alarms(ctx, storage.AlarmFilter{Period: period, Active: q.Active, Bridge: q.Bridge, Cluster: q.Cluster, Type: q.Type, After: after, Limit: limit})
			answer := list[storage.AlarmInterval]{Items: alarms}
			if next != nil {
				answer.Next = next.String()
			}
			return answer, err
		}},
		{"/completeness", "How complete the call detail records of each bridge and session are", periodParams{}, storage.Completeness{},
			func(ctx context.Context, store Store, p any) (any, error) {
				q := p.(*periodParams)
				if err := inOrder(q.From, q.To); err != nil {
					return nil, err
				}
				return store.Completeness(ctx, storage.Period{From: q.From, To: q.To})
			}},
	}...)
}

// callRecords answers a page of a call's records; its cursor is the index of the last.
func callRecords(ctx context.Context, store Store, p any) (any, error) {
	q := p.(*recordsParams)
	_, limit, err := pageOf("", q.Limit)
	if err != nil {
		return nil, err
	}
	after := int64(-1)
	if q.After != "" {
		if after, err = strconv.ParseInt(q.After, 10, 64); err != nil {
			return nil, badRequest("parameter %q: %v", "after", storage.ErrCursor)
		}
	}
	call, found, err := store.Call(ctx, q.ID)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("call", q.ID.String())
	}
	records, err := store.CallRecords(ctx, call.Session, call.ID, after, limit+1)
	if err != nil {
		return nil, err
	}
	answer := list[storage.CallRecord]{Items: records}
	if len(records) > limit {
		answer.Items = records[:limit]
		answer.Next = strconv.FormatInt(answer.Items[limit-1].CorrelatorIndex, 10)
	}
	return answer, nil
}

// withConfigured adds the configured bridges of which nothing is known.
func (s *Server) withConfigured(bridges []storage.BridgeNow) []storage.BridgeNow {
	for _, c := range s.deps.Bridges {
		if !slices.ContainsFunc(bridges, func(b storage.BridgeNow) bool { return b.Cluster == c.Cluster && b.Bridge == c.Bridge }) {
			bridges = append(bridges, storage.BridgeNow{Cluster: c.Cluster, Bridge: c.Bridge, Alarms: []string{}})
		}
	}
	slices.SortFunc(bridges, func(a, b storage.BridgeNow) int {
		return cmp.Or(strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.Bridge, b.Bridge))
	})
	return bridges
}

// maxLegsOfCall is above CMS's limit of 2,600 participants a conference by a wide margin.
const maxLegsOfCall = 100_000

func pageOf(after string, limit int) (*storage.Cursor, int, error) {
	cursor, err := storage.ParseCursor(after)
	if err != nil {
		return nil, 0, badRequest("parameter %q: %v", "after", err)
	}
	if limit == 0 {
		limit = defaultLimit
	}
	if limit > maxLimit {
		return nil, 0, badRequest("parameter %q: at most %d", "limit", maxLimit)
	}
	return cursor, limit, nil
}

// periodOf completes a period that was left open at its start.
func (s *Server) periodOf(from, to time.Time) (storage.Period, error) {
	if from.IsZero() {
		end := to
		if end.IsZero() {
			end = time.Now()
		}
		from = end.Add(-defaultPeriod)
	}
	return storage.Period{From: from.UTC(), To: to.UTC()}, inOrder(from, to)
}

// inOrder refuses a period that ends before it begins.
func inOrder(from, to time.Time) error {
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return badRequest("parameter %q must be before %q", "from", "to")
	}
	return nil
}

func withCompleteness[T any](ctx context.Context, store Store, p storage.Period, items []T, next *storage.Cursor) (any, error) {
	c, err := store.Completeness(ctx, p)
	if err != nil {
		return nil, err
	}
	return listOf(items, next, c), nil
}

// Handler is everything the listener answers.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.landing)
	mux.HandleFunc("GET /-/healthy", s.healthy)
	mux.HandleFunc("GET /-/ready", s.readiness)
	if s.deps.Metrics != nil {
		mux.Handle("GET /metrics", s.deps.Metrics)
	}
	if s.deps.Runbooks != nil {
		mux.Handle("GET /runbooks/", s.deps.Runbooks)
	}
	if s.deps.Store != nil {
		routes := s.routes()
		for _, r := range routes {
			mux.Handle("GET /api/v1"+r.path, r.handler(s.deps.Store, s.deps.Log, s.cfg.QueryTimeout))
		}
		document, err := openAPI(routes)
		mux.HandleFunc("GET /api/v1/openapi.json", func(w http.ResponseWriter, req *http.Request) {
			if err != nil {
				writeError(w, req, s.deps.Log, err)
				return
			}
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Write(document) //nolint:errcheck // the caller is gone; nobody is left to tell
		})
		mux.HandleFunc("/api/", func(w http.ResponseWriter, req *http.Request) {
			if req.Method != http.MethodGet && req.Method != http.MethodHead {
				w.Header().Set("Allow", "GET, HEAD")
				writeJSON(w, http.StatusMethodNotAllowed, errorAnswer{"the API only reads; use GET"})
				return
			}
			writeError(w, req, s.deps.Log, notFound("path", req.URL.Path))
		})
	}
	return mux
}
