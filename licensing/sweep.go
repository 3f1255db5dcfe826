package licensing

import (
	"cmp"
	"slices"
	"time"
)

// Sweep adds up intervals that come in no order and tells the use from every instant on at which one begins or ends, in order of time. It holds only what is not settled
// yet, so a period of any length passes through. Times are Unix milliseconds, as stored.
type Sweep struct {
	from, to int64
	tell     []func(at int64, use Use, started int64)
	waiting  []change
	spare    []change // what sorting works in
	now      Use
}

// change is what an interval adds from an instant on, or takes away.
type change struct {
	at                       int64
	sixths, pmp, recs, strms uint8
	ends                     bool
}

// NewSweep sweeps over [from, to). What began before counts from its start. Each tell gets every instant, the use from it on, and the sixths of shared licenses that began at it.
func NewSweep(from, to time.Time, tell ...func(at int64, use Use, started int64)) *Sweep {
	return &Sweep{from: from.UnixMilli(), to: to.UnixMilli(), tell: tell}
}

// Add takes an interval. It must not begin before what was settled.
func (s *Sweep) Add(from, until int64, sixths, pmp, recordings, streams uint8) {
	from = max(from, s.from)
	if from >= until || from >= s.to {
		return
	}
	c := change{from, sixths, pmp, recordings, streams, false}
	s.waiting = append(s.waiting, c)
	if until < s.to {
		c.at, c.ends = until, true
		s.waiting = append(s.waiting, c)
	}
}

// Grow makes room for so many more intervals.
func (s *Sweep) Grow(intervals int) { s.waiting = slices.Grow(s.waiting, 2*intervals) }

// Settle tells all that is before an instant: no interval that is added later begins before it.
func (s *Sweep) Settle(before time.Time) {
	s.waiting, s.spare = sortChanges(s.waiting, s.spare)
	end, _ := slices.BinarySearchFunc(s.waiting, before.UnixMilli(), func(c change, at int64) int { return cmp.Compare(c.at, at) })
	settled := s.waiting[:end]
	for i := 0; i < len(settled); {
		at, started := settled[i].at, int64(0)
		for ; i < len(settled) && settled[i].at == at; i++ {
			c := &settled[i]
			if c.ends {
				s.now.SMPSixths -= int64(c.sixths)
				s.now.PMP -= int64(c.pmp)
				s.now.Recordings -= int64(c.recs)
				s.now.Streams -= int64(c.strms)
				continue
			}
			started += int64(c.sixths)
			s.now.SMPSixths += int64(c.sixths)
			s.now.PMP += int64(c.pmp)
			s.now.Recordings += int64(c.recs)
			s.now.Streams += int64(c.strms)
		}
		for _, tell := range s.tell {
			tell(at, s.now, started)
		}
	}
	s.waiting = s.waiting[:copy(s.waiting, s.waiting[end:])]
}

// Finish tells all the rest.
func (s *Sweep) Finish() { s.Settle(time.UnixMilli(s.to)) }

// digit is the bits that a pass of sortChanges sorts by.
const digit = 11

// sortChanges sorts by time, digit by digit from the lowest: a few passes over millions of changes, where comparing them takes twenty. It works in both slices, of which
// one is returned sorted.
func sortChanges(list, other []change) (sorted, spare []change) {
	if len(list) == 0 {
		return list, other
	}
	lowest, highest := list[0].at, list[0].at
	for i := range list {
		lowest, highest = min(lowest, list[i].at), max(highest, list[i].at)
	}
	other = slices.Grow(other[:0], len(list))[:len(list)]
	for shift := 0; (highest-lowest)>>shift > 0; shift += digit {
		var begins [1<<digit + 1]int
		for i := range list {
			begins[(list[i].at-lowest)>>shift&(1<<digit-1)+1]++
		}
		for d := range 1 << digit {
			begins[d+1] += begins[d]
		}
		for i := range list {
			d := (list[i].at - lowest) >> shift & (1<<digit - 1)
			other[begins[d]] = list[i]
			begins[d]++
		}
		list, other = other, list
	}
	return list, other
}

// Tally keeps the peaks of stretches of time that follow one another, of uses that come in order of time.
type Tally struct {
	starts []int64
	rows   []StepPeaks
	next   int // the stretch that has not begun
	now    Use
}

// TallySteps has a stretch for every step of [from, to), the first from its start on.
func TallySteps(from, to time.Time, step time.Duration) *Tally {
	t := &Tally{}
	for at := from; at.Before(to); at = at.Add(step) {
		t.add(at, at)
	}
	return t
}

// TallyDays has a stretch for every day of a zone in [from, to).
func TallyDays(from, to time.Time, zone *time.Location) *Tally {
	t := &Tally{}
	for _, day := range Days(from, to, zone) {
		start := day.Start(zone)
		t.add(start, latest(start, from))
	}
	return t
}

func (t *Tally) add(name, start time.Time) {
	t.starts, t.rows = append(t.starts, start.UnixMilli()), append(t.rows, StepPeaks{Time: name})
}

// See takes the use from an instant on, for Sweep.
func (t *Tally) See(at int64, use Use, started int64) {
	t.begin(at)
	t.now = use
	if t.next == 0 {
		return
	}
	row := &t.rows[t.next-1]
	row.Started += started
	// Only what is higher counts: a time is made of the instant for few.
	if p := &row.Peaks; p.SMP.At.IsZero() || use.SMPSixths > p.SMP.Value || use.PMP > p.PMP.Value || use.Recording() > p.Recording.Value || use.Streams > p.Streaming.Value {
		p.See(Level{time.UnixMilli(at).UTC(), use})
	}
}

// begin begins the stretches up to an instant: with the use before, save the one that begins at that very instant.
func (t *Tally) begin(at int64) {
	for ; t.next < len(t.starts) && t.starts[t.next] <= at; t.next++ {
		row := &t.rows[t.next]
		row.Carried = t.now.SMPSixths
		if t.starts[t.next] < at {
			row.Peaks.See(Level{time.UnixMilli(t.starts[t.next]).UTC(), t.now})
		}
	}
}

// Steps are the stretches, once all was seen.
func (t *Tally) Steps() []StepPeaks {
	if n := len(t.starts); n > 0 {
		t.begin(t.starts[n-1] + 1)
	}
	return t.rows
}

// Days are the stretches of TallyDays, once all was seen.
func (t *Tally) Days(zone *time.Location) []DayPeaks {
	rows := t.Steps()
	days := make([]DayPeaks, len(rows))
	for i, r := range rows {
		days[i] = DayPeaks{DayOf(r.Time, zone), r.Peaks}
	}
	return days
}
