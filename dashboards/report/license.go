// Package report turns figures into documents: one model a report, written as JSON, CSV and further formats. Every report says how complete its data was.
package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/licensing"
)

// License is the true-up report of one pool. Our own figures are nil until they are computed and never copied from what CMS reports;
// over is nil without an entitlement. Times are UTC.
type License struct {
	Pool         string        `json:"pool"`
	From         time.Time     `json:"from"`
	To           time.Time     `json:"to"`
	DayBoundary  string        `json:"day_boundary"`
	GeneratedAt  time.Time     `json:"generated_at"`
	Completeness Completeness  `json:"completeness"`
	Days         []LicenseDay  `json:"days"`
	Overage      Overage       `json:"overage"`
	Reported     ReportedTotal `json:"reported"`
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
}

// Overage is the way to enforcement (capacities page §4, Compliance). Days and what follows from it are nil until our own figures are computed.
type Overage struct {
	AsOf             time.Time `json:"as_of"`
	WindowDays       int       `json:"window_days"`
	Days             *int64    `json:"days"`
	EnforcementLevel *int64    `json:"enforcement_level"`
	DaysLeft         *int64    `json:"days_left"`
}

// ReportedTotal sets the highest figure of CMS beside ours.
type ReportedTotal struct {
	SMPPeak    *float64 `json:"smp_peak"`
	Difference *float64 `json:"difference"`
}

// LicenseInput is what a license report is made from.
type LicenseInput struct {
	Pool         string
	From, To     time.Time
	Zone         *time.Location
	GeneratedAt  time.Time
	Completeness Completeness
	Snapshots    []licensing.Snapshot
	Entitlements []licensing.Entitlement
}

// NewLicense makes the report.
func NewLicense(in LicenseInput) License {
	r := License{Pool: in.Pool, From: in.From.UTC(), To: in.To.UTC(), DayBoundary: in.Zone.String(), GeneratedAt: in.GeneratedAt.UTC(),
		Completeness: in.Completeness, Days: []LicenseDay{}, Overage: Overage{AsOf: in.GeneratedAt.UTC(), WindowDays: 90}}
	reported := map[licensing.Day]licensing.ReportedDay{}
	for _, d := range licensing.ReportedDays(in.Snapshots, in.Zone) {
		reported[d.Day] = d
	}
	for _, day := range licensing.Days(in.From, in.To, in.Zone) {
		row := LicenseDay{Day: day}
		if e, ok := licensing.EntitledOn(in.Entitlements, day); ok {
			row.SMP.Entitled, row.PMP.Entitled, row.Recording.Entitled = e.SMP, e.PMP, e.Recording
		}
		if d, ok := reported[day]; ok {
			row.Complete = d.Complete
			row.PMP.Assigned = d.PMPAssigned
			row.Reported = &ReportedUse{
				SMPPeakSixths: d.SMP.Value, SMPPeak: licenses(d.SMP.Value), SMPAt: d.SMP.At,
				PMPPeak: d.PMP.Value, PMPAt: d.PMP.At, PMPAssigned: d.PMPAssigned,
				RecordingPeak: d.Recording.Value, RecordingAt: d.Recording.At, Recordings: d.Recordings, Streams: d.Streams,
				StreamingPeak: d.Streaming.Value, Hosts: d.Hosts, GapSeconds: d.GapSeconds,
			}
			if peak := licenses(d.SMP.Value); r.Reported.SMPPeak == nil || peak > *r.Reported.SMPPeak {
				r.Reported.SMPPeak = &peak
			}
		}
		r.Days = append(r.Days, row)
	}
	return r
}

// licenses is sixths as licenses, rounded to two decimals for reading.
func licenses(sixths int64) float64 { return math.Round(float64(sixths)*100/6) / 100 }

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
