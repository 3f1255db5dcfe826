package events

import (
	"encoding/json"
	"strconv"
	"time"
)

// The kinds of entries in updates.
const (
	entryAdd    = "add"
	entryUpdate = "update"
	entryRemove = "remove"
)

// maxID is the longest id that is taken; GUIDs have 36 bytes.
const maxID = 128

func usable(id string) bool { return id != "" && len(id) <= maxID }

// callList takes a callListUpdate: entries in order.
func (m *Machine) callList(now time.Time, sub *subscription, c content) {
	for _, raw := range c.Updates {
		var u callUpdate
		if json.Unmarshal(raw, &u) != nil || !usable(u.Call) {
			m.stats.Odd++
			continue
		}
		m.oddCall(&u)
		r := m.calls[u.Call]
		switch {
		case u.UpdateType == entryAdd:
			if !m.listSettled {
				sub.quiet = now
				m.checkAt(now.Add(m.cfg.Settle))
			}
			m.addCall(now, r, &u)
		case u.UpdateType != entryUpdate && u.UpdateType != entryRemove:
			m.stats.Odd++
		case r == nil:
			if _, late := m.ended[u.Call]; late {
				m.stats.Late++
			} else if u.UpdateType == entryUpdate {
				m.stats.Unknown++
				m.doubt = true
			}
		case u.UpdateType == entryRemove:
			m.end(now, r, clip(u.Reason.Value))
		default:
			r.touched = now
			m.mergeCall(now, r, &u, true)
		}
	}
}

// addCall takes an add. For a call that is known it replaces the whole state.
func (m *Machine) addCall(now time.Time, r *roster, u *callUpdate) {
	if r == nil {
		if len(m.calls) >= m.cfg.MaxCalls {
			m.stats.Ignored++
			return
		}
		r = m.newCall(now, u.Call)
		r.AtSnapshot = !m.listSettled
		r.fresh, r.confirmed = m.listSettled, true
		m.mergeCall(now, r, u, false)
		m.note(Change{At: now, Kind: CallStarted, AtSnapshot: r.AtSnapshot}, r, nil)
		m.changed(now)
		return
	}
	for _, e := range m.callTable {
		switch e.name {
		case joinAudioMuteOverride: // callInfo's
		case "name", "callCorrelator": // they do not change in the life of a call, and REST tells them too
		default:
			e.unset(u)
		}
	}
	if !r.confirmed {
		r.confirmed, r.Stale = true, false
		m.changed(now)
	}
	if !r.ending.IsZero() { // it lives after all
		r.ending, r.rosterSub, r.infoSub = time.Time{}, 0, 0
		m.changed(now)
	}
	r.touched = now
	m.mergeCall(now, r, u, true)
}

func (m *Machine) newCall(now time.Time, id string) *roster {
	m.number++
	r := &roster{Call: Call{ID: id, Since: now, Seen: now, Roster: RosterNone}, people: map[string]*person{}, gone: map[string]time.Time{}, number: m.number, touched: now}
	m.calls[id] = r
	delete(m.ended, id)
	return r
}

func (m *Machine) mergeCall(now time.Time, r *roster, u *callUpdate, tell bool) {
	for _, e := range m.callTable {
		if from, to, changed := e.set(u, &r.Call); changed && tell {
			m.note(Change{At: now, Kind: CallChanged, Element: e.name, From: from, To: to}, r, nil)
		}
	}
}

func (m *Machine) oddCall(u *callUpdate) {
	for _, e := range m.callTable {
		if e.odd(u) {
			m.stats.Odd++
		}
	}
}

// callInfo takes a callInfoUpdate. The first may be a delta, so it is merged like any other.
func (m *Machine) callInfo(now time.Time, sub *subscription, c content) {
	var u callUpdate
	if len(c.CallInfo) == 0 || json.Unmarshal(c.CallInfo, &u) != nil {
		m.stats.Odd++
		return
	}
	m.oddCall(&u)
	sub.call.touched = now
	m.mergeCall(now, sub.call, &u, true)
}

// roster takes a rosterUpdate.
func (m *Machine) roster(now time.Time, sub *subscription, c content) {
	r := sub.call
	for _, raw := range c.Updates {
		var u participantUpdate
		if json.Unmarshal(raw, &u) != nil || !usable(u.Participant) {
			m.stats.Odd++
			continue
		}
		for _, e := range m.rosterTable {
			if e.odd(&u) {
				m.stats.Odd++
			}
		}
		p := r.people[u.Participant]
		switch {
		case u.UpdateType == entryAdd:
			if !r.settled {
				sub.quiet = now
				m.checkAt(now.Add(m.cfg.Settle))
			}
			m.addPerson(now, r, p, &u)
		case u.UpdateType != entryUpdate && u.UpdateType != entryRemove:
			m.stats.Odd++
		case p == nil:
			if _, late := r.gone[u.Participant]; late {
				m.stats.Late++
			} else if u.UpdateType == entryUpdate {
				m.stats.Unknown++
				r.doubt = true
			}
		case u.UpdateType == entryRemove:
			m.leave(now, r, p, clip(u.Reason.Value))
		default:
			p.touched = now
			m.mergePerson(now, r, p, &u, true, false)
		}
	}
	r.touched = now
}

// addPerson takes an add to a roster. For a participant who is known it replaces the whole state.
func (m *Machine) addPerson(now time.Time, r *roster, p *person, u *participantUpdate) {
	if p == nil {
		if p = m.newPerson(now, r, u.Participant); p == nil {
			return
		}
		p.confirmed = true
		m.mergePerson(now, r, p, u, false, r.snapshot())
		p.speaker = optional(p.ActiveSpeaker, strconv.FormatBool)
		if !p.Here() {
			m.note(Change{At: now, Kind: ParticipantAdded, AtSnapshot: r.snapshot()}, r, p)
		}
		return
	}
	for _, e := range m.rosterTable {
		e.unset(u)
	}
	p.confirmed, p.Stale, p.touched = true, false, now
	m.mergePerson(now, r, p, u, true, r.snapshot())
}

// newPerson makes a place for a participant; nil beyond the limit.
func (m *Machine) newPerson(now time.Time, r *roster, id string) *person {
	if m.people >= m.cfg.MaxParticipants {
		m.stats.Ignored++
		return nil
	}
	m.people++
	p := &person{Participant: Participant{ID: id, Added: now, Seen: now}, touched: now}
	r.people[id] = p
	delete(r.gone, id)
	return p
}

// mergePerson applies an update, and tells of what changed unless the participant is new. A change of state to connected is the joining, earlier than now if
// it is learnt atSnapshot.
func (m *Machine) mergePerson(now time.Time, r *roster, p *person, u *participantUpdate, tell, atSnapshot bool) {
	if u.Name.Told && u.Name.Value == "" && p.Name != "" {
		u.Name.Told = false // just before a remove the name may become empty: the last one is kept (cms-events.md §2.7)
	}
	for _, e := range m.rosterTable {
		from, to, changed := e.set(u, &p.Participant)
		switch {
		case !changed:
		case e.name == activeSpeaker:
			m.loud[p] = r
		case e.name == stateElement && !p.Here() && connected(to): // told below, when all is merged
		case tell:
			m.note(Change{At: now, Kind: ParticipantChanged, Element: e.name, From: from, To: to}, r, p)
		}
	}
	if !p.Here() && connected(p.State) {
		p.Joined = now
		m.note(Change{At: now, Kind: ParticipantJoined, AtSnapshot: atSnapshot}, r, p)
	}
}

// leave takes a participant out of a call.
func (m *Machine) leave(now time.Time, r *roster, p *person, reason string) {
	delete(r.people, p.ID)
	delete(m.loud, p)
	m.people--
	remember(r.gone, p.ID, now)
	m.note(Change{At: now, Kind: ParticipantLeft, Reason: reason}, r, p)
}

// remember notes that something is gone. A bridge that makes more and more of them up does not fill our memory.
func remember(gone map[string]time.Time, id string, now time.Time) {
	const most = 10_000
	if len(gone) >= most {
		clear(gone)
	}
	gone[id] = now
}

// end takes a call away, with whoever is still in it: the bridge does not remove them one by one.
func (m *Machine) end(now time.Time, r *roster, reason string) {
	for _, p := range r.everybody() {
		m.leave(now, r, p, ReasonCallGone)
	}
	delete(m.calls, r.ID)
	remember(m.ended, r.ID, now)
	delete(m.subs, r.rosterSub)
	delete(m.subs, r.infoSub)
	m.note(Change{At: now, Kind: CallEnded, Reason: reason}, r, nil)
	m.changed(now)
}

// deactivated is told of the subscriptions of a call just before its remove.
func (m *Machine) deactivated(now time.Time, r *roster) {
	if !r.ending.IsZero() {
		return
	}
	r.ending = now
	r.unfollow()
	for _, p := range r.everybody() {
		m.leave(now, r, p, ReasonCallGone)
	}
	delete(m.subs, r.rosterSub)
	delete(m.subs, r.infoSub)
	m.changed(now)
	m.checkAt(now.Add(m.cfg.Settle))
}

// sweep settles what has been quiet for long enough, and notes what is overdue.
func (m *Machine) sweep(now time.Time) {
	m.check = time.Time{}
	done := func(since time.Time, after time.Duration) bool {
		if due := since.Add(after); now.Before(due) {
			m.checkAt(due)
			return false
		}
		return true
	}
	// A snapshot has no end mark: it is over when it has been quiet, or after a while however many new ones come.
	settled := func(sub *subscription) bool {
		const most = 5
		if limit := sub.since.Add((most - 1) * m.cfg.Settle); limit.Before(sub.quiet) {
			return done(limit, m.cfg.Settle)
		}
		return done(sub.quiet, m.cfg.Settle)
	}
	unsettled := !m.listSettled
	for _, sub := range m.subs {
		switch {
		case sub.state == stateActive && sub.Type == typeCalls && !m.listSettled && settled(sub):
			m.listSettled, unsettled = true, false
			for _, r := range byNumber(m.calls) {
				if !r.confirmed {
					m.end(now, r, ReasonUnconfirmed)
				}
			}
		case (sub.state == stateAsked || sub.state == statePending) && !sub.overdue && done(sub.since, m.cfg.PendingTimeout):
			sub.overdue = true
		}
	}
	for _, r := range byNumber(m.calls) {
		if !r.ending.IsZero() {
			if done(r.ending, m.cfg.Settle) {
				m.end(now, r, ReasonDeactivated)
			}
			continue
		}
		// What began while we follow holds nothing up: on a busy bridge something always does.
		sub := m.subs[r.rosterSub]
		switch {
		case r.settled:
			continue
		case sub == nil:
			unsettled = unsettled || !r.fresh && !m.dirty.IsZero()
			continue
		case sub.state != stateActive:
			unsettled = unsettled || !r.fresh && !sub.overdue
			continue
		case !settled(sub):
			unsettled = unsettled || !r.fresh
			continue
		}
		r.settled = true
		for _, p := range r.everybody() {
			if !p.confirmed {
				m.leave(now, r, p, ReasonUnconfirmed)
			}
		}
	}
	switch {
	case m.phase != Settling:
	case unsettled:
		m.checkAt(now.Add(m.cfg.Settle / 4))
	default:
		m.phase = Live
		m.note(Change{At: now, Kind: Settled}, nil, nil)
	}
}
