package licensing

import (
	"errors"
	"math"
	"slices"
)

// Forecast is what the coming days' highest use of shared licenses will likely be, from the weekly pattern, and how far such a forecast has been right.
type Forecast struct {
	Days []ForecastDay `json:"days"`
	// Interval is the share of days that are meant to lie between Low and High; Coverage the share that did on days that were held out, Tested of them.
	Interval float64 `json:"interval"`
	Coverage float64 `json:"coverage"`
	Tested   int     `json:"tested_days"`
	// MeanError is the mean absolute difference on the held-out days, in sixths; Naive is that of "as on the same weekday a week before".
	MeanError float64 `json:"mean_error_sixths"`
	Naive     float64 `json:"naive_error_sixths"`
}

// ForecastDay is one coming day.
type ForecastDay struct {
	Day      Day   `json:"day"`
	Expected int64 `json:"expected_sixths"`
	Low      int64 `json:"low_sixths"`
	High     int64 `json:"high_sixths"`
}

// The weekly pattern is the median of the same weekday over patternWeeks; the interval is what past forecasts over as many days ahead were off.
const (
	patternWeeks   = 8
	interval       = .8
	fewestWeeks    = 6
	daysAWeek      = 7
	longestHorizon = 90
)

// ErrShortHistory is returned where a weekly pattern cannot be told from what there is.
var ErrShortHistory = errors.New("a forecast needs six whole weeks of history")

// NewForecast looks ahead from the day after the last of peaks, which are consecutive days, in order.
func NewForecast(peaks []DayPeak, ahead int) (Forecast, error) {
	if len(peaks) < fewestWeeks*daysAWeek {
		return Forecast{}, ErrShortHistory
	}
	ahead = min(ahead, longestHorizon)
	values := make([]float64, len(peaks))
	for i, p := range peaks {
		values[i] = float64(p.Sixths)
	}
	f := Forecast{Interval: interval}
	calibrate, test := errorsOf(values)
	low, high := quantile(calibrate, (1-interval)/2), quantile(calibrate, (1+interval)/2)
	for _, e := range test {
		f.Tested++
		if e.error >= low && e.error <= high {
			f.Coverage++
		}
		f.MeanError += math.Abs(e.error)
		f.Naive += math.Abs(e.naive)
	}
	if f.Tested > 0 {
		n := float64(f.Tested)
		f.Coverage, f.MeanError, f.Naive = f.Coverage/n, f.MeanError/n, f.Naive/n
	}
	all := slices.Clone(calibrate) // what was held out is known by now, too
	for _, e := range test {
		all = append(all, e.error)
	}
	low, high = quantile(all, (1-interval)/2), quantile(all, (1+interval)/2)
	day := peaks[len(peaks)-1].Day
	for k := range ahead {
		day = day.Next()
		expected := pattern(values, len(values)+k)
		at := func(v float64) int64 { return int64(math.Round(max(0, v))) }
		f.Days = append(f.Days, ForecastDay{day, at(expected), at(expected + low), at(expected + high)})
	}
	return f, nil
}

// pattern is the forecast for position at from what lies before the end of values: the median of the same weekday of the last weeks.
func pattern(values []float64, at int) float64 {
	first := at
	for first >= len(values) {
		first -= daysAWeek
	}
	var same []float64
	for i := first; i >= 0 && len(same) < patternWeeks; i -= daysAWeek {
		same = append(same, values[i])
	}
	return quantile(same, .5)
}

// missed is what a forecast was off: actual less forecast.
type missed struct{ error, naive float64 }

// errorsOf makes every forecast again that could have been made, one to four weeks ahead: those of the first half of the days set the interval, those of the second are
// held out to test it.
func errorsOf(values []float64) (calibrate []float64, test []missed) {
	const known = 3 * daysAWeek // a pattern needs something
	half := known + (len(values)-known)/2
	for at := known + daysAWeek; at < len(values); at++ {
		for weeks := 1; weeks <= 4; weeks++ {
			until := at - weeks*daysAWeek + 1 // what was known that many weeks before
			if until < known {
				break
			}
			e := missed{values[at] - pattern(values[:until], at), values[at] - values[at-daysAWeek]}
			if at < half {
				calibrate = append(calibrate, e.error)
			} else {
				test = append(test, e)
			}
		}
	}
	return calibrate, test
}

// quantile of a list, by linear interpolation; 0 of none.
func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	at := q * float64(len(sorted)-1)
	k := int(at)
	if k+1 == len(sorted) {
		return sorted[k]
	}
	return sorted[k] + (at-float64(k))*(sorted[k+1]-sorted[k])
}

// Exceeds is the first day on which more than allowed days of the window would lie over a number of licenses, with the expected use; empty if none of the days ahead.
func (f Forecast) Exceeds(past []DayPeak, licenses int64, allowed int) Day {
	all := slices.Clone(past)
	for _, d := range f.Days {
		all = append(all, DayPeak{d.Day, d.Expected})
		from := slices.IndexFunc(all, func(p DayPeak) bool { return p.Day > d.Day.Add(-WindowDays) })
		if days, _ := DaysOver(all[from:], licenses); len(days) > allowed {
			return d.Day
		}
	}
	return ""
}
