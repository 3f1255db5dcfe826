package subscriber

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridgewatch/bridgewatch/events"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
)

// TestBeyondTheCeiling: with room for four subscriptions a bridge three rosters are followed, and REST fills in the others: everybody is known, calls that begin
// meanwhile too, and the sums of the bridges' people are right.
func TestBeyondTheCeiling(t *testing.T) {
	const ceiling = 4
	sim := simulate(t, cmssim.Config{Seed: 3, Bridges: 2, Preroll: time.Hour, Speed: 100, StopAfter: 10 * time.Minute})
	for _, b := range sim.Bridges() {
		b.Fault(func(f *cmssim.Faults) { f.Events.Ceiling = ceiling })
	}
	cfg := quick()
	cfg.Protocol.Ceiling = ceiling
	f := follow(t, sim, cfg)
	sim.StartStory()
	f.settled()
	if err := sim.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, time.Minute, func() string {
		truth, known, hosts := map[string]bool{}, map[string]bool{}, map[string]int64{}
		for _, m := range sim.Meetings() {
			for id, bridge := range m.People {
				hosts[bridge]++
				for _, call := range m.Calls {
					truth[call+" "+id] = true
				}
			}
		}
		for _, b := range sim.Bridges() {
			sources := map[events.RosterSource]int{}
			calls, _ := f.sub.Calls("sim", b.Name)
			for _, c := range calls {
				sources[c.Roster]++
				for i := range c.People {
					if p := &c.People[i]; p.Here() && events.CaptureOf(p) == events.NoCapture {
						known[c.ID+" "+p.ID] = true
					}
				}
			}
			if sources[events.RosterREST]+sources[events.RosterNone] < 5 {
				t.Fatalf("%s: %v: hardly any call is beyond the ceiling, the test shows nothing", b.Name, sources)
			}
			if sources[events.RosterEvents] != ceiling-1 || sources[events.RosterNone] != 0 {
				return fmt.Sprintf("%s: rosters by source: %v", b.Name, sources)
			}
		}
		if diff := cmp.Diff(truth, known); diff != "" {
			return "who is in which call (-truth +known):\n" + diff
		}
		for _, b := range f.live.Snapshot().Bridges {
			var people int64
			for _, n := range b.Participants.Value {
				people += n
			}
			if b.Participants.At.IsZero() || people != hosts[b.Bridge] {
				return fmt.Sprintf("%s: %d people known, %d are there", b.Bridge, people, hosts[b.Bridge])
			}
		}
		return ""
	})
}
