package report

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// topOwners are named in a report; the JSON has as many as the sheets.
const topOwners = 50

// asOf is the end of what a report judges: its own, or the present where it ends in the future.
func (in LicenseInput) asOf() time.Time {
	if in.GeneratedAt.Before(in.To) {
		return in.GeneratedAt
	}
	return in.To
}

// last is the last day that a report judges.
func (in LicenseInput) last() licensing.Day {
	return licensing.DayOf(in.asOf().Add(-time.Nanosecond), in.Pool.Zone)
}

// window is where the figures of a report begin: with its first day, or with the window of overage of the last that it judges.
func (in LicenseInput) window() time.Time {
	start := in.last().Add(1 - licensing.WindowDays).Start(in.Pool.Zone)
	if in.From.Before(start) {
		return in.From
	}
	return start
}

// bins is where the five-minute steps begin that are compared with what servers counted.
func (in LicenseInput) bins() time.Time {
	return in.window().Truncate(licensing.BinSeconds * time.Second)
}

// MakeLicense asks the store for all that a license report of [from, to) needs, as of an instant, and makes it.
func MakeLicense(ctx context.Context, q *storage.Queries, p Pool, from, to, now time.Time) (License, error) {
	in, err := gather(ctx, q, p, from, to, now)
	if err != nil {
		return License{}, err
	}
	return NewLicense(in), nil
}

// MakeStanding is MakeLicense without what only people read, the owners and the comparison by five minutes: days, overage and enforcement as of now.
func MakeStanding(ctx context.Context, q *storage.Queries, p Pool, now time.Time) (License, error) {
	in, err := gatherFor(ctx, q, p, now.AddDate(0, 0, 1-licensing.WindowDays), now, now, false)
	if err != nil {
		return License{}, err
	}
	return NewLicense(in), nil
}

// gather asks the store for the input of a report.
func gather(ctx context.Context, q *storage.Queries, p Pool, from, to, now time.Time) (LicenseInput, error) {
	return gatherFor(ctx, q, p, from, to, now, true)
}

// gatherFor asks the store for the input of a report, or for the part of it that says how a pool stands. The intervals are read once for all.
func gatherFor(ctx context.Context, q *storage.Queries, p Pool, from, to, now time.Time, people bool) (LicenseInput, error) {
	// What is sealed and computed again has milliseconds, as the store does.
	in := LicenseInput{Pool: p, From: from.Truncate(time.Millisecond), To: to.Truncate(time.Millisecond), GeneratedAt: now.Truncate(time.Millisecond)}
	window := in.window()
	var err error
	if in.Computed, err = q.LicenseProgress(ctx, p.Clusters); err != nil {
		return in, err
	}
	if in.Snapshots, err = q.LicenseSnapshots(ctx, p.Clusters, storage.Period{From: window.Add(-licensing.LongestPause), To: in.To.Add(licensing.LongestPause)}); err != nil {
		return in, err
	}
	// A meeting that goes on has no use of the future.
	ask := storage.LicenseQuestion{LicensePeriod: storage.LicensePeriod{Clusters: p.Clusters, From: in.From, To: in.asOf()}, Days: p.Zone, DaysFrom: window}
	if people {
		ask.Owners, ask.Groups = topOwners, p.Groups
		if len(in.Snapshots) > 0 {
			ask.Step, ask.StepsFrom = licensing.BinSeconds*time.Second, in.bins()
		}
	}
	figures, err := q.LicenseFigures(ctx, ask)
	if err != nil {
		return in, err
	}
	in.Days, in.Steps, in.Owners, in.Groups = figures.Days, figures.Steps, figures.Owners, figures.Groups
	for _, d := range licensing.Days(in.last().End(p.Zone), in.To, p.Zone) {
		in.Days = append(in.Days, licensing.DayPeaks{Day: d})
	}
	known, err := q.Completeness(ctx, storage.Period{From: window, To: in.To})
	if err != nil {
		return in, err
	}
	for _, s := range known.Sources {
		if slices.Contains(p.Clusters, s.Cluster) {
			in.Sessions = append(in.Sessions, s)
		}
	}
	in.Features, err = q.LicenseFeatures(ctx, p.Clusters, in.asOf())
	return in, err
}

// line is a name that comes from outside as one line of text, without what steers a terminal.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
}

func join(list []string) string { return line(strings.Join(list, ", ")) }

// number is a figure without needless decimals.
func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// ExplainPeaks adds what made up the highest days of shared use, the highest first.
func (r *License) ExplainPeaks(ctx context.Context, q *storage.Queries, p Pool, days int) error {
	list := slices.DeleteFunc(slices.Clone(r.Days), func(d LicenseDay) bool { return d.SMP.At == nil })
	slices.SortStableFunc(list, func(a, b LicenseDay) int { return cmp.Compare(*b.SMP.PeakSixths, *a.SMP.PeakSixths) })
	for _, d := range list[:min(len(list), days)] {
		rows, err := q.ExplainLicenses(ctx, p.Clusters, *d.SMP.At)
		if err != nil {
			return err
		}
		r.Peaks = append(r.Peaks, newExplanation(p, *d.SMP.At, rows))
	}
	return nil
}
