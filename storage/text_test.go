package storage_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestSearchedTextIsTakenAsItIs: a text finds what has it and nothing else, also where it holds a backslash (CORP\nina), a tab or the end of a line,
// which the store would read as escapes in a parameter.
func TestSearchedTextIsTakenAsItIs(t *testing.T) {
	conn := storagetest.Store(t)
	q := storage.NewQueries(conn)
	start := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	participants := storage.Tables()[slices.IndexFunc(storage.Tables(), func(t storage.Table) bool { return t.Name == storage.TableParticipants })]
	texts := []string{`CORP\nina`, "CORP\nina", `CORP\tom`, "CORP\tom", `the end\`, `x\N`, `it's 100 %_`, `{text:String}`}
	var calls []cdr.Call
	var legs []cdr.Leg
	var stays []storage.ParticipantStay
	for i, text := range texts {
		bridge, cluster := `rack\`+fmt.Sprint(i), `site\`+fmt.Sprint(i)
		call, session := uuid.New(), uuid.New()
		calls = append(calls, cdr.Call{ID: call, CallCorrelator: uuid.New(), Session: session, Cluster: cluster, Bridge: bridge, Name: text, CallType: "coSpace", Start: start, Version: 1})
		legs = append(legs, cdr.Leg{ID: uuid.New(), GroupID: uuid.New(), CallID: call, Session: session, Cluster: cluster, Bridge: bridge, DisplayName: text,
			Type: "sip", Start: start, Calls: []uuid.UUID{}, Alarms: []cdr.Alarm{}, Version: 1})
		stays = append(stays, storage.ParticipantStay{CMSCluster: cluster, CallBridge: bridge, CallID: uuid.New(), CallCorrelator: uuid.New(), ParticipantID: uuid.New(),
			CallName: text, Name: text, Joined: start, Seen: time.Now(), Version: 1})
	}
	storagetest.Insert(t, conn, storage.CallFacts, calls...)
	storagetest.Insert(t, conn, storage.LegFacts, legs...)
	storagetest.Insert(t, conn, participants, stays...)
	period := storage.Period{From: start.Add(-time.Minute)}
	for i, text := range texts {
		bridge, cluster := `rack\`+fmt.Sprint(i), `site\`+fmt.Sprint(i)
		calls, _, err := q.Calls(t.Context(), storage.CallFilter{Period: period, Text: text, Bridge: bridge, Cluster: cluster, Limit: 10})
		if err != nil || len(calls) != 1 || calls[0].Name != text {
			t.Errorf("calls with %q: %+v, %v; want the one", text, calls, err)
		}
		legs, _, err := q.Legs(t.Context(), storage.LegFilter{Period: period, Text: text, Limit: 10})
		if err != nil || len(legs) != 1 || legs[0].DisplayName != text {
			t.Errorf("legs with %q: %+v, %v; want the one", text, legs, err)
		}
		meetings, _, err := q.Meetings(t.Context(), storage.MeetingFilter{Period: period, Text: text, Limit: 10})
		if err != nil || len(meetings) != 1 || meetings[0].Name != text {
			t.Errorf("meetings with %q: %+v, %v; want the one", text, meetings, err)
		}
		then, _, err := q.CallsAt(t.Context(), storage.CallFilter{At: start.Add(time.Minute), Text: text, Limit: 10})
		if err != nil || len(then) != 2 || then[0].Name != text || then[1].Name != text {
			t.Errorf("calls at an instant with %q: %+v, %v; want the one of the records and the one of the rosters", text, then, err)
		}
	}
	if alarms, _, err := q.Alarms(t.Context(), storage.AlarmFilter{Type: `\`, Bridge: "\t", Limit: 10}); err != nil || len(alarms) != 0 {
		t.Errorf("alarms of a strange type: %v, %v", alarms, err)
	}
}
