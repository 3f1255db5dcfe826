package events

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// feed is a bridge that numbers its messages.
type feed struct {
	t    *testing.T
	m    *Machine
	now  time.Time
	next int64
}

func (f *feed) send(format string, args ...any) {
	f.t.Helper()
	f.next++
	frame, err := ParseFrame([]byte(fmt.Sprintf(`{ "type": "message", "message": { "messageId": %d, `, f.next) + fmt.Sprintf(format, args...) + ` } }`))
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.m.Receive(f.now, frame); err != nil {
		f.t.Fatal(err)
	}
}

// turn lets time pass and acknowledges what is asked.
func (f *feed) turn(d time.Duration) []byte {
	f.t.Helper()
	f.now = f.now.Add(d)
	if err := f.m.Tick(f.now); err != nil {
		f.t.Fatal(err)
	}
	req := f.m.TakeRequest(f.now)
	if req != nil {
		ack, err := ParseFrame([]byte(fmt.Sprintf(`{"type":"messageAck","messageAck":{"messageId":%d,"status":"success"}}`, f.m.request)))
		if err != nil {
			f.t.Fatal(err)
		}
		if err := f.m.Receive(f.now, ack); err != nil {
			f.t.Fatal(err)
		}
	}
	return req
}

func open(t *testing.T, cfg Config) *feed {
	t.Helper()
	f := &feed{t: t, m: New(cfg), now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	f.m.Open(f.now)
	f.turn(0)
	f.send(`"type": "subscriptionUpdate", "subscriptions": [ { "index": 1, "state": "active" } ]`)
	return f
}

// TestFlatMemory runs ten thousand calls over one connection: indexes grow, nothing else does.
func TestFlatMemory(t *testing.T) {
	f := open(t, DefaultConfig())
	for i := range 10_000 {
		f.send(`"type": "callListUpdate", "subscriptionIndex": 1, "updates": [ { "call": "c%d", "updateType": "add" } ]`, i)
		f.turn(100 * time.Millisecond)
		index := f.m.index
		f.send(`"type": "subscriptionUpdate", "subscriptions": [ { "index": %d, "state": "active" } ]`, index)
		f.send(`"type": "rosterUpdate", "subscriptionIndex": %d, "updates": [ { "participant": "p%d", "updateType": "add", "state": "connected", "activeSpeaker": true } ]`, index, i)
		f.send(`"type": "subscriptionUpdate", "subscriptions": [ { "index": %d, "state": "deactivated" } ]`, index)
		f.send(`"type": "callListUpdate", "subscriptionIndex": 1, "updates": [ { "call": "c%d", "updateType": "remove", "reason": "allLeft" } ]`, i)
		f.turn(100 * time.Millisecond)
		if n := len(f.m.TakeChanges()); i > 0 && n != 4 && n != 5 {
			t.Fatalf("cycle %d: %d changes", i, n)
		}
	}
	f.turn(3 * time.Second)
	f.turn(2 * forget)
	m := f.m
	if len(m.calls)+len(m.ended)+len(m.loud)+m.people != 0 || len(m.subs) != 1 || len(m.stated) != 1 || m.index != 10_001 {
		t.Errorf("left: %d calls, %d ended, %d loud, %d people, %d subscriptions, %d stated, index %d", len(m.calls), len(m.ended), len(m.loud), m.people, len(m.subs), len(m.stated), m.index)
	}
}

// TestBurst is quirk 6.13: forty-nine calls that begin within a moment cost one request.
func TestBurst(t *testing.T) {
	f := open(t, DefaultConfig())
	f.turn(3 * time.Second)
	for i := range 49 {
		f.send(`"type": "callListUpdate", "subscriptionIndex": 1, "updates": [ { "call": "c%d", "updateType": "add" } ]`, i)
		if req := f.turn(2 * time.Millisecond); req != nil && i < 48 {
			t.Fatalf("a request after %d calls: %s", i+1, req)
		}
	}
	req := f.turn(100 * time.Millisecond)
	if n := strings.Count(string(req), "callRoster"); n != 49 {
		t.Errorf("the request has %d rosters: %s", n, req)
	}
	if n := f.m.Stats().Requests; n != 2 {
		t.Errorf("%d requests", n)
	}
}

// bridge makes a machine with one call and its people: "anna" is followed, "anna@guid" hosted elsewhere, "anna!" hosted here by REST's word.
func bridge(t *testing.T, call, correlator string, people ...string) *feed {
	f := open(t, DefaultConfig())
	f.send(`"type": "callListUpdate", "subscriptionIndex": 1, "updates": [ { "call": %q, "updateType": "add", "name": "Weekly", "callCorrelator": %q, "distributedInstances": 1 } ]`, call, correlator)
	f.turn(200 * time.Millisecond)
	var listed []ListedParticipant
	for _, p := range people {
		id, host, known := strings.Cut(p, "@")
		if here, ok := strings.CutSuffix(id, "!"); ok {
			id, known = here, true
		}
		f.send(`"type": "rosterUpdate", "subscriptionIndex": 2, "updates": [ { "participant": %q, "updateType": "add", "name": %q, "state": "connected", "direction": "incoming" } ]`, id, id)
		if known {
			listed = append(listed, ListedParticipant{ID: id, Host: host, State: "connected"})
		}
	}
	if listed != nil {
		f.m.ReconcileRoster(f.now, f.now.Add(-time.Hour), call, listed)
	}
	f.turn(3 * time.Second)
	return f
}

func people(meetings []Meeting) map[string]string {
	seen := map[string]string{}
	for _, m := range meetings {
		for _, p := range m.Participants {
			seen[m.Correlator+"/"+p.ID] = fmt.Sprintf("%s by %s%s", p.HostBridge, strings.Join(p.ListedBy, "+"), mark(p.Stale, " stale"))
		}
	}
	return seen
}

// TestMerge is §1.5: one meeting on two bridges, each participant once, gone when both say so, stale when only one that is away says he is there.
func TestMerge(t *testing.T) {
	one, two := bridge(t, "call1", "m", "anna!", "bo@guid2", "cy"), bridge(t, "call2", "m", "anna@guid1", "bo!", "dee")
	views := func() []BridgeView {
		return []BridgeView{{"cb1", "guid1", slices.Collect(one.m.Calls())}, {"cb2", "GUID2", slices.Collect(two.m.Calls())}}
	}
	meetings := Merge(views())
	if len(meetings) != 1 || len(meetings[0].Calls) != 2 || meetings[0].Name != "Weekly" || meetings[0].Stale {
		t.Fatalf("meetings: %+v", meetings)
	}
	check := func(want map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, people(Merge(views()))); diff != "" {
			t.Errorf("people (-want +got):\n%s", diff)
		}
	}
	check(map[string]string{"m/anna": "cb1 by cb1+cb2", "m/bo": "cb2 by cb1+cb2", "m/cy": " by cb1", "m/dee": " by cb2"})
	if n := one.m.CountPeople(one.now, time.Second); n.Local[SIP] != 1 || n.Unplaced != 1 || n.Blind != 0 {
		t.Errorf("people of cb1: %+v", n)
	}

	one.send(`"type": "rosterUpdate", "subscriptionIndex": 2, "updates": [ { "participant": "anna", "updateType": "remove" }, { "participant": "bo", "updateType": "remove" } ]`)
	two.send(`"type": "rosterUpdate", "subscriptionIndex": 2, "updates": [ { "participant": "anna", "updateType": "remove" } ]`)
	two.m.Lost(two.now, "dropped")
	check(map[string]string{"m/bo": "cb2 by cb2 stale", "m/cy": " by cb1", "m/dee": " by cb2 stale"})
	if n := two.m.CountPeople(two.now, time.Second); n.Blind != 1 || len(n.Local) != 0 {
		t.Errorf("people of a bridge that is away: %+v", n)
	}

	// The meeting lives on elsewhere when one bridge's instance ends.
	one.send(`"type": "callListUpdate", "subscriptionIndex": 1, "updates": [ { "call": "call1", "updateType": "remove", "reason": "allLeft" } ]`)
	if left := Merge(views()); len(left) != 1 || !left[0].Stale || len(left[0].Calls) != 1 {
		t.Errorf("after the end on cb1: %+v", left)
	}
}

// TestYoungCalls: a call that has just begun waits for its roster, from wherever, without making the sum of a bridge's people unknown; one that was there before
// us does not.
func TestYoungCalls(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Ceiling = 1 // the list alone
	f := open(t, cfg)
	f.send(`"type": "callListUpdate", "subscriptionIndex": 1, "updates": [ { "call": "old", "updateType": "add", "name": "Old", "distributedInstances": 0 } ]`)
	blind := func(want int64) {
		t.Helper()
		if n := f.m.CountPeople(f.now, 30*time.Second); n.Blind != want {
			t.Errorf("%d calls are blind, want %d", n.Blind, want)
		}
	}
	blind(1)
	for range 10 {
		f.turn(time.Second)
	}
	f.m.ReconcileRoster(f.now, f.now, "old", []ListedParticipant{{ID: "anna", Name: "Anna Falk", URI: "anna@example.com", State: "connected"}})
	blind(0)
	f.send(`"type": "callListUpdate", "subscriptionIndex": 1, "updates": [ { "call": "new", "updateType": "add", "name": "New", "distributedInstances": 0 } ]`)
	blind(0)
	if _, missing := f.m.NeedsREST(); len(missing) != 1 { // the request that would subscribe it is not made yet
		f.turn(time.Second)
	}
	if _, missing := f.m.NeedsREST(); !slices.Equal(missing, []string{"old", "new"}) {
		t.Errorf("%v need REST", missing)
	}
	f.turn(31 * time.Second)
	blind(1)

	for text, want := range map[string]bool{"FALK": true, "example.com": true, "old": true, "new": false, "": true} {
		if f.m.Mentions("old", text) != want {
			t.Errorf("the call mentions %q: %v", text, !want)
		}
	}
	// Looking through a roster copies no participant: a name is folded, and that is all.
	var crowd []ListedParticipant
	for i := range 100 {
		crowd = append(crowd, ListedParticipant{ID: fmt.Sprint(i), Name: "Zoe", URI: "zoe@example.com", State: "connected"})
	}
	f.m.ReconcileRoster(f.now, f.now, "new", crowd)
	if !f.m.Mentions("new", "zOE@") || f.m.Listed() != 101 {
		t.Errorf("%d people are listed", f.m.Listed())
	}
	if n := testing.AllocsPerRun(10, func() { f.m.Mentions("new", "nobody") }); n > 102 {
		t.Errorf("a look through a roster of a hundred allocates %.0f times", n)
	}
	if f.m.Mentions("none", "") {
		t.Error("a call that is not there mentions something")
	}
}

func TestGuesses(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		p       Participant
		client  Client
		capture Capture
	}{
		{Participant{Name: "Room", URI: "room@example.com", Direction: "incoming"}, SIP, NoCapture},
		{Participant{Name: "Anna", URI: "anna@example.com", Direction: "outgoing", CanMove: &no}, WebApp, NoCapture},
		{Participant{Name: "Bo", URI: "bo@cloud.example", Direction: "outgoing", CanMove: &yes}, SIP, NoCapture},
		{Participant{Name: "Cy", URI: "cy@example.com", Direction: "outgoing"}, Other, NoCapture},
		{Participant{Name: "Guest", URI: "guest815@example.com", Direction: "outgoing"}, WebApp, NoCapture},
		{Participant{Name: "guesthouse", URI: "guesthouse@example.com"}, Other, NoCapture},
		{Participant{Name: "recording", URI: "guest12@example.com", Direction: "outgoing", CanMove: &no}, WebApp, Recorder},
		{Participant{Name: "streaming", URI: "guest12@example.com", Direction: "outgoing"}, WebApp, Streamer},
		{Participant{Name: "recording", URI: "studio@example.com", Direction: "outgoing"}, Other, NoCapture},
		{Participant{Name: "recording", URI: "guest12@example.com", Direction: "incoming"}, SIP, NoCapture},
	} {
		if got := ClientOf(&c.p); got != c.client {
			t.Errorf("client of %q %q %s: %s, want %s", c.p.Name, c.p.URI, c.p.Direction, got, c.client)
		}
		if got := CaptureOf(&c.p); got != c.capture {
			t.Errorf("capture of %q %q %s: %q, want %q", c.p.Name, c.p.URI, c.p.Direction, got, c.capture)
		}
	}
}

// FuzzReceive feeds what strangers send: whatever comes, the machine stands and keeps its bounds.
func FuzzReceive(f *testing.F) {
	scripts, err := filepath.Glob("testdata/*.script")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			if inner, ok := strings.CutPrefix(line, "S "); ok {
				f.Add([]byte(`{ "type": "message", "message": ` + strings.Replace(inner, "{", `{ "messageId": 3,`, 1) + ` }`))
			}
		}
	}
	f.Add([]byte(`{"type":"messageAck","messageAck":{"messageId":1,"status":"success"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := ParseFrame(data)
		if err != nil {
			return
		}
		cfg := DefaultConfig()
		cfg.MaxCalls, cfg.MaxParticipants, cfg.Ceiling, cfg.CallInfo = 2, 3, 4, true
		fd := open(t, cfg)
		fd.send(`"type": "callListUpdate", "subscriptionIndex": 1, "updates": [ { "call": "a", "updateType": "add" } ]`)
		fd.turn(time.Second)
		for range 2 {
			_ = fd.m.Receive(fd.now, frame) // an error closes a connection; here we go on, which is harder
			fd.now = fd.now.Add(3 * time.Second)
			_ = fd.m.Tick(fd.now)
			fd.m.TakeRequest(fd.now)
			for _, c := range fd.m.TakeChanges() {
				if c.Call != nil && (len(c.Call.Name) > maxText || len(c.Call.ID) > maxID) {
					t.Fatalf("a call beyond the bounds: %+v", c.Call)
				}
			}
		}
		n := 0
		for c := range fd.m.Calls() {
			n += len(c.People)
		}
		if len(fd.m.calls) > 2 || n > 3 || n != fd.m.people {
			t.Fatalf("%d calls, %d people, counted %d", len(fd.m.calls), n, fd.m.people)
		}
	})
}

// TestNumbersAtTheEdge: a counter that falls would end the program, so the numbers a bridge gives its messages must not make one fall.
func TestNumbersAtTheEdge(t *testing.T) {
	f := open(t, DefaultConfig())
	var before int64
	for _, id := range []int64{1<<63 - 1, 1, -1 << 63, 1<<63 - 1, 0, 7, 1<<63 - 1} {
		frame, err := ParseFrame(fmt.Appendf(nil, `{"type":"message","message":{"messageId":%d,"type":"other"}}`, id))
		if err != nil {
			t.Fatal(err)
		}
		if id == 7 {
			f.m.Lost(f.now, "test")
			f.m.Open(f.now)
		}
		if err := f.m.Receive(f.now, frame); err != nil {
			t.Fatal(err)
		}
		holes := f.m.Stats().Holes
		if holes < before || holes > 1<<40 {
			t.Fatalf("message %d: %d holes after %d", id, holes, before)
		}
		before = holes
	}
	if before == 0 {
		t.Error("no holes counted")
	}
}

// TestCeilingAndSnapshotInPieces: calls that have a roster keep it when calls that were learnt before them are confirmed later; nobody loses one without being read over REST.
func TestCeilingAndSnapshotInPieces(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Ceiling = 3 // the list and two rosters
	f := open(t, cfg)
	add := func(calls ...string) {
		for _, call := range calls {
			f.send(`"type": "callListUpdate", "subscriptionIndex": 1, "updates": [ { "call": %q, "updateType": "add" } ]`, call)
		}
		f.turn(time.Second)
	}
	add("a", "b", "c", "d")
	f.m.Lost(f.now, "test")
	f.m.Open(f.now)
	f.next = 0
	f.turn(0)
	// The snapshot comes in two pieces, the calls known last first; a request goes out between them.
	add("c", "d")
	add("a", "b")
	stated := map[int]bool{}
	for _, index := range f.m.stated {
		stated[index] = true
	}
	if len(stated) != 3 {
		t.Fatalf("the set stated has %d entries, want 3", len(stated))
	}
	_, missing := f.m.NeedsREST()
	for id, r := range f.m.calls {
		if !stated[r.rosterSub] && !slices.Contains(missing, id) {
			t.Errorf("call %s: its roster (index %d) is not in the set stated, and it is not read over REST", id, r.rosterSub)
		}
	}
}

// TestCeilingAfterLoss: a call that was followed before the bridge was lost, and has no room in the set since, is known by REST from then on; so is one that was
// said to be gone and lives after all.
func TestCeilingAfterLoss(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Ceiling = 2 // the list and one roster
	f := open(t, cfg)
	add := func(call string) {
		f.send(`"type": "callListUpdate", "subscriptionIndex": 1, "updates": [ { "call": %q, "updateType": "add" } ]`, call)
		f.turn(time.Second)
	}
	read := func(name string) {
		t.Helper()
		if _, missing := f.m.NeedsREST(); !slices.Contains(missing, "a") {
			t.Fatalf("%v need REST, want a too", missing)
		}
		f.m.ReconcileRoster(f.now, f.now, "a", []ListedParticipant{{ID: "anna", Name: name, State: "connected"}})
		call := f.m.calls["a"]
		if anna := call.people["anna"]; call.Roster != RosterREST || call.Stale || anna.Stale || anna.Name != name {
			t.Errorf("roster by %s, call stale %v, anna stale %v, name %q; want it by REST, and fresh, name %q", call.Roster, call.Stale, anna.Stale, anna.Name, name)
		}
	}
	add("a")
	f.send(`"type": "subscriptionUpdate", "subscriptions": [ { "index": 2, "state": "active" } ]`)
	f.send(`"type": "rosterUpdate", "subscriptionIndex": 2, "updates": [ { "participant": "anna", "updateType": "add", "name": "Anna", "state": "connected" } ]`)
	f.turn(time.Minute)

	f.m.Lost(f.now, "test")
	f.m.Open(f.now)
	f.next = 0
	f.turn(0)
	f.send(`"type": "subscriptionUpdate", "subscriptions": [ { "index": %d, "state": "active" } ]`, f.m.index)
	list := f.m.index
	for _, call := range []string{"b", "a"} {
		f.send(`"type": "callListUpdate", "subscriptionIndex": %d, "updates": [ { "call": %q, "updateType": "add" } ]`, list, call)
		f.turn(time.Second)
	}
	read("Anna Falk")

	f.send(`"type": "callListUpdate", "subscriptionIndex": %d, "updates": [ { "call": "b", "updateType": "remove", "reason": "allLeft" } ]`, list)
	f.turn(time.Second)
	roster := f.m.calls["a"].rosterSub
	f.send(`"type": "subscriptionUpdate", "subscriptions": [ { "index": %d, "state": "active" } ]`, roster)
	f.send(`"type": "subscriptionUpdate", "subscriptions": [ { "index": %d, "state": "deactivated" } ]`, roster)
	if call := f.m.calls["a"]; call.Roster != RosterNone {
		t.Errorf("roster by %s after it was deactivated", call.Roster)
	}
}
