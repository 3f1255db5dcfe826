// Package story writes the seeded story of meetings that the simulated clusters live through. It is pure: no clock,
// no network, no randomness but the seed's. Times are whole seconds from the start of the live part (offset 0);
// history and pre-roll have negative offsets.
//
// Every minute of the story is drawn from its own seed, so a story can begin anywhere and runs for ever in the memory
// of the meetings under way. Two stories of one Config that begin at the same offset are the same, step by step and id
// by id, whatever the wall clock says: the daily curve follows the offset, and offset 0 is always Wednesday, 10:30 in
// the morning of the story's people.
package story

import (
	"fmt"
	"math"
)

// Config is what the world and the story depend on, and nothing else.
type Config struct {
	Seed     int64
	Clusters int // 1 if zero
	Bridges  int // Call Bridges per cluster; 3 if zero, at most 24
	// Volume scales the number of meetings; 1 (the default) is about 100 started per bridge and hour at the daily peak,
	// a quarter of them conferences.
	Volume float64
	// Crowd scales the number of people in a conference; 1 (the default) is five on average.
	Crowd float64
}

func (c Config) withDefaults() Config {
	if c.Clusters == 0 {
		c.Clusters = 1
	}
	if c.Bridges == 0 {
		c.Bridges = 3
	}
	if c.Volume == 0 {
		c.Volume = 1
	}
	if c.Crowd == 0 {
		c.Crowd = 1
	}
	return c
}

// Validate reports what the Config asks for that no cluster has.
func (c Config) Validate() error {
	switch {
	case c.Clusters < 0 || c.Clusters > 100:
		return fmt.Errorf("clusters: %d is not between 1 and 100", c.Clusters)
	case c.Bridges < 0 || c.Bridges > 24:
		return fmt.Errorf("bridges: %d is not between 1 and 24, the most one cluster has", c.Bridges)
	case c.Crowd < 0 || c.Crowd > 100 || math.IsNaN(c.Crowd):
		return fmt.Errorf("crowd: %v is not between 0 and 100", c.Crowd)
	case c.Volume < 0 || c.Volume > 1000 || math.IsNaN(c.Volume):
		return fmt.Errorf("volume: %v is not between 0 and 1000", c.Volume)
	}
	return nil
}

// Parts of the world that are seeded apart.
const (
	partWorld uint64 = iota + 1
	partMinute
)

// Kind is what happens in a Step.
type Kind uint8

// The kinds of steps. Updates carry no state of their own: the leg's times say where it stands.
const (
	CallStart      Kind = iota
	LegStart            // a leg comes into being
	LegIVR              // it is connected to the IVR
	LegEnter            // it is connected to a call, perhaps into the lobby
	LegActivate         // it is let in from the lobby
	LegLeave            // the update without state just before some ends
	RecordingStart      // after its leg's start
	RecordingEnd        // before its leg's end
	StreamStart
	StreamEnd
	LegEnd
	CallEnd
)

// Step is one thing that happens on one bridge.
type Step struct {
	At      int64 // seconds from the start of the live part
	Kind    Kind
	Meeting *Meeting
	Call    *Call // CallStart, CallEnd; else the leg's call
	Leg     *Leg  // all others
}

// Story yields the steps of one cluster in order of time.
type Story struct {
	cluster *Cluster
	seed    int64
	rate    float64 // meetings a minute at the peak
	crowd   float64
	until   int64   // everything is over by then; math.MaxInt64 for a story without end
	minute  int64   // next minute to expand
	queue   []*plot // heap by next step, then by sequence
	seq     uint64
	busy    map[*Space]int64 // end of the space's latest meeting
	tallies []tally          // by bridge
}

// tally is the load that a bridge has taken on, and until when.
type tally struct {
	parts []struct {
		end  int64
		load int
	}
	sum int
}

func (t *tally) add(end int64, load int) {
	t.parts = append(t.parts, struct {
		end  int64
		load int
	}{end, load})
	t.sum += load
}

// at drops what is over by now and returns the rest.
func (t *tally) at(now int64) int {
	kept := t.parts[:0]
	for _, p := range t.parts {
		if p.end <= now {
			t.sum -= p.load
			continue
		}
		kept = append(kept, p)
	}
	t.parts = kept
	return t.sum
}

// leastLoaded is where call control places a new conference, as a Call Bridge group does.
func (s *Story) leastLoaded(now int64) *Bridge {
	best := 0
	for i := range s.tallies {
		if s.tallies[i].at(now) < s.tallies[best].at(now) {
			best = i
		}
	}
	return s.cluster.Bridges[best]
}

// plot is a meeting with its steps still to come.
type plot struct {
	seq   uint64
	steps []Step
}

// New begins the story of cluster at offset from. Meetings that would have begun earlier do not exist in it. Where
// until is not zero, everybody has left by then: the maintenance window before a restart.
func New(cluster *Cluster, cfg Config, from, until int64) *Story {
	cfg = cfg.withDefaults()
	if until == 0 {
		until = math.MaxInt64
	}
	return &Story{
		cluster: cluster, seed: cfg.Seed, until: until, crowd: cfg.Crowd,
		rate:   1.7 * cfg.Volume * float64(len(cluster.Bridges)),
		minute: floorDiv(from, 60),
		busy:   make(map[*Space]int64), tallies: make([]tally, len(cluster.Bridges)),
	}
}

// Next returns the next step, and false at the end of a story that has one.
func (s *Story) Next() (Step, bool) {
	if _, ok := s.Peek(); !ok {
		return Step{}, false
	}
	p := s.queue[0]
	step := p.steps[0]
	p.steps = p.steps[1:]
	if len(p.steps) == 0 {
		last := len(s.queue) - 1
		s.queue[0] = s.queue[last]
		s.queue[last] = nil
		s.queue = s.queue[:last]
	}
	s.down(0)
	return step, true
}

// Peek returns the time of the next step, and false at the end of a story that has one.
func (s *Story) Peek() (int64, bool) {
	for {
		if len(s.queue) > 0 && s.queue[0].steps[0].At < s.minute*60 {
			return s.queue[0].steps[0].At, true
		}
		if s.minute*60 >= s.until {
			if len(s.queue) == 0 {
				return 0, false
			}
			return s.queue[0].steps[0].At, true
		}
		s.expand()
	}
}

// expand writes the meetings that begin in the next minute.
func (s *Story) expand() {
	m := s.minute
	s.minute++
	r := NewChooser(s.seed, partMinute, uint64(s.cluster.Index), uint64(m))
	for range poisson(r, s.rate*Activity(m*60)) {
		begin := m*60 + r.Between(0, 59)
		if begin >= s.until-2*graceSeconds {
			continue
		}
		meeting := s.write(r, begin)
		if meeting == nil {
			continue
		}
		steps := meeting.play(r, s.until-graceSeconds)
		for _, l := range meeting.Legs {
			if l.Enter != Never {
				s.tallies[l.Bridge.Index].add(l.End, l.Quality.Load())
			}
		}
		if len(steps) > 0 {
			s.push(&plot{seq: s.seq, steps: steps})
			s.seq++
		}
	}
	if m%60 == 0 {
		for space, end := range s.busy {
			if end < m*60 {
				delete(s.busy, space)
			}
		}
	}
}

// graceSeconds is how long before the end of a story the last leg leaves.
const graceSeconds = 60

func (s *Story) less(a, b *plot) bool {
	if x, y := a.steps[0].At, b.steps[0].At; x != y {
		return x < y
	}
	return a.seq < b.seq
}

func (s *Story) push(p *plot) {
	s.queue = append(s.queue, p)
	for i := len(s.queue) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s.less(s.queue[i], s.queue[parent]) {
			return
		}
		s.queue[i], s.queue[parent] = s.queue[parent], s.queue[i]
		i = parent
	}
}

func (s *Story) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(s.queue) {
			return
		}
		if child+1 < len(s.queue) && s.less(s.queue[child+1], s.queue[child]) {
			child++
		}
		if !s.less(s.queue[child], s.queue[i]) {
			return
		}
		s.queue[i], s.queue[child] = s.queue[child], s.queue[i]
		i = child
	}
}

// hourly is the share of the peak rate at which meetings begin, by hour of a working day.
var hourly = [24]float64{0.02, 0.01, 0.01, 0.01, 0.01, 0.02, 0.08, 0.25, 0.6, 0.95, 1, 0.95, 0.6, 0.8, 1, 0.95, 0.75, 0.45, 0.25, 0.15, 0.1, 0.07, 0.05, 0.03}

// Seconds of offset 0 within its week, which begins on Monday: Wednesday, 10:30.
const (
	daySeconds  = 86400
	weekSeconds = 7 * daySeconds
	origin      = 2*daySeconds + 10*3600 + 1800
)

// NightBefore is the offset of the maintenance window before the live part: three in the morning of the first day.
const NightBefore = -(7*3600 + 1800)

// Activity is the share of the peak rate at which meetings begin at an offset: by hour, weekend, and the habit of
// beginning on the hour and the half hour.
func Activity(offset int64) float64 {
	week := floorMod(offset+origin, weekSeconds)
	day, second := week/daySeconds, week%daySeconds
	hour := second / 3600
	next := (hour + 1) % 24
	f := float64(second%3600) / 3600
	a := hourly[hour]*(1-f) + hourly[next]*f
	if day >= 5 {
		a *= 0.08
	}
	switch minute := second / 60 % 30; {
	case minute <= 1 || minute == 29:
		a *= 1.9
	default:
		a *= 0.9
	}
	return a
}

func poisson(r Chooser, lambda float64) int {
	if lambda > 60 {
		return max(0, int(math.Round(lambda+math.Sqrt(lambda)*r.NormFloat64())))
	}
	limit, p, k := math.Exp(-lambda), r.Float64(), 0
	for p > limit {
		p *= r.Float64()
		k++
	}
	return k
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return (a%b + b) % b }
