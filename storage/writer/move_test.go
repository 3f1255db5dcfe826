package writer

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestSessionMoves: rows of calls that ended long ago follow when a session turns out to be another bridge's, once, and over restarts.
func TestSessionMoves(t *testing.T) {
	b, conn := storagetest.Bus(t), storagetest.Store(t)
	send := func(source, xml string) {
		t.Helper()
		one := body(xml)
		one.Source = source
		if err := b.PublishBody(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		drain(t, b, bus.CDR)
	}
	places := func() string {
		t.Helper()
		return query[string](t, conn, "SELECT arrayStringConcat(arraySort(groupUniqArray(concat(what, ' ', call_bridge, ' ', toString(call_bridge_id = toUUID('"+session+"'))))), ', ') FROM ("+
			"SELECT 'call' AS what, call_bridge, call_bridge_id FROM calls UNION ALL SELECT 'leg', call_bridge, call_bridge_id FROM call_legs UNION ALL SELECT 'session', call_bridge, call_bridge_id FROM cdr_sessions)")
	}
	want := func(what, bridge, guid string) {
		t.Helper()
		expected := strings.NewReplacer("B", bridge, "G", guid).Replace("call B G, leg B G, session B G")
		if got := places(); got != expected {
			t.Errorf("%s: %s, want %s", what, got, expected)
		}
	}
	stop := startWriter(t, b, conn, nil)
	send("cb7", records(meeting()...))
	want("without a GUID, the token's", "cb7", "0")
	stop() // and forget
	stop = startWriter(t, b, conn, nil)
	send("cb3", records(meeting()[0]))
	want("a lower token brings one record again", "cb3", "0")
	stop()
	stop = startWriter(t, b, conn, nil)
	send("cb3", strings.Replace(records(meeting()[0]), "<records ", `<records callBridge="`+session+`" `, 1))
	want("a GUID is learnt", "cb3", "1")
	stop()
	stop = startNamed(t, b, conn, map[uuid.UUID]cdr.Bridge{uuid.MustParse(session): {Name: "cb1", Cluster: "emea"}})
	send("cb3", strings.Replace(records(meeting()[1]), "<records ", `<records callBridge="`+session+`" `, 1))
	want("the GUID gets a name", "cb1", "1")
	stop()
	startNamed(t, b, conn, map[uuid.UUID]cdr.Bridge{})
	send("cb3", records(meeting()[1]))
	want("the name is remembered", "cb1", "1")
	done, err := Recompute(t.Context(), conn, cdr.DefaultSettings(), storage.Period{}, time.Now(), func(c Change) error {
		t.Errorf("a replay changes %+v", c)
		return nil
	})
	if err != nil || done.Records == 0 {
		t.Errorf("replay: %+v, %v", done, err)
	}
	send("cb3", strings.Replace(records(meeting()[2]), "<records ", `<records callBridge="`+uuid.NewString()+`" `, 1))
	if got := query[string](t, conn, "SELECT arrayStringConcat(arraySort(groupArray(concat(call_bridge, ' ', type))), ', ') FROM alarms"); got != "cb3 cdrOfAnotherBridge, cb3 cdrOfTwoBridges" {
		t.Errorf("alarms: %s; want that cb3's token brings cb1's records, and that a session has two GUIDs", got)
	}
}
