package licensing

import (
	"slices"
	"time"
)

// WindowDays is how many days back overage counts (17.1.1 of the deployment guide).
const WindowDays = 90

// UsedDay is what a pool used on a day, against what it held. Nil is not known.
type UsedDay struct {
	Day Day
	// Complete: nothing is known to be missing, and the day is over. What is missing can only raise a peak.
	Complete bool
	Peaks    Peaks
	// Computed: the peaks are known; false for a day of which there are no records at all.
	Computed bool
	// PMPAssigned is licenses given to users, the largest figure of the day.
	PMPAssigned *int64
	// Held is what the pool held; false in Known before its first entry.
	Held  Entitlement
	Known bool
}

// Over tells for each license whether the day's use exceeded what was held; nil where one of both is not known.
type Over struct {
	SMP, PMP, Recording *bool
	// missing: shared licenses are held, but of the day there are no records.
	missing bool
}

// Over compares a day. Shared licenses are compared in sixths, unrounded.
func (d UsedDay) Over(r Readings) Over {
	var o Over
	if !d.Known {
		return o
	}
	compare := func(used int64, held *int64, unit int64) *bool {
		if held == nil {
			return nil
		}
		over := used > *held*unit
		return &over
	}
	o.missing = !d.Computed && d.Held.SMP != nil
	if d.Computed {
		o.SMP = compare(d.Peaks.SMP.Value, d.Held.SMP, full)
		o.Recording = compare(d.Peaks.Recording.Value, d.Held.Recording, 1)
		if r.PMPInUse {
			o.PMP = compare(d.Peaks.PMP.Value, d.Held.PMP, 1)
		}
	}
	if !r.PMPInUse && d.PMPAssigned != nil {
		o.PMP = compare(*d.PMPAssigned, d.Held.PMP, 1)
	}
	return o
}

// Overage is one combined verdict: SMP or PMP exceeded. A license that cannot be judged does not stop the other from deciding; nil where none can be. But PMP, of which CMS tells even where there are
// no records, cannot say of such a day that it is not one of overage.
func (o Over) Overage() *bool {
	switch {
	case o.missing && o.PMP != nil && !*o.PMP:
		return nil
	case o.SMP == nil:
		return o.PMP
	case o.PMP == nil || *o.SMP:
		return o.SMP
	}
	return o.PMP
}

// Standing is where a pool stands on the way to enforcement, for one combined user license, or for a feature of its own.
type Standing struct {
	// AsOf is the last day that counts; the window is it and the 89 before.
	AsOf Day
	// Days of overage within the window; Unknown days of which it is not known.
	Days, Unknown int
	// Left is how many more days of overage are allowed; never below 0.
	Left int
	// Level of enforcement, 0 to 3.
	Level int
	// Leaves is when the oldest day of overage leaves the window; empty without one.
	Leaves Day
	// Reached is the day of overage with which the allowance was exceeded, within the window; empty while it is not.
	Reached Day
	// Exceeds is when the allowance will be exceeded if every further day is one of overage; empty once it is. Level 2 follows 90 days after Reached, level 3 another 90 later.
	Exceeds Day
	// Level2 and Level3 are when these follow if overage goes on from now (the clock is not reset and counts down 90 days, twice).
	Level2, Level3 Day
}

// Stand judges days, in any order, by a verdict for each. Expiry is when the license expires (clusterLicensing), zero where not known: it decides levels 2 and 3
// once the allowance is exceeded, and always when it is past.
func Stand(days []UsedDay, verdict func(UsedDay) *bool, asOf Day, allowed int, expiry time.Time, zone *time.Location) Standing {
	s := Standing{AsOf: asOf}
	first := asOf.Add(1 - WindowDays)
	var over []Day
	known := map[Day]bool{}
	for _, d := range days {
		if d.Day < first || d.Day > asOf {
			continue
		}
		v := verdict(d)
		if v == nil {
			continue
		}
		known[d.Day] = true
		if *v {
			over = append(over, d.Day)
		}
	}
	slices.Sort(over)
	s.Days, s.Unknown = len(over), WindowDays-len(known)
	s.Left = max(0, allowed-s.Days)
	if len(over) > 0 {
		s.Leaves = over[0].Add(WindowDays)
	}
	if s.Days > allowed {
		s.Level, s.Reached = 1, over[allowed]
		s.Level2, s.Level3 = s.Reached.Add(WindowDays), s.Reached.Add(2*WindowDays)
	} else {
		s.Exceeds = exceeds(over, asOf, allowed)
		s.Level2, s.Level3 = s.Exceeds.Add(WindowDays), s.Exceeds.Add(2*WindowDays)
	}
	if !expiry.IsZero() {
		end := DayOf(expiry, zone)
		if s.Level == 1 { // the 90 days are counting down: the license's own date is the truth
			s.Level2, s.Level3 = end, end.Add(WindowDays)
		}
		switch {
		case asOf > end.Add(WindowDays):
			s.Level = 3
		case asOf > end:
			s.Level = 2
		}
	}
	return s
}

// exceeds is the first day with more overage in its window than allowed, if every day after asOf is one of overage.
func exceeds(over []Day, asOf Day, allowed int) Day {
	for d := asOf.Next(); ; d = d.Next() {
		over = append(over, d)
		for len(over) > 0 && over[0] <= d.Add(-WindowDays) {
			over = over[1:]
		}
		if len(over) > allowed {
			return d
		}
	}
}
