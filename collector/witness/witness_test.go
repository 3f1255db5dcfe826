package witness

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// scene lets three witnesses of one bridge speak every ten seconds; the API is asked every minute, as pollers do.
type scene struct {
	b       *Bridge
	now     time.Time
	calls   map[string]bool // the truth
	deaf    map[Name]bool   // hears of nothing any more
	dead    map[Name]bool   // gives no account
	heard   map[Name]map[string]time.Time
	polled  time.Time
	offset  time.Duration // of the bridge's clock
	apiSkew *time.Duration
	state   State
	report  Report
}

func newScene() *scene {
	s := &scene{b: New(DefaultConfig()), now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), calls: map[string]bool{}, deaf: map[Name]bool{}, dead: map[Name]bool{},
		heard: map[Name]map[string]time.Time{}, state: State{Supported: true, Up: true}}
	for _, n := range Names() {
		s.heard[n] = map[string]time.Time{}
	}
	return s
}

// run lets time pass while a call begins and one ends every ten seconds, and returns how long it took until something was found, else 0.
func (s *scene) run(d time.Duration, wanted Finding) time.Duration {
	began := s.now
	for ; s.now.Sub(began) < d; s.now = s.now.Add(10 * time.Second) {
		n := int(s.now.Unix() / 10)
		s.calls[fmt.Sprint("m", n)] = true
		delete(s.calls, fmt.Sprint("m", n-30))
		for _, w := range Names() {
			if s.deaf[w] || w == API && s.now.Sub(s.polled) < time.Minute {
				continue
			}
			if w == API {
				s.polled = s.now
			}
			maps.DeleteFunc(s.heard[w], func(key string, _ time.Time) bool { return !s.calls[key] })
			for key := range s.calls {
				if _, known := s.heard[w][key]; !known {
					s.heard[w][key] = s.now
					if w == Records {
						s.heard[w][key] = s.now.Add(s.offset)
					}
				}
			}
		}
		accounts := map[Name]Account{}
		for _, w := range Names() {
			at := s.now
			if w == API {
				at = s.polled
			}
			accounts[w] = Account{Known: !s.dead[w], At: at, Calls: maps.Clone(s.heard[w])}
		}
		s.state.Skew = s.apiSkew
		s.report = s.b.Compare(s.now, accounts, s.state)
		if s.report.Found[wanted] {
			return s.now.Sub(began) + time.Second
		}
		if wanted == "" && len(s.report.Found) > 0 {
			return s.now.Sub(began) + time.Second
		}
	}
	return 0
}

func (s *scene) found() string {
	return strings.Join(slices.Sorted(func(yield func(string) bool) {
		for f := range s.report.Found {
			if !yield(string(f)) {
				return
			}
		}
	}), " ")
}

// TestFindings: each thing that can be wrong is found within two minutes, under its name and no other, and forgotten once it is over.
func TestFindings(t *testing.T) {
	skew := 90 * time.Second
	for name, c := range map[string]struct {
		break1, mend func(*scene)
		want         Finding
	}{
		"no receiver of ours":        {func(s *scene) { s.deaf[Records] = true }, func(s *scene) { delete(s.deaf, Records) }, RecordsOff},
		"a dead subscription":        {func(s *scene) { s.deaf[Events] = true }, func(s *scene) { delete(s.deaf, Events) }, EventsOff},
		"no connection":              {func(s *scene) { s.dead[Events] = true }, func(s *scene) { delete(s.dead, Events) }, EventsOff},
		"an API that stands still":   {func(s *scene) { s.deaf[API], s.polled = true, s.now.Add(time.Hour) }, func(s *scene) { delete(s.deaf, API); s.polled = s.now }, APIOff},
		"a clock, by the API's word": {func(s *scene) { s.apiSkew = &skew }, func(s *scene) { s.apiSkew = nil }, ClockOff},
		"a clock, by its records":    {func(s *scene) { s.offset = -time.Minute }, func(s *scene) { s.offset = 0 }, ClockOff},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			if took := s.run(10*time.Minute, ""); took != 0 {
				t.Fatalf("%s is found though all is well, after %s", s.found(), took)
			}
			c.break1(s)
			took := s.run(20*time.Minute, c.want)
			if took == 0 || took > 2*time.Minute {
				t.Fatalf("found after %s: %q", took, s.found())
			}
			s.run(2*time.Minute, "nothing")
			if got := s.found(); got != string(c.want) {
				t.Errorf("found %q, want %q alone", got, c.want)
			}
			c.mend(s)
			s.run(15*time.Minute, "nothing")
			if got := s.found(); got != "" {
				t.Errorf("once mended, %q is found", got)
			}
		})
	}
}

// TestNoFindings: calls of before our time have no records, a bridge without events is not blamed for it, and a witness that says nothing contradicts nobody.
func TestNoFindings(t *testing.T) {
	for name, prepare := range map[string]func(*scene){
		"calls of before our time": func(s *scene) {
			for i := range 20 {
				s.calls[fmt.Sprint("old", i)] = true
			}
			s.heard[Events], s.heard[API] = map[string]time.Time{}, map[string]time.Time{}
			for key := range s.calls {
				s.heard[Events][key], s.heard[API][key] = time.Time{}, time.Time{}
			}
			s.deaf[Records] = true
			s.b.Compare(s.now, map[Name]Account{Records: {Known: true, At: s.now}, Events: {Known: true, At: s.now, Calls: s.heard[Events]}, API: {Known: true, At: s.now, Calls: s.heard[API]}}, s.state)
		},
		"too old for events":   func(s *scene) { s.dead[Events], s.state.Supported = true, false },
		"a bridge that is off": func(s *scene) { s.dead[Events], s.dead[API], s.state.Up = true, true, false },
		"nobody speaks":        func(s *scene) { s.dead[Events], s.dead[API], s.dead[Records], s.state.Up = true, true, true, false },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			prepare(s)
			if name == "calls of before our time" {
				for range 30 {
					s.now = s.now.Add(10 * time.Second)
					s.report = s.b.Compare(s.now, map[Name]Account{Records: {Known: true, At: s.now}, Events: {Known: true, At: s.now, Calls: s.heard[Events]}, API: {Known: true, At: s.now, Calls: s.heard[API]}}, s.state)
				}
			} else {
				s.run(10*time.Minute, "")
			}
			if got := s.found(); got != "" {
				t.Errorf("%q is found", got)
			}
		})
	}
}

// TestLegsAndRecordings are compared too: numbers within what a moment may bring, recordings by their meetings.
func TestLegsAndRecordings(t *testing.T) {
	b := New(DefaultConfig())
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	number := func(n int64) *int64 { return &n }
	var r Report
	for range 12 {
		now = now.Add(10 * time.Second)
		calls := map[string]time.Time{"m": {}}
		r = b.Compare(now, map[Name]Account{
			Records: {Known: true, At: now, Calls: calls, Recordings: map[string]bool{}, Legs: number(100)},
			Events:  {Known: true, At: now, Calls: calls, Recordings: map[string]bool{"m": true}},
			API:     {Known: true, At: now, Calls: calls, Recordings: map[string]bool{"m": true}, Legs: number(60)},
		}, State{Supported: true, Up: true})
	}
	if d := r.Differences[Pair{Records, API}]; d[Legs] != 40 || d[Recordings] != 0 && d[Recordings] != 1 {
		t.Errorf("records and API differ in %v", d)
	}
	if got := r.Differences[Pair{Records, Events}][Recordings]; got != 0 {
		t.Errorf("a recording of before our time is held against the records: %d", got)
	}
	now = now.Add(10 * time.Second)
	r = b.Compare(now, map[Name]Account{Records: {Known: true, At: now, Legs: number(100)}, API: {Known: true, At: now, Legs: number(88)}}, State{})
	if d := r.Differences[Pair{Records, API}]; d[Legs] != 0 {
		t.Errorf("12 legs of 100 are within a moment: %v", d)
	}
}
