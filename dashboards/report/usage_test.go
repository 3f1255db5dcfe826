package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// facts seeds calls and legs whose times are clock times of a zone.
type facts struct {
	t    *testing.T
	zone *time.Location
	call []cdr.Call
	legs []cdr.Leg
}

func (f *facts) at(text string) time.Time {
	f.t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", text, f.zone)
	if err != nil {
		f.t.Fatal(err)
	}
	return at.UTC()
}

// held adds a call; to is empty while it is open.
func (f *facts) held(bridge, name, owner, from, to string, change ...func(*cdr.Call)) *cdr.Call {
	c := cdr.Call{ID: uuid.New(), CallCorrelator: cdr.ParseID("meeting " + name + from), Session: uuid.New(), Cluster: "emea", Bridge: bridge, Name: name, OwnerName: owner, CallType: "coSpace",
		SpaceID: cdr.ParseID("space " + name), Start: f.at(from), Version: 8}
	if to != "" {
		end := f.at(to)
		c.End, c.EndHow = &end, cdr.EndRecord
	}
	for _, ch := range change {
		ch(&c)
	}
	f.call = append(f.call, c)
	return &c
}

// leg adds a person's leg, activated as it starts; to is empty while it is open.
func (f *facts) leg(c *cdr.Call, who, from, to string, change ...func(*cdr.Leg)) {
	start := f.at(from)
	l := cdr.Leg{ID: uuid.New(), CallID: c.ID, Calls: []uuid.UUID{}, Session: c.Session, Cluster: c.Cluster, Bridge: c.Bridge, DisplayName: who, RemoteParty: who + "@example.org", Type: "sip", CountsAsPerson: true,
		Start: start, Connected: &start, Joined: &start, Activated: &start, Alarms: []cdr.Alarm{}, Version: 12}
	if to != "" {
		end := f.at(to)
		seconds := int64(end.Sub(start).Seconds())
		l.End, l.EndHow, l.DurationSeconds, l.ActivatedSeconds = &end, cdr.EndRecord, &seconds, &seconds
	}
	for _, ch := range change {
		ch(&l)
	}
	f.legs = append(f.legs, l)
}

func (f *facts) write(conn driver.Conn, sessions ...cdr.Session) {
	f.t.Helper()
	storagetest.Insert(f.t, conn, storage.CallFacts, f.call...)
	storagetest.Insert(f.t, conn, storage.LegFacts, f.legs...)
	storagetest.Insert(f.t, conn, storage.SessionFacts, sessions...)
}

func (f *facts) session(bridge, from, to string, gaps ...cdr.Gap) cdr.Session {
	s := cdr.Session{ID: uuid.New(), Cluster: "emea", Bridge: bridge, Source: bridge, SourceCluster: "emea", LastIndex: 999, FirstTime: f.at(from), LastTime: f.at(to), Records: 990, Gaps: gaps, Version: 1}
	for _, g := range gaps {
		s.Missing += g.Count
	}
	return s
}

func lobby(l *cdr.Leg)  { l.Activated, l.Lobby = nil, true }
func webapp(l *cdr.Leg) { l.Type = "acano" }

func berlin(t *testing.T) *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestUsage: Monday 2 and Tuesday 3 November 2026 in Berlin. Nothing is told after Tuesday, so Wednesday is not known.
func TestUsage(t *testing.T) {
	conn, zone := storagetest.Store(t), berlin(t)
	f := &facts{t: t, zone: zone}

	// Began before the period, so it is no meeting of it; ann's last half hour is: 30 minutes from 00:00 on, no join.
	night := f.held("cb1", "Night", "Olga", "2026-11-01 23:00", "2026-11-02 00:30")
	f.leg(night, "ann", "2026-11-01 23:00", "2026-11-02 00:30")

	// One meeting on two bridges. ann 09:00-10:00 (60), bob on the other bridge 09:10-09:50 (40), ann again on her phone's web app 09:30-09:40 (10): 110 minutes, 3 joins, no no-show.
	board := f.held("cb1", "Board", "Olga", "2026-11-02 09:00", "2026-11-02 10:00")
	there := f.held("cb2", "Board", "Olga", "2026-11-02 09:10", "2026-11-02 09:50", func(c *cdr.Call) { c.CallCorrelator = board.CallCorrelator })
	f.leg(board, "ann", "2026-11-02 09:00", "2026-11-02 10:00")
	f.leg(there, "bob", "2026-11-02 09:10", "2026-11-02 09:50")
	f.leg(board, "ann", "2026-11-02 09:30", "2026-11-02 09:40", webapp)
	// A recorder, a scanner without a call and a link between the bridges are nobody.
	f.leg(board, "recorder", "2026-11-02 09:00", "2026-11-02 10:00", func(l *cdr.Leg) { l.CountsAsPerson, l.Recording = false, true })
	f.leg(&cdr.Call{Cluster: "emea", Bridge: "cb1"}, "scanner", "2026-11-02 09:00", "2026-11-02 09:05")

	// No-show: cid came twice and was alone, 11:00-11:10 and 11:15-11:20: 2 joins, 15 minutes, all of it waiting.
	alone := f.held("cb1", "Alone", "Paul", "2026-11-02 11:00", "2026-11-02 11:20")
	f.leg(alone, "cid", "2026-11-02 11:00", "2026-11-02 11:10")
	f.leg(alone, "cid", "2026-11-02 11:15", "2026-11-02 11:20")
	// No-show: dee never left the lobby: no join, no minutes, waited 20.
	waiting := f.held("cb1", "Waiting", "Paul", "2026-11-02 12:00", "2026-11-02 12:20")
	f.leg(waiting, "dee", "2026-11-02 12:00", "2026-11-02 12:20", lobby)
	// No-show: nobody at all.
	f.held("cb1", "Empty", "", "2026-11-02 13:00", "2026-11-02 13:05")
	// Not judged: a gateway call; cb2 lost records from 15:00 to 15:10; a call that a restart ended. Each has one person for 10 minutes.
	gateway := f.held("cb1", "Gateway", "", "2026-11-02 14:00", "2026-11-02 14:10", func(c *cdr.Call) { c.CallType, c.SpaceID = "forwarding", uuid.Nil })
	f.leg(gateway, "eve", "2026-11-02 14:00", "2026-11-02 14:10")
	gap := f.held("cb2", "Gap", "Paul", "2026-11-02 15:05", "2026-11-02 15:15")
	f.leg(gap, "eve", "2026-11-02 15:05", "2026-11-02 15:15")
	restart := f.held("cb1", "Restart", "Paul", "2026-11-02 16:00", "2026-11-02 16:10", func(c *cdr.Call) { c.EndHow, c.EndInferred = cdr.EndNewSession, true })
	f.leg(restart, "eve", "2026-11-02 16:00", "2026-11-02 16:10")

	// Tuesday: a release without correlators; fay moves to it from a call before it, gus joins: fay 10:00-11:00 in the second, 60, gus 10:30-10:50, 20. fay was in both: Hall has one person and is a no-show,
	// but of her time there (09:30-10:00) only the leg's last call tells: it is not activated there any more, so 60 minutes begin at her activation.
	desk := f.held("cb1", "Desk", "Olga", "2026-11-03 10:00", "2026-11-03 11:00", func(c *cdr.Call) { c.CallCorrelator = uuid.Nil })
	f.leg(desk, "fay", "2026-11-03 10:00", "2026-11-03 11:00")
	f.leg(desk, "gus", "2026-11-03 10:30", "2026-11-03 10:50", webapp)
	// Still open on Tuesday at 23:00; hal has been in it for all of its hour until the period ends, 60 minutes.
	open := f.held("cb1", "Open", "Olga", "2026-11-03 23:00", "")
	f.leg(open, "hal", "2026-11-03 23:00", "")
	// Another cluster's meeting is none of ours.
	f.held("cb9", "Elsewhere", "Olga", "2026-11-02 09:00", "2026-11-02 10:00", func(c *cdr.Call) { c.Cluster = "amer" })

	f.write(conn, f.session("cb1", "2026-11-01 08:00", "2026-11-03 23:00"),
		f.session("cb2", "2026-11-01 08:00", "2026-11-02 15:15", cdr.Gap{After: 10, Count: 10, From: f.at("2026-11-02 15:00"), To: f.at("2026-11-02 15:10")}))

	scope := storage.Scope{Clusters: []string{"emea"}, From: f.at("2026-11-02 00:00"), To: f.at("2026-11-05 00:00"), Zone: zone, Now: f.at("2026-11-04 00:00")}
	r, err := report.MakeUsage(t.Context(), storage.NewQueries(conn), scope)
	if err != nil {
		t.Fatal(err)
	}

	// Monday: 30 + 110 + 15 + 10 + 10 + 10 = 185 minutes; joins 3 + 2 + 1 + 1 + 1 = 8; meetings Board, Alone, Waiting, Empty, Gateway, Gap, Restart = 7; at 09:30 ann twice and bob: 3.
	// Tuesday: 60 + 20 + 60 = 140; joins 3; meetings Desk, Open = 2; at 10:30 two.
	var days []string
	for _, d := range r.Days {
		days = append(days, fmt.Sprint(d.Day, " ", d.Complete, " ", show(d.Meetings), " ", show(d.Joins), " ", show(d.ParticipantMinutes), " ", show(d.PeakParticipants), " ", show(d.PeakAt)))
	}
	if diff := cmp.Diff([]string{
		"2026-11-02 false 7 8 185 3 2026-11-02T08:30:00Z", // cb2's gap
		"2026-11-03 true 2 3 140 2 2026-11-03T09:30:00Z",
		"2026-11-04 false ? ? ? ? ?",
	}, days); diff != "" {
		t.Errorf("day, complete, meetings, joins, minutes, peak, at (-want +got):\n%s", diff)
	}

	// Judged: Board, Alone, Waiting, Empty, Desk; of these Alone, Waiting and Empty were no-shows: 15 + 20 minutes.
	x := r.Totals
	if got, want := fmt.Sprint(show(x.Meetings), show(x.Joins), show(x.ParticipantMinutes), show(x.PeakParticipants), show(x.Judged), show(x.NoShows), show(x.Empty), show(x.WaitedMinutes)),
		fmt.Sprint("9", "11", "325", "3", "5", "3", "1", "35"); got != want {
		t.Errorf("totals %s, want %s", got, want)
	}
	var noShows []string
	for _, n := range r.NoShows {
		noShows = append(noShows, fmt.Sprint(n.Name, " ", n.People, " ", n.WaitedSeconds/60))
	}
	if diff := cmp.Diff([]string{"Waiting 1 20", "Alone 1 15", "Empty 0 0"}, noShows); diff != "" {
		t.Errorf("no-shows (-want +got):\n%s", diff)
	}

	// Each hour occurs once in the two known days' weekdays. Monday 09: 110 minutes = 1.83 people.
	hours := map[string]string{}
	for _, h := range r.Hours {
		if h.Hours != 1 {
			t.Errorf("%s %02d occurs %g times", h.Weekday, h.Hour, h.Hours)
		}
		if h.Meetings > 0 || h.ParticipantMinutes > 0 {
			hours[fmt.Sprintf("%s %02d", h.Weekday, h.Hour)] = fmt.Sprint(h.Meetings, " ", h.ParticipantMinutes, " ", h.AverageParticipants, " ", h.PeakParticipants)
		}
	}
	if diff := cmp.Diff(map[string]string{
		"Monday 00": "0 30 0.5 1", "Monday 09": "1 110 1.83 3", "Monday 11": "1 15 0.25 1", "Monday 12": "1 0 0 0", "Monday 13": "1 0 0 0", "Monday 14": "1 10 0.17 1", "Monday 15": "1 10 0.17 1",
		"Monday 16": "1 10 0.17 1", "Tuesday 10": "1 80 1.33 2", "Tuesday 23": "1 60 1 1",
	}, hours); diff != "" || len(r.Hours) != 48 {
		t.Errorf("%d hours: meetings, minutes, average, peak (-want +got):\n%s", len(r.Hours), diff)
	}

	shares := func(list []report.UsageShare) (out []string) {
		for _, s := range list {
			out = append(out, fmt.Sprint(s.Name, ": ", s.Meetings, " ", s.Joins, " ", s.ParticipantMinutes, " ", s.Judged, " ", s.NoShows))
		}
		return out
	}
	// Olga: Night 30, Board 110, Desk 80, Open 60. Paul: Alone 15, Gap 10, Restart 10, Waiting 0. Nobody: Gateway 10, Empty 0.
	if diff := cmp.Diff([]string{"Olga: 3 6 280 2 0", "Paul: 4 4 35 2 2", ": 2 1 10 1 1"}, shares(r.Hosts)); diff != "" {
		t.Errorf("hosts: meetings, joins, minutes, judged, no-shows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Board: 1 3 110 1 0", "Desk: 1 2 80 1 0", "Open: 1 1 60 0 0", "Night: 0 0 30 0 0", "Alone: 1 2 15 1 1"}, shares(r.Spaces)[:5]); diff != "" {
		t.Errorf("spaces: meetings, joins, minutes, judged, no-shows (-want +got):\n%s", diff)
	}
	// Web app: ann 10, gus 20. SIP: the other 295.
	var clients []string
	for _, c := range r.Clients {
		clients = append(clients, fmt.Sprint(c.Client, " ", c.Joins, " ", c.ParticipantMinutes, " ", c.PeakParticipants))
	}
	if diff := cmp.Diff([]string{"sip 9 295 2", "webapp 2 30 1"}, clients); diff != "" {
		t.Errorf("clients: joins, minutes, peak (-want +got):\n%s", diff)
	}
	if r.Completeness.Missing != 10 || r.Completeness.Records != 1980 {
		t.Errorf("completeness %+v", r.Completeness)
	}
	everyFormat(t, "usage", r.Document(), r.WriteJSON, r.WriteCSV)

	// Under pseudonyms no name or id is left, and who has most still comes first.
	space := r.Spaces[0].ID
	r.Pseudonymize()
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"Olga", "Paul", "Board", "Waiting", space, alone.CallCorrelator.String(), alone.SpaceID.String()} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is left under pseudonyms", secret)
		}
	}
	if got, want := r.Spaces[0].OwnerName, r.Hosts[0].Name; got == "" || got != want {
		t.Errorf("Olga is %q and %q", got, want)
	}

	// Before the first record nothing is known, which is not zero.
	scope.From, scope.To = f.at("2026-10-20 00:00"), f.at("2026-10-22 00:00")
	if r, err = report.MakeUsage(t.Context(), storage.NewQueries(conn), scope); err != nil {
		t.Fatal(err)
	}
	if r.Totals != (report.UsageTotals{}) || r.Days[0].Meetings != nil || len(r.Hours) != 0 || r.Document().State != report.Unknown {
		t.Errorf("before the first record: %+v, %+v", r.Totals, r.Days)
	}
	everyFormat(t, "usage-unknown", r.Document(), r.WriteJSON, r.WriteCSV)
}

// show is what a pointer points to, ? for nil.
func show[T any](v *T) string {
	if v == nil {
		return "?"
	}
	if at, ok := any(*v).(time.Time); ok {
		return at.UTC().Format(time.RFC3339)
	}
	return fmt.Sprint(*v)
}

// everyFormat writes a report in every format, reads what can be read, and looks for what any must not have.
func everyFormat(t *testing.T, name string, d report.Document, writeJSON, writeCSV func(io.Writer) error) {
	t.Helper()
	for format, write := range map[string]func(io.Writer) error{"json": writeJSON, "csv": writeCSV, "html": d.WriteHTML, "pdf": d.WritePDF, "xlsx": d.WriteXLSX} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Errorf("%s as %s: %v", name, format, err)
			continue
		}
		switch format {
		case "json":
			if !json.Valid(out.Bytes()) {
				t.Errorf("%s: not JSON", name)
			}
		case "csv":
			if lines, err := csv.NewReader(&out).ReadAll(); err != nil || len(lines) < 2 {
				t.Errorf("%s: CSV of %d lines: %v", name, len(lines), err)
			}
		case "html":
			if text := out.String(); !strings.Contains(text, d.Zone.String()) || strings.Contains(text, "NaN") || strings.Contains(text, "<script") {
				t.Errorf("%s: a page without time zone, with NaN or with a script", name)
			}
		case "pdf", "xlsx":
			if magic := map[string]string{"pdf": "%PDF-", "xlsx": "PK"}[format]; !strings.HasPrefix(out.String(), magic) {
				t.Errorf("%s: no %s", name, format)
			}
		}
	}
}
