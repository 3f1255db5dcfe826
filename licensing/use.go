package licensing

import (
	"slices"
	"time"
)

// Use is license use at an instant.
type Use struct {
	// SMPSixths of shared licenses; PMP licenses hosting meetings; meetings recorded and streamed.
	SMPSixths, PMP, Recordings, Streams int64
}

// Recording is what the recording license counts.
func (u Use) Recording() int64 { return u.Recordings + u.Streams }

func (u *Use) add(i Interval, by int64) {
	u.SMPSixths += by * i.Sixths
	u.PMP += by * i.Personal
	u.Recordings += by * i.Recordings
	u.Streams += by * i.Streams
}

// Level is use from an instant on, until the next level.
type Level struct {
	At time.Time
	Use
}

// Levels sums intervals: one level for each instant at which something changes, in order. Before the first and from the last on nothing is in use.
func Levels(intervals []Interval) []Level {
	type change struct {
		at time.Time
		i  int
		by int64
	}
	changes := make([]change, 0, 2*len(intervals))
	for k := range intervals {
		changes = append(changes, change{intervals[k].From, k, 1}, change{intervals[k].To, k, -1})
	}
	slices.SortFunc(changes, func(a, b change) int { return a.at.Compare(b.at) })
	var levels []Level
	var now Use
	for k := 0; k < len(changes); {
		at := changes[k].at
		for ; k < len(changes) && changes[k].at.Equal(at); k++ {
			now.add(intervals[changes[k].i], changes[k].by)
		}
		if n := len(levels); n == 0 || levels[n-1].Use != now {
			levels = append(levels, Level{at, now})
		}
	}
	return levels
}

// UseAt is the use at an instant.
func UseAt(levels []Level, at time.Time) Use {
	k, exact := slices.BinarySearchFunc(levels, at, func(l Level, t time.Time) int { return l.At.Compare(t) })
	switch {
	case exact:
		return levels[k].Use
	case k == 0:
		return Use{}
	}
	return levels[k-1].Use
}

// Peaks are the largest values of a time, each with the first instant at which it was reached.
type Peaks struct {
	SMP, PMP, Recording, Streaming Peak
	// Recordings and Streams are the split at the peak of Recording.
	Recordings, Streams int64
}

// See takes one more level into account; levels come in order of time.
func (p *Peaks) See(l Level) {
	p.SMP.see(l.SMPSixths, l.At)
	p.PMP.see(l.PMP, l.At)
	if p.Recording.At.IsZero() || l.Recording() > p.Recording.Value {
		p.Recordings, p.Streams = l.Recordings, l.Streams
	}
	p.Recording.see(l.Recording(), l.At)
	p.Streaming.see(l.Streams, l.At)
}

// PeaksWithin are the peaks of a span, whose To is set. What began before it counts from its From on.
func PeaksWithin(levels []Level, s Span) Peaks {
	var p Peaks
	p.See(Level{s.From, UseAt(levels, s.From)})
	k, _ := slices.BinarySearchFunc(levels, s.From, func(l Level, t time.Time) int { return l.At.Compare(t) })
	for ; k < len(levels) && levels[k].At.Before(s.To); k++ {
		p.See(levels[k])
	}
	return p
}

// Raise takes the peaks of a later time, or of a part of the same, into account.
func (p *Peaks) Raise(o Peaks) {
	raise := func(to *Peak, from Peak) bool {
		if to.At.IsZero() || from.Value > to.Value {
			*to = from
			return true
		}
		return false
	}
	raise(&p.SMP, o.SMP)
	raise(&p.PMP, o.PMP)
	raise(&p.Streaming, o.Streaming)
	if raise(&p.Recording, o.Recording) {
		p.Recordings, p.Streams = o.Recordings, o.Streams
	}
}

// DayPeaks are the peaks of a license day, StepPeaks those of a step that begins at Time.
type DayPeaks struct {
	Day   Day
	Peaks Peaks
}

// StepPeaks are the peaks of a step that begins at Time.
type StepPeaks struct {
	Time  time.Time
	Peaks Peaks
	// Carried is the sixths of shared licenses in use before the step, Started those of all that began in it.
	Carried, Started int64
}
