package cmssim

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// Truth is what really happened so far, to hold a pipeline's answers against. Times are story offsets in seconds.
type Truth struct {
	CallsEnded, LegsEnded int64
	Calls                 []CallTruth // finished calls in order of their end, with Config.KeepTruth
	Legs                  []LegTruth  // finished legs in order of their end, with Config.KeepTruth
	Bridges               []BridgeTruth
}

// CallTruth is a finished call.
type CallTruth struct {
	ID, Correlator, Bridge, Name string
	Start, End                   int64
	LegsCompleted, LegsMaxActive int
}

// LegTruth is a finished leg.
type LegTruth struct {
	ID, Call, Bridge, Reason string // Call is empty for a leg that never reached one
	Start, End               int64
	Person                   bool // not a recorder, streamer, link or screen
}

// BridgeTruth is what one bridge made and got rid of.
type BridgeTruth struct {
	Name       string
	Session    string // the running one
	Correlator int64  // index of the session's next record
	Produced   int64  // records, of all sessions
	CallsNow   int
	LegsNow    int
	Receivers  []ReceiverStats
}

// truthLog collects the ends of calls and legs, from history and the live part at once.
type truthLog struct {
	keep        bool
	mu          sync.Mutex
	calls, legs int64
	callList    []CallTruth
	legList     []LegTruth
}

func (t *truthLog) note(b *bridgeState, c *callState, l *legState, at int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c != nil {
		t.calls++
		if t.keep {
			t.callList = append(t.callList, CallTruth{c.ID.String(), c.meeting.Correlator.String(), b.Name, c.meeting.Name, c.Start, at, c.completed, c.maxActive})
		}
		return
	}
	t.legs++
	if t.keep {
		leg := LegTruth{ID: l.ID.String(), Bridge: b.Name, Reason: l.Reason, Start: l.Start, End: at, Person: l.Kind.Person()}
		if l.Call != nil && (l.call != nil || l.Early) {
			leg.Call = l.Call.ID.String()
		}
		t.legList = append(t.legList, leg)
	}
}

// Truth returns a copy of what happened so far.
func (s *Sim) Truth() Truth {
	s.truth.mu.Lock()
	t := Truth{CallsEnded: s.truth.calls, LegsEnded: s.truth.legs, Calls: slices.Clone(s.truth.callList), Legs: slices.Clone(s.truth.legList)}
	s.truth.mu.Unlock()
	// History, the present and several clusters are told at the same time: put them in the story's order.
	slices.SortFunc(t.Calls, func(a, b CallTruth) int { return cmp.Or(cmp.Compare(a.End, b.End), cmp.Compare(a.ID, b.ID)) })
	slices.SortFunc(t.Legs, func(a, b LegTruth) int { return cmp.Or(cmp.Compare(a.End, b.End), cmp.Compare(a.ID, b.ID)) })
	for _, b := range s.bridges {
		st := b.state.cluster
		st.mu.Lock()
		bt := BridgeTruth{Name: b.Name, Session: b.state.session.String(), Correlator: b.state.correlator, CallsNow: len(b.state.calls), LegsNow: len(b.state.legs)}
		st.mu.Unlock()
		bt.Receivers = b.feed.stats()
		b.feed.mu.Lock()
		bt.Produced = b.feed.produced
		b.feed.mu.Unlock()
		t.Bridges = append(t.Bridges, bt)
	}
	return t
}

// LicenseUse counts the meetings under way in a cluster, each once however many bridges it spans.
func (s *Sim) LicenseUse(cluster string) (use LicenseUse, ok bool) {
	for _, c := range s.clusters {
		if c.Name == cluster {
			c.state.mu.Lock()
			defer c.state.mu.Unlock()
			return c.state.licenseUse(), true
		}
	}
	return LicenseUse{}, false
}

// MeetingTruth is a meeting under way.
type MeetingTruth struct {
	Cluster, Correlator, Name string
	Calls                     map[string]string // call id by bridge name
	People                    map[string]string // bridge name by participant id
}

// Meetings returns the meetings under way, by cluster and correlator.
func (s *Sim) Meetings() []MeetingTruth {
	var all []MeetingTruth
	for _, c := range s.clusters {
		c.state.mu.Lock()
		for _, m := range c.state.meetings {
			t := MeetingTruth{Cluster: c.Name, Correlator: m.Correlator.String(), Name: m.Name, Calls: make(map[string]string), People: make(map[string]string)}
			for _, call := range m.calls {
				t.Calls[call.Bridge.Name] = call.ID.String()
			}
			for _, p := range m.people {
				if p.present() {
					t.People[p.leg.Group.String()] = p.bridge.Name
				}
			}
			all = append(all, t)
		}
		c.state.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b MeetingTruth) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Correlator, b.Correlator))
	})
	return all
}

// Size counts the calls of all bridges and the people in meetings, each once.
func (s *Sim) Size() (calls, people int) {
	for _, c := range s.clusters {
		c.state.mu.Lock()
		for _, m := range c.state.meetings {
			calls += len(m.calls)
			for _, p := range m.people {
				if p.present() {
					people++
				}
			}
		}
		c.state.mu.Unlock()
	}
	return calls, people
}

// EventTruth is a call as a subscriber should see it once all is told: the elements of its callInfo, and by participant those of its roster.
type EventTruth struct {
	ID     string
	Info   map[string]any
	Roster map[string]map[string]any
}

// EventTruth returns what the bridge's events interface has to tell of this moment. activeSpeaker is left out, as each connection hears its own chatter.
func (b *Bridge) EventTruth() []EventTruth {
	var all []EventTruth
	for id, call := range b.liveCalls(func(story.GUID) bool { return true }) {
		t := EventTruth{ID: id.String(), Info: call.info().plain(), Roster: make(map[string]map[string]any)}
		for _, p := range call.people {
			if !p.left {
				elements := p.object.plain()
				delete(elements, "activeSpeaker")
				t.Roster[p.id.String()] = elements
			}
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b EventTruth) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func (o object) plain() map[string]any {
	m := make(map[string]any, len(o))
	for _, member := range o {
		m[member.key] = member.value
	}
	return m
}

// World is what stands still behind the story.
func (s *Sim) World() *story.World { return s.world }

// redactURL hides the path of a receiver, which is its token.
func redactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "a malformed address"
	}
	return strings.TrimSuffix(u.Scheme+"://"+u.Host, "/")
}
