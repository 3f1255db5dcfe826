package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
)

// Call is one call of one bridge, as the API and the reports show it. Times are UTC.
type Call struct {
	ID              uuid.UUID  `ch:"id" json:"id"`
	CallCorrelator  *uuid.UUID `ch:"call_correlator" none:"zero" json:"call_correlator"`
	Cluster         string     `ch:"cms_cluster" json:"cms_cluster"`
	Bridge          string     `ch:"call_bridge" json:"call_bridge"`
	Name            string     `ch:"name" json:"name"`
	CallType        string     `ch:"call_type" json:"call_type"`
	SpaceID         *uuid.UUID `ch:"space_id" none:"zero" json:"space_id"`
	OwnerName       string     `ch:"owner_name" json:"owner_name"`
	TenantID        *uuid.UUID `ch:"tenant_id" none:"zero" json:"tenant_id"`
	CDRTag          string     `ch:"cdr_tag" json:"cdr_tag"`
	Session         uuid.UUID  `ch:"session" json:"session"`
	Start           time.Time  `ch:"start" json:"start"`
	StartInferred   bool       `ch:"start_inferred" json:"start_inferred"`
	End             *time.Time `ch:"end" json:"end"`
	EndInferred     bool       `ch:"end_inferred" json:"end_inferred"`
	EndHow          string     `ch:"end_how" json:"end_how"`
	DurationSeconds *int64     `ch:"duration_seconds" json:"duration_seconds"`
	LegsCompleted   *int64     `ch:"legs_completed" json:"legs_completed"`
	LegsMaxActive   *int64     `ch:"legs_max_active" json:"legs_max_active"`
	Recorded        bool       `ch:"recorded" json:"recorded"`
	Streamed        bool       `ch:"streamed" json:"streamed"`
}

// Leg is one call leg, as the API and the reports show it. Times are UTC, percentages 0 to 100 of the leg's life.
type Leg struct {
	ID                             uuid.UUID   `ch:"id" json:"id"`
	CallID                         *uuid.UUID  `ch:"call_id" none:"zero" json:"call_id"`
	Calls                          []uuid.UUID `ch:"calls" json:"calls,omitempty"`
	Cluster                        string      `ch:"cms_cluster" json:"cms_cluster"`
	Bridge                         string      `ch:"call_bridge" json:"call_bridge"`
	Session                        uuid.UUID   `ch:"session" json:"session"`
	DisplayName                    string      `ch:"display_name" json:"display_name"`
	RemoteParty                    string      `ch:"remote_party" json:"remote_party"`
	RemoteAddress                  string      `ch:"remote_address" json:"remote_address"`
	LocalAddress                   string      `ch:"local_address" json:"local_address"`
	Type                           string      `ch:"type" json:"type"`
	SubType                        string      `ch:"sub_type" json:"sub_type"`
	LyncSubType                    string      `ch:"lync_sub_type" json:"lync_sub_type"`
	Direction                      string      `ch:"direction" json:"direction"`
	Guest                          *bool       `ch:"guest" json:"guest"`
	Recording                      bool        `ch:"recording" json:"recording"`
	Streaming                      bool        `ch:"streaming" json:"streaming"`
	CountsAsPerson                 bool        `ch:"counts_as_person" json:"counts_as_person"`
	Scanner                        bool        `ch:"scanner" json:"scanner"`
	SIPCallID                      string      `ch:"sip_call_id" json:"sip_call_id"`
	Start                          time.Time   `ch:"start" json:"start"`
	StartInferred                  bool        `ch:"start_inferred" json:"start_inferred"`
	Connected                      *time.Time  `ch:"connected" json:"connected"`
	Joined                         *time.Time  `ch:"joined" json:"joined"`
	Activated                      *time.Time  `ch:"activated" json:"activated"`
	End                            *time.Time  `ch:"end" json:"end"`
	EndInferred                    bool        `ch:"end_inferred" json:"end_inferred"`
	EndHow                         string      `ch:"end_how" json:"end_how"`
	EndReason                      string      `ch:"end_reason" json:"end_reason"`
	RemoteTeardown                 *bool       `ch:"remote_teardown" json:"remote_teardown"`
	DurationSeconds                *int64      `ch:"duration_seconds" json:"duration_seconds"`
	ActivatedSeconds               *int64      `ch:"activated_seconds" json:"activated_seconds"`
	Encrypted                      *bool       `ch:"encrypted_media" json:"encrypted_media"`
	Unencrypted                    *bool       `ch:"unencrypted_media" json:"unencrypted_media"`
	RxAudioCodec                   string      `ch:"rx_audio_codec" json:"rx_audio_codec"`
	TxAudioCodec                   string      `ch:"tx_audio_codec" json:"tx_audio_codec"`
	RxVideoCodec                   string      `ch:"rx_video_codec" json:"rx_video_codec"`
	TxVideoCodec                   string      `ch:"tx_video_codec" json:"tx_video_codec"`
	RxVideoWidth                   *int64      `ch:"rx_video_width" json:"rx_video_width"`
	RxVideoHeight                  *int64      `ch:"rx_video_height" json:"rx_video_height"`
	TxVideoWidth                   *int64      `ch:"tx_video_width" json:"tx_video_width"`
	TxVideoHeight                  *int64      `ch:"tx_video_height" json:"tx_video_height"`
	MainVideoViewerPercent         *float32    `ch:"main_video_viewer_percent" json:"main_video_viewer_percent"`
	MainVideoContributorPercent    *float32    `ch:"main_video_contributor_percent" json:"main_video_contributor_percent"`
	PresentationViewerPercent      *float32    `ch:"presentation_viewer_percent" json:"presentation_viewer_percent"`
	PresentationContributorPercent *float32    `ch:"presentation_contributor_percent" json:"presentation_contributor_percent"`
	Alarms                         []cdr.Alarm `ch:"alarms" json:"alarms"`
}

// Recording is a recording or a stream of a call.
type Recording struct {
	ID              uuid.UUID  `ch:"id" json:"id"`
	CallID          *uuid.UUID `ch:"call_id" none:"zero" json:"call_id"`
	LegID           *uuid.UUID `ch:"call_leg_id" none:"zero" json:"call_leg_id"`
	Bridge          string     `ch:"call_bridge" json:"call_bridge"`
	Start           time.Time  `ch:"start" json:"start"`
	StartInferred   bool       `ch:"start_inferred" json:"start_inferred"`
	End             *time.Time `ch:"end" json:"end"`
	EndInferred     bool       `ch:"end_inferred" json:"end_inferred"`
	EndHow          string     `ch:"end_how" json:"end_how"`
	DurationSeconds *int64     `ch:"duration_seconds" json:"duration_seconds"`
}

// Period is from a time, inclusive, to a time, exclusive.
type Period struct {
	From, To time.Time
}

// CallFilter selects calls. Zero fields do not select.
type CallFilter struct {
	// Period in which the call started.
	Period Period
	// At selects calls that were going on at that instant, and Active those that are; both replace Period.
	At     time.Time
	Active bool
	// Text in the call's name, owner or tag, or in a name or address of one of its legs, in any case.
	Text    string
	Bridge  string
	Cluster string
	Space   uuid.UUID
	// Except leaves out the calls of bridges, each by its cluster and name.
	Except [][2]string
	After  *Cursor
	Limit  int
}

// Calls lists calls, newest first, and the cursor of the next page, nil on the last.
func (q *Queries) Calls(ctx context.Context, f CallFilter) ([]Call, *Cursor, error) {
	c := newConditions()
	switch {
	case f.Active:
		c.add("end IS NULL")
	case !f.At.IsZero():
		c.add("start <= {at:DateTime64(3, 'UTC')} AND (end IS NULL OR end > {at:DateTime64(3, 'UTC')})", "at", timeText(f.At))
	}
	if f.Text != "" {
		c.add("("+contains("name")+" OR "+contains("owner_name")+" OR "+contains("cdr_tag")+" OR id IN (SELECT call_id FROM call_legs WHERE "+legsOfCalls+" AND "+legTextClause+"))",
			"text", textParam(f.Text))
	}
	equal(c, "call_bridge", "bridge", f.Bridge)
	equal(c, "cms_cluster", "cluster", f.Cluster)
	if f.Space != uuid.Nil {
		c.add("space_id = {space:UUID}", "space", f.Space.String())
	}
	for i, bridge := range f.Except {
		cluster, name := fmt.Sprintf("except_cluster%d", i), fmt.Sprintf("except_bridge%d", i)
		c.add(fmt.Sprintf("NOT (cms_cluster = {%s:String} AND call_bridge = {%s:String})", cluster, name), cluster, textParam(bridge[0]), name, textParam(bridge[1]))
	}
	position := func(c Call) Cursor { return Cursor{c.Start, c.ID} }
	if f.Active || !f.At.IsZero() {
		everything := window{from: time.Unix(0, 0), to: time.Unix(1<<32-1, 0)}
		if f.Text != "" {
			if err := q.boundLegs(ctx, everything, c); err != nil {
				return nil, nil, err
			}
		}
		return page(ctx, q, callList, c, f.After, f.Limit, position)
	}
	from, to, err := q.span(ctx, CallFacts, f.Period, f.After)
	if err != nil {
		return nil, nil, err
	}
	var narrow func(window, *conditions) error
	if f.Text != "" {
		narrow = func(w window, c *conditions) error { return q.boundLegs(ctx, w, c) }
	}
	return pageIn(ctx, q, callList, c, stretches(from, to), f.After, f.Limit, position, narrow)
}

// boundLegs says when the legs of calls that start in a window may have started: not long before the call, and not after the last of them ended.
func (q *Queries) boundLegs(ctx context.Context, w window, c *conditions) error {
	var last time.Time
	params := clickhouse.Parameters{"from": timeText(w.from), "to": timeText(w.to)}
	err := q.conn.QueryRow(clickhouse.Context(ctx, clickhouse.WithParameters(params)),
		"SELECT max(ifNull(end, toDateTime64('2106-01-01 00:00:00', 3, 'UTC'))) FROM calls_data WHERE start >= {from:DateTime64(3, 'UTC')} AND start < {to:DateTime64(3, 'UTC')}").Scan(&last)
	if err != nil {
		return fmt.Errorf("query when calls end: %w", err)
	}
	c.params["legs_from"], c.params["legs_to"] = timeText(w.from.Add(-legBeforeCall)), timeText(later(last, w.to))
	return nil
}

// Call is one call by its id; of several sessions with the same id the newest. found is false where there is none.
func (q *Queries) Call(ctx context.Context, id uuid.UUID) (call Call, found bool, err error) {
	c := newConditions()
	c.add("id = {id:UUID}", "id", id.String())
	rows, _, err := page(ctx, q, callList, c, nil, 1, func(c Call) Cursor { return Cursor{} })
	if err != nil || len(rows) == 0 {
		return Call{}, false, err
	}
	return rows[0], true, nil
}

// LegFilter selects call legs. Zero fields do not select.
type LegFilter struct {
	// Period in which the leg started.
	Period Period
	// Text in a name or address, in any case.
	Text string
	// Call selects the legs of one call and replaces Period.
	Call    uuid.UUID
	Bridge  string
	Cluster string
	// Reason is the end reason, exactly.
	Reason string
	// Alarm selects legs with that quality alarm.
	Alarm string
	After *Cursor
	Limit int
}

// contains finds the text in a column, in any case.
func contains(column string) string {
	return "position(lowerUTF8(" + column + "), lowerUTF8({text:String})) > 0"
}

// legTextClause finds a text in any name or address of a leg.
var legTextClause = "(" + contains("display_name") + " OR " + contains("remote_party") + " OR " + contains("remote_address") + " OR " + contains("local_address") + ")"

// legsOfCalls keeps to the time in which the legs of the calls that are looked at started, and of that to the ten minutes in which the text occurs.
const legsOfCalls = "start >= {legs_from:DateTime64(3, 'UTC')} AND start <= {legs_to:DateTime64(3, 'UTC')} AND " +
	"toStartOfTenMinutes(start) IN (SELECT toDateTime(arrayJoin(bitmapToArray(groupBitmapMergeState(slots))) * 600, 'UTC') FROM parties_data " +
	"WHERE month >= toStartOfMonth({legs_from:DateTime64(3, 'UTC')}) AND month <= toStartOfMonth({legs_to:DateTime64(3, 'UTC')}) AND position(value, lowerUTF8({text:String})) > 0)"

// Legs lists call legs, newest first, and the cursor of the next page, nil on the last.
func (q *Queries) Legs(ctx context.Context, f LegFilter) ([]Leg, *Cursor, error) {
	c := newConditions()
	if f.Call != uuid.Nil {
		c.add("call_id = {call:UUID}", "call", f.Call.String())
	}
	if f.Text != "" {
		c.add(legTextClause, "text", textParam(f.Text))
	}
	equal(c, "call_bridge", "bridge", f.Bridge)
	equal(c, "cms_cluster", "cluster", f.Cluster)
	equal(c, "end_reason", "reason", f.Reason)
	if f.Alarm != "" {
		c.add("has(alarms.type, {alarm:String})", "alarm", textParam(f.Alarm))
	}
	position := func(l Leg) Cursor { return Cursor{l.Start, l.ID} }
	if f.Call != uuid.Nil {
		return page(ctx, q, legList, c, f.After, f.Limit, position)
	}
	from, to, err := q.span(ctx, LegFacts, f.Period, f.After)
	if err != nil {
		return nil, nil, err
	}
	next := stretches(from, to)
	if f.Text != "" {
		next = q.slotsWithText(f.Text, from, to, f.Limit+1)
	}
	return pageIn(ctx, q, legList, c, next, f.After, f.Limit, position, nil)
}

// recordingsOf lists the recordings (table "recordings") or streams (table "streams") of calls, oldest first.
func (q *Queries) recordingsOf(ctx context.Context, table string, calls []uuid.UUID) ([]Recording, error) {
	c := newConditions()
	c.add("call_id IN {calls:Array(UUID)}", "calls", uuidArray(calls))
	sql := fmt.Sprintf("SELECT %s FROM (SELECT * FROM %s %s) ORDER BY start, id", columnsOf[Recording](), table, c.where())
	rows, err := selectRows[Recording](c.within(ctx), q, sql)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", table, err)
	}
	return rows, nil
}

// Meeting is everything known of one meeting: all calls of one correlator on all bridges.
type Meeting struct {
	CallCorrelator uuid.UUID   `json:"call_correlator"`
	Name           string      `json:"name"`
	OwnerName      string      `json:"owner_name"`
	Start          time.Time   `json:"start"`
	End            *time.Time  `json:"end"`
	CallBridges    []string    `json:"call_bridges"`
	Calls          []Call      `json:"calls"`
	Legs           []Leg       `json:"legs"`
	Recordings     []Recording `json:"recordings"`
	Streams        []Recording `json:"streams"`
	Timeline       []Moment    `json:"timeline"`
}

// mostLegsOfMeeting bounds a meeting's answer: twice CMS's limit of 2,600 participants on each of 24 bridges' worst is far below it.
const mostLegsOfMeeting = 100_000

// Meeting is one meeting by its correlator. found is false where there is none.
func (q *Queries) Meeting(ctx context.Context, correlator uuid.UUID) (m Meeting, found bool, err error) {
	c := newConditions()
	c.add("call_correlator = {correlator:UUID}", "correlator", correlator.String())
	sql := fmt.Sprintf("SELECT %s FROM (SELECT * FROM calls %s) ORDER BY start, id", columnsOf[Call](), c.where())
	m.CallCorrelator = correlator
	if m.Calls, err = selectRows[Call](c.within(ctx), q, sql); err != nil {
		return m, false, fmt.Errorf("query the calls of meeting %s: %w", correlator, err)
	}
	if len(m.Calls) == 0 {
		return m, false, nil
	}
	ids := make([]uuid.UUID, len(m.Calls))
	open := false
	m.Start = m.Calls[0].Start
	seen := map[string]bool{}
	for i, call := range m.Calls {
		ids[i] = call.ID
		if m.Name == "" {
			m.Name = call.Name
		}
		if m.OwnerName == "" {
			m.OwnerName = call.OwnerName
		}
		if !seen[call.Bridge] {
			seen[call.Bridge] = true
			m.CallBridges = append(m.CallBridges, call.Bridge)
		}
		switch {
		case call.End == nil:
			open = true
		case m.End == nil || call.End.After(*m.End):
			m.End = call.End
		}
	}
	if open {
		m.End = nil
	}
	legs := newConditions()
	legs.add("call_id IN {calls:Array(UUID)}", "calls", uuidArray(ids))
	legs.add("start >= {from:DateTime64(3, 'UTC')}", "from", timeText(m.Start.Add(-legBeforeCall)))
	sql = fmt.Sprintf("SELECT %s FROM (SELECT * FROM call_legs %s) ORDER BY start, id LIMIT %d", columnsOf[Leg](), legs.where(), mostLegsOfMeeting)
	if m.Legs, err = selectRows[Leg](legs.within(ctx), q, sql); err != nil {
		return m, false, fmt.Errorf("query the legs of meeting %s: %w", correlator, err)
	}
	if m.Recordings, err = q.recordingsOf(ctx, "recordings", ids); err != nil {
		return m, false, err
	}
	if m.Streams, err = q.recordingsOf(ctx, "streams", ids); err != nil {
		return m, false, err
	}
	m.Timeline = m.timeline()
	return m, true, nil
}

// legBeforeCall is how long before its call a leg may have started: it rang, sat in the IVR, or was moved from another call.
const legBeforeCall = 7 * 24 * time.Hour

func equal(c *conditions, column, param, value string) {
	if value != "" {
		c.add(column+" = {"+param+":String}", param, textParam(value))
	}
}

func uuidArray(ids []uuid.UUID) string {
	text := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, '\'')
		text = append(text, id.String()...)
		text = append(text, '\'')
	}
	return string(append(text, ']'))
}

// page reads one page of a view ordered by start and id, newest first, in one query over all that matches.
func page[T any](ctx context.Context, q *Queries, view listView, c *conditions, after *Cursor, limit int, position func(T) Cursor) ([]T, *Cursor, error) {
	once := false
	everything := func(context.Context) (window, bool, error) {
		once = !once
		return window{}, once, nil
	}
	return pageIn(ctx, q, view, c, everything, after, limit, position, nil)
}
