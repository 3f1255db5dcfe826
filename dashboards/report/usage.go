package report

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// Usage is the report of meetings. A figure that is nil is not known. Meetings are counted where they began; joins, minutes and people where they were.
type Usage struct {
	Frame
	Totals UsageTotals `json:"totals"`
	Days   []UsageDay  `json:"days"`
	// Hours of the week in which anything is known, from Monday on.
	Hours []UsageHour `json:"hours"`
	// Spaces and Hosts are those with most participant minutes; Clients and CallTypes are all.
	Spaces    []UsageShare  `json:"spaces"`
	Hosts     []UsageShare  `json:"hosts"`
	Clients   []UsageClient `json:"clients"`
	CallTypes []UsageShare  `json:"call_types"`
	// NoShows are the meetings to which fewer than two people ever came, the longest wait first.
	NoShows []storage.NoShow `json:"no_shows"`
}

// UsageTotals are the figures of the whole period; all are nil where no call records are known of it.
type UsageTotals struct {
	Meetings           *int64   `json:"meetings"`
	Joins              *int64   `json:"joins"`
	ParticipantMinutes *float64 `json:"participant_minutes"`
	// PeakParticipants is the most people in calls at once, first at PeakAt.
	PeakParticipants *int64     `json:"peak_participants"`
	PeakAt           *time.Time `json:"peak_at"`
	// NoShows of the Judged meetings, whose records are all there; Empty are those of them to which nobody came. WaitedMinutes is the time that those alone waited.
	Judged        *int64   `json:"judged"`
	NoShows       *int64   `json:"no_shows"`
	Empty         *int64   `json:"empty"`
	WaitedMinutes *float64 `json:"waited_minutes"`
}

// UsageDay is one day.
type UsageDay struct {
	Day                licensing.Day `json:"day"`
	Complete           bool          `json:"complete"`
	Meetings           *int64        `json:"meetings"`
	Joins              *int64        `json:"joins"`
	ParticipantMinutes *float64      `json:"participant_minutes"`
	PeakParticipants   *int64        `json:"peak_participants"`
	PeakAt             *time.Time    `json:"peak_at"`
}

// UsageHour is one hour of the week over all weeks of the period.
type UsageHour struct {
	Weekday string `json:"weekday"`
	Hour    int    `json:"hour"`
	// Hours is how many such hours the period has, of which anything is known; parts of hours count as such.
	Hours              float64 `json:"hours"`
	Meetings           int64   `json:"meetings"`
	ParticipantMinutes float64 `json:"participant_minutes"`
	// AverageParticipants is people in calls at once, on average; PeakParticipants the most at any time.
	AverageParticipants float64   `json:"average_participants"`
	PeakParticipants    int64     `json:"peak_participants"`
	PeakAt              time.Time `json:"peak_at"`

	weekday time.Weekday
}

// UsageShare is what meetings of one space, host or type came to.
type UsageShare struct {
	// ID of the space, or the type; Name of the space or host, empty for meetings without.
	ID                 string  `json:"id"`
	Name               string  `json:"name"`
	OwnerName          string  `json:"owner_name"`
	Meetings           int64   `json:"meetings"`
	Joins              int64   `json:"joins"`
	ParticipantMinutes float64 `json:"participant_minutes"`
	Judged             int64   `json:"judged"`
	NoShows            int64   `json:"no_shows"`
}

// UsageClient is what people with one kind of client did.
type UsageClient struct {
	Client             string    `json:"client"`
	Joins              int64     `json:"joins"`
	ParticipantMinutes float64   `json:"participant_minutes"`
	PeakParticipants   int64     `json:"peak_participants"`
	PeakAt             time.Time `json:"peak_at"`
}

// How many spaces, hosts and no-shows a report names.
const (
	topUsers   = 500
	topNoShows = 10000
)

// MakeUsage asks the store for a report of usage.
func MakeUsage(ctx context.Context, q *storage.Queries, s storage.Scope) (Usage, error) {
	frame, err := newFrame(ctx, q, s)
	if err != nil {
		return Usage{}, err
	}
	r := Usage{Frame: frame, Days: []UsageDay{}, Hours: []UsageHour{}, Spaces: []UsageShare{}, Hosts: []UsageShare{}, Clients: []UsageClient{}, CallTypes: []UsageShare{}}
	held, err := q.MeetingUse(ctx, s, topUsers)
	if err != nil {
		return Usage{}, err
	}
	quarters, err := q.PeopleUse(ctx, s)
	if err != nil {
		return Usage{}, err
	}
	begun := map[int64]int64{} // meetings by quarter of an hour
	for _, m := range held {
		switch m.Of {
		case "all":
			r.Totals = usageTotals(m)
		case "begun":
			at, err := strconv.ParseInt(m.Key, 10, 64)
			if err != nil {
				return Usage{}, fmt.Errorf("beginning of meetings %q: %w", m.Key, err)
			}
			begun[at] = int64(m.Meetings) //nolint:gosec // a count
		case "space":
			r.Spaces = append(r.Spaces, usageShare(m, m.Key))
		case "host":
			share := usageShare(m, m.Key)
			share.Name, share.OwnerName = m.Key, m.Key
			r.Hosts = append(r.Hosts, share)
		case "call_type":
			share := usageShare(m, m.Key)
			share.Name, share.OwnerName = "", "" // any meeting's
			r.CallTypes = append(r.CallTypes, share)
		}
	}
	r.people(s, quarters, begun)
	r.NoShows, err = q.NoShows(ctx, s, topNoShows)
	return r, err
}

func usageTotals(m storage.MeetingUse) UsageTotals {
	return UsageTotals{Meetings: count(m.Meetings), Joins: count(m.Joins), ParticipantMinutes: minutes(m.PersonSeconds), Judged: count(m.Judged), NoShows: count(m.NoShows),
		Empty: count(m.Empty), WaitedMinutes: minutes(m.WaitedSeconds)}
}

func usageShare(m storage.MeetingUse, id string) UsageShare {
	s := UsageShare{ID: id, Name: m.Name, OwnerName: m.Host, Meetings: *count(m.Meetings), Joins: *count(m.Joins), ParticipantMinutes: *minutes(m.PersonSeconds),
		Judged: *count(m.Judged), NoShows: *count(m.NoShows)}
	if id == "" {
		s.Name, s.OwnerName = "", ""
	}
	return s
}

func count(n uint64) *int64 { v := int64(n); return &v } //nolint:gosec // counts of rows

// minutes to the hundredth, which is what the whole seconds of call records are good for.
func minutes(seconds float64) *float64 { v := math.Round(seconds/60*100) / 100; return &v }

// people sums quarters of hours to days, hours of the week and clients.
func (r *Usage) people(s storage.Scope, quarters []storage.QuarterUse, begun map[int64]int64) {
	byClient := map[string][]storage.QuarterUse{}
	for _, u := range quarters {
		byClient[u.Client] = append(byClient[u.Client], u)
	}
	all := byClient[""]
	if len(all) == 0 { // nobody was in any call
		const quarter = 15 * time.Minute
		for at := s.From.Truncate(quarter); at.Before(s.To); at = at.Add(quarter) {
			all = append(all, storage.QuarterUse{Start: at, PeakAt: later(at, s.From)})
		}
	}
	delete(byClient, "")
	type sum struct {
		seconds  float64 // of people
		length   float64 // of time
		joins    uint64
		meetings int64
		peak     int64
		peakAt   time.Time
	}
	add := func(to *sum, u storage.QuarterUse) {
		to.seconds += u.PersonSeconds
		to.length += earlier(u.Start.Add(15*time.Minute), s.To).Sub(later(u.Start, s.From)).Seconds()
		to.joins += u.Joins
		to.meetings += begun[u.Start.Unix()]
		if u.Peak > to.peak || to.peakAt.IsZero() {
			to.peak, to.peakAt = u.Peak, u.PeakAt
		}
	}
	days, hours := map[licensing.Day]*sum{}, map[[2]int]*sum{}
	known, complete := map[licensing.Day]bool{}, map[licensing.Day]bool{}
	for _, d := range licensing.Days(s.From, s.To, s.Zone) {
		known[d], complete[d] = r.day(d)
		days[d] = &sum{}
	}
	var whole sum
	for _, u := range all {
		local := later(u.Start, s.From).In(s.Zone)
		day := licensing.DayOf(local, s.Zone)
		if !known[day] {
			continue
		}
		slot := [2]int{(int(local.Weekday()) + 6) % 7, local.Hour()}
		if hours[slot] == nil {
			hours[slot] = &sum{}
		}
		for _, to := range []*sum{days[day], hours[slot], &whole} {
			add(to, u)
		}
	}
	for _, d := range licensing.Days(s.From, s.To, s.Zone) {
		row := UsageDay{Day: d, Complete: complete[d]}
		if t := days[d]; known[d] {
			row.Meetings, row.Joins, row.ParticipantMinutes, row.PeakParticipants = &t.meetings, count(t.joins), minutes(t.seconds), &t.peak
			row.PeakAt = instantOf(t.peak, t.peakAt)
		}
		r.Days = append(r.Days, row)
	}
	for slot, t := range hours {
		weekday := time.Weekday((slot[0] + 1) % 7)
		r.Hours = append(r.Hours, UsageHour{Weekday: weekday.String(), Hour: slot[1], Hours: round(t.length / 3600), Meetings: t.meetings, ParticipantMinutes: *minutes(t.seconds),
			AverageParticipants: round(t.seconds / max(t.length, 1)), PeakParticipants: t.peak, PeakAt: t.peakAt.UTC(), weekday: weekday})
	}
	slices.SortFunc(r.Hours, func(a, b UsageHour) int {
		return cmp.Or(cmp.Compare((a.weekday+6)%7, (b.weekday+6)%7), cmp.Compare(a.Hour, b.Hour))
	})
	for client, list := range byClient {
		var t sum
		for _, u := range list {
			add(&t, u)
		}
		r.Clients = append(r.Clients, UsageClient{client, int64(t.joins), *minutes(t.seconds), t.peak, t.peakAt.UTC()}) //nolint:gosec // a count
	}
	slices.SortFunc(r.Clients, func(a, b UsageClient) int {
		return cmp.Or(cmp.Compare(b.ParticipantMinutes, a.ParticipantMinutes), cmp.Compare(a.Client, b.Client))
	})
	switch {
	case whole.length == 0:
		r.Totals = UsageTotals{}
	case r.Totals.Meetings == nil: // known to be none
		r.Totals = usageTotals(storage.MeetingUse{})
		fallthrough
	default:
		r.Totals.PeakParticipants, r.Totals.PeakAt = &whole.peak, instantOf(whole.peak, whole.peakAt)
	}
}

// instantOf a peak; nil where it is nothing.
func instantOf(peak int64, at time.Time) *time.Time {
	if peak == 0 {
		return nil
	}
	at = at.UTC()
	return &at
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// WriteJSON writes the report as one JSON object.
func (r Usage) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteCSV writes a line a day, hour of the week, space, host, type and client, which the first column tells apart, after one of all. An empty cell is not known, or does not apply.
func (r Usage) WriteCSV(w io.Writer) error {
	return csvLines(w, "of,key,name,owner_name,meetings,joins,participant_minutes,average_participants,peak_participants,peak_at,judged,no_shows,complete", func(line func(...any) error) error {
		t := r.Totals
		if err := line("all", nil, nil, nil, t.Meetings, t.Joins, t.ParticipantMinutes, nil, t.PeakParticipants, t.PeakAt, t.Judged, t.NoShows, nil); err != nil {
			return err
		}
		for _, d := range r.Days {
			if err := line("day", string(d.Day), nil, nil, d.Meetings, d.Joins, d.ParticipantMinutes, nil, d.PeakParticipants, d.PeakAt, nil, nil, d.Complete); err != nil {
				return err
			}
		}
		for _, h := range r.Hours {
			if err := line("hour", fmt.Sprintf("%s %02d", h.Weekday, h.Hour), nil, nil, h.Meetings, nil, h.ParticipantMinutes, h.AverageParticipants, h.PeakParticipants, h.PeakAt, nil, nil, nil); err != nil {
				return err
			}
		}
		for _, group := range []struct {
			of   string
			list []UsageShare
		}{{"space", r.Spaces}, {"host", r.Hosts}, {"call_type", r.CallTypes}} {
			for _, u := range group.list {
				if err := line(group.of, u.ID, u.Name, u.OwnerName, u.Meetings, u.Joins, u.ParticipantMinutes, nil, nil, nil, u.Judged, u.NoShows, nil); err != nil {
					return err
				}
			}
		}
		for _, c := range r.Clients {
			if err := line("client", c.Client, nil, nil, nil, c.Joins, c.ParticipantMinutes, nil, c.PeakParticipants, c.PeakAt, nil, nil, nil); err != nil {
				return err
			}
		}
		return nil
	})
}
