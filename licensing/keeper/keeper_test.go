package keeper

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

// world is meetings as they are, from which both the rows and the expectation are made.
type world struct {
	rnd      *rand.Rand
	meetings []*licensing.Meeting
	calls    map[*licensing.Meeting][]uuid.UUID
	version  uint64
}

func (w *world) id() (id uuid.UUID) {
	for i := range id {
		id[i] = byte(w.rnd.IntN(256))
	}
	return id
}

// grow adds meetings between two times; some go on.
func (w *world) grow(n int, from, to time.Time, owners []*licensing.Owner) {
	at := func(a, b time.Time) time.Time {
		return a.Add(time.Duration(w.rnd.Int64N(int64(b.Sub(a)))).Truncate(time.Second))
	}
	for range n {
		start := at(from, to)
		end := at(start, start.Add(9*time.Hour)).Add(time.Second)
		m := &licensing.Meeting{ID: w.id(), Cluster: "emea", Name: "Meeting", CallType: "adHoc"}
		if w.rnd.IntN(5) > 0 {
			m.CallType, m.Space = "coSpace", w.id()
			m.Owner = owners[w.rnd.IntN(len(owners))]
		}
		open := w.rnd.IntN(8) == 0
		for b := range 1 + w.rnd.IntN(2) {
			m.Bridges = append(m.Bridges, fmt.Sprint("cb", b+1))
			c := licensing.Span{From: start, To: end}
			if b > 0 {
				c.From = at(start, end)
			}
			if open {
				c.To = time.Time{}
			}
			m.Calls = append(m.Calls, c)
			w.calls[m] = append(w.calls[m], w.id())
		}
		for range w.rnd.IntN(4) {
			joined := at(start, end)
			l := licensing.Leg{Span: licensing.Span{From: joined, To: at(joined, end)}, Kind: licensing.LegKind(w.rnd.IntN(4)), Video: licensing.Known(1 + w.rnd.IntN(2)), Participant: w.id()}
			if open && w.rnd.IntN(2) == 0 {
				l.To, l.Video = time.Time{}, licensing.Unknown
			}
			m.Legs = append(m.Legs, l)
			if l.Kind == licensing.CaptureLeg {
				m.Recordings = append(m.Recordings, l.Span)
			}
		}
		w.meetings = append(w.meetings, m)
	}
}

func end(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// store writes the rows of some meetings.
func (w *world) store(t *testing.T, conn driver.Conn, meetings []*licensing.Meeting) {
	t.Helper()
	w.version++
	session := uuid.UUID{1}
	var calls []cdr.Call
	var legs []cdr.Leg
	var recordings []cdr.Recording
	var owners []storage.Owner
	for _, m := range meetings {
		for i, c := range m.Calls {
			calls = append(calls, cdr.Call{ID: w.calls[m][i], CallCorrelator: m.ID, Cluster: m.Cluster, Bridge: m.Bridges[i], Session: session, Name: m.Name, CallType: m.CallType, SpaceID: m.Space,
				Start: c.From, End: end(c.To), Version: w.version})
		}
		for i, l := range m.Legs {
			row := cdr.Leg{ID: l.Participant, GroupID: l.Participant, CallID: w.calls[m][i%len(w.calls[m])], Cluster: m.Cluster, Session: session, Start: l.From.Add(-time.Minute), Joined: &l.From, End: end(l.To),
				CountsAsPerson: l.Kind != licensing.CaptureLeg, Recording: l.Kind == licensing.CaptureLeg, Version: w.version}
			switch l.Kind {
			case licensing.WebAppLeg:
				row.Type = "acano"
			case licensing.LyncLeg:
				row.Type, row.SubType = "sip", "lync"
			default:
				row.Type = "sip"
			}
			if l.Video == licensing.Yes {
				row.RxVideoCodec = "h264"
			}
			legs = append(legs, row)
			if row.Recording && i%2 == 0 { // the others are known by their leg only
				recordings = append(recordings, cdr.Recording{ID: row.ID, CallID: row.CallID, LegID: row.ID, Cluster: m.Cluster, Session: session, Start: l.From, End: end(l.To), Version: w.version})
			}
		}
		if m.Owner != nil {
			o := storage.Owner{CMSCluster: m.Cluster, SpaceID: m.Space, ValidFrom: m.Start().Add(time.Minute).Truncate(time.Second), OwnerID: m.Owner.ID, OwnerName: m.Owner.Name}
			if m.Owner.Licensed != nil {
				o.HasLicense = new(uint8(0))
				if *m.Owner.Licensed {
					*o.HasLicense = 1
				}
			}
			owners = append(owners, o)
		}
	}
	storagetest.Insert(t, conn, storage.CallFacts, calls...)
	storagetest.Insert(t, conn, storage.LegFacts, legs...)
	storagetest.Insert(t, conn, storage.RecordingFacts, recordings...)
	storagetest.Insert(t, conn, storage.Table{Name: "owners_data", Row: storage.Owner{}}, owners...)
}

func (w *world) expected(now time.Time) []string {
	asOf := now.Add(farAhead)
	var lines []string
	parts := map[*licensing.Meeting]uint16{}
	for _, i := range licensing.Intervals(w.meetings, licensing.DefaultReadings(), asOf) {
		row := rowOf(i, time.Time{}, asOf)
		row.Part = parts[i.Meeting]
		parts[i.Meeting]++
		lines = append(lines, line(row))
	}
	slices.Sort(lines)
	return lines
}

func line(r storage.LicenseInterval) string {
	return fmt.Sprintf("%s/%d %s-%s %s %s/%s %d/%d pmp %d rec %d %v", r.Meeting, r.Part, r.From.UTC().Format("02T15:04:05"), r.Until.UTC().Format("02T15:04:05"),
		r.License, r.Rule, r.Reading, r.SMPSixths, r.SharedSixths, r.PMP, r.Recordings, r.Bridges)
}

func stored(t *testing.T, conn driver.Conn) []string {
	t.Helper()
	var rows []storage.LicenseInterval
	if err := conn.Select(t.Context(), &rows, "SELECT * FROM license_intervals_data FINAL"); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range rows {
		lines = append(lines, line(r))
	}
	slices.Sort(lines)
	return lines
}

func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	missing := map[string]bool{}
	for _, l := range want {
		missing[l] = true
	}
	var extra []string
	for _, l := range got {
		if !missing[l] {
			extra = append(extra, l)
		}
		delete(missing, l)
	}
	lost := slices.Sorted(maps.Keys(missing))
	t.Fatalf("%s: %d intervals, want %d; missing %d:\n%s\nextra %d:\n%s", what, len(got), len(want), len(lost), strings.Join(lost[:min(len(lost), 5)], "\n"), len(extra), strings.Join(extra[:min(len(extra), 5)], "\n"))
}

// TestKept: whatever comes in which order, the table holds what the pure functions say of all meetings at once.
func TestKept(t *testing.T) {
	conn := storagetest.Store(t)
	w := &world{rnd: rand.New(rand.NewPCG(1, 2)), calls: map[*licensing.Meeting][]uuid.UUID{}} //nolint:gosec // a seed makes it repeat
	now := time.Now().UTC().Truncate(time.Second)
	day := now.Truncate(24*time.Hour).AddDate(0, 0, -4)
	owners := []*licensing.Owner{{ID: uuid.UUID{7}, Name: "Ada", Licensed: new(true)}, {ID: uuid.UUID{8}, Name: "Ben", Licensed: new(true)}, {ID: uuid.UUID{9}, Name: "Cid", Licensed: new(false)}, {}, nil}
	k := New(Config{Clusters: map[string]licensing.Readings{"emea": licensing.DefaultReadings()}}, Deps{Store: conn, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	round := func(what string) {
		t.Helper()
		if err := k.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		compare(t, what, stored(t, conn), w.expected(now))
	}
	round("nothing")
	w.grow(120, day, day.Add(72*time.Hour), owners)
	w.store(t, conn, w.meetings)
	round("three days")
	round("again")

	w.grow(30, day.Add(60*time.Hour), day.Add(90*time.Hour), owners)
	w.store(t, conn, w.meetings[120:])
	round("a day more")

	// What was open ends, and an early meeting of an owner comes late: the grants of the following days change.
	for _, m := range w.meetings {
		if m.End().IsZero() {
			ends := later(m.Start().Add(10*time.Hour), m.Calls[len(m.Calls)-1].From.Add(time.Second))
			for i := range m.Calls {
				m.Calls[i].To = ends
			}
			for i := range m.Legs {
				if m.Legs[i].To.IsZero() {
					m.Legs[i].To, m.Legs[i].Video = ends, licensing.Yes
					for j := range m.Recordings {
						if m.Recordings[j].From.Equal(m.Legs[i].From) {
							m.Recordings[j].To = ends
						}
					}
				}
			}
		}
	}
	for i := range 4 {
		m := &licensing.Meeting{ID: w.id(), Cluster: "emea", Name: "Long", CallType: "coSpace", Space: w.id(), Owner: owners[i%2], Bridges: []string{"cb1"},
			Calls: []licensing.Span{{From: day.Add(time.Hour), To: day.Add(70 * time.Hour)}}}
		w.calls[m] = []uuid.UUID{w.id()}
		w.meetings = append(w.meetings, m)
	}
	w.store(t, conn, w.meetings)
	round("late")

	w.ask(t, conn, day, now)

	// An owner loses the license before a meeting begins; those that began earlier keep it.
	m := w.meetings[len(w.meetings)-1]
	storagetest.Insert(t, conn, storage.Table{Name: "owners_data", Row: storage.Owner{}}, storage.Owner{CMSCluster: "emea", SpaceID: m.Space, ValidFrom: m.Start().Add(time.Hour), OwnerID: m.Owner.ID, HasLicense: new(uint8(0))})
	round("lost after the start")

	// A fresh keeper finds nothing to do; with other readings all is made anew.
	var parts uint64
	count := func() uint64 {
		if err := conn.QueryRow(context.Background(), "SELECT count() FROM license_intervals_data").Scan(&parts); err != nil {
			t.Fatal(err)
		}
		return parts
	}
	before := count()
	k = New(k.cfg, k.deps)
	round("a new keeper")
	if after := count(); after != before {
		t.Errorf("%d rows written though nothing changed", after-before)
	}
	other := licensing.DefaultReadings()
	other.VideoForLife = true
	k = New(Config{Clusters: map[string]licensing.Readings{"emea": other}}, k.deps)
	if err := k.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if slices.Equal(stored(t, conn), w.expected(now)) {
		t.Error("other readings changed nothing")
	}
}

// ask compares what queries say with the pure functions.
func (w *world) ask(t *testing.T, conn driver.Conn, day, now time.Time) {
	t.Helper()
	q := storage.NewQueries(conn)
	intervals := licensing.Intervals(w.meetings, licensing.DefaultReadings(), now.Add(farAhead))
	levels := licensing.Levels(intervals)
	zone, err := time.LoadLocation("America/St_Johns")
	if err != nil {
		t.Fatal(err)
	}
	period := storage.LicensePeriod{Clusters: []string{"emea"}, From: day.Add(-48 * time.Hour), To: day.Add(100 * time.Hour)}
	days, err := q.LicenseDays(t.Context(), period, zone)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range days {
		from, to := d.Day.Start(zone), d.Day.End(zone)
		if from.Before(period.From) {
			from = period.From
		}
		if to.After(period.To) {
			to = period.To
		}
		if want := licensing.PeaksWithin(levels, licensing.Span{From: from.UTC(), To: to}); !equal(d.Peaks, want) {
			t.Errorf("%s: %+v, want %+v", d.Day, d.Peaks, want)
		}
	}
	// A period that begins in the middle of meetings.
	period.From = day.Add(36*time.Hour + 7*time.Minute)
	steps, err := q.LicenseUse(t.Context(), period, 17*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		to := s.Time.Add(17 * time.Minute)
		if to.After(period.To) {
			to = period.To
		}
		if want := licensing.PeaksWithin(levels, licensing.Span{From: s.Time, To: to}); !equal(s.Peaks, want) {
			t.Fatalf("step at %s: %+v, want %+v", s.Time, s.Peaks, want)
		}
	}
	for _, at := range []time.Time{day.Add(10 * time.Hour), day.Add(30*time.Hour + time.Second), day.Add(-time.Hour)} {
		rows, err := q.ExplainLicenses(t.Context(), []string{"emea"}, at)
		if err != nil {
			t.Fatal(err)
		}
		var got, want licensing.Use
		meetings := map[uuid.UUID]time.Time{}
		for _, r := range rows {
			got.SMPSixths += int64(r.Sixths)
			got.PMP += int64(r.PMP)
			got.Recordings += int64(r.Recordings)
			meetings[r.CallCorrelator] = r.Start
		}
		if want = licensing.UseAt(levels, at); got != want {
			t.Errorf("explained at %s: %+v, want %+v", at, got, want)
		}
		alive := 0
		for _, i := range intervals {
			if !i.From.After(at) && at.Before(i.To) {
				alive++
				if start := meetings[i.Meeting.ID]; !start.Equal(i.Meeting.Start()) {
					t.Errorf("meeting %s began %s, want %s", i.Meeting.ID, start, i.Meeting.Start())
				}
			}
		}
		if alive != len(rows) {
			t.Errorf("explained at %s: %d meetings, want %d", at, len(rows), alive)
		}
	}
	figures, err := q.LicenseFigures(t.Context(), storage.LicenseQuestion{LicensePeriod: period, Owners: 100})
	if err != nil {
		t.Fatal(err)
	}
	var hours, want float64
	var counted uint64
	for _, o := range figures.Owners {
		hours += o.SMPHours
		counted += o.Meetings
	}
	alive := map[uuid.UUID]bool{}
	for _, i := range intervals {
		from, to := i.From, i.To
		if from.Before(period.From) {
			from = period.From
		}
		if to.After(period.To) {
			to = period.To
		}
		if from.Before(to) {
			want += float64(i.Sixths) / 6 * to.Sub(from).Hours()
			alive[i.Meeting.ID] = true
		}
	}
	if counted != uint64(len(alive)) {
		t.Errorf("%d meetings of owners, want %d", counted, len(alive))
	}
	if diff := hours - want; diff > 0.01 || diff < -0.01 || want == 0 {
		t.Errorf("owners took %v shared license hours, want %v", hours, want)
	}
}

func equal(a, b licensing.Peaks) bool {
	same := func(a, b licensing.Peak) bool { return a.Value == b.Value && a.At.Equal(b.At) }
	return same(a.SMP, b.SMP) && same(a.PMP, b.PMP) && same(a.Recording, b.Recording) && same(a.Streaming, b.Streaming) && a.Recordings == b.Recordings && a.Streams == b.Streams
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
