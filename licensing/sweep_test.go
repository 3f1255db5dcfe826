package licensing

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestSweep: intervals that come day by day in no order give the levels, days and steps of all of them at once; an end at the very start of a day or step is none of its use.
func TestSweep(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10)) //nolint:gosec // a seed makes it repeat
	zone := zone(t, "Europe/Berlin")
	for round := range 40 {
		begin := time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC) // the clock changes on the 29th
		from, to := begin.Add(time.Duration(rnd.IntN(48))*time.Hour/2), begin.AddDate(0, 0, 5)
		var intervals []Interval
		byDay := make([][]Interval, 6)
		for range 200 {
			grain := []time.Duration{time.Millisecond, time.Second, 5 * time.Minute, time.Hour}[rnd.IntN(4)]
			start := begin.Add(time.Duration(rnd.Int64N(int64(6 * 24 * time.Hour)))).Truncate(grain)
			i := Interval{Span: Span{start, start.Add(time.Duration(1+rnd.IntN(50)) * grain)}, Sixths: int64(rnd.IntN(7)), Personal: int64(rnd.IntN(2)), Recordings: int64(rnd.IntN(3)), Streams: int64(rnd.IntN(2))}
			intervals = append(intervals, i)
			day := int(start.Sub(begin) / (24 * time.Hour))
			byDay[day] = append(byDay[day], i)
		}
		levels := Levels(intervals)
		days, steps := TallyDays(from, to, zone), TallySteps(from, to, 5*time.Minute)
		last := from.UnixMilli() - 1
		s := NewSweep(from, to, days.See, steps.See, func(at int64, use Use, _ int64) {
			if at <= last || at >= to.UnixMilli() {
				t.Fatalf("round %d: %d after %d", round, at, last)
			}
			last = at
			if want := UseAt(levels, time.UnixMilli(at)); use != want {
				t.Fatalf("round %d: %+v at %s, want %+v", round, use, time.UnixMilli(at), want)
			}
		})
		for day, list := range byDay {
			for _, i := range list {
				s.Add(i.From.UnixMilli(), i.To.UnixMilli(), uint8(i.Sixths), uint8(i.Personal), uint8(i.Recordings), uint8(i.Streams)) //nolint:gosec // small
			}
			s.Settle(begin.AddDate(0, 0, day+1))
		}
		s.Finish()
		same := func(what string, got Peaks, start, end time.Time) {
			t.Helper()
			want := PeaksWithin(levels, Span{latest(start, from), end})
			if got != want && !(got.SMP.At.Equal(want.SMP.At) && got.SMP.Value == want.SMP.Value && got.PMP.Value == want.PMP.Value && got.PMP.At.Equal(want.PMP.At) &&
				got.Recording.Value == want.Recording.Value && got.Recording.At.Equal(want.Recording.At) && got.Recordings == want.Recordings && got.Streaming.Value == want.Streaming.Value) {
				t.Fatalf("round %d, %s: %+v, want %+v", round, what, got, want)
			}
		}
		got := days.Days(zone)
		if len(got) != len(Days(from, to, zone)) {
			t.Fatalf("%d days", len(got))
		}
		for _, d := range got {
			end := d.Day.End(zone)
			if end.After(to) {
				end = to
			}
			same(string(d.Day), d.Peaks, d.Day.Start(zone), end)
		}
		for _, p := range steps.Steps() {
			same(p.Time.String(), p.Peaks, p.Time, p.Time.Add(5*time.Minute))
			var carried, started int64
			for _, i := range intervals {
				begins := latest(i.From, from)
				switch {
				case !i.To.After(from) || !i.From.Before(to):
				case begins.Before(p.Time) && !i.To.Before(p.Time):
					carried += i.Sixths
				case !begins.Before(p.Time) && begins.Before(p.Time.Add(5*time.Minute)):
					started += i.Sixths
				}
			}
			if p.Carried != carried || p.Started != started {
				t.Fatalf("round %d, %s: carried %d, started %d; want %d and %d", round, p.Time, p.Carried, p.Started, carried, started)
			}
		}
	}
}
