package subscriber

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/events"
)

const (
	// showEvery is how often the live state is renewed, showFor how long it stands if that should stop.
	showEvery = time.Second
	showFor   = 10 * time.Second
	// placing is how long it may take until it is known which bridge hosts somebody; the sum of a bridge's people waits for nobody longer.
	placing = 30 * time.Second
)

// show keeps the live state and the metrics up to date until ctx ends.
func (s *session) show(ctx context.Context) {
	var shown events.Stats
	for {
		shown = s.showNow(shown)
		if !sleep(ctx, showEvery) {
			return
		}
	}
}

// showNow tells the live state what is so now, and the metrics what has been counted since shown.
func (s *session) showNow(shown events.Stats) events.Stats {
	s.learnNames()
	var phase events.Phase
	var heard time.Time
	var people events.People
	var calls collector.CallSummary
	var stats events.Stats
	s.update(func(m *events.Machine) {
		phase, heard, stats = m.Phase(), m.Heard(), m.Stats()
		if phase == events.Live {
			people, calls = m.CountPeople(s.clock(), placing), summarize(m)
		}
	})
	live, cluster, bridge := s.sub.deps.Live, s.cluster, s.bridge.Name
	live.SetEvents(cluster, bridge, phase != events.Down, heard)
	if phase == events.Live {
		live.SetEventCalls(cluster, bridge, calls, showFor)
		if people.Blind+people.Unplaced == 0 { // else the sum is not known, and not too small
			byClient := map[string]int64{}
			for client, n := range people.Local {
				byClient[string(client)] = n
			}
			live.SetParticipants(cluster, bridge, byClient, showFor)
		}
	}
	s.count(shown, stats)
	return stats
}

func (s *session) count(before, now events.Stats) {
	m, labels := s.sub.metrics, []string{s.cluster, s.bridge.Name}
	var messages int64
	for kind, n := range now.Messages {
		messages += n - before.Messages[kind]
	}
	m.messages.WithLabelValues(labels...).Add(float64(messages))
	m.requests.WithLabelValues(labels...).Add(float64(now.Requests - before.Requests))
	for kind, n := range map[string]int64{"odd": now.Odd - before.Odd, "hole": now.Holes - before.Holes, "unknown": now.Unknown - before.Unknown, "ignored": now.Ignored - before.Ignored} {
		m.oddities.WithLabelValues(append(labels, kind)...).Add(float64(n))
	}
}

// summarize sums the calls of a bridge.
func summarize(m *events.Machine) collector.CallSummary {
	sum := collector.CallSummary{ByType: map[string]int64{}, Correlators: []string{}, RecordingMeetings: []string{}, StreamingMeetings: []string{}}
	for c := range m.CallStates() {
		sum.Total++
		kind := c.Type
		if !slices.Contains(collector.CallTypes(), kind) {
			kind = collector.Other
		}
		sum.ByType[kind]++
		meeting := cmp.Or(c.Correlator, c.ID)
		sum.Correlators = append(sum.Correlators, meeting)
		if c.Recording == active {
			sum.RecordingMeetings = append(sum.RecordingMeetings, meeting)
		}
		if c.Streaming == active {
			sum.StreamingMeetings = append(sum.StreamingMeetings, meeting)
		}
	}
	slices.Sort(sum.Correlators)
	return sum
}

// active is the value of recording and streaming that says yes (cms-events.md §3.1).
const active = "active"

// learnNames refreshes the names of the cluster's bridges.
func (s *session) learnNames() {
	names := map[string]string{}
	for id, b := range s.sub.deps.Live.BridgesByGUID() {
		if b.Cluster == s.cluster {
			names[id.String()] = b.Name
		}
	}
	if before := s.names.Swap(&names); before != nil && !maps.Equal(*before, names) {
		s.journal.named()
	}
}
