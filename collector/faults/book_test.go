package faults

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/storage"
)

var start = time.Date(2031, 4, 2, 9, 0, 0, 0, time.UTC)

// desk is a book with a bus that can be closed, and the table that the rows make: of each alarm the row with the highest version stands.
type desk struct {
	*Book
	live   *collector.Live
	closed bool
	rows   int
	table  map[uuid.UUID]storage.Alarm
}

func newDesk(source string) *desk {
	inv := collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{{Name: "cb1"}}}}}
	d := &desk{live: collector.NewLive(inv, nil), table: make(map[uuid.UUID]storage.Alarm)}
	d.Book = NewBook("emea", "cb1", source, d.live, slog.New(slog.DiscardHandler), func(_ context.Context, rows []storage.Alarm) bool {
		if d.closed {
			return false
		}
		d.rows += len(rows)
		for _, r := range rows {
			if r.Version >= d.table[r.AlarmID].Version {
				d.table[r.AlarmID] = r
			}
		}
		return true
	})
	return d
}

// open returns type and subject of the intervals that are open in the table.
func (d *desk) open() []string {
	var out []string
	for a := range maps.Values(d.table) {
		if a.Cleared == nil {
			out = append(out, a.Type+" "+a.Subject)
		}
	}
	slices.Sort(out)
	return out
}

func (d *desk) expect(t *testing.T, when string, metric map[string]int, open ...string) {
	t.Helper()
	if got := d.open(); !slices.Equal(got, open) {
		t.Errorf("%s: open are %q, want %q", when, got, open)
	}
	if got := d.live.Snapshot().Bridges[0].Faults; !maps.Equal(got, metric) {
		t.Errorf("%s: the live state counts %v, want %v", when, got, metric)
	}
}

func TestNotKnownIsNotCleared(t *testing.T) {
	d, ctx := newDesk(collector.SourcePoller), t.Context()
	turn := []string{collector.TurnUnreachable}
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	d.Set(ctx, at(0), turn, false, nil)
	d.expect(t, "nobody looked", map[string]int{})
	d.Set(ctx, at(1), turn, true, []Fault{{Type: turn[0], Subject: "a"}, {Type: turn[0], Subject: "b"}})
	d.expect(t, "two", map[string]int{turn[0]: 2}, "turnServerUnreachable a", "turnServerUnreachable b")
	d.Set(ctx, at(2), turn, false, []Fault{{Type: turn[0], Subject: "b"}, {Type: turn[0], Subject: "c"}})
	d.expect(t, "a look that broke off raises and clears nothing", map[string]int{turn[0]: 3}, "turnServerUnreachable a", "turnServerUnreachable b", "turnServerUnreachable c")
	d.Set(ctx, at(3), []string{collector.ClockSkew}, true, nil)
	d.expect(t, "another type", map[string]int{turn[0]: 3, collector.ClockSkew: 0}, "turnServerUnreachable a", "turnServerUnreachable b", "turnServerUnreachable c")
	d.Set(ctx, at(4), turn, true, []Fault{{Type: turn[0], Subject: "b"}})
	d.expect(t, "a whole look", map[string]int{turn[0]: 1, collector.ClockSkew: 0}, "turnServerUnreachable b")
	d.Forget(ctx, at(5), turn)
	d.expect(t, "nothing left to look at", map[string]int{collector.ClockSkew: 0})
	if d.rows != 6 {
		t.Errorf("%d rows, want one for each raise and each clear", d.rows)
	}
}

func TestComesAgainIsAnotherInterval(t *testing.T) {
	d, ctx := newDesk(collector.SourcePoller), t.Context()
	for i := range 3 {
		d.Raise(ctx, start.Add(time.Duration(i)*time.Minute), Fault{Type: collector.ClockSkew, Subject: "cb1"})
		d.Clear(ctx, start.Add(time.Duration(i)*time.Minute+time.Second), collector.ClockSkew, "cb1")
	}
	if len(d.table) != 3 || len(d.open()) != 0 {
		t.Errorf("%d intervals of which %d open, want 3 and none", len(d.table), len(d.open()))
	}
	for _, a := range d.table {
		if a.Cleared.Sub(a.Raised) != time.Second {
			t.Errorf("from %s to %s, want a second", a.Raised, a.Cleared)
		}
	}
}

func TestClosedBusLosesNothing(t *testing.T) {
	d, ctx := newDesk(collector.SourcePoller), t.Context()
	d.closed = true
	d.Raise(ctx, start, Fault{Type: collector.ClockSkew, Subject: "cb1"})
	d.Clear(ctx, start.Add(time.Second), collector.ClockSkew, "cb1")
	d.Raise(ctx, start.Add(2*time.Second), Fault{Type: collector.BridgeUnreachable, Subject: "cb1"})
	if len(d.table) != 0 {
		t.Fatal("the bus is not closed")
	}
	d.closed = false
	d.Set(ctx, start.Add(3*time.Second), []string{collector.DatabaseError}, true, nil)
	d.expect(t, "open again", map[string]int{collector.ClockSkew: 0, collector.BridgeUnreachable: 1, collector.DatabaseError: 0}, "callBridgeUnreachable cb1")
	if len(d.table) != 2 {
		t.Errorf("%d intervals stored, want the one that was over as well", len(d.table))
	}
}

func TestRenewedAndRecalled(t *testing.T) {
	d, ctx := newDesk(collector.SourceSyslog), t.Context()
	for i := range 61 {
		d.Raise(ctx, start.Add(time.Duration(i)*10*time.Second), Fault{Type: collector.ICEFailure})
	}
	if d.rows != 3 {
		t.Errorf("%d rows in ten minutes of one fault, want 3: raised, renewed twice", d.rows)
	}
	stored := slices.Collect(maps.Values(d.table))
	// As it comes back from the store.
	data, _ := json.Marshal(stored)
	stored = nil
	if err := json.Unmarshal(data, &stored); err != nil {
		t.Fatal(err)
	}
	other := stored[0]
	other.CallBridge = "cb2"
	later := newDesk(collector.SourceSyslog)
	later.Recall(append(stored, other))
	if !later.Holds(collector.ICEFailure, "") {
		t.Fatal("not recalled")
	}
	later.Quiet(ctx, start.Add(10*time.Minute+899*time.Second), 15*time.Minute, collector.ICEFailure)
	if later.rows != 0 {
		t.Error("cleared before it was quiet for 15 minutes")
	}
	later.Quiet(ctx, start.Add(time.Hour), 15*time.Minute, collector.ICEFailure)
	later.expect(t, "quiet", map[string]int{collector.ICEFailure: 0})
	for id, a := range later.table {
		if id != stored[0].AlarmID || !a.Raised.Equal(start) || !a.Cleared.Equal(start.Add(25*time.Minute)) {
			t.Errorf("%+v, want the recalled interval, cleared 15 minutes after it was last seen", a)
		}
	}
	if len(later.table) != 1 {
		t.Errorf("%d intervals cleared, want only the bridge's own", len(later.table))
	}
}

// CMS gives each instance of a fault an id: a fault that comes again between two polls is another interval.
func TestAlarmsOfCMSGoByTheirID(t *testing.T) {
	d, ctx := newDesk(collector.SourceCMS), t.Context()
	first, second := uuid.New(), uuid.New()
	d.Set(ctx, start, nil, true, []Fault{{ID: first, Type: "turnServerUnavailable", Raised: start.Add(-time.Hour)}})
	d.Set(ctx, start.Add(time.Minute), nil, true, []Fault{{ID: second, Type: "turnServerUnavailable"}})
	d.expect(t, "the second", map[string]int{}, "turnServerUnavailable ")
	if d.table[first].Cleared == nil || !d.table[first].Raised.Equal(start.Add(-time.Hour)) || d.table[second].Cleared != nil {
		t.Errorf("%+v, want the first cleared and the second open", d.table)
	}
}

// slow is a memory that cannot be read at first.
type slow struct {
	mu    sync.Mutex
	fails int
	open  []storage.Alarm
}

func (s *slow) OpenAlarms(context.Context, string) ([]storage.Alarm, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails--; s.fails >= 0 {
		return nil, errors.New("not open yet")
	}
	return s.open, nil
}

// A store that is away when the program starts: work begins after the wait, and what an earlier run left open is recalled later.
func TestRecallOfAStoreThatIsAway(t *testing.T) {
	old := storage.Alarm{CMSCluster: "emea", CallBridge: "cb1", Source: collector.SourcePoller, AlarmID: uuid.New(), Type: collector.ClockSkew, Subject: "cb1", Raised: start.Add(-time.Hour), LastSeen: start.Add(-time.Minute)}
	over := old
	over.AlarmID, over.Type = uuid.New(), collector.DatabaseError
	for name, c := range map[string]struct {
		fails  int
		later  bool
		within time.Duration
	}{"at once": {0, false, 0}, "soon": {3, false, 600 * time.Millisecond}, "late": {60, true, 10 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, ctx, began := newDesk(collector.SourcePoller), t.Context(), time.Now()
				later := Recall(ctx, &slow{fails: c.fails, open: []storage.Alarm{old, over}}, "emea", 10*time.Second, slog.New(slog.DiscardHandler), d.Recall)
				if took := time.Since(began); (later != nil) != c.later || took != c.within {
					t.Fatalf("returned after %s, later %t, want %s, %t", took, later != nil, c.within, c.later)
				}
				// The first look: one of the two faults still holds.
				types := []string{collector.ClockSkew, collector.DatabaseError}
				d.Set(ctx, start, types, true, []Fault{{Type: collector.ClockSkew, Subject: "cb1"}})
				if later != nil {
					later()
				}
				d.Set(ctx, start.Add(10*time.Minute), types, true, []Fault{{Type: collector.ClockSkew, Subject: "cb1"}})
				d.expect(t, "in the end", map[string]int{collector.ClockSkew: 1, collector.DatabaseError: 0}, "clockSkew cb1")
				if d.table[over.AlarmID].Cleared == nil {
					t.Error("what is over stays open")
				}
				// Where the same fault was raised anew meanwhile, the earlier interval ends where the new one begins.
				if end := d.table[old.AlarmID].Cleared; (end != nil) != c.later || end != nil && !end.Equal(start) {
					t.Errorf("the earlier interval is cleared at %v", end)
				}
			})
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	later := Recall(ctx, &slow{fails: 1000}, "emea", time.Hour, slog.New(slog.DiscardHandler), func([]storage.Alarm) { t.Error("taken") })
	if later != nil {
		later()
	}
	if Recall(ctx, nil, "emea", time.Hour, nil, nil) != nil {
		t.Error("no memory, and yet something is left to do")
	}
}

// Who sends in a bridge's name may tell what it likes: the book does not grow without end, and what is known is still cleared.
func TestBookIsBounded(t *testing.T) {
	d, ctx := newDesk(collector.SourceSyslog), t.Context()
	many := make([]Fault, maxOpen+500)
	for i := range many {
		many[i] = Fault{Type: collector.ReceiverUnreachable, Subject: strconv.Itoa(i)}
	}
	d.Set(ctx, start, nil, true, many)
	long := Fault{Type: collector.ICEFailure, Subject: strings.Repeat("s", 5000), Detail: strings.Repeat("\xff", 5000)}
	other := newDesk(collector.SourceSyslog)
	other.Raise(ctx, start, long)
	for _, a := range other.table {
		if len(a.Subject) != 256 || len(a.Detail) > 3*2048 || !utf8.ValidString(a.Detail) {
			t.Errorf("a row with a subject of %d and a detail of %d bytes", len(a.Subject), len(a.Detail))
		}
	}
	if other.Clear(ctx, start, long.Type, long.Subject); len(other.open()) != 0 {
		t.Error("what was cut is not cleared")
	}
	if n := d.live.Snapshot().Bridges[0].Faults[collector.ReceiverUnreachable]; n != maxOpen {
		t.Errorf("%d intervals, want %d", n, maxOpen)
	}
	d.closed = true // cleared ones wait for the bus, no more than maxUnsent of them
	for round := range 3 {
		d.Set(ctx, start.Add(time.Duration(2*round+1)*time.Second), nil, true, nil)
		d.Set(ctx, start.Add(time.Duration(2*round+2)*time.Second), nil, true, many)
	}
	if len(d.unsent) > maxUnsent {
		t.Errorf("%d rows wait, want at most %d", len(d.unsent), maxUnsent)
	}
}
