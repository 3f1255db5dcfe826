// Package report turns figures into documents: one model a report, written as JSON, CSV and further formats. Every report says how complete its data was.
package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// License is the true-up report of one pool. Our own figures are nil until they are computed and never copied from what CMS reports;
// over is nil without an entitlement. Times are UTC.
type License struct {
	Pool         string        `json:"pool"`
	Clusters     []string      `json:"clusters"`
	From         time.Time     `json:"from"`
	To           time.Time     `json:"to"`
	DayBoundary  string        `json:"day_boundary"`
	GeneratedAt  time.Time     `json:"generated_at"`
	Completeness Completeness  `json:"completeness"`
	Days         []LicenseDay  `json:"days"`
	Overage      Overage       `json:"overage"`
	Reported     ReportedTotal `json:"reported"`
	// Owners whose meetings took most of shared licenses in the period.
	Owners []storage.OwnerUse `json:"owners"`
	// Groups of owners, as configured, and behind them whoever is in none; absent where no groups are configured.
	Groups []storage.GroupUse `json:"owner_groups,omitempty"`
	// Readings of the guide that the figures were computed with.
	Readings licensing.Readings `json:"readings"`
	// Peaks are the highest instants of shared use, explained; empty where they were not asked for.
	Peaks []Explanation `json:"peaks,omitempty"`

	sessions []storage.SessionCompleteness
}

// Completeness is the share of call detail records that are there; Ratio is nil where nothing is known.
type Completeness struct {
	Ratio   *float64 `json:"ratio"`
	Records int64    `json:"records"`
	Missing int64    `json:"missing"`
}

// LicenseDay is one license day of the pool.
type LicenseDay struct {
	Day licensing.Day `json:"day"`
	// Complete: nothing is known to be missing of the day.
	Complete  bool         `json:"complete"`
	SMP       SMPUse       `json:"smp"`
	PMP       PMPUse       `json:"pmp"`
	Recording RecordingUse `json:"recording"`
	Streaming PeakAt       `json:"streaming"`
	Overage   *bool        `json:"overage"`
	Reported  *ReportedUse `json:"reported"`
}

// SMPUse is shared licenses: the peak in sixths and, rounded for reading, in licenses.
type SMPUse struct {
	PeakSixths *int64     `json:"peak_sixths"`
	Peak       *float64   `json:"peak"`
	At         *time.Time `json:"at"`
	Entitled   *int64     `json:"entitled"`
	Over       *bool      `json:"over"`
}

// PMPUse is personal licenses: Peak counts those hosting at an instant, Assigned those given to users.
type PMPUse struct {
	Peak     *int64     `json:"peak"`
	At       *time.Time `json:"at"`
	Assigned *int64     `json:"assigned"`
	Entitled *int64     `json:"entitled"`
	Over     *bool      `json:"over"`
}

// RecordingUse is what the recording license counts: recordings and streams together, with the split at the peak.
type RecordingUse struct {
	Peak       *int64     `json:"peak"`
	At         *time.Time `json:"at"`
	Entitled   *int64     `json:"entitled"`
	Over       *bool      `json:"over"`
	Recordings *int64     `json:"recordings"`
	Streams    *int64     `json:"streams"`
}

// PeakAt is a peak and its instant.
type PeakAt struct {
	Peak *int64     `json:"peak"`
	At   *time.Time `json:"at"`
}

// ReportedUse is what CMS itself counted on the day (MPLicenseUsage), in bins of five minutes.
type ReportedUse struct {
	SMPPeakSixths int64     `json:"smp_peak_sixths"`
	SMPPeak       float64   `json:"smp_peak"`
	SMPAt         time.Time `json:"smp_at"`
	PMPPeak       int64     `json:"pmp_peak"`
	PMPAt         time.Time `json:"pmp_at"`
	PMPAssigned   *int64    `json:"pmp_assigned"`
	RecordingPeak int64     `json:"recording_peak"`
	RecordingAt   time.Time `json:"recording_at"`
	Recordings    int64     `json:"recordings"`
	Streams       int64     `json:"streams"`
	StreamingPeak int64     `json:"streaming_peak"`
	// Hosts that counted; for GapSeconds, summed over them, one did not, so that the peaks may be too low.
	Hosts      int   `json:"hosts"`
	GapSeconds int64 `json:"gap_seconds"`
	// Complete: every server counted all through the day.
	Complete bool `json:"complete"`
	// AboveSixths is by how many sixths CMS counted more than all that went on around, at most, and when: a difference that sampling does not explain.
	AboveSixths int64      `json:"above_sixths"`
	AboveAt     *time.Time `json:"above_at"`
}

// Overage is the way to enforcement (capacities page §4, Compliance). Days and what follows from it are nil where no day of the window can be judged; a license that has expired, or is
// not there, makes EnforcementLevel known all the same.
type Overage struct {
	AsOf       time.Time `json:"as_of"`
	WindowDays int       `json:"window_days"`
	Days       *int64    `json:"days"`
	// UnknownDays of the window could not be judged.
	UnknownDays      int64  `json:"unknown_days"`
	EnforcementLevel *int64 `json:"enforcement_level"`
	DaysLeft         *int64 `json:"days_left"`
	// OldestLeaves is the day on which the oldest day of overage leaves the window; Exceeds the day on which more than the allowed days will be reached if
	// every day from now on is one of overage; Level1 the day on which they were. Level2 and Level3 follow if overage goes on.
	OldestLeaves *licensing.Day `json:"oldest_leaves"`
	Exceeds      *licensing.Day `json:"exceeds"`
	Level1       *licensing.Day `json:"level1"`
	Level2       *licensing.Day `json:"level2"`
	Level3       *licensing.Day `json:"level3"`
	// Features are assessed on their own.
	Features []FeatureStanding `json:"features"`
}

// FeatureStanding is one licensed feature as CMS says it is, and for recording the days on which it was exceeded.
type FeatureStanding struct {
	Feature          string     `json:"feature"`
	Status           string     `json:"status"`
	Expiry           *time.Time `json:"expiry"`
	ExpirySlope      *float64   `json:"expiry_slope"`
	Days             *int64     `json:"days"`
	EnforcementLevel *int64     `json:"enforcement_level"`
}

// ReportedTotal sets the highest figure of CMS beside ours.
type ReportedTotal struct {
	SMPPeak    *float64 `json:"smp_peak"`
	Difference *float64 `json:"difference"`
}

// LicenseInput is what a license report is made from.
type LicenseInput struct {
	Pool        Pool
	From, To    time.Time
	GeneratedAt time.Time
	// Computed is up to when license use is computed from call records; zero: not at all.
	Computed time.Time
	// Days are our own figures, from 89 days before the last day on at least: the window of overage.
	Days []licensing.DayPeaks
	// Sessions say how complete the records are, of the pool's clusters.
	Sessions  []storage.SessionCompleteness
	Snapshots []licensing.Snapshot
	// Steps are our own figures by BinSeconds, to compare with Snapshots; nil: not compared.
	Steps []licensing.StepPeaks
	// Features are the licensed features, the newest state of each.
	Features []storage.LicenseFeatureState
	// Owners that took most, and what each group took.
	Owners []storage.OwnerUse
	Groups []storage.GroupUse
}

// NewLicense makes the report.
func NewLicense(in LicenseInput) License {
	zone := in.Pool.Zone
	r := License{Pool: in.Pool.Name, Clusters: in.Pool.Clusters, From: in.From.UTC(), To: in.To.UTC(), DayBoundary: zone.String(), GeneratedAt: in.GeneratedAt.UTC(),
		Completeness: completeness(in.Sessions), Days: []LicenseDay{}, Overage: Overage{AsOf: in.GeneratedAt.UTC(), WindowDays: licensing.WindowDays}, Owners: in.Owners, Groups: in.Groups, Readings: in.Pool.Readings, sessions: in.Sessions}
	if r.Clusters == nil {
		r.Clusters = []string{}
	}
	if r.Owners == nil {
		r.Owners = []storage.OwnerUse{}
	}
	reported := map[licensing.Day]licensing.ReportedDay{}
	for _, d := range licensing.ReportedDays(in.Snapshots, zone) {
		if d.Clusters < len(in.Pool.Clusters) {
			d.PMPAssigned = nil // what is assigned in some clusters would look like all
		}
		reported[d.Day] = d
	}
	above := reportedAbove(in.Snapshots, in.Steps, zone)
	first, last := licensing.DayOf(in.From, zone), licensing.DayOf(in.To.Add(-time.Nanosecond), zone)
	known := knowledge{in.Sessions, in.Pool.Clusters, in.Computed, in.GeneratedAt}
	var used []licensing.UsedDay
	window := in.window()
	for _, peaks := range in.Days {
		day := licensing.UsedDay{Day: peaks.Day, Peaks: peaks.Peaks}
		start, end := day.Day.Start(zone), day.Day.End(zone)
		day.Computed, day.Complete = known.of(start, end)
		day.Complete = day.Complete && !start.Before(window) && !end.After(in.To) // a part of a day is no day
		day.Held, day.Known = licensing.EntitledOn(in.Pool.Entitlements, day.Day)
		report, told := reported[day.Day]
		if told {
			day.PMPAssigned = report.PMPAssigned
		}
		used = append(used, day)
		if day.Day < first || day.Day > last {
			continue
		}
		row := licenseDay(day, in.Pool.Readings)
		if told {
			row.Reported = reportedUse(report)
			row.Reported.AboveSixths, row.Reported.AboveAt = above[day.Day].sixths, above[day.Day].at
			if peak := licensing.Licenses(report.SMP.Value); r.Reported.SMPPeak == nil || peak > *r.Reported.SMPPeak {
				r.Reported.SMPPeak = &peak
			}
		}
		r.Days = append(r.Days, row)
	}
	r.Reported.Difference = difference(r.Days)
	r.Overage = overage(in, used, in.last())
	return r
}

// difference is our highest peak less CMS's own, over the days of which both are known; nil without one.
func difference(days []LicenseDay) *float64 {
	var ours, theirs int64
	found := false
	for _, d := range days {
		if d.SMP.PeakSixths == nil || d.Reported == nil {
			continue
		}
		ours, theirs, found = max(ours, *d.SMP.PeakSixths), max(theirs, d.Reported.SMPPeakSixths), true
	}
	if !found {
		return nil
	}
	d := licensing.Licenses(ours - theirs)
	return &d
}

func licenseDay(d licensing.UsedDay, r licensing.Readings) LicenseDay {
	row := LicenseDay{Day: d.Day, Complete: d.Complete}
	if d.Known {
		row.SMP.Entitled, row.PMP.Entitled, row.Recording.Entitled = d.Held.SMP, d.Held.PMP, d.Held.Recording
	}
	row.PMP.Assigned = d.PMPAssigned
	if d.Computed {
		p := d.Peaks
		peak := licensing.Licenses(p.SMP.Value)
		row.SMP.PeakSixths, row.SMP.Peak, row.SMP.At = &p.SMP.Value, &peak, instant(p.SMP)
		row.PMP.Peak, row.PMP.At = &p.PMP.Value, instant(p.PMP)
		row.Recording.Peak, row.Recording.At, row.Recording.Recordings, row.Recording.Streams = &p.Recording.Value, instant(p.Recording), &p.Recordings, &p.Streams
		row.Streaming.Peak, row.Streaming.At = &p.Streaming.Value, instant(p.Streaming)
	}
	over := d.Over(r)
	row.SMP.Over, row.PMP.Over, row.Recording.Over, row.Overage = over.SMP, over.PMP, over.Recording, over.Overage()
	return row
}

// instant of a peak; nil where there was no use at all.
func instant(p licensing.Peak) *time.Time {
	if p.Value == 0 {
		return nil
	}
	at := p.At.UTC()
	return &at
}

func reportedUse(d licensing.ReportedDay) *ReportedUse {
	return &ReportedUse{
		SMPPeakSixths: d.SMP.Value, SMPPeak: licensing.Licenses(d.SMP.Value), SMPAt: d.SMP.At,
		PMPPeak: d.PMP.Value, PMPAt: d.PMP.At, PMPAssigned: d.PMPAssigned,
		RecordingPeak: d.Recording.Value, RecordingAt: d.Recording.At, Recordings: d.Recordings, Streams: d.Streams,
		StreamingPeak: d.Streaming.Value, Hosts: d.Hosts, GapSeconds: d.GapSeconds, Complete: d.Complete,
	}
}

// excess is by how much CMS counted more than all that went on around.
type excess struct {
	sixths int64
	at     *time.Time
}

// reportedAbove compares bin by bin. Each server counts once in five minutes, in a phase of its own and by its own clock, so the sum over servers may count meetings together that
// never were at one time; but not more than all that went on in the bin and those beside it. What is above that, sampling does not explain.
func reportedAbove(snapshots []licensing.Snapshot, steps []licensing.StepPeaks, zone *time.Location) map[licensing.Day]excess {
	found := map[licensing.Day]excess{}
	if len(steps) == 0 {
		return found
	}
	origin := steps[0].Time.Unix()
	for _, b := range licensing.Bins(snapshots) {
		at := int((b.Start.Unix() - origin) / licensing.BinSeconds)
		if b.Start.Unix() < origin || at >= len(steps) {
			continue
		}
		first, last := max(0, at-1), min(len(steps)-1, at+1)
		most := steps[first].Carried
		for k := first; k <= last; k++ {
			most += steps[k].Started
		}
		day := licensing.DayOf(b.Start, zone)
		if over := b.SMPSixths() - most; over > found[day].sixths {
			start := b.Start
			found[day] = excess{over, &start}
		}
	}
	return found
}

// overage judges the window that ends with the last day that has begun.
func overage(in LicenseInput, used []licensing.UsedDay, last licensing.Day) Overage {
	zone, readings := in.Pool.Zone, in.Pool.Readings
	o := Overage{AsOf: in.GeneratedAt.UTC(), WindowDays: licensing.WindowDays, Features: []FeatureStanding{}}
	if asOf := last.End(zone); asOf.Before(in.GeneratedAt) {
		o.AsOf = asOf.UTC()
	}
	features := map[string]storage.LicenseFeatureState{}
	for _, f := range in.Features {
		if known, ok := features[f.Feature]; !ok || f.Expiry != nil && (known.Expiry == nil || f.Expiry.Before(*known.Expiry)) {
			features[f.Feature] = f
		}
	}
	expiry, none := bridgeExpiry(in.Features, zone)
	users := licensing.Stand(used, func(d licensing.UsedDay) *bool { return d.Over(readings).Overage() }, last, readings.AllowedDays, expiry, zone)
	o.UnknownDays = int64(users.Unknown)
	level := int64(users.Level)
	if none {
		level = 3
	}
	if level >= 2 { // whatever was used
		o.EnforcementLevel = &level
	}
	if users.Unknown < licensing.WindowDays {
		days, left := int64(users.Days), int64(users.Left)
		o.Days, o.DaysLeft, o.EnforcementLevel = &days, &left, &level
		o.OldestLeaves, o.Exceeds, o.Level1, o.Level2, o.Level3 = day(users.Leaves), day(users.Exceeds), day(users.Reached), day(users.Level2), day(users.Level3)
	}
	recording := licensing.Stand(used, func(d licensing.UsedDay) *bool { return d.Over(readings).Recording }, last, readings.AllowedDays, dateOf(features["recording"].Expiry, zone), zone)
	standing := FeatureStanding{Feature: "recording"}
	if recording.Level >= 2 {
		standing.EnforcementLevel = new(int64(recording.Level))
	}
	if recording.Unknown < licensing.WindowDays {
		standing.Days, standing.EnforcementLevel = new(int64(recording.Days)), new(int64(recording.Level))
	}
	names := slices.Sorted(maps.Keys(features))
	if _, ok := features["recording"]; !ok {
		names = append(names, "recording")
	}
	for _, name := range names {
		s := FeatureStanding{Feature: name}
		if name == "recording" {
			s = standing
		}
		if f, ok := features[name]; ok {
			s.Status, s.Expiry, s.ExpirySlope = f.Status, f.Expiry, f.Slope
		}
		o.Features = append(o.Features, s)
	}
	return o
}

// The features of which either suffices for a Call Bridge (cms-api.md §5.8).
const (
	featureBridge       = "callBridge"
	featureNoEncryption = "callBridgeNoEncryption"
)

// bridgeExpiry is when the first cluster has neither of the features any more that a Call Bridge needs; zero where that is not known, or no cluster's expires. None: a cluster has no license at all.
func bridgeExpiry(features []storage.LicenseFeatureState, zone *time.Location) (first time.Time, none bool) {
	type cluster struct {
		held, forever bool
		last          time.Time
	}
	clusters := map[string]cluster{}
	for _, f := range features {
		if f.Feature != featureBridge && f.Feature != featureNoEncryption {
			continue
		}
		c := clusters[f.Cluster]
		if f.Status != "noLicense" {
			c.held, c.forever = true, c.forever || f.Expiry == nil
			c.last = later(c.last, dateOf(f.Expiry, zone))
		}
		clusters[f.Cluster] = c
	}
	for _, c := range clusters {
		switch {
		case !c.held:
			none = true
		case !c.forever && (first.IsZero() || c.last.Before(first)):
			first = c.last
		}
	}
	return first, none
}

// dateOf is the start, in a zone, of the date that CMS writes as an expiry; zero for none.
func dateOf(expiry *time.Time, zone *time.Location) time.Time {
	if expiry == nil {
		return time.Time{}
	}
	return licensing.DayOf(*expiry, time.UTC).Start(zone)
}

// day is a day that may be none.
func day(d licensing.Day) *licensing.Day {
	if d == "" {
		return nil
	}
	return &d
}

// knowledge is what is known of the records that figures are computed from.
type knowledge struct {
	sessions  []storage.SessionCompleteness
	clusters  []string
	computed  time.Time
	generated time.Time
}

// of tells of [start, end) whether figures are computed, as records of every cluster go back as far, and whether nothing is missing in them. A day that
// has not ended, or that began before a cluster's first record or after its last, is not complete. After the last record of all nothing is known: a quiet day and a broken feed look the same.
func (k knowledge) of(start, end time.Time) (computed, complete bool) {
	if k.computed.IsZero() || !start.Before(k.computed) || len(k.clusters) == 0 {
		return false, false
	}
	complete = !end.After(k.computed) && !end.After(k.generated)
	var latest time.Time
	for _, cluster := range k.clusters {
		var first, last time.Time
		for _, s := range k.sessions {
			if s.Cluster != cluster {
				continue
			}
			if first.IsZero() || s.FirstTime.Before(first) {
				first = s.FirstTime
			}
			last = later(last, s.LastTime)
			for _, gap := range s.Gaps {
				if gap.From.Before(end) && gap.To.After(start) || gap.From.Equal(gap.To) && !gap.From.Before(start) && gap.From.Before(end) {
					complete = false
				}
			}
		}
		if first.IsZero() {
			complete = false // a cluster of which nothing ever came
			continue
		}
		if first.After(start) || last.Before(start) {
			complete = false
		}
		latest = later(latest, last)
		computed = computed || first.Before(end)
	}
	computed = computed && !latest.Before(start)
	return computed, complete && computed
}

func completeness(sessions []storage.SessionCompleteness) Completeness {
	c := storage.Completeness{Sources: sessions}
	return Completeness{Ratio: c.Ratio(), Records: c.Records(), Missing: c.Missing()}
}

// WriteJSON writes the report as one JSON object.
func (r License) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteCSV writes one line a day. An empty cell is not known; that is not zero.
func (r License) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	header := []string{"pool", "day", "complete", "smp_peak_sixths", "smp_peak", "smp_at", "smp_entitled", "smp_over",
		"pmp_peak", "pmp_at", "pmp_assigned", "pmp_entitled", "pmp_over",
		"recording_peak", "recording_at", "recording_entitled", "recording_over", "recordings", "streams", "streaming_peak", "streaming_at", "overage",
		"reported_smp_peak_sixths", "reported_smp_peak", "reported_smp_at", "reported_pmp_peak", "reported_recording_peak", "reported_hosts", "reported_gap_seconds"}
	if err := out.Write(header); err != nil {
		return err
	}
	for _, d := range r.Days {
		line := []string{text(r.Pool), string(d.Day), strconv.FormatBool(d.Complete),
			cell(d.SMP.PeakSixths), cell(d.SMP.Peak), cell(d.SMP.At), cell(d.SMP.Entitled), cell(d.SMP.Over),
			cell(d.PMP.Peak), cell(d.PMP.At), cell(d.PMP.Assigned), cell(d.PMP.Entitled), cell(d.PMP.Over),
			cell(d.Recording.Peak), cell(d.Recording.At), cell(d.Recording.Entitled), cell(d.Recording.Over), cell(d.Recording.Recordings), cell(d.Recording.Streams),
			cell(d.Streaming.Peak), cell(d.Streaming.At), cell(d.Overage)}
		if p := d.Reported; p != nil {
			line = append(line, cell(&p.SMPPeakSixths), cell(&p.SMPPeak), cell(&p.SMPAt), cell(&p.PMPPeak), cell(&p.RecordingPeak), cell(&p.Hosts), cell(&p.GapSeconds))
		} else {
			line = append(line, make([]string, 7)...)
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// cell is a value as CSV shows it, empty for nil.
func cell[T any](v *T) string {
	if v == nil {
		return ""
	}
	if t, ok := any(*v).(time.Time); ok {
		return t.UTC().Format(time.RFC3339)
	}
	return fmt.Sprint(*v)
}

// text keeps a spreadsheet from reading a name as a formula.
func text(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
