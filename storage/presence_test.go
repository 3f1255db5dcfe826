package storage_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestTimeMachine asks who was where at instants: before, at the second of joining and leaving, between the last sign and a late conclusion, and where only
// records or only rosters know a call.
func TestTimeMachine(t *testing.T) {
	conn := storagetest.Store(t)
	q := storage.NewQueries(conn)
	base := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return base.Add(time.Duration(seconds * float64(time.Second))) }
	end := at(3600)
	both, legsOnly, rosterOnly, meeting := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	fact := func(id uuid.UUID, name string) cdr.Call {
		return cdr.Call{ID: id, CallCorrelator: meeting, Session: uuid.New(), Cluster: "emea", Bridge: "cb1", Name: name, CallType: "coSpace", Start: base, End: &end, EndHow: cdr.EndRecord, Version: 8}
	}
	storagetest.Insert(t, conn, storage.CallFacts, fact(both, "Both"), fact(legsOnly, "Records"))
	connected := at(5)
	leg := func(call uuid.UUID, name string) cdr.Leg {
		return cdr.Leg{ID: uuid.New(), GroupID: uuid.New(), CallID: call, Session: uuid.New(), Cluster: "emea", Bridge: "cb1", DisplayName: name, RemoteParty: name + "@example.org", Type: "sip",
			CountsAsPerson: true, Start: at(1), Connected: &connected, End: &end, EndHow: cdr.EndRecord, Calls: []uuid.UUID{}, Alarms: []cdr.Alarm{}, Version: 12}
	}
	storagetest.Insert(t, conn, storage.LegFacts, leg(both, "leg of both"), leg(legsOnly, "Lena"))

	participants := storage.Tables()[slices.IndexFunc(storage.Tables(), func(t storage.Table) bool { return t.Name == storage.TableParticipants })]
	stay := func(call uuid.UUID, name string, joined, seen float64, left *time.Time, reason string, version uint64) storage.ParticipantStay {
		return storage.ParticipantStay{CMSCluster: "emea", CallBridge: "cb1", CallID: call, CallCorrelator: meeting, ParticipantID: cdr.ParseID(name), CallName: "Roster", Name: name,
			URI: name + "@example.org", Client: "sip", HostBridge: "cb2", Joined: at(joined), Left: left, Seen: at(seen), Reason: reason, Version: version}
	}
	when := func(seconds float64) *time.Time { t := at(seconds); return &t }
	storagetest.Insert(t, conn, participants,
		stay(both, "anna", 10, 10, nil, "", 1),
		stay(both, "anna", 10, 1200, when(1200), "remoteTeardown", 2), // the same stay, later
		stay(both, "bo", 20, 600, when(1800), "unconfirmed", 3),       // lost from sight at 600, not there any more at 1800
		stay(both, "cy", 30, 900, nil, "", 4),                         // nobody told how it ended
		stay(both, "anna", 2000, 2100, when(2100), "timeout", 5),      // again
		stay(rosterOnly, "dee", 40, 4000, when(4000), "timeout", 6), stay(rosterOnly, "eve", 50, 4000, when(4000), "timeout", 7))

	for _, c := range []struct {
		second float64
		want   []string
	}{
		{9, []string{"Both: leg of both (cdr)", "Records: Lena (cdr)"}}, // before anybody joined, rosters know nothing
		{4, nil}, // and legs are not connected
		{10, []string{"Both: anna", "Records: Lena (cdr)"}},
		{60, []string{"Both: anna", "Both: bo", "Both: cy", "Records: Lena (cdr)", "Roster: dee", "Roster: eve"}},
		{900, []string{"Both: anna", "Both: bo stale", "Both: cy", "Records: Lena (cdr)", "Roster: dee", "Roster: eve"}},
		{1199.999, []string{"Both: anna", "Both: bo stale", "Both: cy stale", "Records: Lena (cdr)", "Roster: dee", "Roster: eve"}},
		{1200, []string{"Both: bo stale", "Both: cy stale", "Records: Lena (cdr)", "Roster: dee", "Roster: eve"}},
		{1900, []string{"Both: leg of both (cdr)", "Records: Lena (cdr)", "Roster: dee", "Roster: eve"}},
		{2050, []string{"Both: anna", "Records: Lena (cdr)", "Roster: dee", "Roster: eve"}},
		{3700, []string{"Roster: dee", "Roster: eve"}},
		{4000, nil},
	} {
		calls, next, err := q.CallsAt(t.Context(), storage.CallFilter{At: at(c.second), Limit: 10})
		if err != nil || next != nil {
			t.Fatal(next, err)
		}
		people, err := q.PresencesAt(t.Context(), at(c.second), calls)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, call := range calls {
			for _, p := range people[call.ID] {
				text := call.Name + ": " + p.Name
				if p.Stale {
					text += " stale"
				}
				if p.Source != "events" {
					text += " (" + p.Source + ")"
				} else if p.HostBridge != "cb2" {
					t.Errorf("%s is hosted by %q", text, p.HostBridge)
				}
				got = append(got, text)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("at second %g (-want +got):\n%s", c.second, diff)
		}
	}

	known, err := q.CallsByID(t.Context(), at(-1), []uuid.UUID{both, rosterOnly})
	if err != nil || len(known) != 1 || known[both].Name != "Both" {
		t.Errorf("by id: %v, %v", known, err)
	}
	// The legs of participants are found by their groupId.
	var joined uint64
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM participant_legs").Scan(&joined); err != nil || joined != 0 {
		t.Errorf("%d legs joined to other people's stays: %v", joined, err)
	}
	lena := leg(legsOnly, "Lena")
	lena.GroupID = cdr.ParseID("lena")
	storagetest.Insert(t, conn, storage.LegFacts, lena)
	storagetest.Insert(t, conn, participants, stay(legsOnly, "lena", 10, 100, when(100), "timeout", 1))
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM participant_legs WHERE name = 'lena' AND leg_end IS NOT NULL").Scan(&joined); err != nil || joined != 1 {
		t.Errorf("%d legs joined to lena's stay: %v", joined, err)
	}
}

// TestTimeMachinePages: pages over calls of records and of rosters, many of the same instant, give each once.
func TestTimeMachinePages(t *testing.T) {
	conn := storagetest.Store(t)
	q := storage.NewQueries(conn)
	base := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	participants := storage.Tables()[slices.IndexFunc(storage.Tables(), func(t storage.Table) bool { return t.Name == storage.TableParticipants })]
	var facts []cdr.Call
	var stays []storage.ParticipantStay
	want := map[uuid.UUID]bool{}
	for i := range 40 {
		id, start := uuid.New(), base.Add(time.Duration(i/10)*time.Second)
		want[id] = true
		if i%2 == 0 {
			facts = append(facts, cdr.Call{ID: id, Session: uuid.New(), Cluster: "emea", Bridge: "cb1", Name: fmt.Sprint(i), Start: start, EndHow: cdr.EndNone, Version: 8})
		} else {
			stays = append(stays, storage.ParticipantStay{CMSCluster: "emea", CallBridge: "cb1", CallID: id, ParticipantID: uuid.New(), Joined: start, Seen: start, Version: 1})
		}
	}
	storagetest.Insert(t, conn, storage.CallFacts, facts...)
	storagetest.Insert(t, conn, participants, stays...)
	for _, limit := range []int{1, 7, 20, 100} {
		seen := map[uuid.UUID]bool{}
		var after *storage.Cursor
		for pages := 0; ; pages++ {
			calls, next, err := q.CallsAt(t.Context(), storage.CallFilter{At: base.Add(time.Minute), Limit: limit, After: after})
			if err != nil || pages > 50 {
				t.Fatal(pages, err)
			}
			for _, c := range calls {
				if seen[c.ID] {
					t.Errorf("limit %d: %s twice", limit, c.ID)
				}
				seen[c.ID] = true
			}
			if after = next; next == nil {
				break
			}
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("limit %d (-want +seen):\n%s", limit, diff)
		}
	}
}
