package licensing

import "time"

// Day is a license day, written as its date: 2026-08-03. Dates in this form sort as text.
type Day string

// DayOf is the day of a time zone in which an instant lies.
func DayOf(t time.Time, zone *time.Location) Day { return Day(t.In(zone).Format(time.DateOnly)) }

// Start is the first instant of the day in a time zone; where the clock skips midnight it is the instant of the change, where it repeats midnight the first of both.
func (d Day) Start(zone *time.Location) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, string(d), zone)
	if err != nil {
		return time.Time{}
	}
	if DayOf(t, zone) < d { // Go reads a midnight that does not exist as the hour before
		_, t = t.ZoneBounds()
	}
	if change, _ := t.ZoneBounds(); !change.IsZero() { // and of two midnights, in some zones, the second
		_, now := t.Zone()
		_, was := change.Add(-time.Nanosecond).Zone()
		if first := t.Add(time.Duration(now-was) * time.Second); first.Before(change) && DayOf(first, zone) == d {
			t = first
		}
	}
	return t.UTC()
}

// End is the first instant of the next day: 23, 24 or 25 hours after Start.
func (d Day) End(zone *time.Location) time.Time { return d.Next().Start(zone) }

// Next is the following day.
func (d Day) Next() Day { return d.Add(1) }

// Days are the days from a time, inclusive, to a time, exclusive.
func Days(from, to time.Time, zone *time.Location) []Day {
	var list []Day
	for d := DayOf(from, zone); d.Start(zone).Before(to); d = d.Next() {
		list = append(list, d)
	}
	return list
}

// Add is the day a number of days later, or earlier where it is negative.
func (d Day) Add(days int) Day {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return d
	}
	return Day(t.AddDate(0, 0, days).Format(time.DateOnly))
}
