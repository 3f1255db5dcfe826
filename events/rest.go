package events

import "time"

// ListedCall is a call as the API lists it (cms-api.md §7.1).
type ListedCall struct {
	ID, Correlator, Name string
}

// ListedParticipant is a participant as the API lists one of a call (cms-api.md §7.3).
type ListedParticipant struct {
	ID, Name, URI string
	// State is empty where the release does not tell.
	State string
	// Host is the Call Bridge that hosts the participant; empty is the bridge that was asked.
	Host string
}

// NeedsREST lists the calls whose roster does not come by events: above the ceiling, put off, pending for too long, or because there is no connection.
// The list of calls itself needs REST where list is true.
func (m *Machine) NeedsREST() (list bool, calls []string) {
	list = true
	for _, sub := range m.subs {
		if sub.Type == typeCalls {
			list = sub.overdue
		}
	}
	for _, r := range byNumber(m.calls) {
		if sub := m.subs[r.rosterSub]; r.ending.IsZero() && (sub == nil && m.dirty.IsZero() || sub != nil && sub.overdue) {
			calls = append(calls, r.ID)
		}
	}
	return list, calls
}

// ReconcileCalls holds the complete list of calls that the API gave against what is known. It was asked for at asked: what the bridge told since then stands.
// A list comes in pages that shift while it is read, so what one list lacks is in doubt, and gone when a second one lacks it too.
func (m *Machine) ReconcileCalls(now, asked time.Time, listed []ListedCall) {
	there := make(map[string]bool, len(listed))
	for _, l := range listed {
		there[l.ID] = true
		r := m.calls[l.ID]
		if r == nil {
			if at, gone := m.ended[l.ID]; !usable(l.ID) || gone && !at.Before(asked) {
				continue
			}
			if len(m.calls) >= m.cfg.MaxCalls {
				m.stats.Ignored++
				continue
			}
			r = m.newCall(now, l.ID)
			r.Name, r.Correlator, r.AtSnapshot = clip(l.Name), clip(l.Correlator), true
			r.confirmed = m.phase != Down && m.listSettled
			m.note(Change{At: now, Kind: CallStarted, AtSnapshot: true}, r, nil)
			m.changed(now)
			continue
		}
		if r.Correlator == "" {
			r.Correlator = clip(l.Correlator)
		}
		if m.phase == Down {
			r.Stale, r.Seen = false, asked
		}
	}
	for _, r := range byNumber(m.calls) {
		switch {
		case there[r.ID] || !r.touched.Before(asked):
			r.missed = false
		case !r.missed:
			r.missed, m.doubt = true, true
		default:
			m.end(now, r, ReasonREST)
		}
	}
}

// ElementHost is the element of changes that tell which Call Bridge hosts a participant; empty is the bridge of the roster.
const ElementHost = "callBridge"

// ReconcileRoster holds the complete list of a call's participants against what is known of them, as ReconcileCalls does the calls. It is how their hosts are
// learnt, which events do not tell.
func (m *Machine) ReconcileRoster(now, asked time.Time, call string, listed []ListedParticipant) {
	r := m.calls[call]
	if r == nil || !r.ending.IsZero() {
		return
	}
	if r.Roster != RosterEvents || m.phase == Down {
		r.Roster, r.Stale, r.Seen = RosterREST, false, asked
	}
	there := make(map[string]bool, len(listed))
	for _, l := range listed {
		there[l.ID] = true
		p := r.people[l.ID]
		if p == nil {
			if at, gone := r.gone[l.ID]; !usable(l.ID) || gone && !at.Before(asked) {
				continue
			}
			if p = m.newPerson(now, r, l.ID); p == nil {
				continue
			}
			p.touched = asked
		}
		p.missed = false
		m.listed(now, asked, r, p, l)
		if host := clip(l.Host); !p.HostKnown || p.Host != host {
			from := p.Host
			p.Host, p.HostKnown = host, true
			m.note(Change{At: now, Kind: ParticipantChanged, Element: ElementHost, From: from, To: host, AtSnapshot: true}, r, p)
		}
	}
	for _, p := range r.everybody() {
		// Recorders, streamers and those who ring are not listed there for certain.
		switch {
		case there[p.ID] || !p.touched.Before(asked) || !p.Here() || CaptureOf(&p.Participant) != NoCapture:
			p.missed = false
		case !p.missed:
			p.missed, r.doubt = true, true
		default:
			m.leave(now, r, p, ReasonREST)
		}
	}
}

// listed merges an entry of the API's list. Where the roster is followed, its own word on names and states is newer.
func (m *Machine) listed(now, asked time.Time, r *roster, p *person, l ListedParticipant) {
	followed := r.Roster == RosterEvents && p.State != ""
	if !followed {
		p.Stale, p.Seen, p.touched = false, asked, asked
	}
	set := func(e *Element[string], value string, known string) {
		e.Told, e.Value = value != "" && (!followed || known == ""), value
	}
	var u participantUpdate
	set(&u.Name, l.Name, p.Name)
	set(&u.URI, l.URI, p.URI)
	set(&u.State, l.State, p.State)
	if l.State == "" && p.State == "" { // a release that does not tell lists who is there
		u.State = Element[string]{Value: "connected", Told: true}
	}
	m.mergePerson(now, r, p, &u, p.Here(), true)
}
