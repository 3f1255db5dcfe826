package cmssim

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// This file is the events interface of cms-events.md: token, upgrade, one stream of messages per connection. What a
// connection sends is the difference between what it sent before and what is so now, taken at every tick.

// EventFaults are the faults of the events interface (cms-events.md, section 7).
type EventFaults struct {
	RefuseToken       int           // status to refuse a token with, such as 401 or 503; 0: none is refused
	OmitToken         bool          // answer 200 without the token header
	AckStatus         string        // status of acknowledgements; success if empty
	EndlessPending    bool          // subscriptions stay pending
	Ceiling           int           // subscriptions of a connection above this many are deferred; 0: 100
	DropInSnapshot    bool          // drop the connection in the middle of a snapshot
	DeltaFirst        bool          // the first callInfoUpdate is a delta
	SwapOrder         bool          // roster after info instead of before
	LateRoster        bool          // a rosterUpdate follows after a call's remove
	RemoveNoReason    bool          // remove entries carry no reason
	GarbageMoved      bool          // movedParticipant holds what looks like uninitialized memory
	Unknowns          bool          // unknown elements, states and inner types are mixed in
	Fragments         bool          // messages come in two WebSocket fragments
	SpeakersPerSecond int           // activeSpeaker changes a second and connection; 0: one
	AckTimeout        time.Duration // silence follows when the oldest message is unacknowledged for so long; 10 s if zero
	AckShrink         bool          // a shrunken set is followed by a subscriptionUpdate
	Frozen            bool          // requests are acknowledged, and nothing else is sent
	Mute              bool          // nothing is sent, not even acknowledgements
}

// EventStats says how a bridge's events interface was used.
type EventStats struct {
	Connections int   // ever
	Open        int   // now
	MostOpen    int   // most at once
	Sent        int64 // messages, acknowledgements aside
	Acked       int64 // acknowledged in order
	BadAcks     int64 // acknowledgements out of order or of nothing
	Silenced    int   // connections that fell silent for want of acknowledgements
	Requests    int64 // subscribeRequests
}

type eventStats struct {
	mu sync.Mutex
	EventStats
	open map[*eventConn]bool
}

// EventStats returns how the bridge's events interface was used so far.
func (b *Bridge) EventStats() EventStats {
	b.events.mu.Lock()
	defer b.events.mu.Unlock()
	s := b.events.EventStats
	s.Open = len(b.events.open)
	return s
}

func (s *eventStats) edit(do func(*EventStats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(&s.EventStats)
}

// DropEvents drops every events connection without a close frame.
func (b *Bridge) DropEvents() {
	b.events.mu.Lock()
	defer b.events.mu.Unlock()
	for c := range b.events.open {
		shut(c.ws)
	}
}

// tokenLife is how long a token is good for one connect.
const tokenLife = 30 * time.Second

// tokenBook holds tokens given out and not used yet.
type tokenBook struct {
	mu     sync.Mutex
	tokens map[string]time.Time
}

func (b *Bridge) newToken() answer {
	f := b.faults.get().Events
	if b.release() < 204 {
		return failure(http.StatusNotFound, el("unrecognizedObject"))
	}
	if f.RefuseToken != 0 {
		return answer{status: f.RefuseToken}
	}
	if f.OmitToken {
		return answer{status: http.StatusOK}
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	text := hex.EncodeToString(raw[:])
	token := text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
	b.tokens.mu.Lock()
	defer b.tokens.mu.Unlock()
	if b.tokens.tokens == nil {
		b.tokens.tokens = make(map[string]time.Time)
	}
	for old, at := range b.tokens.tokens {
		if time.Since(at) > tokenLife {
			delete(b.tokens.tokens, old)
		}
	}
	b.tokens.tokens[token] = time.Now()
	return answer{status: http.StatusOK, header: map[string]string{"X-Cisco-CMS-Auth-Token": token}}
}

// redeem uses a token up and reports whether it was good.
func (t *tokenBook) redeem(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.tokens[token]
	delete(t.tokens, token)
	return ok && time.Since(at) <= tokenLife
}

// eventConn is one events client. The reading goroutine takes in requests and acknowledgements; the other one writes.
type eventConn struct {
	b  *Bridge
	ws *websocket.Conn

	mu      sync.Mutex
	inbox   []inbound // requests not yet handled
	unacked []sentAt  // in order of their ids
	closed  bool
	wake    chan struct{}

	// Only the writer touches these.
	next    int64 // id of the next message
	subs    []*subscription
	silent  bool
	seen    map[story.GUID]*callView // what was sent of calls
	chatter story.Chooser
	spoke   time.Time
	// What the bridge looked like at the last tick: nothing is compared while it looks the same.
	dirty   bool
	version uint64
	decade  int64 // story time in tens of seconds: mutes and presenters follow the clock
}

type inbound struct {
	id   int64
	subs []wantedSub
}

type sentAt struct {
	id int64
	at time.Time
}

type wantedSub struct {
	Index    int      `json:"index"`
	Type     string   `json:"type"`
	Call     string   `json:"call"`
	Elements []string `json:"elements"`
}

type subscription struct {
	wantedSub
	state    string // pending, active, deactivated, deferred
	call     story.GUID
	sentInfo object                // callInfo as last sent
	people   map[story.GUID]object // roster as last sent
	told     map[story.GUID]bool   // participants told initial or empty-named before their remove
}

// callView is a call as last sent in the calls subscription.
type callView struct{ sent object }

// object is an ordered JSON object.
type object []member

type member struct {
	key   string
	value any // string, int, int64, bool, nil
}

func (o object) get(key string) (any, bool) {
	for _, m := range o {
		if m.key == key {
			return m.value, true
		}
	}
	return nil, false
}

// only keeps the wanted members, in the object's own order.
func (o object) only(wanted []string) object {
	var kept object
	for _, m := range o {
		if slices.Contains(wanted, m.key) {
			kept = append(kept, m)
		}
	}
	return kept
}

// since returns the members that differ from old.
func (o object) since(old object) object {
	var changed object
	for _, m := range o {
		if v, ok := old.get(m.key); !ok || v != m.value {
			changed = append(changed, m)
		}
	}
	return changed
}

// append writes the object with blanks inside braces and after colons and commas, as on the wire.
func (o object) append(b []byte) []byte {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, ' '), jsonText(m.key)...), ": "...)
		b = appendValue(b, m.value)
	}
	return append(b, " }"...)
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return append(b, jsonText(v)...)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case object:
		return v.append(b)
	case []object:
		b = append(b, '[')
		for i, o := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = o.append(append(b, ' '))
		}
		return append(b, " ]"...)
	}
	panic(fmt.Sprintf("cmssim: no JSON for %T", v)) // a mistake in this file
}

// jsonText quotes a text for JSON, leaving characters of markup as they are.
func jsonText(s string) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// message wraps an inner message in its envelope.
func message(id int64, kind string, rest ...member) []byte {
	inner := append(object{{"messageId", id}, {"type", kind}}, rest...)
	return object{{"type", "message"}, {"message", inner}}.append(nil)
}

func ackMessage(id int64, status string) []byte {
	return object{{"type", "messageAck"}, {"messageAck", object{{"messageId", id}, {"status", status}}}}.append(nil)
}

// eventTick is how often connections look for changes.
const eventTick = 20 * time.Millisecond

func (b *Bridge) handleEvents(w http.ResponseWriter, r *http.Request) {
	if b.stopped() || b.release() < 204 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if !b.tokens.redeem(r.URL.Query().Get("authToken")) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade answered
	}
	defer shut(ws)
	ws.SetReadLimit(4 << 20)
	ws.SetPingHandler(func(string) error { return nil }) // a Call Bridge answers no pings
	c := &eventConn{
		b: b, ws: ws, next: 1, wake: make(chan struct{}, 1), seen: make(map[story.GUID]*callView),
		chatter: story.NewChooser(b.cluster.sim.cfg.Seed, partMedia, uint64(time.Now().UnixNano())), spoke: time.Now(),
	}
	b.events.edit(func(s *EventStats) { s.Connections++ })
	b.events.mu.Lock()
	if b.events.open == nil {
		b.events.open = make(map[*eventConn]bool)
	}
	b.events.open[c] = true
	b.events.MostOpen = max(b.events.MostOpen, len(b.events.open))
	b.events.mu.Unlock()
	defer func() {
		b.events.mu.Lock()
		delete(b.events.open, c)
		b.events.mu.Unlock()
	}()
	var writer sync.WaitGroup
	writer.Go(func() { c.write(r.Context().Done()) })
	c.read()
	shut(ws)
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.poke()
	writer.Wait()
}

func (c *eventConn) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// read takes in what the client sends until the connection ends.
func (c *eventConn) read() {
	for {
		_, data, err := c.ws.ReadMessage()
		if err != nil {
			return
		}
		var in struct {
			Type    string `json:"type"`
			Message *struct {
				ID            int64       `json:"messageId"`
				Type          string      `json:"type"`
				Subscriptions []wantedSub `json:"subscriptions"`
			} `json:"message"`
			Ack *struct {
				ID     int64  `json:"messageId"`
				Status string `json:"status"`
			} `json:"messageAck"`
		}
		if err := json.Unmarshal(data, &in); err != nil {
			continue // what a real server does is unknown
		}
		switch {
		case in.Type == "messageAck" && in.Ack != nil:
			c.acked(in.Ack.ID)
		case in.Type == "message" && in.Message != nil:
			subs := in.Message.Subscriptions
			if in.Message.Type != "subscribeRequest" {
				subs = nil
			}
			c.b.events.edit(func(s *EventStats) { s.Requests++ })
			c.mu.Lock()
			c.inbox = append(c.inbox, inbound{in.Message.ID, subs})
			c.mu.Unlock()
			c.poke()
		}
	}
}

func (c *eventConn) acked(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	good := len(c.unacked) > 0 && c.unacked[0].id == id
	if good {
		c.unacked = c.unacked[1:]
	} else {
		c.unacked = slices.DeleteFunc(c.unacked, func(s sentAt) bool { return s.id == id })
	}
	c.b.events.edit(func(s *EventStats) {
		if good {
			s.Acked++
		} else {
			s.BadAcks++
		}
	})
}

// errSilent keeps a connection open that says no more.
var errSilent = errors.New("silent for want of acknowledgements")

func (c *eventConn) write(done <-chan struct{}) {
	tick := time.NewTicker(eventTick)
	defer tick.Stop()
	for {
		select {
		case <-done:
			shut(c.ws)
			return
		case <-c.wake:
		case <-tick.C:
		}
		c.mu.Lock()
		closed, inbox := c.closed, c.inbox
		c.inbox = nil
		c.mu.Unlock()
		if closed || c.b.stopped() || c.b.Faults().Down {
			shut(c.ws)
			return
		}
		f := c.b.faults.get().Events
		if f.Mute {
			continue
		}
		for _, in := range inbox {
			status := cmp.Or(f.AckStatus, "success")
			if c.raw(f, ackMessage(in.id, status)) != nil {
				return
			}
			if in.subs != nil && status == "success" && !f.Frozen {
				if err := c.subscribe(f, in.subs); err != nil && !errors.Is(err, errSilent) {
					shut(c.ws)
					return
				}
			}
		}
		if f.Frozen {
			continue
		}
		if err := c.update(f); err != nil && !errors.Is(err, errSilent) {
			shut(c.ws)
			return
		}
	}
}

// raw writes one frame, or two fragments.
func (c *eventConn) raw(f EventFaults, data []byte) error {
	if err := c.ws.SetWriteDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if !f.Fragments {
		return c.ws.WriteMessage(websocket.TextMessage, data)
	}
	w, err := c.ws.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	// The writer sends a fragment whenever its buffer is full; padding with blanks forces a second one.
	if _, err := w.Write(data); err != nil {
		return err
	}
	if _, err := w.Write(bytes.Repeat([]byte(" "), 8192)); err != nil {
		return err
	}
	return w.Close()
}

// send writes one message with the next id, unless the client is too late with its acknowledgements.
func (c *eventConn) send(f EventFaults, kind string, rest ...member) error {
	if c.silent {
		return errSilent
	}
	limit := cmp.Or(f.AckTimeout, 10*time.Second)
	c.mu.Lock()
	late := len(c.unacked) > 0 && time.Since(c.unacked[0].at) > limit
	if !late {
		c.unacked = append(c.unacked, sentAt{c.next, time.Now()})
	}
	c.mu.Unlock()
	if late {
		c.silent = true
		c.b.events.edit(func(s *EventStats) { s.Silenced++ })
		return errSilent
	}
	data := message(c.next, kind, rest...)
	c.next++
	c.b.events.edit(func(s *EventStats) { s.Sent++ })
	return c.raw(f, data)
}

// sendStates sends the subscriptionUpdate: calls, rosters by index, infos by index.
func (c *eventConn) sendStates(f EventFaults) error {
	var list []object
	for _, kind := range []string{"calls", "callRoster", "callInfo"} {
		for _, s := range c.sorted(kind) {
			list = append(list, object{{"index", s.Index}, {"state", s.state}})
		}
	}
	return c.send(f, "subscriptionUpdate", member{"subscriptions", list})
}

func (c *eventConn) sorted(kind string) []*subscription {
	var found []*subscription
	for _, s := range c.subs {
		if s.Type == kind {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b *subscription) int { return cmp.Compare(a.Index, b.Index) })
	return found
}

// subscribe replaces the set by the wanted one.
func (c *eventConn) subscribe(f EventFaults, wanted []wantedSub) error {
	old := make(map[int]*subscription, len(c.subs))
	for _, s := range c.subs {
		old[s.Index] = s
	}
	var set, fresh []*subscription
	used := make(map[int]bool)
	for _, w := range wanted {
		if w.Type != "calls" && w.Type != "callInfo" && w.Type != "callRoster" || used[w.Index] {
			continue // a duplicate index is taken without an error and loses its data
		}
		used[w.Index] = true
		if s := old[w.Index]; s != nil {
			set = append(set, s) // an index in use keeps what it was: reusing it for another call gets nothing
			continue
		}
		s := &subscription{wantedSub: w, state: "pending", people: make(map[story.GUID]object), told: make(map[story.GUID]bool)}
		s.call, _ = story.ParseGUID(w.Call) // what is no id names no call
		if w.Type == "calls" {
			clear(c.seen)
		}
		set, fresh = append(set, s), append(fresh, s)
	}
	c.dirty = true
	shrunk := len(set)-len(fresh) < len(c.subs)
	c.subs = set
	if len(fresh) == 0 {
		if shrunk && f.AckShrink {
			return c.sendStates(f)
		}
		return nil
	}
	if err := c.sendStates(f); err != nil || f.EndlessPending {
		return err
	}
	ceiling := cmp.Or(f.Ceiling, 100)
	live := c.b.liveCalls(func(story.GUID) bool { return false })
	for i, s := range set {
		if s.state != "pending" {
			continue
		}
		switch _, exists := live[s.call]; {
		case i >= ceiling:
			s.state = "deferred"
		case s.Type != "calls" && !exists:
			s.state = "deactivated"
		default:
			s.state = "active"
		}
	}
	if f.Unknowns {
		if err := c.send(f, "maintenanceNotice", member{"text", "an inner type nobody knows"}); err != nil {
			return err
		}
	}
	return c.sendStates(f)
}

// liveCall is a call as events show it.
type liveCall struct {
	id     story.GUID
	number int    // in order of the calls' start
	call   object // elements of calls and callInfo
	people []livePerson
}

type livePerson struct {
	id     story.GUID
	object object
	app    bool
	left   bool
	reason string
}

// liveCalls takes a picture of the bridge's calls, with the people of those whose roster is wanted.
func (b *Bridge) liveCalls(roster func(call story.GUID) bool) map[story.GUID]*liveCall {
	st := b.state.cluster
	st.mu.Lock()
	defer st.mu.Unlock()
	garbage := b.faults.get().Events.GarbageMoved
	all := make(map[story.GUID]*liveCall, len(b.state.calls))
	for number, call := range b.state.calls {
		m := call.meeting
		local, remote := m.participants(b.state)
		recorded, streamed := false, false
		for _, o := range m.calls {
			recorded = recorded || o.recordings > 0
			streamed = streamed || o.streams > 0
		}
		lock := "notLocked"
		if st.now <= call.Start {
			lock = "locked" // a new call often is, for a moment
		}
		l := &liveCall{id: call.ID, number: number, call: object{
			{"callCorrelator", m.Correlator.String()}, {"name", m.Name}, {"participants", local + remote + m.captures}, {"distributedInstances", len(m.calls) - 1},
			{"streaming", activity(streamed)}, {"recording", activity(recorded)}, {"endpointRecording", "inactive"}, {"lockState", lock}, {"callType", m.CallType},
		}}
		if roster(call.ID) {
			l.people = make([]livePerson, 0, len(m.people))
			for _, p := range m.people {
				l.people = append(l.people, personView(p, st.now, garbage))
			}
		}
		all[call.ID] = l
	}
	return all
}

func activity(on bool) string {
	if on {
		return "active"
	}
	return "inactive"
}

func personView(p *personState, now int64, garbage bool) livePerson {
	leg := p.leg
	name, uri := leg.DisplayName, leg.RemoteParty
	switch leg.Kind { // the devices show as guests of these names
	case story.Recorder:
		name, uri = "recording", fmt.Sprintf("guest%d@%s", uint32(leg.ID[0])<<8|uint32(leg.ID[1]), leg.Bridge.Cluster.Domain)
	case story.Streamer:
		name, uri = "streaming", fmt.Sprintf("guest%d@%s", uint32(leg.ID[0])<<8|uint32(leg.ID[1]), leg.Bridge.Cluster.Domain)
	}
	const elements = 14
	o := append(make(object, 0, elements), member{"name", name}, member{"uri", uri}, member{"state", "connected"},
		member{"direction", direction(leg.Outgoing || leg.Kind.App())}) // web app users show as outgoing
	switch {
	case garbage:
		o = append(o, member{"movedParticipant", "00007f3a-1c50-0000-6465-7669636500ff"}, member{"movedParticipantCallBridge", "00007f3a-1c50-0000-0000-000000000000"})
	case leg.MovedFrom != nil:
		o = append(o, member{"movedParticipant", leg.MovedFrom.Group.String()}, member{"movedParticipantCallBridge", leg.MovedFrom.Bridge.ID.String()})
	}
	minute := (now - leg.Start) / 60
	o = append(o,
		member{"canMove", leg.Kind == story.SIP}, member{"audioMuted", (uint64(leg.ID[1])+uint64(minute))%3 == 0}, member{"videoMuted", false},
		member{"importance", nil}, member{"layout", []string{"allEqual", "speakerOnly", "telepresence", "onePlusN"}[leg.ID[2]&3]}, member{"activeSpeaker", false},
		member{"presenter", leg.PresentFrom != story.Never && leg.PresentFrom <= now && now < leg.PresentTo}, member{"endpointRecording", "inactive"})
	return livePerson{id: leg.Group, object: o, app: leg.Kind.App(), left: p.left, reason: p.reason}
}

// infoOrder is the order of elements in callInfoUpdate; callListUpdate has another.
var infoOrder = []string{"name", "participants", "streaming", "recording", "endpointRecording", "joinAudioMuteOverride", "lockState", "callType", "callCorrelator", "distributedInstances"}

func (l *liveCall) info() object {
	o := make(object, 0, len(infoOrder))
	for _, name := range infoOrder {
		v, _ := l.call.get(name) // joinAudioMuteOverride is unset, which is null
		o = append(o, member{name, v})
	}
	return o
}

// update sends what changed since the last tick: the list of calls, then rosters, then infos.
func (c *eventConn) update(f EventFaults) error {
	if len(c.subs) == 0 || f.EndlessPending {
		return nil
	}
	st := c.b.state.cluster
	st.mu.Lock()
	version, decade := c.b.state.version, st.now/10
	st.mu.Unlock()
	if !c.dirty && version == c.version && decade == c.decade {
		return c.chat(f)
	}
	c.dirty, c.version, c.decade = false, version, decade
	rosters := map[story.GUID]bool{}
	for _, s := range c.subs {
		if s.Type == "callRoster" {
			rosters[s.call] = true
		}
	}
	live := c.b.liveCalls(func(call story.GUID) bool { return rosters[call] })
	var list *subscription
	if s := c.sorted("calls"); len(s) > 0 && s[0].state == "active" {
		list = s[0]
	}
	if err := c.end(f, list, live); err != nil {
		return err
	}
	if list != nil {
		if err := c.updateList(f, list, live); err != nil {
			return err
		}
	}
	steps := []func() error{func() error { return c.updateRosters(f, live, 0) }, func() error { return c.updateInfos(f, live) }, func() error { return c.updateRosters(f, live, 10) }}
	if f.SwapOrder {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return c.chat(f)
}

// end tells of calls that are over: deactivated for what hangs on them, then remove.
func (c *eventConn) end(f EventFaults, list *subscription, live map[story.GUID]*liveCall) error {
	over := false
	var late *subscription
	for _, s := range c.subs {
		if s.Type != "calls" && s.state == "active" && live[s.call] == nil {
			if s.Type == "callRoster" {
				late = s
				for id, p := range s.people {
					if d, _ := p.get("direction"); d == "incoming" { // the last one gets an empty name, and no remove
						if err := c.roster(f, s, object{{"participant", id.String()}, {"updateType", "update"}, {"name", ""}}); err != nil {
							return err
						}
						break
					}
				}
			}
			s.state = "deactivated"
			s.people, s.sentInfo = nil, nil
			over = true
		}
	}
	if over {
		if err := c.sendStates(f); err != nil {
			return err
		}
	}
	if list == nil {
		return nil
	}
	var gone []object
	for id := range c.seen {
		if live[id] == nil {
			delete(c.seen, id)
			o := object{{"call", id.String()}, {"updateType", "remove"}}
			if !f.RemoveNoReason {
				o = append(o, member{"reason", "allLeft"})
			}
			gone = append(gone, o)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if err := c.send(f, "callListUpdate", member{"subscriptionIndex", list.Index}, member{"updates", gone}); err != nil {
		return err
	}
	if f.LateRoster && late != nil {
		return c.roster(f, late, object{{"participant", story.GUID{1}.String()}, {"updateType", "update"}, {"audioMuted", true}})
	}
	return nil
}

func (c *eventConn) updateList(f EventFaults, list *subscription, live map[story.GUID]*liveCall) error {
	var updates []object
	adds := 0
	ordered := slices.SortedFunc(maps.Values(live), func(a, b *liveCall) int { return cmp.Compare(a.number, b.number) })
	for _, call := range ordered {
		id := call.id
		wanted := call.call.only(list.Elements)
		view := c.seen[id]
		if view == nil {
			c.seen[id] = &callView{wanted}
			add := append(object{{"call", id.String()}, {"updateType", "add"}}, wanted...)
			if f.Unknowns {
				add = append(add, member{"raisedHands", 0})
			}
			updates = append(updates, add)
			adds++
			continue
		}
		if changed := wanted.since(view.sent); len(changed) > 0 {
			view.sent = wanted
			updates = append(updates, append(object{{"call", id.String()}, {"updateType", "update"}}, changed...))
		}
	}
	if len(updates) == 0 {
		return nil
	}
	if err := c.send(f, "callListUpdate", member{"subscriptionIndex", list.Index}, member{"updates", updates}); err != nil {
		return err
	}
	if f.DropInSnapshot && adds > 0 {
		return net.ErrClosed
	}
	return nil
}

func (c *eventConn) roster(f EventFaults, s *subscription, updates ...object) error {
	return c.send(f, "rosterUpdate", member{"subscriptionIndex", s.Index}, member{"updates", updates})
}

// updateRosters sends what changed in rosters, new participants in pieces of at most ten. A first snapshot stops after
// ten (skip 0); the rest follows behind the callInfoUpdate (skip above 0).
func (c *eventConn) updateRosters(f EventFaults, live map[story.GUID]*liveCall, skip int) error {
	for _, s := range c.sorted("callRoster") {
		call := live[s.call]
		if s.state != "active" || call == nil {
			continue
		}
		var adds, changes []object
		for _, p := range call.people {
			wanted := p.object.only(s.Elements)
			sent, known := s.people[p.id]
			switch {
			case p.left && !known:
			case p.left:
				if !s.told[p.id] { // first the hint, with the next tick the remove
					s.told[p.id] = true
					c.dirty = true
					hint := member{"name", ""}
					if p.app {
						hint = member{"state", "initial"}
					}
					if slices.Contains(s.Elements, hint.key) {
						changes = append(changes, object{{"participant", p.id.String()}, {"updateType", "update"}, hint})
						continue
					}
				}
				delete(s.people, p.id)
				delete(s.told, p.id)
				gone := object{{"participant", p.id.String()}, {"updateType", "remove"}}
				if !f.RemoveNoReason {
					gone = append(gone, member{"reason", rosterReason(p)})
				}
				changes = append(changes, gone)
			case !known:
				if skip == 0 && len(adds) == 10 {
					continue
				}
				s.people[p.id] = wanted
				add := append(object{{"participant", p.id.String()}, {"updateType", "add"}}, wanted...)
				if f.Unknowns {
					add = append(add, member{"mood", "cheerful"})
				}
				adds = append(adds, add)
			default:
				if speaking, ok := sent.get("activeSpeaker"); ok {
					for i := range wanted {
						if wanted[i].key == "activeSpeaker" {
							wanted[i].value = speaking // chat alone moves it
						}
					}
				}
				if changed := wanted.since(sent); len(changed) > 0 {
					s.people[p.id] = wanted
					changes = append(changes, append(object{{"participant", p.id.String()}, {"updateType", "update"}}, changed...))
				}
			}
		}
		if len(changes) > 0 {
			if err := c.roster(f, s, changes...); err != nil {
				return err
			}
		}
		for piece := range slices.Chunk(adds, 10) {
			if err := c.roster(f, s, piece...); err != nil {
				return err
			}
		}
	}
	return nil
}

// rosterReason is why a participant went, in the words of events: a web app user's ordinary leave is a timeout.
func rosterReason(p livePerson) string {
	if p.app {
		return "timeout"
	}
	return p.reason
}

func (c *eventConn) updateInfos(f EventFaults, live map[story.GUID]*liveCall) error {
	for _, s := range c.sorted("callInfo") {
		call := live[s.call]
		if s.state != "active" || call == nil {
			continue
		}
		wanted := call.info().only(s.Elements)
		changed := wanted.since(s.sentInfo)
		if len(changed) == 0 {
			continue
		}
		if s.sentInfo == nil && f.DeltaFirst {
			changed = changed.only([]string{"participants"})
		}
		s.sentInfo = wanted
		if err := c.send(f, "callInfoUpdate", member{"subscriptionIndex", s.Index}, member{"callInfo", changed}); err != nil {
			return err
		}
	}
	return nil
}

// chat moves the active speakers, by far the noisiest element.
func (c *eventConn) chat(f EventFaults) error {
	each := time.Second / time.Duration(min(max(1, f.SpeakersPerSecond), 1e6))
	due := int(time.Since(c.spoke) / each)
	if due == 0 {
		return nil
	}
	c.spoke = c.spoke.Add(time.Duration(due) * each)
	rosters := c.sorted("callRoster")
	for range min(due, 2000) {
		if len(rosters) == 0 {
			return nil
		}
		s := rosters[c.chatter.IntN(len(rosters))]
		for id, p := range s.people { // any one: the order of a map is as good a choice as another
			speaking, ok := p.get("activeSpeaker")
			if !ok || s.told[id] {
				break
			}
			now := speaking != true
			p = slices.Clone(p)
			for i := range p {
				if p[i].key == "activeSpeaker" {
					p[i].value = now
				}
			}
			s.people[id] = p
			if err := c.roster(f, s, object{{"participant", id.String()}, {"updateType", "update"}, {"activeSpeaker", now}}); err != nil {
				return err
			}
			if told := c.b.cluster.sim.cfg.Spoke; told != nil {
				name, _ := p.get("name")
				told(Spoken{Bridge: c.b.Name, Call: s.call.String(), Participant: id.String(), Name: fmt.Sprint(name), Roster: len(s.people), Speaking: now, At: time.Now()})
			}
			break
		}
	}
	return nil
}
