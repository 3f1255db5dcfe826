package events

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// CallView is a call with its participants, as copies.
type CallView struct {
	Call
	// People of the roster, in order of their ids.
	People []Participant
	// Settled: the roster is followed, and who was not confirmed by its snapshot has been dropped.
	Settled bool
}

// Calls gives the calls that are going on, in the order in which they were learnt.
func (m *Machine) Calls() iter.Seq[CallView] {
	return func(yield func(CallView) bool) {
		for _, r := range byNumber(m.calls) {
			if r.ending.IsZero() && !yield(m.view(r)) {
				return
			}
		}
	}
}

// CallStates gives the calls that are going on, without their participants and in no order.
func (m *Machine) CallStates() iter.Seq[Call] {
	return func(yield func(Call) bool) {
		for _, r := range m.calls {
			if r.ending.IsZero() && !yield(r.Call) {
				return
			}
		}
	}
}

// Call gives one call; false where it is not going on.
func (m *Machine) Call(id string) (CallView, bool) {
	r := m.calls[id]
	if r == nil || !r.ending.IsZero() {
		return CallView{}, false
	}
	return m.view(r), true
}

// Mentions reports whether a call that is going on has a text in its name, or in a name or an address of its roster, in any case.
func (m *Machine) Mentions(id, text string) bool {
	r := m.calls[id]
	if r == nil || !r.ending.IsZero() {
		return false
	}
	text = strings.ToLower(text)
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	if has(r.Name) {
		return true
	}
	for _, p := range r.people {
		if has(p.Name) || has(p.URI) {
			return true
		}
	}
	return false
}

func (m *Machine) view(r *roster) CallView {
	v := CallView{Call: r.Call, People: make([]Participant, 0, len(r.people)), Settled: r.settled && r.Roster == RosterEvents}
	v.Seen = m.seen(r.Seen, r.Stale)
	for _, person := range r.everybody() {
		p := person.Participant
		p.Seen = m.seen(p.Seen, p.Stale)
		v.People = append(v.People, p)
	}
	return v
}

// People counts who is in the bridge's calls and hosted by it.
type People struct {
	// Local counts those who are hosted here, by client.
	Local map[Client]int64
	// Unplaced are in distributed calls, and which bridge hosts them is not known, though they have been there for longer than the grace.
	Unplaced int64
	// Blind are calls whose participants are not known, though they have been going on for longer than the grace.
	Blind int64
}

// CountPeople counts people who have joined: not recorders, streamers, or who rings. In a call without other instances everybody is local. Who came to a
// distributed call within the grace is not counted until it is known where, nor is who came with a call that began within it until the roster is known.
func (m *Machine) CountPeople(now time.Time, grace time.Duration) People {
	n := People{Local: map[Client]int64{}}
	for _, r := range m.calls {
		if !r.ending.IsZero() {
			continue
		}
		switch young := !r.AtSnapshot && now.Sub(r.Since) <= grace; {
		case r.Stale, r.Roster == RosterNone && !young:
			n.Blind++
			continue
		case r.Roster == RosterNone:
			continue
		}
		alone := r.DistributedInstances != nil && *r.DistributedInstances == 0
		for _, p := range r.people {
			switch {
			case !p.Here() || CaptureOf(&p.Participant) != NoCapture:
			case alone || p.HostKnown && p.Host == "":
				n.Local[ClientOf(&p.Participant)]++
			case !p.HostKnown && now.Sub(p.Joined) > grace:
				n.Unplaced++
			}
		}
	}
	return n
}

// Listed is how many people the rosters of all calls list.
func (m *Machine) Listed() int { return m.people }

// Unplaced lists the calls with people of whom it is not known which bridge hosts them: REST tells.
func (m *Machine) Unplaced() []string {
	var calls []string
	for _, r := range m.calls {
		if !r.ending.IsZero() || r.DistributedInstances != nil && *r.DistributedInstances == 0 {
			continue
		}
		for _, p := range r.people {
			if p.Here() && !p.HostKnown && CaptureOf(&p.Participant) == NoCapture {
				calls = append(calls, r.ID)
				break
			}
		}
	}
	slices.Sort(calls)
	return calls
}

// CallIDs lists the calls that were known before a time.
func (m *Machine) CallIDs(before time.Time) []string {
	var calls []string
	for _, r := range m.calls {
		if r.ending.IsZero() && r.Since.Before(before) {
			calls = append(calls, r.ID)
		}
	}
	slices.Sort(calls)
	return calls
}

// BridgeView is one bridge of a cluster, for Merge.
type BridgeView struct {
	// Name of the bridge, and its callBridge GUID as far as known.
	Name, GUID string
	Calls      []CallView
}

// Meeting is all calls of one correlator, over the bridges of a cluster.
type Meeting struct {
	// Correlator of the meeting; of a call that told none, its id.
	Correlator   string
	Name         string
	Calls        []MeetingCall
	Participants []MeetingParticipant
	// Stale: all of its bridges are stale.
	Stale bool
}

// MeetingCall is a meeting's call on one bridge.
type MeetingCall struct {
	Bridge string
	Call   Call
}

// MeetingParticipant is a participant of a meeting, however many bridges list it.
type MeetingParticipant struct {
	Participant
	// ListedBy are the bridges whose rosters have the participant.
	ListedBy []string
	// HostBridge is the name of the bridge that hosts the participant; empty where not known.
	HostBridge string
}

// Merge joins the calls of a cluster's bridges to meetings, by correlator, and their rosters by participant. A participant is gone when no bridge lists it any
// more, and stale when only bridges that cannot be reached do.
func Merge(bridges []BridgeView) []Meeting {
	names := map[string]string{}
	for _, b := range bridges {
		if b.GUID != "" {
			names[strings.ToLower(b.GUID)] = b.Name
		}
	}
	meetings := map[string]*Meeting{}
	people := map[string]map[string]*MeetingParticipant{}
	for _, b := range bridges {
		for _, call := range b.Calls {
			key := cmp.Or(call.Correlator, call.ID)
			m := meetings[key]
			if m == nil {
				m = &Meeting{Correlator: key, Stale: true}
				meetings[key], people[key] = m, map[string]*MeetingParticipant{}
			}
			m.Name = cmp.Or(m.Name, call.Name)
			m.Stale = m.Stale && call.Stale
			m.Calls = append(m.Calls, MeetingCall{b.Name, call.Call})
			for i := range call.People {
				meet(people[key], b.Name, HostOf(b.Name, names, &call.Call, &call.People[i]), &call.People[i])
			}
		}
	}
	out := make([]Meeting, 0, len(meetings))
	for _, key := range slices.Sorted(maps.Keys(meetings)) {
		m := meetings[key]
		for _, id := range slices.Sorted(maps.Keys(people[key])) {
			m.Participants = append(m.Participants, *people[key][id])
		}
		out = append(out, *m)
	}
	return out
}

// HostOf names the bridge that hosts a participant; empty where not known. In a call without other instances it is the roster's own.
func HostOf(bridge string, names map[string]string, c *Call, p *Participant) string {
	switch {
	case p.HostKnown && p.Host != "":
		return names[strings.ToLower(p.Host)]
	case p.HostKnown, c.DistributedInstances != nil && *c.DistributedInstances == 0:
		return bridge
	default:
		return ""
	}
}

// meet adds what one bridge says of a participant: what is fresh beats what is stale, the host's word beats others', the earliest joining counts.
func meet(people map[string]*MeetingParticipant, bridge, host string, p *Participant) {
	known := people[p.ID]
	if known == nil {
		people[p.ID] = &MeetingParticipant{Participant: *p, ListedBy: []string{bridge}, HostBridge: host}
		return
	}
	added, joined, seen := known.Added, known.Joined, known.Seen
	if known.Stale && !p.Stale || known.Stale == p.Stale && host == bridge {
		known.Participant = *p
	}
	if p.Added.Before(added) {
		added = p.Added
	}
	if joined.IsZero() || p.Here() && p.Joined.Before(joined) {
		joined = p.Joined
	}
	if p.Seen.After(seen) {
		seen = p.Seen
	}
	known.Added, known.Joined, known.Seen = added, joined, seen
	known.ListedBy = append(known.ListedBy, bridge)
	known.HostBridge = cmp.Or(host, known.HostBridge)
}
