package subscriber

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridgewatch/bridgewatch/events"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
)

// disturbances are what may happen to a bridge while it is followed. What lasts is lifted at the end.
func disturbances() map[string]func(*rand.Rand, *cmssim.Bridge) {
	fault := func(edit func(*rand.Rand, *cmssim.EventFaults)) func(*rand.Rand, *cmssim.Bridge) {
		return func(r *rand.Rand, b *cmssim.Bridge) { b.Fault(func(f *cmssim.Faults) { edit(r, &f.Events) }) }
	}
	return map[string]func(*rand.Rand, *cmssim.Bridge){
		"drop":            func(_ *rand.Rand, b *cmssim.Bridge) { b.DropEvents() },
		"drop again":      func(_ *rand.Rand, b *cmssim.Bridge) { b.DropEvents() },
		"restart":         func(_ *rand.Rand, b *cmssim.Bridge) { b.Restart() },
		"stop":            func(_ *rand.Rand, b *cmssim.Bridge) { b.Stop() },
		"boot":            func(_ *rand.Rand, b *cmssim.Bridge) { b.Boot() },
		"down":            func(_ *rand.Rand, b *cmssim.Bridge) { b.Fault(func(f *cmssim.Faults) { f.Down = true }) },
		"busy":            func(_ *rand.Rand, b *cmssim.Bridge) { b.Fault(func(f *cmssim.Faults) { f.Busy = 0.5 }) },
		"half documents":  func(_ *rand.Rand, b *cmssim.Bridge) { b.Fault(func(f *cmssim.Faults) { f.HalfDocument = true }) },
		"lift":            func(_ *rand.Rand, b *cmssim.Bridge) { b.Fault(func(f *cmssim.Faults) { *f = cmssim.Faults{} }) },
		"refuse":          fault(func(r *rand.Rand, f *cmssim.EventFaults) { f.RefuseToken = []int{401, 503, 500}[r.IntN(3)] }),
		"no token":        fault(func(_ *rand.Rand, f *cmssim.EventFaults) { f.OmitToken = true }),
		"bad status":      fault(func(_ *rand.Rand, f *cmssim.EventFaults) { f.AckStatus = "failure" }),
		"endless pending": fault(func(_ *rand.Rand, f *cmssim.EventFaults) { f.EndlessPending = true }),
		"ceiling":         fault(func(r *rand.Rand, f *cmssim.EventFaults) { f.Ceiling = 1 + r.IntN(5) }),
		"drop in between": fault(func(_ *rand.Rand, f *cmssim.EventFaults) { f.DropInSnapshot = true }),
		"dialect": fault(func(r *rand.Rand, f *cmssim.EventFaults) {
			coin := func() bool { return r.IntN(2) == 0 }
			f.DeltaFirst, f.SwapOrder, f.LateRoster, f.RemoveNoReason, f.GarbageMoved, f.Unknowns, f.Fragments, f.AckShrink = coin(), coin(), coin(), coin(), coin(), coin(), coin(), coin()
			f.SpeakersPerSecond = r.IntN(300)
		}),
	}
}

// rounds is how often a long proof is run: once or twice in the ordinary tests, as often as the variable says in `make prove-events`.
func rounds(t *testing.T, ordinary int) int {
	t.Helper()
	text := os.Getenv("BRIDGEWATCH_EVENTS_ROUNDS")
	if text == "" {
		return ordinary
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestAnySequence: whatever happens to the bridges while they are followed, once it is over and settled the picture is the truth; and it is so by the word of
// REST, as far as REST tells, before any connection is made anew.
func TestAnySequence(t *testing.T) {
	names := []string{}
	all := disturbances()
	for name := range all {
		names = append(names, name)
	}
	for round := range rounds(t, 2) {
		seed := uint64(round) + 1
		if text := os.Getenv("BRIDGEWATCH_EVENTS_SEED"); text != "" {
			seed, _ = strconv.ParseUint(text, 10, 64)
		}
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 5))
			sim := simulate(t, cmssim.Config{Seed: int64(seed), Bridges: 2 + r.IntN(2), Preroll: time.Hour, Speed: 120, StopAfter: 10 * time.Minute})
			cfg := quick()
			cfg.Protocol.CallInfo = r.IntN(2) == 0
			cfg.Protocol.Ceiling = []int{8, 40, 1000}[r.IntN(3)]
			if cfg.Protocol.Ceiling == 1000 { // and the bridge plays along
				for _, b := range sim.Bridges() {
					b.Fault(func(f *cmssim.Faults) { f.Events.Ceiling = 1000 })
				}
			}
			f := follow(t, sim, cfg)
			sim.StartStory()
			var happened []string
			for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(time.Duration(r.IntN(250)) * time.Millisecond) {
				name := names[r.IntN(len(names))]
				bridge := sim.Bridges()[r.IntN(len(sim.Bridges()))]
				happened = append(happened, bridge.Name+": "+name)
				all[name](r, bridge)
			}
			defer func() {
				if t.Failed() {
					t.Logf("what happened:\n%s", strings.Join(happened, "\n"))
				}
			}()
			for _, b := range sim.Bridges() {
				b.Boot()
				b.Fault(func(f *cmssim.Faults) { *f = cmssim.Faults{Events: cmssim.EventFaults{Ceiling: 1000}} })
			}
			if err := sim.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			until(t, time.Minute, func() string { return f.peopleDiffer() })
			if cfg.Protocol.Ceiling == 1000 {
				for _, b := range sim.Bridges() {
					b.DropEvents()
				}
				until(t, time.Minute, f.differs)
			}
			for _, b := range sim.Bridges() {
				if s := b.EventStats(); s.BadAcks != 0 || s.Silenced != 0 {
					t.Errorf("%s: %+v", b.Name, s)
				}
			}
		})
	}
}

// peopleDiffer holds who is in which call, recorders and streamers aside, against the truth.
func (f *follower) peopleDiffer() string {
	for _, b := range f.sim.Bridges() {
		truth, known := map[string]bool{}, map[string]bool{}
		for _, m := range f.sim.Meetings() {
			if call, here := m.Calls[b.Name]; here {
				truth[call] = true
				for id := range m.People {
					truth[call+" "+id] = true
				}
			}
		}
		calls, _ := f.sub.Calls("sim", b.Name)
		for _, c := range calls {
			known[c.ID+mark(c.Stale, " stale")] = true
			for _, p := range c.People {
				if events.CaptureOf(&p) == events.NoCapture {
					known[c.ID+" "+p.ID+mark(p.Stale, " stale")] = true
				}
			}
		}
		if diff := cmp.Diff(truth, known); diff != "" {
			return fmt.Sprintf("%s (-truth +known):\n%s", b.Name, diff)
		}
	}
	return ""
}

func mark(on bool, text string) string {
	if on {
		return text
	}
	return ""
}

// TestReconnects: connections that are dropped again and again leave nothing behind: no goroutine, no memory, and in the end the truth.
func TestReconnects(t *testing.T) {
	want := rounds(t, 60)
	sim := simulate(t, cmssim.Config{Seed: 21, Bridges: 2, Preroll: time.Hour, Speed: 60, StopAfter: 2 * time.Minute})
	cfg := quick()
	cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, 2*time.Millisecond
	f := follow(t, sim, cfg)
	sim.StartStory()
	f.settled()
	before := runtime.NumGoroutine()
	bridge := sim.Bridges()[0]
	for connections := 0; connections < want; {
		now := bridge.EventStats().Connections
		bridge.DropEvents()
		until(t, 30*time.Second, func() string {
			if s := bridge.EventStats(); s.Connections == now || s.Open == 0 {
				return fmt.Sprintf("no connection after drop %d", connections)
			}
			return ""
		})
		connections = bridge.EventStats().Connections
	}
	f.settled()
	until(t, 30*time.Second, func() string {
		if n := runtime.NumGoroutine(); n > before+5 {
			return fmt.Sprintf("%d goroutines, %d before", n, before)
		}
		return ""
	})
	until(t, 30*time.Second, f.differs)
	t.Logf("%d connections, then %d goroutines of %d before", bridge.EventStats().Connections, runtime.NumGoroutine(), before)
}
