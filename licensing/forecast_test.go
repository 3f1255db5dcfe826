package licensing

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// TestForecast: on a weekly pattern with noise the interval covers about what it says on days that it has not seen, and the pattern beats "as a week ago".
func TestForecast(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // a seed makes it repeat
	var coverage, error, naive float64
	const rounds = 40
	for range rounds {
		var peaks []DayPeak
		for d := Day("2026-01-05"); len(peaks) < 180; d = d.Next() {
			level := 120.0
			if w := d.Start(time.UTC).Weekday(); w == time.Saturday || w == time.Sunday {
				level = 20
			}
			peaks = append(peaks, DayPeak{d, int64(max(0, level*(1+.15*rnd.NormFloat64())))})
		}
		f, err := NewForecast(peaks, 90)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Days) != 90 || f.Days[0].Day != peaks[len(peaks)-1].Day.Next() {
			t.Fatalf("%d days from %s", len(f.Days), f.Days[0].Day)
		}
		coverage, error, naive = coverage+f.Coverage/rounds, error+f.MeanError/rounds, naive+f.Naive/rounds
		for _, d := range f.Days {
			weekend := d.Day.Start(time.UTC).Weekday() == time.Saturday || d.Day.Start(time.UTC).Weekday() == time.Sunday
			if weekend && d.Expected > 40 || !weekend && (d.Expected < 90 || d.Expected > 150) || d.Low > d.Expected || d.High < d.Expected {
				t.Fatalf("%+v", d)
			}
		}
	}
	t.Logf("80 %% interval covers %.1f %% of held-out days; mean error %.1f sixths, of a week ago %.1f", coverage*100, error, naive)
	if coverage < .74 || coverage > .86 || error > naive {
		t.Errorf("coverage %.2f, error %.1f against %.1f", coverage, error, naive)
	}
	if _, err := NewForecast(make([]DayPeak, 41), 10); !errors.Is(err, ErrShortHistory) {
		t.Errorf("41 days: %v", err)
	}
}

// TestForecastExceeds: 15 days are allowed, weekdays are over, so the 16th weekday ahead exceeds.
func TestForecastExceeds(t *testing.T) {
	var peaks []DayPeak
	for d := Day("2026-01-05"); len(peaks) < 84; d = d.Next() {
		sixths := int64(60)
		if w := d.Start(time.UTC).Weekday(); w == time.Saturday || w == time.Sunday {
			sixths = 0
		}
		peaks = append(peaks, DayPeak{d, sixths})
	}
	f, err := NewForecast(peaks, 90) // from Monday 2026-03-30 on
	if err != nil {
		t.Fatal(err)
	}
	if day := f.Exceeds(nil, 9, 15); day != "2026-04-20" { // three weeks of five, and the Monday after
		t.Errorf("exceeds on %q, want 2026-04-20", day)
	}
	if day := f.Exceeds(nil, 10, 15); day != "" {
		t.Errorf("exceeds on %q with enough licenses", day)
	}
}
