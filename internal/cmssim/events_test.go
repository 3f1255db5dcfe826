package cmssim

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestMessagesAsOnTheWire compares the encoders with messages of cms-events.md sections 2 and 5, byte for byte.
func TestMessagesAsOnTheWire(t *testing.T) {
	const call, person = "e5280844-2883-45ed-bf07-9e5599e240cd", "d44e2461-e77e-42ba-8655-521017b8401d"
	listed := object{
		{"callCorrelator", "fcf81476-ac02-48fd-aeda-d90d74cb7dec"}, {"name", "Harbour planning"}, {"participants", 0}, {"distributedInstances", 0},
		{"streaming", "inactive"}, {"recording", "inactive"}, {"endpointRecording", "inactive"}, {"lockState", "locked"}, {"callType", "coSpace"},
	}
	open := (&liveCall{call: listed}).info()
	for i := range open {
		if open[i].key == "lockState" {
			open[i].value = "notLocked"
		}
	}
	for _, c := range []struct {
		want string
		got  []byte
	}{
		{`{ "type": "messageAck", "messageAck": { "messageId": 1, "status": "success" } }`, ackMessage(1, "success")},
		{`{ "type": "message", "message": { "messageId": 5, "type": "subscriptionUpdate", "subscriptions": [ { "index": 1, "state": "active" }, { "index": 3, "state": "pending" }, { "index": 2, "state": "pending" } ] } }`,
			message(5, "subscriptionUpdate", member{"subscriptions", []object{{{"index", 1}, {"state", "active"}}, {{"index", 3}, {"state", "pending"}}, {{"index", 2}, {"state", "pending"}}}})},
		{`{ "type": "message", "message": { "messageId": 3, "type": "callListUpdate", "subscriptionIndex": 1, "updates": [ { "call": "e5280844-2883-45ed-bf07-9e5599e240cd", "updateType": "add", "callCorrelator": "fcf81476-ac02-48fd-aeda-d90d74cb7dec", "name": "Harbour planning", "participants": 0, "distributedInstances": 0, "streaming": "inactive", "recording": "inactive", "endpointRecording": "inactive", "lockState": "locked", "callType": "coSpace" } ] } }`,
			message(3, "callListUpdate", member{"subscriptionIndex", 1}, member{"updates", []object{append(object{{"call", call}, {"updateType", "add"}}, listed...)}})},
		{`{ "type": "message", "message": { "messageId": 8, "type": "callInfoUpdate", "subscriptionIndex": 2, "callInfo": { "name": "Harbour planning", "participants": 0, "streaming": "inactive", "recording": "inactive", "endpointRecording": "inactive", "joinAudioMuteOverride": null, "lockState": "notLocked", "callType": "coSpace", "callCorrelator": "fcf81476-ac02-48fd-aeda-d90d74cb7dec", "distributedInstances": 0 } } }`,
			message(8, "callInfoUpdate", member{"subscriptionIndex", 2}, member{"callInfo", open})},
		{`{ "type": "message", "message": { "messageId": 10, "type": "rosterUpdate", "subscriptionIndex": 3, "updates": [ { "participant": "d44e2461-e77e-42ba-8655-521017b8401d", "updateType": "update", "name": "Anna Falk", "state": "connected" } ] } }`,
			message(10, "rosterUpdate", member{"subscriptionIndex", 3}, member{"updates", []object{{{"participant", person}, {"updateType", "update"}, {"name", "Anna Falk"}, {"state", "connected"}}}})},
	} {
		if string(c.got) != c.want {
			t.Errorf("message differs:\n got %s\nwant %s", c.got, c.want)
		}
	}
}

// watcher is an events client that acknowledges everything and follows calls and rosters.
type watcher struct {
	t      *testing.T
	ws     *websocket.Conn
	ids    int64
	last   int64
	mute   bool // do not acknowledge
	calls  map[string]map[string]any
	roster map[int]map[string]map[string]any
	subs   []map[string]any
	states map[int]string
	kinds  []string
	pieces int // largest number of adds in one rosterUpdate
}

func dial(b *Bridge, token string) (*websocket.Conn, int, error) {
	d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, HandshakeTimeout: 10 * time.Second}
	ws, resp, err := d.Dial(strings.Replace(b.URL(), "https", "wss", 1)+"/events/v1?authToken="+token, nil)
	if resp == nil {
		return ws, 0, err
	}
	return ws, resp.StatusCode, err
}

func watch(t *testing.T, b *Bridge) *watcher {
	t.Helper()
	code, _, header := do(t, b, http.MethodPost, "/api/v1/authTokens", "")
	token := header.Get("X-Cisco-CMS-Auth-Token")
	if code != http.StatusOK || token == "" {
		t.Fatalf("token: %d %v", code, header)
	}
	ws, status, err := dial(b, token)
	if err != nil {
		t.Fatalf("connecting: %d %v", status, err)
	}
	t.Cleanup(func() { shut(ws) })
	if _, status, err := dial(b, token); err == nil || status != http.StatusUnauthorized {
		t.Errorf("a used token connects: %d %v", status, err)
	}
	return &watcher{t: t, ws: ws, calls: make(map[string]map[string]any), roster: make(map[int]map[string]map[string]any), states: make(map[int]string)}
}

func (w *watcher) subscribe(subs ...map[string]any) {
	w.t.Helper()
	w.ids++
	w.subs = subs
	if err := w.ws.WriteJSON(map[string]any{"type": "message", "message": map[string]any{"messageId": w.ids, "type": "subscribeRequest", "subscriptions": subs}}); err != nil {
		w.t.Fatal(err)
	}
}

var (
	listElements   = []string{"name", "participants", "distributedInstances", "recording", "streaming", "lockState", "callType", "callCorrelator", "nonsense"}
	rosterElements = []string{"name", "uri", "state", "direction", "audioMuted", "importance", "activeSpeaker", "presenter"}
)

func calls(index int) map[string]any {
	return map[string]any{"index": index, "type": "calls", "elements": listElements}
}

func rosterOf(index int, call string) map[string]any {
	return map[string]any{"index": index, "type": "callRoster", "call": call, "elements": rosterElements}
}

// next reads one message, acknowledges it and applies it; false after wait without one.
func (w *watcher) next(wait time.Duration) bool {
	w.t.Helper()
	if err := w.ws.SetReadDeadline(time.Now().Add(wait)); err != nil {
		w.t.Fatal(err)
	}
	_, data, err := w.ws.ReadMessage()
	if err != nil {
		return false
	}
	var m struct {
		Type    string
		Message struct {
			MessageID         int64
			Type              string
			SubscriptionIndex int
			Subscriptions     []struct {
				Index int
				State string
			}
			Updates []map[string]any
		}
	}
	if err := json.Unmarshal(data, &m); err != nil {
		w.t.Fatalf("%s: %v", data, err)
	}
	if m.Type == "messageAck" {
		w.kinds = append(w.kinds, "ack")
		return true
	}
	w.last++
	if m.Message.MessageID != w.last {
		w.t.Fatalf("message id %d after %d", m.Message.MessageID, w.last-1)
	}
	if !w.mute {
		// A connection that was dropped meanwhile takes none; the next read tells.
		_ = w.ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"messageAck","messageAck":{"messageId":%d,"status":"success"}}`, m.Message.MessageID))
	}
	w.kinds = append(w.kinds, m.Message.Type)
	for _, s := range m.Message.Subscriptions {
		w.states[s.Index] = s.State
	}
	into, key := w.calls, "call"
	if m.Message.Type == "rosterUpdate" {
		if w.roster[m.Message.SubscriptionIndex] == nil {
			w.roster[m.Message.SubscriptionIndex] = make(map[string]map[string]any)
		}
		into, key = w.roster[m.Message.SubscriptionIndex], "participant"
	}
	adds := 0
	for _, u := range m.Message.Updates {
		id, _ := u[key].(string)
		switch u["updateType"] {
		case "add":
			adds++
			into[id] = u
		case "remove":
			delete(into, id)
		case "update":
			if into[id] == nil {
				w.t.Fatalf("update of unknown %s %s", key, id)
			}
			for k, v := range u {
				into[id][k] = v
			}
		}
	}
	if m.Message.Type == "rosterUpdate" {
		w.pieces = max(w.pieces, adds)
	}
	return true
}

func (w *watcher) until(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) || !w.next(10*time.Second) {
			w.t.Fatalf("never: %s; got %v, states %v", what, w.kinds, w.states)
		}
	}
}

func TestEventsFollowTheMeetings(t *testing.T) {
	sim := started(t, Config{Seed: 12, Bridges: 2, Preroll: time.Hour, Speed: 300})
	sim.StartStory()
	b := sim.Bridges()[0]
	for sim.Truth().Bridges[0].CallsNow < 5 {
		time.Sleep(10 * time.Millisecond)
	}
	w := watch(t, b)
	w.subscribe(calls(1))
	w.until("calls", func() bool { return len(w.calls) > 0 })
	if got := strings.Join(w.kinds[:4], " "); got != "ack subscriptionUpdate subscriptionUpdate callListUpdate" {
		t.Errorf("the answer to a subscription is %s", got)
	}
	var biggest string
	for id, c := range w.calls {
		if _, asked := c["nonsense"]; asked || c["endpointRecording"] != nil {
			t.Errorf("unwanted elements: %v", c)
		}
		if biggest == "" || c["participants"].(float64) > w.calls[biggest]["participants"].(float64) {
			biggest = id
		}
	}
	w.subscribe(calls(1), rosterOf(2, biggest))
	w.until("a roster", func() bool { return len(w.roster[2]) > 1 })
	seen := len(w.kinds)
	w.subscribe(calls(1), rosterOf(2, biggest))
	w.until("an ack", func() bool { return slices.Contains(w.kinds[seen:], "ack") })
	for _, k := range w.kinds[seen:] {
		if k == "subscriptionUpdate" {
			t.Error("the unchanged set brought a subscriptionUpdate")
		}
	}
	if w.pieces > 10 {
		t.Errorf("%d participants in one message", w.pieces)
	}
	w.until("the end of a call", func() bool { return w.calls[biggest] == nil })
	if w.states[2] != "deactivated" {
		t.Errorf("the call is removed with its roster %q", w.states[2])
	}
	if s := b.EventStats(); s.BadAcks != 0 || s.Acked == 0 || s.Open != 1 || s.Silenced != 0 {
		t.Errorf("%+v", s)
	}
}

// TestEventsSettle compares the live state of a client with the bridge's, once the story stands still.
func TestEventsSettle(t *testing.T) {
	sim := started(t, Config{Seed: 13, Bridges: 2, Preroll: time.Hour, Speed: 400, StopAfter: 15 * time.Minute})
	sim.StartStory()
	b := sim.Bridges()[1]
	w := watch(t, b)
	w.subscribe(calls(1))
	index, indexOf := 1, make(map[string]int)
	quiet := 0
	for deadline := time.Now().Add(40 * time.Second); quiet < 15 && time.Now().Before(deadline); {
		if !sim.clusters[0].storyEnded() {
			quiet = 0
		} else {
			quiet++
		}
		subs := []map[string]any{calls(1)}
		for id := range w.calls {
			if indexOf[id] == 0 {
				index++
				indexOf[id] = index
				quiet = 0
			}
			subs = append(subs, rosterOf(indexOf[id], id))
		}
		w.subscribe(subs...)
		seen := len(w.kinds)
		w.until("an ack", func() bool { return slices.Contains(w.kinds[seen:], "ack") })
		time.Sleep(30 * time.Millisecond)
	}
	st := sim.clusters[0].state
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(w.calls) != len(b.state.calls) || len(w.calls) == 0 {
		t.Errorf("%d calls, the bridge has %d", len(w.calls), len(b.state.calls))
	}
	for _, c := range b.state.calls {
		here := make(map[string]bool)
		for _, p := range c.meeting.people {
			if !p.left {
				here[p.leg.Group.String()] = true
			}
		}
		roster := w.roster[indexOf[c.ID.String()]]
		if len(roster) != len(here) {
			t.Errorf("call %s: %d in the roster, %d in the meeting", c.ID, len(roster), len(here))
		}
		for id := range roster {
			if !here[id] {
				t.Errorf("call %s: %s is in the roster and not in the meeting", c.ID, id)
			}
		}
	}
}

func TestEventFaults(t *testing.T) {
	sim := started(t, Config{Seed: 12, Bridges: 1, Preroll: time.Hour, Speed: 300})
	sim.StartStory()
	b := sim.Bridges()[0]
	for sim.Truth().Bridges[0].CallsNow < 3 {
		time.Sleep(10 * time.Millisecond)
	}
	b.Fault(func(f *Faults) { f.Events = EventFaults{AckTimeout: 50 * time.Millisecond} })
	w := watch(t, b)
	w.mute = true
	w.subscribe(calls(1))
	for w.next(2 * time.Second) {
		if w.last > 1000 {
			t.Fatal("the bridge talks on without acknowledgements")
		}
	}
	if s := b.EventStats(); s.Silenced != 1 || s.Open != 1 {
		t.Errorf("without acknowledgements: %+v", s)
	}
	b.Fault(func(f *Faults) { f.Events = EventFaults{EndlessPending: true, Fragments: true} })
	w = watch(t, b)
	w.subscribe(calls(1))
	for w.next(300 * time.Millisecond) {
	}
	if w.states[1] != "pending" || len(w.calls) > 0 {
		t.Errorf("endless pending: %v with %d calls", w.states, len(w.calls))
	}
	b.Fault(func(f *Faults) { f.Events = EventFaults{RefuseToken: 503} })
	if code, _, _ := do(t, b, http.MethodPost, "/api/v1/authTokens", ""); code != 503 {
		t.Errorf("a refused token answers %d", code)
	}
	b.Fault(func(f *Faults) { f.Events = EventFaults{} })
	w = watch(t, b)
	w.subscribe(calls(1))
	w.until("calls", func() bool { return len(w.calls) > 0 })
	b.DropEvents()
	for w.next(5 * time.Second) {
	}
	for deadline := time.Now().Add(10 * time.Second); b.EventStats().Open > 1; {
		if time.Now().After(deadline) {
			t.Fatalf("after a drop: %+v", b.EventStats())
		}
		time.Sleep(5 * time.Millisecond)
	}
}
