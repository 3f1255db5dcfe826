package events

import (
	"fmt"
	"slices"
	"time"
)

// connection is what a Machine knows of the socket in use; a new socket begins with the zero value.
type connection struct {
	phase Phase
	subs  map[int]*subscription
	// index is the highest given. An index is never used twice on a connection: a bridge takes it without error and loses the data (cms-events.md §6.3).
	index int
	// request is our number of the last request, stated the indexes it had.
	request int64
	stated  []int
	// awaiting is when the request was sent that is not acknowledged yet; zero: none is. One is under way at a time.
	awaiting time.Time
	// dirty is since when the wanted set may differ from the stated one; zero: it does not.
	dirty time.Time
	// heard is when the last frame came, lastID the bridge's number of the last message.
	heard  time.Time
	lastID int64
	// check is when something may be settled, overdue or over; zero: nothing can.
	check time.Time
	// listSettled: calls that were not confirmed have been dropped.
	listSettled bool
}

// subscription is one entry of the wanted set.
type subscription struct {
	request
	call  *roster // nil for the list of calls
	state string
	since time.Time // of the state
	quiet time.Time // last sign of its snapshot
	// overdue: pending for so long, or put off, that its call is to be read over REST.
	overdue bool
}

// The types of subscriptions, and the states in which they are.
const (
	typeCalls  = "calls"
	typeRoster = "callRoster"
	typeInfo   = "callInfo"

	stateAsked       = "asked" // by us; the bridge has not said anything yet
	statePending     = "pending"
	stateActive      = "active"
	stateDeactivated = "deactivated"
)

// subscribedBy is the type of subscription that a message is for.
func subscribedBy(message string) string {
	switch message {
	case callListUpdate:
		return typeCalls
	case callInfoUpdate:
		return typeInfo
	default:
		return typeRoster
	}
}

// Open says that a new socket is open. Nothing is kept or replayed by the bridge: it gets the list of calls subscribed first.
func (m *Machine) Open(now time.Time) {
	m.connection = connection{phase: Settling, subs: map[int]*subscription{}, heard: now, dirty: now.Add(-m.cfg.Collect)}
	for _, r := range m.calls {
		r.confirmed, r.fresh, r.settled, r.rosterSub, r.infoSub = false, false, false, 0, 0
		r.unfollow()
		for _, p := range r.people {
			p.confirmed = false
		}
	}
	m.subscribe(now, typeCalls, nil)
	m.note(Change{At: now, Kind: Connected}, nil, nil)
}

// Lost says that the socket is gone, and why. What is known becomes stale, not gone: the bridge may live on.
func (m *Machine) Lost(now time.Time, reason string) {
	if m.phase == Down {
		return
	}
	for _, r := range byNumber(m.calls) {
		if !r.ending.IsZero() {
			m.end(now, r, ReasonDeactivated)
			continue
		}
		for _, p := range r.people {
			p.Seen, p.Stale = m.seen(p.Seen, p.Stale), true
		}
		r.Seen, r.Stale = m.seen(r.Seen, r.Stale), true
		r.rosterSub, r.infoSub = 0, 0
	}
	m.sampleSpeakers(now)
	m.connection = connection{phase: Down, heard: m.heard}
	m.note(Change{At: now, Kind: Lost, Reason: clip(reason)}, nil, nil)
}

// Phase says how much is known now.
func (m *Machine) Phase() Phase { return m.phase }

// Heard is when the last frame came; zero before the first.
func (m *Machine) Heard() time.Time { return m.heard }

func (m *Machine) subscribe(now time.Time, kind string, r *roster) *subscription {
	m.index++
	sub := &subscription{request: request{Index: m.index, Type: kind, Elements: m.callNames}, call: r, state: stateAsked, since: now}
	switch kind {
	case typeRoster:
		sub.Call, sub.Elements, r.rosterSub = r.ID, m.peopleName, m.index
	case typeInfo:
		sub.Call, sub.Elements, r.infoSub = r.ID, m.infoNames, m.index
	}
	m.subs[m.index] = sub
	return sub
}

// changed notes that the wanted set may differ from the stated one.
func (m *Machine) changed(now time.Time) {
	if m.phase != Down && m.dirty.IsZero() {
		m.dirty = now
	}
}

// TakeRequest returns the request to send now, nil for none: the whole wanted set, changes of a moment gathered; or the unchanged one, as a probe after
// silence. A quiet bridge says nothing, and pings are not answered, but a request is (cms-events.md §1.3).
func (m *Machine) TakeRequest(now time.Time) []byte {
	if m.phase == Down || !m.awaiting.IsZero() {
		return nil
	}
	probe := now.Sub(m.heard) >= m.cfg.Probe
	if !probe && (m.dirty.IsZero() || now.Sub(m.dirty) < m.cfg.Collect) {
		return nil
	}
	set := m.wanted(now)
	indexes := make([]int, len(set))
	for i, r := range set {
		indexes[i] = r.Index
	}
	m.dirty = time.Time{}
	same := slices.Equal(indexes, m.stated)
	if same && !probe {
		return nil
	}
	if same {
		m.stats.Probes++
	}
	m.stats.Requests++
	m.stated, m.awaiting = indexes, now
	m.request++
	return encodeRequest(m.request, set)
}

// wanted gives subscriptions to calls as far as the ceiling allows and returns the set: the list of calls, rosters, infos. Calls that have a roster keep it, then
// calls that came first get theirs: one that was learnt earlier may be confirmed later.
func (m *Machine) wanted(now time.Time) []request {
	calls := byNumber(m.calls)
	calls = slices.DeleteFunc(calls, func(r *roster) bool { return !r.confirmed || !r.ending.IsZero() })
	slices.SortStableFunc(calls, func(a, b *roster) int { return withoutRoster(a) - withoutRoster(b) })
	var list, rosters, infos []request
	for _, sub := range m.subs {
		if sub.Type == typeCalls {
			list = append(list, sub.request)
		}
	}
	room := m.cfg.Ceiling - len(list)
	for _, r := range calls {
		if room > 0 {
			room--
			if r.rosterSub == 0 {
				m.subscribe(now, typeRoster, r)
			}
			rosters = append(rosters, m.subs[r.rosterSub].request)
		}
	}
	for _, r := range calls {
		switch {
		case m.cfg.CallInfo && room > 0:
			room--
			if r.infoSub == 0 {
				m.subscribe(now, typeInfo, r)
			}
			infos = append(infos, m.subs[r.infoSub].request)
		case r.infoSub != 0: // a roster needs the room
			delete(m.subs, r.infoSub)
			r.infoSub = 0
		}
	}
	byIndex := func(a, b request) int { return a.Index - b.Index }
	slices.SortFunc(rosters, byIndex)
	slices.SortFunc(infos, byIndex)
	return slices.Concat(list, rosters, infos)
}

func withoutRoster(r *roster) int {
	if r.rosterSub == 0 {
		return 1
	}
	return 0
}

func (m *Machine) acknowledged(now time.Time, f Frame) error {
	switch {
	case f.ID < 1 || f.ID > m.request:
		m.stats.Odd++ // of nothing we sent
		return nil
	case f.Status != success:
		return fmt.Errorf("%w: status %.40q", ErrRefused, f.Status)
	case f.ID == m.request:
		m.awaiting = time.Time{}
		for _, i := range m.stated {
			if sub := m.subs[i]; sub != nil && sub.state == stateAsked {
				sub.since = now
			}
		}
		m.checkAt(now.Add(m.cfg.PendingTimeout))
	}
	return nil
}

// checkAt asks for a sweep at a time, unless one is due before.
func (m *Machine) checkAt(at time.Time) {
	if m.check.IsZero() || at.Before(m.check) {
		m.check = at
	}
}

// states takes a subscriptionUpdate, which lists all subscriptions each time.
func (m *Machine) states(now time.Time, c content) error {
	for _, told := range c.Subscriptions {
		sub := m.subs[told.Index.Value]
		switch {
		case !told.Index.Told || !told.State.Told:
			m.stats.Odd++
		case sub == nil || sub.state == told.State.Value:
		case told.State.Value == stateDeactivated && sub.Type == typeCalls:
			return ErrNoCalls
		default:
			m.enter(now, sub, told.State.Value)
		}
	}
	return nil
}

// enter puts a subscription into a state.
func (m *Machine) enter(now time.Time, sub *subscription, state string) {
	if sub.state == stateActive && sub.Type == typeRoster {
		sub.call.unfollow()
	}
	sub.state, sub.since = clip(state), now
	switch state {
	case stateActive:
		sub.overdue = false
		sub.quiet = now
		if sub.Type == typeRoster {
			sub.call.Roster, sub.call.settled = RosterEvents, false
		}
		m.checkAt(now.Add(m.cfg.Settle))
	case stateDeactivated:
		m.deactivated(now, sub.call)
	case statePending:
		m.checkAt(now.Add(m.cfg.PendingTimeout))
	default: // deferred, or a state that nobody knows: kept in the set, and read over REST meanwhile
		if state != "deferred" {
			m.stats.Odd++
		}
		sub.overdue = true
	}
}
