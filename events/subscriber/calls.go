package subscriber

import (
	"slices"

	"github.com/bridgewatch/bridgewatch/events"
)

// Connection is how one bridge is followed now.
type Connection struct {
	Cluster, Bridge string
	Phase           events.Phase
	// GUID is the callBridge GUID of the bridge, as far as known.
	GUID string
	// Unsupported: the bridge said that its release has no events.
	Unsupported bool
	Stats       events.Stats
}

// Connections lists the bridges that are followed here.
func (s *Subscriber) Connections() []Connection {
	var all []Connection
	for _, session := range s.of("") {
		session.update(func(m *events.Machine) {
			all = append(all, Connection{session.cluster, session.bridge.Name, m.Phase(), session.guid(), session.unsupported.Load(), m.Stats()})
		})
	}
	return all
}

// guid is the callBridge GUID of the session's bridge; empty where not known.
func (s *session) guid() string {
	for id, name := range *s.names.Load() {
		if name == s.bridge.Name {
			return id
		}
	}
	return ""
}

// BridgeStates are the calls of a bridge without their participants.
type BridgeStates struct {
	Cluster, Bridge string
	Calls           []events.Call
}

// Live lists the bridges that have settled, with the calls of those that are wanted.
func (s *Subscriber) Live(wanted func(cluster, bridge string) bool) []BridgeStates {
	var all []BridgeStates
	for _, session := range s.of("") {
		session.update(func(m *events.Machine) {
			if m.Phase() != events.Live {
				return
			}
			states := BridgeStates{Cluster: session.cluster, Bridge: session.bridge.Name}
			if wanted(states.Cluster, states.Bridge) {
				states.Calls = slices.Collect(m.CallStates())
			}
			all = append(all, states)
		})
	}
	return all
}

// Mentions reports whether a call that is going on has a text in its name, or in a name or an address of its roster, in any case.
func (s *Subscriber) Mentions(cluster, bridge, id, text string) (does bool) {
	for _, session := range s.of(cluster) {
		if session.bridge.Name == bridge {
			session.update(func(m *events.Machine) { does = m.Mentions(id, text) })
		}
	}
	return does
}

// Call gives one call with its participants, and the names of the bridges that host them where known; false where it is over.
func (s *Subscriber) Call(cluster, bridge, id string) (call events.CallView, hosts []string, there bool) {
	for _, session := range s.of(cluster) {
		if session.bridge.Name != bridge {
			continue
		}
		session.update(func(m *events.Machine) { call, there = m.Call(id) })
		for i := range call.People {
			hosts = append(hosts, session.hostOf(&call.Call, &call.People[i]))
		}
	}
	return call, hosts, there
}

// hostOf names the bridge that hosts a participant; empty where not known.
func (s *session) hostOf(c *events.Call, p *events.Participant) string {
	return events.HostOf(s.bridge.Name, *s.names.Load(), c, p)
}

// Calls gives the calls of one bridge that are going on, as copies; false where the bridge is not followed here.
func (s *Subscriber) Calls(cluster, bridge string) ([]events.CallView, bool) {
	for _, session := range s.of(cluster) {
		if session.bridge.Name != bridge {
			continue
		}
		var calls []events.CallView
		session.update(func(m *events.Machine) {
			for c := range m.Calls() {
				calls = append(calls, c)
			}
		})
		return calls, true
	}
	return nil, false
}

// Meetings joins the calls of a cluster's bridges.
func (s *Subscriber) Meetings(cluster string) []events.Meeting {
	var views []events.BridgeView
	for _, session := range s.of(cluster) {
		view := events.BridgeView{Name: session.bridge.Name, GUID: session.guid()}
		session.update(func(m *events.Machine) {
			for c := range m.Calls() {
				view.Calls = append(view.Calls, c)
			}
		})
		views = append(views, view)
	}
	return events.Merge(views)
}
