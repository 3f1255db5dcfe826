package cdr

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

var storyStart = time.Date(2026, 3, 14, 9, 50, 0, 0, time.UTC)

func testID(kind string, n int) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s%d", kind, n))
}

// drawStory makes the records of one or two sessions of a bridge: calls with legs that may enter by the IVR, wait, move to another call, be recorded, and
// of which starts and ends may never come.
func drawStory(t *rapid.T) []SourcedRecord {
	var records []SourcedRecord
	yes := func(label string) *bool { v := rapid.Bool().Draw(t, label); return &v }
	at := storyStart
	for s := range rapid.IntRange(1, 2).Draw(t, "sessions") {
		session, index := testID("session", s), int64(0)
		add := func(kind Type, id uuid.UUID, fill func(*Record)) {
			at = at.Add(time.Duration(rapid.IntRange(0, 1200).Draw(t, "seconds")) * time.Second)
			r := Record{Header: Header{Session: session, CallBridge: testID("bridge", 0), Type: kind, Time: at, RecordIndex: index + 1, CorrelatorIndex: index}, ID: id}
			index++
			if rapid.IntRange(0, 9).Draw(t, "lost") == 0 {
				return // a gap
			}
			fill(&r)
			records = append(records, SourcedRecord{Record: r, Source: "cb1", Cluster: "emea", Received: at})
		}
		calls := rapid.IntRange(1, 3).Draw(t, "calls")
		for c := range calls {
			call := testID("call", 10*s+c)
			add(CallStart, call, func(r *Record) {
				r.Call = &CallDetail{Name: fmt.Sprint("call ", c), CallType: "coSpace", CallCorrelator: testID("meeting", c)}
			})
			for l := range rapid.IntRange(0, 3).Draw(t, "legs") {
				leg := testID("leg", 100*s+10*c+l)
				direct := rapid.Bool().Draw(t, "direct")
				add(CallLegStart, leg, func(r *Record) {
					r.Leg = &LegDetail{RemoteParty: fmt.Sprint("p", l), Type: "sip", Direction: "incoming", DisplayName: "first"}
					if direct {
						r.Leg.Call = call
					}
					if l == 2 {
						r.Leg.Recording = yes("recording leg")
					}
				})
				for range rapid.IntRange(0, 2).Draw(t, "updates") {
					to := testID("call", 10*s+rapid.IntRange(0, calls-1).Draw(t, "call of update"))
					add(CallLegUpdate, leg, func(r *Record) {
						r.Leg = &LegDetail{State: "connected", Call: to, Deactivated: yes("deactivated"), DisplayName: rapid.SampledFrom([]string{"", "later", unknownParty}).Draw(t, "name")}
					})
				}
				if l == 2 {
					recording := testID("recording", 10*s+c)
					add(RecordingStart, recording, func(r *Record) { r.Recording = &RecordingDetail{Path: "spaces/x", Call: call, Leg: leg} })
					if rapid.Bool().Draw(t, "recording ends") {
						add(RecordingEnd, recording, func(r *Record) { r.Recording = &RecordingDetail{} })
					}
				}
				if rapid.IntRange(0, 3).Draw(t, "leg ends") > 0 {
					add(CallLegEnd, leg, func(r *Record) {
						seconds := int64(rapid.IntRange(0, 9000).Draw(t, "duration"))
						r.Leg = &LegDetail{Reason: "remoteTeardown", DurationSeconds: &seconds}
					})
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "call ends") > 0 {
				add(CallEnd, call, func(r *Record) { n := int64(3); r.Call = &CallDetail{LegsCompleted: &n} })
			}
		}
	}
	return records
}

// shelf stands for the store: facts under their physical sort keys with the version and tombstone rules of ReplacingMergeTree, records by identity.
type shelf struct {
	rows     map[string]shelved
	sessions map[uuid.UUID]Session
	records  map[string]SourcedRecord
}

type shelved struct {
	version uint64
	dead    bool
	row     any
}

func newShelf() *shelf {
	return &shelf{map[string]shelved{}, map[uuid.UUID]Session{}, map[string]SourcedRecord{}}
}

func (s *shelf) put(key string, version uint64, dead uint8, row any) {
	if known, ok := s.rows[key]; ok && known.version > version {
		return
	}
	s.rows[key] = shelved{version, dead == 1, row}
}

func hour(t time.Time) string { return t.Truncate(time.Hour).String() }

func (s *shelf) keep(f Facts) {
	for _, r := range f.Calls {
		s.put(fmt.Sprint("call", hour(r.Start), r.ID, r.Session), r.Version, r.IsDeleted, r)
	}
	for _, r := range f.Legs {
		s.put(fmt.Sprint("leg", hour(r.Start), r.CallID, r.ID, r.Session), r.Version, r.IsDeleted, r)
	}
	for _, r := range f.Recordings {
		s.put(fmt.Sprint("recording", hour(r.Start), r.ID, r.Session), r.Version, r.IsDeleted, r)
	}
	for _, r := range f.Sessions {
		if known, ok := s.sessions[r.ID]; !ok || r.Version >= known.Version {
			s.sessions[r.ID] = r
		}
	}
}

// visible is what a query sees: no tombstones, versions left out.
func (s *shelf) visible() map[string]any {
	seen := map[string]any{}
	for key, r := range s.rows {
		if r.dead {
			continue
		}
		switch row := r.row.(type) {
		case Call:
			row.Version = 0
			seen[key] = row
		case Leg:
			row.Version = 0
			seen[key] = row
		case Recording:
			row.Version = 0
			seen[key] = row
		}
	}
	for id, row := range s.sessions {
		row.Version, row.Duplicates = 0, 0
		seen["session"+id.String()] = row
	}
	return seen
}

// history is what storage.LoadHistory gives for an object.
func (s *shelf) history(o Object) ([]SourcedRecord, Facts) {
	ids := map[uuid.UUID]bool{}
	calls := map[uuid.UUID]bool{}
	var facts Facts
	switch o.Kind {
	case KindUnfinished:
		open := func(how EndHow) bool { return how == EndNone || how == EndNewSession || how == EndOrphanTimeout }
		for _, r := range s.rows {
			if r.dead {
				continue
			}
			switch row := r.row.(type) {
			case Call:
				if row.Session == o.Session && open(row.EndHow) {
					calls[row.ID] = true
				}
			case Leg:
				if row.Session == o.Session && open(row.EndHow) {
					ids[row.ID] = true
				}
			case Recording:
				if row.Session == o.Session && open(row.EndHow) {
					ids[row.ID] = true
				}
			}
		}
	case KindCall:
		calls[o.ID] = true
	default:
		ids[o.ID] = true
	}
	for _, r := range s.records {
		if r.Session == o.Session && (calls[callOf(r.Record)] || o.Kind != KindCall && ids[feederOf(r.Record)]) {
			ids[r.ID] = true
		}
	}
	for id := range calls {
		ids[id] = true
	}
	var list []SourcedRecord
	for _, r := range s.records {
		if r.Session == o.Session && ids[r.ID] {
			list = append(list, r)
		}
	}
	for _, r := range s.rows {
		if r.dead {
			continue
		}
		switch row := r.row.(type) {
		case Call:
			if row.Session == o.Session && ids[row.ID] {
				facts.Calls = append(facts.Calls, row)
			}
		case Leg:
			if row.Session == o.Session && ids[row.ID] {
				facts.Legs = append(facts.Legs, row)
			}
		case Recording:
			if row.Session == o.Session && ids[row.ID] {
				facts.Recordings = append(facts.Recordings, row)
			}
		}
	}
	return list, facts
}

// TestAnyOrderAnyRestart: whatever the order, the duplicates, the batches, and however often the ledger forgets or is lost and restored from the store,
// the store shows what Build says of the set of records.
func TestAnyOrderAnyRestart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := drawStory(t)
		if len(records) == 0 {
			return
		}
		settings := DefaultSettings()
		settings.SettleAfter = 0
		asOf := storyStart.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "hours later")) * time.Hour)
		store, ledger := newShelf(), NewLedger(settings)
		order := rapid.Permutation(records).Draw(t, "order")
		for range rapid.IntRange(0, 3).Draw(t, "duplicates") {
			order = append(order, rapid.SampledFrom(records).Draw(t, "duplicate"))
		}
		for len(order) > 0 {
			n := rapid.IntRange(1, len(order)).Draw(t, "batch")
			batch := slices.Clone(order[:n])
			order = order[n:]
			slices.SortStableFunc(batch, func(a, b SourcedRecord) int {
				if c := bytes.Compare(a.Session[:], b.Session[:]); c != 0 {
					return c
				}
				return int(a.CorrelatorIndex - b.CorrelatorIndex)
			})
			for _, r := range batch {
				store.records[fmt.Sprint(r.Session, r.CorrelatorIndex)] = r
			}
			restoreNeeds(ledger, store, batch)
			for _, r := range batch {
				ledger.Add(r)
			}
			restoreNeeds(ledger, store, nil)
			if rapid.IntRange(0, 4).Draw(t, "crash before facts") == 0 {
				ledger = restarted(settings, store) // the batch comes again
				order = append(order, batch...)
				continue
			}
			store.keep(ledger.Changed(asOf))
			switch rapid.IntRange(0, 3).Draw(t, "then") {
			case 0:
				ledger.Forget(asOf)
			case 1:
				ledger = restarted(settings, store)
			}
		}
		store.keep(ledger.Changed(asOf))
		want := newShelf()
		want.keep(Build(records, settings, asOf))
		if diff := cmp.Diff(want.visible(), store.visible()); diff != "" {
			t.Fatalf("the store (+) differs from Build (-):\n%s", diff)
		}
	})
}

func restarted(settings Settings, store *shelf) *Ledger {
	ledger := NewLedger(settings)
	var sessions []Session
	for _, s := range store.sessions {
		sessions = append(sessions, s)
	}
	highest := map[uuid.UUID]int64{}
	for _, r := range store.records {
		highest[r.Session] = max(highest[r.Session], r.CorrelatorIndex)
	}
	ledger.RestoreSessions(sessions, highest)
	restoreNeeds(ledger, store, nil)
	return ledger
}

func restoreNeeds(ledger *Ledger, store *shelf, batch []SourcedRecord) {
	for needs := ledger.Needs(batch); len(needs) > 0; needs = ledger.Needs(batch) {
		for _, o := range needs {
			records, facts := store.history(o)
			ledger.Restore(o, records, facts)
		}
	}
}
