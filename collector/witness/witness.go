// Package witness holds three accounts of a Call Bridge against one another: what its records, its events and its API say is going on. None of them can tell
// that it is itself incomplete; together they can. It does no I/O.
package witness

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Name is one of the three.
type Name string

// The witnesses.
const (
	Records Name = "cdr"
	Events  Name = "events"
	API     Name = "api"
)

// Names lists them.
func Names() []Name { return []Name{Records, Events, API} }

// Pair is two of them, in the order of Names.
type Pair struct{ A, B Name }

// String is the pair as a label.
func (p Pair) String() string { return string(p.A) + "_" + string(p.B) }

// Pairs lists them.
func Pairs() []Pair { return []Pair{{Records, Events}, {Records, API}, {Events, API}} }

// Fact is what they are compared in.
type Fact string

// The facts.
const (
	Calls      Fact = "calls"
	Recordings Fact = "recordings"
	Legs       Fact = "legs"
)

// Facts lists them.
func Facts() []Fact { return []Fact{Calls, Recordings, Legs} }

// Finding is what is wrong, by name.
type Finding string

// The findings.
const (
	RecordsOff Finding = "cdr_off"    // its records do not reach us, or tell of calls that are over
	EventsOff  Finding = "events_off" // its events do not come, or the subscription brings nothing
	APIOff     Finding = "api_off"    // its API lists other calls than the others
	ClockOff   Finding = "clock_off"  // its clock is not ours
)

// Findings lists them.
func Findings() []Finding { return []Finding{RecordsOff, EventsOff, APIOff, ClockOff} }

func off(n Name) Finding {
	switch n {
	case Records:
		return RecordsOff
	case Events:
		return EventsOff
	default:
		return APIOff
	}
}

// Account is what one witness says.
type Account struct {
	// Known: there is an account. One that cannot say anything now is no contradiction.
	Known bool
	// At is as of when.
	At time.Time
	// Calls are the meetings with a call on the bridge, by callCorrelator, with the start of the call by the bridge's clock (records) or by ours (events),
	// zero where not known.
	Calls map[string]time.Time
	// Recordings are the meetings that are recorded; nil where not told.
	Recordings map[string]bool
	// Legs is their number; nil where not told.
	Legs *int64
}

// Config says how patient a comparison is.
type Config struct {
	// Lag is by how much one witness may be behind another, and RecordingLag that in what is recorded, which pollers read call by call.
	Lag, RecordingLag time.Duration
	// Clock is the most by which the bridge's clock may differ.
	Clock time.Duration
	// Away is how long events may be away from a bridge that has them before they are off.
	Away time.Duration
	// Legs is how many legs the counts may differ by, and LegShare by which share of them: they are taken at different moments.
	Legs     int64
	LegShare float64
}

// DefaultConfig finds what is wrong within two minutes.
func DefaultConfig() Config {
	return Config{Lag: 20 * time.Second, RecordingLag: 5 * time.Minute, Clock: 5 * time.Second, Away: time.Minute, Legs: 5, LegShare: 0.2}
}

// Report is what a comparison found.
type Report struct {
	At time.Time
	// Differences count what a pair disagrees on: meetings that one of them lacks for longer than the lag, and legs. A pair of which one gives no account has none.
	Differences map[Pair]map[Fact]int64
	// Found says what is wrong, and Why by which example.
	Found map[Finding]bool
	Why   map[Finding]string
	// Skew is the bridge's clock less ours, by its records against its events; nil where no call began under both.
	Skew *time.Duration
}

// Bridge remembers what the witnesses said of one bridge. It is not for several goroutines at once.
type Bridge struct {
	cfg   Config
	calls map[Name]*memory
	recs  map[Name]*memory
	// old are meetings that were there when a witness first spoke: their first records are of before our time.
	old  map[string]bool
	skew []offset
	away time.Time // since when events are away
}

// memory is when a witness began to name a meeting, and when it ceased to.
type memory struct {
	spoke       bool
	first, gone map[string]time.Time
	// lacked is as of when the API first failed to name a meeting that others did. Its lists come in pages that shift while they are read, so one that lacks
	// something is no proof.
	lacked map[string]time.Time
}

func newMemory() *memory {
	return &memory{first: map[string]time.Time{}, gone: map[string]time.Time{}, lacked: map[string]time.Time{}}
}

type offset struct {
	key   string
	began time.Time
	by    time.Duration
}

// New returns a bridge of which nothing was said.
func New(cfg Config) *Bridge {
	b := &Bridge{cfg: cfg, calls: map[Name]*memory{}, recs: map[Name]*memory{}, old: map[string]bool{}}
	for _, n := range Names() {
		b.calls[n], b.recs[n] = newMemory(), newMemory()
	}
	return b
}

// State is what is known of the connection that brings the events.
type State struct {
	// Supported: the bridge's release has events, and they are wanted.
	Supported bool
	// Up: the bridge answers over its API.
	Up bool
	// Skew is the bridge's clock less ours by its API; nil where not known.
	Skew *time.Duration
}

// Compare holds the accounts of now against one another.
func (b *Bridge) Compare(now time.Time, accounts map[Name]Account, s State) Report {
	r := Report{At: now, Differences: map[Pair]map[Fact]int64{}, Found: map[Finding]bool{}, Why: map[Finding]string{}}
	for _, p := range Pairs() {
		if accounts[p.A].Known && accounts[p.B].Known {
			r.Differences[p] = map[Fact]int64{Calls: 0}
		}
	}
	keys := map[Name]map[string]bool{}
	recorded := map[Name]map[string]bool{}
	for n, a := range accounts {
		if !a.Known {
			continue
		}
		keys[n] = map[string]bool{}
		for key := range a.Calls {
			keys[n][key] = true
		}
		if !b.calls[n].spoke && n != Records {
			maps.Copy(b.old, keys[n])
		}
		b.calls[n].hear(keys[n], now)
		if a.Recordings != nil {
			recorded[n] = a.Recordings
			b.recs[n].hear(a.Recordings, now)
		}
	}
	for key := range b.old {
		if !keys[Events][key] && !keys[API][key] {
			delete(b.old, key)
		}
	}
	b.judge(Calls, keys, b.calls, accounts, &r)
	b.judge(Recordings, recorded, b.recs, accounts, &r)
	b.legs(accounts, &r)
	b.connection(now, accounts[Events].Known, s, &r)
	b.clock(now, accounts, s, &r)
	return r
}

// hear takes an account. What is new in it counts from now on: an account may be as of a while ago and know of something later all the same.
func (m *memory) hear(keys map[string]bool, now time.Time) {
	m.spoke = true
	for key := range keys {
		if _, known := m.first[key]; !known {
			m.first[key] = now
			delete(m.gone, key)
		}
	}
	for key := range m.first {
		if !keys[key] {
			delete(m.first, key)
			m.gone[key] = now
		}
	}
	maps.DeleteFunc(m.lacked, func(key string, _ time.Time) bool { return keys[key] })
	const forget = 10 * time.Minute
	maps.DeleteFunc(m.lacked, func(_ string, lacked time.Time) bool { return now.Sub(lacked) > forget })
	maps.DeleteFunc(m.gone, func(_ string, gone time.Time) bool { return now.Sub(gone) > forget })
}

// judge asks of every meeting who names it and who, though there was time enough, does not. Only calls decide who is off: whether one is recorded is asked of
// the API less often.
func (b *Bridge) judge(fact Fact, keys map[Name]map[string]bool, memories map[Name]*memory, accounts map[Name]Account, r *Report) {
	for _, p := range Pairs() {
		if keys[p.A] != nil && keys[p.B] != nil {
			r.Differences[p][fact] = 0
		}
	}
	lag := b.cfg.Lag
	if fact == Recordings {
		lag = b.cfg.RecordingLag
	}
	all := map[string]bool{}
	for _, set := range keys {
		maps.Copy(all, set)
	}
	for key := range all {
		var present, absent []Name
		var since, newest time.Time
		for n, set := range keys {
			if !set[key] {
				continue
			}
			present = append(present, n)
			if first := memories[n].first[key]; since.IsZero() || first.Before(since) {
				since = first
			}
			if accounts[n].At.After(newest) {
				newest = accounts[n].At
			}
		}
		for n, set := range keys {
			switch gone := memories[n].gone[key]; {
			case set[key], n == Records && b.old[key]:
			case since.After(accounts[n].At.Add(-lag)), gone.After(newest.Add(-lag)):
			case n != API || memories[n].lacks(key, accounts[n].At):
				absent = append(absent, n)
			}
		}
		for _, p := range Pairs() {
			if slices.Contains(present, p.A) && slices.Contains(absent, p.B) || slices.Contains(absent, p.A) && slices.Contains(present, p.B) {
				r.Differences[p][fact]++
			}
		}
		if fact == Calls && len(absent) > 0 && len(present)+len(absent) == len(keys) && b.contradict(key, present, absent, memories, accounts) {
			b.blame(key, present, absent, memories, r)
		}
	}
}

// contradict tells whether all who name a meeting spoke well after those who do not let go of it: the word of an earlier moment is no contradiction.
func (b *Bridge) contradict(key string, present, absent []Name, memories map[Name]*memory, accounts map[Name]Account) bool {
	for _, n := range absent {
		gone := memories[n].gone[key]
		for _, other := range present {
			if !gone.IsZero() && gone.After(accounts[other].At.Add(-b.cfg.Lag)) {
				return false
			}
		}
	}
	return true
}

// blame finds who is off: of three the one that stands alone; of two the one that lacks what it never knew of, or holds on to what the other saw end.
func (b *Bridge) blame(key string, present, absent []Name, memories map[Name]*memory, r *Report) {
	blamed := absent
	switch {
	case len(absent) > len(present):
		blamed = present
	case len(absent) == 1 && len(present) == 1 && !memories[absent[0]].gone[key].IsZero():
		blamed = present
	}
	for _, n := range blamed {
		r.find(off(n), fmt.Sprintf("meeting %s: %s tell of it, %s not", key, names(present), names(absent)))
	}
}

// lacks notes that a list as of a time lacks a meeting, and tells whether one before it did too.
func (m *memory) lacks(key string, at time.Time) bool {
	if _, before := m.lacked[key]; !before {
		m.lacked[key] = at
	}
	return m.lacked[key].Before(at)
}

// legs compares numbers: events tell of no legs.
func (b *Bridge) legs(accounts map[Name]Account, r *Report) {
	ours, theirs := accounts[Records].Legs, accounts[API].Legs
	difference, known := r.Differences[Pair{Records, API}]
	if !known || ours == nil || theirs == nil {
		return
	}
	apart := max(*ours-*theirs, *theirs-*ours)
	if apart <= max(b.cfg.Legs, int64(b.cfg.LegShare*float64(max(*ours, *theirs)))) {
		apart = 0
	}
	difference[Legs] = apart
}

// connection finds events that are away from a bridge that answers otherwise.
func (b *Bridge) connection(now time.Time, known bool, s State, r *Report) {
	if known || !s.Supported || !s.Up {
		b.away = time.Time{}
		return
	}
	if b.away.IsZero() {
		b.away = now
	}
	if away := now.Sub(b.away); away >= b.cfg.Away {
		r.find(EventsOff, fmt.Sprintf("no events for %s", away.Round(time.Second)))
	}
}

// clock compares when calls began by the bridge's clock, in its records, and by ours, when the event came; and takes the word of the API.
func (b *Bridge) clock(now time.Time, accounts map[Name]Account, s State, r *Report) {
	const (
		window = 10 * time.Minute
		most   = 9 // of the calls that began last
	)
	b.skew = slices.DeleteFunc(b.skew, func(o offset) bool { return now.Sub(o.began) > window })
	for key, began := range accounts[Events].Calls {
		recorded := accounts[Records].Calls[key]
		if began.IsZero() || recorded.IsZero() || now.Sub(began) > window || slices.ContainsFunc(b.skew, func(o offset) bool { return o.key == key }) {
			continue
		}
		b.skew = append(b.skew, offset{key, began, recorded.Sub(began)})
	}
	slices.SortFunc(b.skew, func(a, b offset) int { return b.began.Compare(a.began) })
	b.skew = b.skew[:min(len(b.skew), most)]
	if n := len(b.skew); n > 0 {
		by := slices.SortedFunc(slices.Values(b.skew), func(a, b offset) int { return int((a.by - b.by) / time.Millisecond) })
		r.Skew = &by[n/2].by
	}
	beyond := func(d *time.Duration) bool { return d != nil && d.Abs() > b.cfg.Clock }
	const fewest = 3
	switch {
	case beyond(s.Skew):
		r.find(ClockOff, fmt.Sprintf("by its API it is %s off", s.Skew.Round(time.Millisecond)))
	case beyond(r.Skew) && len(b.skew) >= fewest:
		r.find(ClockOff, fmt.Sprintf("by its records against its events it is %s off", r.Skew.Round(time.Millisecond)))
	}
}

// find notes a finding, with the first example in the order of the alphabet so that it does not change each time.
func (r *Report) find(f Finding, why string) {
	if !r.Found[f] || why < r.Why[f] {
		r.Why[f] = why
	}
	r.Found[f] = true
}

func names(list []Name) string {
	slices.Sort(list)
	text := make([]string, len(list))
	for i, n := range list {
		text[i] = string(n)
	}
	return strings.Join(text, " and ")
}
