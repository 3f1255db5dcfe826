package licensing

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// History is a pool's use of shared licenses at every instant at which something changed, and what owners without a PMP license would have spared it with one.
// It answers questions about other assignments and entitlements exactly, as often as need be.
type History struct {
	days []Day
	// Of the points: the use in sixths from each on, and the index of the first point of each day.
	levels []int32
	begins []int
	// Owners in the order of what they would spare, most first.
	Owners []Spender
}

// Spender is an owner without a PMP license.
type Spender struct {
	ID   uuid.UUID
	Name string
	// Hours of shared licenses that a PMP license would have spared in the period.
	Hours  float64
	spares []spare
}

// spare is sixths that a license would have spared between two points.
type spare struct {
	from, to int
	sixths   int32
}

// HistoryInterval is one license interval, with what is needed of its meeting.
type HistoryInterval struct {
	Meeting   uuid.UUID
	Cluster   string
	Owner     uuid.UUID
	OwnerName string
	Span
	// Sixths of shared licenses that it took.
	Sixths int64
}

// NewHistory makes a history over [from, to): levels is called for with every instant (Unix milliseconds) at which use changes, in order, and the use from it on; of are the intervals of
// all owners without a PMP license, in any order. A year of the largest cluster has some 16 million instants: they pass through day by day, and what is kept of a day are those that can be
// its peak.
func NewHistory(from, to time.Time, zone *time.Location, r Readings, levels func(point func(at, sixths int64)) error, of []HistoryInterval) (*History, error) {
	byOwner := map[holder][]HistoryInterval{}
	for _, i := range of {
		if i.Owner != uuid.Nil && i.Sixths > 0 {
			who := holder{i.Cluster, i.Owner}
			byOwner[who] = append(byOwner[who], i)
		}
	}
	h := &History{days: Days(from, to, zone)}
	b := builder{History: h, starts: make([]int64, len(h.days))} // every day begins with a point, so that what it begins with is one of its levels
	for i, d := range h.days {
		b.starts[i] = max(d.Start(zone).UnixMilli(), from.UnixMilli())
	}
	type owner struct {
		Spender
		covered []spared
	}
	var owners []owner
	for who, list := range byOwner {
		s, covered := spender(who, list, r, from, to)
		owners = append(owners, owner{s, covered})
	}
	slices.SortFunc(owners, func(a, b owner) int {
		return cmp.Or(cmp.Compare(b.Hours, a.Hours), slices.Compare(a.ID[:], b.ID[:]))
	})
	for i, o := range owners {
		h.Owners = append(h.Owners, o.Spender)
		for _, c := range o.covered {
			c.owner = i
			b.coming = append(b.coming, c)
		}
	}
	slices.SortFunc(b.coming, func(a, b spared) int { return cmp.Compare(a.from, b.from) })
	if err := levels(b.point); err != nil {
		return nil, err
	}
	b.reach(to.UnixMilli())
	b.endDay()
	return h, nil
}

// spared is sixths that an owner's license would have spared in a time, Unix milliseconds.
type spared struct {
	from, to int64
	owner    int
	sixths   int32
}

// builder takes the points of a history and keeps of each day those that can be its peak.
type builder struct {
	*History
	starts []int64 // of days
	day    int     // the next one
	now    int32
	// Of the day that runs: its points, and what a license would have spared in it; coming is that of later ones, by time.
	times          []int64
	sixths         []int32
	active, coming []spared
}

func (b *builder) point(at, sixths int64) {
	b.reach(at)
	now := int32(sixths) //nolint:gosec // thousands at most
	if n := len(b.times); n > 0 && b.times[n-1] == at {
		b.sixths[n-1] = now
	} else {
		b.times, b.sixths = append(b.times, at), append(b.sixths, now)
	}
	b.now = now
}

// reach begins the days up to an instant.
func (b *builder) reach(at int64) {
	for ; b.day < len(b.starts) && b.starts[b.day] <= at; b.day++ {
		b.endDay()
		b.times, b.sixths = append(b.times[:0], b.starts[b.day]), append(b.sixths[:0], b.now)
	}
}

// endDay drops the points that can be no day's peak whoever is given a license: what is used at them as it was is less than the day's peak with licenses for all. A year of the largest
// cluster keeps some thousandth of its points, so that assignments by the thousand can be tried.
func (b *builder) endDay() {
	if len(b.times) == 0 {
		return
	}
	first, end := b.times[0], b.times[len(b.times)-1]
	ended := 0
	for ended < len(b.coming) && b.coming[ended].from <= end {
		ended++
	}
	b.active, b.coming = append(b.active, b.coming[:ended]...), b.coming[ended:]
	b.active = slices.DeleteFunc(b.active, func(c spared) bool { return c.to <= first })
	at := func(t int64) int {
		i, _ := slices.BinarySearch(b.times, t)
		return i
	}
	change := make([]int32, len(b.times)+1)
	for _, c := range b.active {
		change[at(c.from)] -= c.sixths
		change[at(c.to)] += c.sixths
	}
	var floor, sum int32
	for i, v := range b.sixths {
		sum += change[i]
		floor = max(floor, v+sum)
	}
	b.begins = append(b.begins, len(b.levels))
	kept := make([]int, len(b.times)+1) // how many points before it are kept
	for i, v := range b.sixths {
		kept[i] = len(b.levels)
		if v >= floor {
			b.levels = append(b.levels, v)
		}
	}
	kept[len(b.times)] = len(b.levels)
	for _, c := range b.active {
		if s := (spare{kept[at(c.from)], kept[at(c.to)], c.sixths}); s.from < s.to {
			b.Owners[c.owner].spares = append(b.Owners[c.owner].spares, s)
		}
	}
}

// span is the points of a day.
func (h *History) span(d int) (first, end int) {
	if d+1 < len(h.begins) {
		return h.begins[d], h.begins[d+1]
	}
	return h.begins[d], len(h.levels)
}

// level is the use at every point, had some owners held a PMP license.
func (h *History) level(given []int) []int32 {
	if len(given) == 0 {
		return h.levels
	}
	change := make([]int32, len(h.levels)+1)
	for _, g := range given {
		for _, s := range h.Owners[g].spares {
			change[s.from] -= s.sixths
			change[s.to] += s.sixths
		}
	}
	level := make([]int32, len(h.levels))
	var sum int32
	for i, v := range h.levels {
		sum += change[i]
		level[i] = v + sum
	}
	return level
}

// spender computes what a license would have covered: as for those who have one.
func spender(who holder, list []HistoryInterval, r Readings, from, to time.Time) (Spender, []spared) {
	s := Spender{ID: who.user}
	byMeeting := map[uuid.UUID]*Meeting{}
	var meetings []*Meeting
	licensed := true
	for _, i := range list {
		m := byMeeting[i.Meeting]
		if m == nil {
			m = &Meeting{ID: i.Meeting, Cluster: who.cluster, Space: uuid.Max, Owner: &Owner{ID: who.user, Licensed: &licensed}}
			byMeeting[i.Meeting] = m
			meetings = append(meetings, m)
		}
		m.Calls = append(m.Calls, i.Span)
		s.Name = i.OwnerName
	}
	given := claims(meetings, r, to)
	var covered []spared
	var milliseconds int64
	for _, i := range list {
		for _, c := range given[byMeeting[i.Meeting]].covered {
			start, end := latest(latest(i.From, c.From), from), c.To
			if !i.To.IsZero() && i.To.Before(end) {
				end = i.To
			}
			if !start.Before(end) {
				continue
			}
			covered = append(covered, spared{from: start.UnixMilli(), to: end.UnixMilli(), sixths: int32(i.Sixths)}) //nolint:gosec // at most 6
			milliseconds += i.Sixths * end.Sub(start).Milliseconds()
		}
	}
	s.Hours = float64(milliseconds) / 6 / float64(time.Hour/time.Millisecond)
	return s, covered
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// DayPeak is the highest use of shared licenses of a day, in sixths.
type DayPeak struct {
	Day    Day   `json:"day"`
	Sixths int64 `json:"smp_sixths"`
}

// Peaks are the days' highest uses, had some owners (indices into Owners) held a PMP license.
func (h *History) Peaks(given ...int) []DayPeak {
	level := h.level(given)
	peaks := make([]DayPeak, len(h.days))
	for d, day := range h.days {
		first, end := h.span(d)
		var most int32
		for _, v := range level[first:end] {
			most = max(most, v)
		}
		peaks[d] = DayPeak{day, int64(most)}
	}
	return peaks
}

// DaysOver is the days over a number of shared licenses, and the most of them within any WindowDays.
func DaysOver(peaks []DayPeak, licenses int64) (days []Day, worst int) {
	for _, p := range peaks {
		if p.Sixths > licenses*full {
			days = append(days, p.Day)
		}
	}
	first := 0
	for i, d := range days {
		for days[first] <= d.Add(-WindowDays) {
			first++
		}
		worst = max(worst, i-first+1)
	}
	return days, worst
}

// Needed is the fewest shared licenses with which no WindowDays have more than allowed days of overage.
func Needed(peaks []DayPeak, allowed int) int64 {
	var most int64
	for _, p := range peaks {
		most = max(most, (p.Sixths+full-1)/full)
	}
	low, high := int64(0), most // high is always enough
	for low < high {
		middle := (low + high) / 2
		if _, worst := DaysOver(peaks, middle); worst <= allowed {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// Prices of a license of each kind, in any currency and for any time, the same for both.
type Prices struct{ PMP, SMP float64 }

// Mix is an assignment and what it takes: PMP licenses for some owners (indices into Owners) besides those that are assigned, and shared licenses for the rest.
type Mix struct {
	Given []int
	SMP   int64
	// Cost of the shared licenses and of the PMP licenses that are given; what is assigned already costs the same in every mix.
	Cost float64
}

// exhaustiveOwners is up to how many owners every assignment is tried.
const exhaustiveOwners = 10

// greedyOwners is how many owners, those who would spare most, are looked at where not every assignment can be tried.
const greedyOwners = 60

// Cheapest is the mix that would have kept overage within allowed days at the least cost: for certain for up to exhaustiveOwners owners; beyond that licenses are given one by one to who lowers
// the cost most, also in pairs where one alone does not help, until none does. Progress, where not nil, is told the share done, from 0 to 1.
func (h *History) Cheapest(p Prices, allowed int, progress func(float64)) Mix {
	if progress == nil {
		progress = func(float64) {}
	}
	defer progress(1)
	if len(h.Owners) <= exhaustiveOwners {
		return h.exhaustive(p, allowed, progress)
	}
	return h.greedy(p, allowed, progress)
}

func (h *History) mix(p Prices, allowed int, given []int) Mix {
	m := Mix{Given: slices.Clone(given), SMP: Needed(h.Peaks(given...), allowed)}
	m.Cost = float64(len(given))*p.PMP + float64(m.SMP)*p.SMP
	return m
}

// better prefers the lower cost, then fewer changes.
func better(a, b Mix) bool {
	if a.Cost != b.Cost {
		return a.Cost < b.Cost
	}
	return len(a.Given) < len(b.Given)
}

func (h *History) exhaustive(p Prices, allowed int, progress func(float64)) Mix {
	best := h.mix(p, allowed, nil)
	all := 1 << len(h.Owners)
	for set := 1; set < all; set++ {
		var given []int
		for i := range h.Owners {
			if set&(1<<i) != 0 {
				given = append(given, i)
			}
		}
		if m := h.mix(p, allowed, given); better(m, best) {
			best = m
		}
		progress(float64(set) / float64(all))
	}
	return best
}

func (h *History) greedy(p Prices, allowed int, progress func(float64)) Mix {
	best := h.mix(p, allowed, nil)
	current := best
	most := min(len(h.Owners), greedyOwners)
	for len(current.Given) < most {
		var next *Mix
		for i := range most {
			if slices.Contains(current.Given, i) {
				continue
			}
			m := h.mix(p, allowed, append(slices.Clone(current.Given), i))
			if next == nil || better(m, *next) {
				next = &m
			}
		}
		current = *next
		if better(current, best) {
			best = current
		}
		if len(current.Given) >= len(best.Given)+patience {
			break
		}
		progress(float64(len(current.Given)) / float64(most))
	}
	return best
}

// patience is how many licenses in a row may be given without a gain: a peak of several meetings falls only once all of them are covered.
const patience = 6
