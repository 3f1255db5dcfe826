package cdr

import (
	"bytes"
	"fmt"
	"maps"
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

// shelf stands for the store: facts under their physical sort keys with the version and tombstone rules of ReplacingMergeTree, records by identity.
type shelf struct {
	rows     map[string]shelved
	sessions map[uuid.UUID]Session
	records  map[string]SourcedRecord
	faults   []string // rows that would be lost, as their version is not above that of the row they replace
}

type shelved struct {
	version uint64
	dead    bool
	row     any
}

func newShelf() *shelf {
	return &shelf{rows: map[string]shelved{}, sessions: map[uuid.UUID]Session{}, records: map[string]SourcedRecord{}}
}

func (s *shelf) put(key string, version uint64, dead uint8, row any) {
	if known, ok := s.rows[key]; ok {
		if known.version >= version && (known.dead != (dead == 1) || !cmp.Equal(withoutVersion(known.row), withoutVersion(row))) {
			s.faults = append(s.faults, fmt.Sprintf("%s: version %d after %d\n%s", key, version, known.version, cmp.Diff(known.row, row)))
		}
		if known.version > version {
			return
		}
	}
	s.rows[key] = shelved{version, dead == 1, row}
}

func slotOf(t time.Time) string { return t.Truncate(sortSlot).String() }

func (s *shelf) keep(f Facts) {
	for _, place := range f.Moved {
		for key, r := range s.rows {
			switch row := r.row.(type) {
			case Call:
				if row.Session == place.Session {
					row.Bridge, row.Cluster, row.BridgeID = place.Bridge, place.Cluster, place.BridgeID
					s.rows[key] = shelved{r.version + 1, r.dead, row.at(r.version + 1)}
				}
			case Leg:
				if row.Session == place.Session {
					row.Bridge, row.Cluster, row.BridgeID = place.Bridge, place.Cluster, place.BridgeID
					s.rows[key] = shelved{r.version + 1, r.dead, row.at(r.version + 1)}
				}
			case Recording:
				if row.Session == place.Session {
					row.Bridge, row.Cluster, row.BridgeID = place.Bridge, place.Cluster, place.BridgeID
					s.rows[key] = shelved{r.version + 1, r.dead, row.at(r.version + 1)}
				}
			case Stream:
				if row.Session == place.Session {
					row.Bridge, row.Cluster, row.BridgeID = place.Bridge, place.Cluster, place.BridgeID
					s.rows[key] = shelved{r.version + 1, r.dead, row.at(r.version + 1)}
				}
			}
		}
	}
	s.putSessions(f.Reopened)
	for _, r := range f.Calls {
		s.put(fmt.Sprint("call", slotOf(r.Start), r.ID, r.Session), r.Version, r.IsDeleted, r)
	}
	for _, r := range f.Legs {
		s.put(fmt.Sprint("leg", slotOf(r.Start), r.CallID, r.ID, r.Session), r.Version, r.IsDeleted, r)
	}
	for _, r := range f.Recordings {
		s.put(fmt.Sprint("recording", slotOf(r.Start), r.ID, r.Session), r.Version, r.IsDeleted, r)
	}
	for _, r := range f.Streams {
		s.put(fmt.Sprint("stream", slotOf(r.Start), r.ID, r.Session), r.Version, r.IsDeleted, r)
	}
}

func (r Call) at(version uint64) Call           { r.Version = version; return r }
func (r Leg) at(version uint64) Leg             { r.Version = version; return r }
func (r Recording) at(version uint64) Recording { r.Version = version; return r }
func (r Stream) at(version uint64) Stream       { r.Version = version; return r }

// keepSessions comes last, as in the writer.
func (s *shelf) keepSessions(f Facts) { s.putSessions(f.Sessions) }

func (s *shelf) putSessions(rows []Session) {
	for _, r := range rows {
		known, ok := s.sessions[r.ID]
		if ok && known.Version == r.Version && !cmp.Equal(known, r) {
			s.faults = append(s.faults, fmt.Sprintf("session %s: version %d twice\n%s", r.ID, r.Version, cmp.Diff(known, r)))
		}
		if !ok || r.Version >= known.Version {
			s.sessions[r.ID] = r
		}
	}
}

// withoutVersion is a row as a query sees it.
func withoutVersion(row any) any {
	switch row := row.(type) {
	case Call:
		row.Version = 0
		return row
	case Leg:
		row.Version = 0
		return row
	case Recording:
		row.Version = 0
		return row
	case Stream:
		row.Version = 0
		return row
	}
	return row
}

// visible is what a query sees: no tombstones, versions left out.
func (s *shelf) visible() map[string]any {
	seen := map[string]any{}
	for key, r := range s.rows {
		if r.dead {
			continue
		}
		seen[key] = withoutVersion(r.row)
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
			case Stream:
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
	for _, named := range []struct {
		ids map[uuid.UUID]bool
		by  func(Record) uuid.UUID
	}{{calls, callOf}, {ids, feederOf}} {
		found := map[uuid.UUID]bool{}
		for _, r := range s.records {
			if r.Session == o.Session && named.ids[named.by(r.Record)] {
				found[r.ID] = true
			}
		}
		maps.Copy(ids, found)
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
		case Stream:
			if row.Session == o.Session && ids[row.ID] {
				facts.Streams = append(facts.Streams, row)
			}
		}
	}
	return list, facts
}

// TestAnyOrderAnyRestart: whatever the order, the duplicates, the tokens, the batches, the time at which each is looked at, and however often the ledger
// forgets or is lost and restored from the store, the store shows what Build says of the set of records, and no row has too low a version to be seen.
func TestAnyOrderAnyRestart(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		records := decoded(t, drawTold(rt))
		if len(records) == 0 {
			return
		}
		settings := storySettings()
		settings.SettleAfter = time.Duration(rapid.IntRange(0, 2).Draw(rt, "settle after")) * time.Hour
		asOf := storyStart.Add(time.Duration(rapid.IntRange(0, 30).Draw(rt, "hours later")) * time.Hour)
		store, ledger := newShelf(), NewLedger(settings)
		order := rapid.Permutation(records).Draw(rt, "order")
		for range rapid.IntRange(0, 3).Draw(rt, "duplicates") {
			copied := rapid.SampledFrom(records).Draw(rt, "duplicate")
			copied.Source = rapid.SampledFrom([]string{"cb1", "cb2", copied.Source}).Draw(rt, "by token")
			order = append(order, copied)
		}
		delivered := slices.Clone(order)
		for len(order) > 0 {
			n := rapid.IntRange(1, len(order)).Draw(rt, "batch")
			batch := slices.Clone(order[:n])
			order = order[n:]
			slices.SortStableFunc(batch, func(a, b SourcedRecord) int {
				if c := bytes.Compare(a.Session[:], b.Session[:]); c != 0 {
					return c
				}
				return int(a.CorrelatorIndex - b.CorrelatorIndex)
			})
			restoreNeeds(ledger, store, batch)
			for _, r := range batch {
				store.records[fmt.Sprint(r.Session, r.CorrelatorIndex)] = r
			}
			for _, r := range batch {
				ledger.Add(r)
			}
			restoreNeeds(ledger, store, nil)
			if rapid.IntRange(0, 4).Draw(rt, "crash before facts") == 0 {
				ledger = restarted(settings, store) // the batch comes again
				order = append(order, batch...)
				continue
			}
			facts := ledger.Changed(asOf)
			store.keep(facts)
			if rapid.IntRange(0, 4).Draw(rt, "crash before sessions") == 0 {
				ledger = restarted(settings, store)
				order = append(order, batch...)
				continue
			}
			store.keepSessions(facts)
			switch rapid.IntRange(0, 3).Draw(rt, "then") {
			case 0:
				ledger.Forget(asOf)
			case 1:
				ledger = restarted(settings, store)
			}
			asOf = asOf.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 3, 25}).Draw(rt, "hours pass")) * time.Hour)
		}
		restoreNeeds(ledger, store, nil)
		facts := ledger.Changed(asOf)
		store.keep(facts)
		store.keepSessions(facts)
		if len(store.faults) > 0 {
			rt.Fatalf("a row is lost to an older one:\n%s", store.faults[0])
		}
		want := newShelf()
		facts = Build(delivered, settings, asOf)
		want.keep(facts)
		want.keepSessions(facts)
		if diff := cmp.Diff(want.visible(), store.visible()); diff != "" {
			rt.Fatalf("the store (+) differs from Build (-):\n%s", diff)
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

// TestCrashBeforeASessionIsOpenAgain: a session that is not superseded any more, as the other one began before it, has its rows made anew; after a crash before
// the sessions' rows, a third session may come before the record that told so, and the rows must be closed by it.
func TestCrashBeforeASessionIsOpenAgain(t *testing.T) {
	const session = `<records session="%d981193c-c935-4d40-bf10-1777a6fa14e5" callBridge="8c625621-2923-441a-8d47-219ccfae927b">
<record type="callLegStart" time="2026-03-14T%s:00Z" recordIndex="1" correlatorIndex="%d"><callLeg id="%d623889e-2932-4577-acfd-709baf5966bc"><type>acano</type></callLeg></record></records>`
	told := func(number int, clock string, index, leg int) []SourcedRecord {
		return decodeAll(t, fmt.Sprintf(session, number, clock, index, leg))
	}
	first, second, earlier, third := told(1, "09:14", 1, 1), told(2, "09:20", 2, 2), told(2, "09:10", 1, 3), told(3, "09:30", 1, 4)
	asOf := storyStart.Add(time.Hour)
	store, ledger := newShelf(), NewLedger(storySettings())
	for n, batch := range [][]SourcedRecord{first, second, earlier, third, earlier} {
		restoreNeeds(ledger, store, batch)
		for _, r := range batch {
			store.records[fmt.Sprint(r.Session, r.CorrelatorIndex)] = r
			ledger.Add(r)
		}
		restoreNeeds(ledger, store, nil)
		facts := ledger.Changed(asOf)
		store.keep(facts)
		if n != 2 {
			store.keepSessions(facts)
		}
		ledger = restarted(storySettings(), store)
	}
	facts := ledger.Changed(asOf)
	store.keep(facts)
	store.keepSessions(facts)
	want := newShelf()
	facts = Build(slices.Concat(first, second, earlier, third), storySettings(), asOf)
	want.keep(facts)
	want.keepSessions(facts)
	if diff := cmp.Diff(want.visible(), store.visible()); diff != "" || len(store.faults) > 0 {
		t.Errorf("the store (+) differs from Build (-):\n%s%v", diff, store.faults)
	}
}

// TestCrashBeforeTheSessionsRow: a crash between the facts and the session's row must not make the ledger take an object with stored rows for a new one,
// also if the record that comes next lies above all that is stored.
func TestCrashBeforeTheSessionsRow(t *testing.T) {
	records := decodeAll(t, `<records session="3981193c-c935-4d40-bf10-1777a6fa14e5" callBridge="8c625621-2923-441a-8d47-219ccfae927b">
<record type="callLegStart" time="2026-03-14T09:14:02Z" recordIndex="1" correlatorIndex="1"><callLeg id="c623889e-2932-4577-acfd-709baf5966bc"><type>acano</type><call>0ab08610-9fc9-4da0-b50a-c8fc22006eae</call></callLeg></record>
<record type="callLegUpdate" time="2026-03-14T09:14:03Z" recordIndex="2" correlatorIndex="2"><callLeg id="c623889e-2932-4577-acfd-709baf5966bc"><state>connected</state><call>0ab08610-9fc9-4da0-b50a-c8fc22006eae</call></callLeg></record>
<record type="callLegUpdate" time="2026-03-14T09:14:04Z" recordIndex="3" correlatorIndex="3"><callLeg id="c623889e-2932-4577-acfd-709baf5966bc"><state>connected</state><call>0ab08610-9fc9-4da0-b50a-c8fc22006eae</call></callLeg></record>
<record type="callStart" time="2026-03-14T09:14:02Z" recordIndex="4" correlatorIndex="4"><call id="0ab08610-9fc9-4da0-b50a-c8fc22006eae"><name>Hafen</name><callType>coSpace</callType></call></record>
</records>`)
	asOf := storyStart
	store, ledger := newShelf(), NewLedger(storySettings())
	for n, batch := range [][]SourcedRecord{records[:3], records[3:]} {
		restoreNeeds(ledger, store, batch)
		for _, r := range batch {
			store.records[fmt.Sprint(r.Session, r.CorrelatorIndex)] = r
			ledger.Add(r)
		}
		restoreNeeds(ledger, store, nil)
		store.keep(ledger.Changed(asOf))
		if n == 0 {
			ledger = restarted(storySettings(), store) // before the session's row is written
		}
	}
	if len(store.faults) > 0 {
		t.Fatalf("a row is lost to an older one:\n%s", store.faults[0])
	}
}
