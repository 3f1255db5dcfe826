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

// MakeLicense asks the store for all that a license report of [from, to) needs, as of an instant, and makes it. Its days may begin before from: the window of overage does.
func MakeLicense(ctx context.Context, q *storage.Queries, p Pool, from, to, now time.Time) (License, error) {
	in := LicenseInput{Pool: p, From: from, To: to, GeneratedAt: now}
	last := licensing.DayOf(to.Add(-time.Nanosecond), p.Zone)
	window := last.Add(1 - licensing.WindowDays).Start(p.Zone)
	if from.Before(window) {
		window = from
	}
	var err error
	if in.Computed, err = q.LicenseProgress(ctx, p.Clusters); err != nil {
		return License{}, err
	}
	wide := storage.LicensePeriod{Clusters: p.Clusters, From: window, To: to}
	if in.Days, err = q.LicenseDays(ctx, wide, p.Zone); err != nil {
		return License{}, err
	}
	if in.Snapshots, err = q.LicenseSnapshots(ctx, p.Clusters, storage.Period{From: window.Add(-licensing.LongestPause), To: to.Add(licensing.LongestPause)}); err != nil {
		return License{}, err
	}
	if len(in.Snapshots) > 0 {
		bins := wide
		bins.From = window.Truncate(licensing.BinSeconds * time.Second)
		if in.Steps, err = q.LicenseUse(ctx, bins, licensing.BinSeconds*time.Second); err != nil {
			return License{}, err
		}
	}
	known, err := q.Completeness(ctx, storage.Period{From: window, To: to})
	if err != nil {
		return License{}, err
	}
	for _, s := range known.Sources {
		for _, cluster := range p.Clusters {
			if s.Cluster == cluster {
				in.Sessions = append(in.Sessions, s)
			}
		}
	}
	if in.Features, err = q.LicenseFeatures(ctx, p.Clusters, to); err != nil {
		return License{}, err
	}
	if in.Owners, err = q.LicenseOwners(ctx, storage.LicensePeriod{Clusters: p.Clusters, From: from, To: to}, topOwners); err != nil {
		return License{}, err
	}
	return NewLicense(in), nil
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
