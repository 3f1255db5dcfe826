package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/licensing"
)

// Document is the report as people read it.
func (r License) Document(zone *time.Location) Document {
	d := Document{Title: "License true-up: pool " + r.Pool, Zone: zone}
	d.Subtitle = fmt.Sprintf("%s to %s", r.From.In(zone).Format("2006-01-02 15:04"), r.To.In(zone).Format("2006-01-02 15:04"))
	d.State, d.Verdict = r.verdict()
	d.Facts = [][2]string{
		{"Clusters", orNone(join(r.Clusters))},
		{"Days", "from midnight to midnight, " + r.DayBoundary + "; all times on these pages too"},
		{"Generated", r.GeneratedAt.In(zone).Format("2006-01-02 15:04:05")},
		{"Call records", r.Completeness.words()},
	}
	d.Figures = r.figures()
	d.Charts = []Chart{r.smpChart(), r.pmpChart(), r.recordingChart()}
	d.Tables = []Table{r.summaryTable(), r.daysTable(), r.peaksTable(), r.overageTable(), r.ownersTable(), r.reportedTable(), completenessTable("Runs of call detail records that never came, of the pool's Call Bridges, within the window.", r.sessions), methodTable(r.method())}
	if len(r.Groups) > 0 {
		d.Tables = slices.Insert(d.Tables, 4, r.groupsTable())
	}
	d.Notes = r.method()
	return d
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (c Completeness) words() string {
	if c.Ratio == nil {
		return "none are known"
	}
	return fmt.Sprintf("%.4f %% complete: %d there, %d missing", *c.Ratio*100, c.Records, c.Missing)
}

// verdict is the state of the pool in one sentence.
func (r License) verdict() (State, string) {
	o := r.Overage
	if o.Days == nil && o.EnforcementLevel != nil {
		return Bad, fmt.Sprintf("Enforcement level %d: the license has expired, or there is none; every participant is told. No day of the last %d can be judged.", *o.EnforcementLevel, o.WindowDays)
	}
	if o.Days == nil {
		return Unknown, "Whether the pool is compliant is not known: no day of the last 90 can be judged, for want of records or of an entitlement."
	}
	unknown := ""
	if o.UnknownDays > 0 {
		unknown = fmt.Sprintf(" %d of the %d days could not be judged.", o.UnknownDays, o.WindowDays)
	}
	switch {
	case *o.EnforcementLevel >= 2:
		return Bad, fmt.Sprintf("Enforcement level %d: the license has expired, or there is none; every participant is told.%s", *o.EnforcementLevel, unknown)
	case *o.EnforcementLevel == 1:
		return Bad, fmt.Sprintf("Enforcement level 1: %d days of overage in the last %d, %d are allowed.%s", *o.Days, o.WindowDays, r.Readings.AllowedDays, unknown)
	case *o.Days+o.UnknownDays > int64(r.Readings.AllowedDays):
		return Warning, fmt.Sprintf("Compliant as far as is known: %d days of overage in the last %d, %d more are allowed.%s", *o.Days, o.WindowDays, *o.DaysLeft, unknown)
	case *o.DaysLeft <= 5 && *o.Days > 0:
		return Warning, fmt.Sprintf("Compliant, but %d days of overage in the last %d: %d more are allowed.%s", *o.Days, o.WindowDays, *o.DaysLeft, unknown)
	}
	return Good, fmt.Sprintf("Compliant: %d days of overage in the last %d, %d more are allowed.%s", *o.Days, o.WindowDays, *o.DaysLeft, unknown)
}

// figures are the highest values of the period against what was held on that day.
func (r License) figures() []Figure {
	var smp, pmp, recording Figure
	smp, pmp, recording = Figure{Name: "SMP, highest", Value: "–", State: Unknown}, Figure{Name: "PMP assigned, highest", Value: "–", State: Unknown}, Figure{Name: "Recording and streaming, highest", Value: "–", State: Unknown}
	if r.Readings.PMPInUse {
		pmp.Name = "PMP in use, highest"
	}
	var most [3]float64
	set := func(k int, f *Figure, value *float64, held *int64, over *bool, on licensing.Day) {
		if value == nil || f.Value != "–" && *value <= most[k] {
			return
		}
		most[k] = *value
		f.Value, f.Of, f.State = number(*value), "on "+string(on), Good
		if held != nil {
			f.Of = fmt.Sprintf("of %d, on %s", *held, on)
		}
		if over == nil {
			f.State = Unknown
		} else if *over {
			f.State = Bad
		}
	}
	for _, d := range r.Days {
		set(0, &smp, d.SMP.Peak, d.SMP.Entitled, d.SMP.Over, d.Day)
		counted := d.PMP.Assigned
		if r.Readings.PMPInUse {
			counted = d.PMP.Peak
		}
		set(1, &pmp, float(counted), d.PMP.Entitled, d.PMP.Over, d.Day)
		set(2, &recording, float(d.Recording.Peak), d.Recording.Entitled, d.Recording.Over, d.Day)
	}
	overage := Figure{Name: fmt.Sprintf("Days of overage in %d", r.Overage.WindowDays), Value: "–", State: Unknown, Of: fmt.Sprintf("of %d allowed", r.Readings.AllowedDays)}
	if r.Overage.Days != nil {
		overage.Value = fmt.Sprint(*r.Overage.Days)
		overage.State, _ = r.verdict()
	}
	return []Figure{overage, smp, pmp, recording}
}

func float(n *int64) *float64 {
	if n == nil {
		return nil
	}
	f := float64(*n)
	return &f
}

func stateOf(over *bool, complete bool) State {
	switch {
	case over == nil:
		return Unknown
	case *over:
		return Bad
	case !complete:
		return Warning
	}
	return Good
}

func (r License) smpChart() Chart {
	c := Chart{Title: "SMP: highest use of each day", Unit: "shared licenses", BarName: "computed from call records", LineName: "entitled", DotName: "counted by CMS itself"}
	for _, d := range r.Days {
		b := Bar{Label: string(d.Day), Value: d.SMP.Peak, Line: float(d.SMP.Entitled), State: stateOf(d.SMP.Over, d.Complete)}
		if d.Reported != nil {
			b.Dot = &d.Reported.SMPPeak
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

func (r License) pmpChart() Chart {
	c := Chart{Title: "PMP: highest use of each day", Unit: "personal licenses", BarName: "hosting a meeting", LineName: "entitled", DotName: "assigned to users"}
	for _, d := range r.Days {
		c.Bars = append(c.Bars, Bar{Label: string(d.Day), Value: float(d.PMP.Peak), Line: float(d.PMP.Entitled), Dot: float(d.PMP.Assigned), State: stateOf(d.PMP.Over, d.Complete)})
	}
	return c
}

func (r License) recordingChart() Chart {
	c := Chart{Title: "Recording and streaming: highest use of each day", Unit: "recording licenses", BarName: "meetings recorded and streamed", LineName: "entitled"}
	for _, d := range r.Days {
		c.Bars = append(c.Bars, Bar{Label: string(d.Day), Value: float(d.Recording.Peak), Line: float(d.Recording.Entitled), State: stateOf(d.Recording.Over, d.Complete)})
	}
	return c
}

func (r License) summaryTable() Table {
	o := r.Overage
	return Table{Name: "Summary", Title: "Summary", Columns: []Column{{"What", 2, false}, {"Value", 4, false}}, Rows: func(row func(...any) error) error {
		for _, line := range [][2]any{
			{"Pool", r.Pool}, {"Clusters", join(r.Clusters)}, {"From", r.From}, {"To (exclusive)", r.To}, {"Time zone of days and times", r.DayBoundary}, {"Generated", r.GeneratedAt},
			{"Verdict", second(r.verdict())}, {"Days of overage in the window", o.Days}, {"Days that could not be judged", o.UnknownDays}, {"Allowed days", r.Readings.AllowedDays},
			{"Days left", o.DaysLeft}, {"Enforcement level", o.EnforcementLevel}, {"Oldest day of overage leaves the window", dayText(o.OldestLeaves)},
			{"Level 1 reached", dayText(o.Level1)}, {"Level 1, if every day from now on is over", dayText(o.Exceeds)}, {"Level 2, if overage goes on", dayText(o.Level2)}, {"Level 3, if overage goes on", dayText(o.Level3)},
			{"Call records", r.Completeness.words()}, {"Highest SMP use by CMS's own count", r.Reported.SMPPeak}, {"Ours less CMS's", r.Reported.Difference},
		} {
			if err := row(line[0], line[1]); err != nil {
				return err
			}
		}
		return nil
	}}
}

func second[A, B any](_ A, b B) B { return b }

func dayText(d *licensing.Day) any {
	if d == nil {
		return nil
	}
	return string(*d)
}

func (r License) daysTable() Table {
	return Table{Name: "Days", Title: "Day by day", Note: "Peaks of each day with the first instant they were reached. SMP in licenses; a sixth is 0.17. Empty: not known.",
		Columns: []Column{{"Day", 1.5, false}, {"Complete", 1.2, false}, {"SMP", 1, true}, {"at", 2.4, false}, {"of", .8, true}, {"PMP in use", 1, true}, {"assigned", 1.2, true}, {"of", .8, true},
			{"Rec. + str.", 1, true}, {"of", .8, true}, {"Over", .9, false}},
		Rows: func(row func(...any) error) error {
			for _, d := range r.Days {
				if err := row(string(d.Day), d.Complete, d.SMP.Peak, d.SMP.At, d.SMP.Entitled, d.PMP.Peak, d.PMP.Assigned, d.PMP.Entitled, d.Recording.Peak, d.Recording.Entitled, d.Overage); err != nil {
					return err
				}
			}
			return nil
		}}
}

func (r License) peaksTable() Table {
	return Table{Name: "Peaks explained", Title: "What made up the highest days", Note: "Every meeting at the instant of the day's highest SMP use, those that took most first.", Short: 60,
		Columns: []Column{{"At", 2.2, false}, {"Meeting", 3, false}, {"Owner", 2, false}, {"Bridges", 1.6, false}, {"Takes", 1, false}, {"Rule", 2.4, false}, {"Reading", 1.6, false}},
		Rows: func(row func(...any) error) error {
			for _, e := range r.Peaks {
				for _, m := range e.Meetings {
					takes := string(licensing.PMP)
					if m.License == string(licensing.SMP) {
						takes = fmt.Sprintf("%d/6 SMP", m.Sixths)
					}
					if err := row(e.At, m.Name, m.Owner, join(m.Bridges), takes, m.Rule, m.Reading); err != nil {
						return err
					}
				}
			}
			return nil
		}}
}

func (r License) overageTable() Table {
	return Table{Name: "Overage window", Title: "Days of overage", Note: "A day is over when SMP or PMP exceeded what was held. Features are assessed on their own.",
		Columns: []Column{{"Day or feature", 2, false}, {"SMP over", 1, false}, {"PMP over", 1, false}, {"Recording over", 1, false}, {"Status", 1.4, false}, {"Expires", 2, false}, {"Days over", 1, true}},
		Rows: func(row func(...any) error) error {
			for _, d := range r.Days {
				if d.Overage == nil || !*d.Overage {
					if d.Recording.Over == nil || !*d.Recording.Over {
						continue
					}
				}
				if err := row(string(d.Day), d.SMP.Over, d.PMP.Over, d.Recording.Over, nil, nil, nil); err != nil {
					return err
				}
			}
			for _, f := range r.Overage.Features {
				var expires any
				if f.Expiry != nil {
					expires = f.Expiry.Format(time.DateOnly)
				}
				if err := row(f.Feature, nil, nil, nil, f.Status, expires, f.Days); err != nil {
					return err
				}
			}
			return nil
		}}
}

func (r License) groupsTable() Table {
	return Table{Name: "By owner group", Title: "Groups of owners", Note: "As configured; an owner in several groups counts in the first. Peaks of groups are of different times, so they do not add up.",
		Columns: []Column{{"Group", 3, false}, {"Meetings", 1, true}, {"SMP hours", 1, true}, {"PMP hours", 1, true}, {"Recording hours", 1, true}, {"SMP peak", 1, true}, {"At", 2, false}},
		Rows: func(row func(...any) error) error {
			for _, g := range r.Groups {
				name := g.Group
				if name == "" {
					name = "(in no group)"
				}
				if err := row(name, g.Meetings, round(g.SMPHours), round(g.PMPHours), round(g.RecordingHours), licensing.Licenses(g.SMPPeakSixths), g.SMPAt); err != nil {
					return err
				}
			}
			return nil
		}}
}

func (r License) ownersTable() Table {
	return Table{Name: "By owner", Title: "Who causes it", Note: "License hours of the period by the owner of the space; meetings without an owner stand together.", Short: 25,
		Columns: []Column{{"Owner", 3, false}, {"Tenant", 2.6, false}, {"PMP license", 1, false}, {"Meetings", 1, true}, {"SMP hours", 1, true}, {"PMP hours", 1, true}, {"Recording hours", 1, true}},
		Rows: func(row func(...any) error) error {
			for _, o := range r.Owners {
				name := o.Owner
				if name == "" {
					name = "(no owner, or not known)"
				}
				var tenant any
				if o.Tenant != nil {
					tenant = o.Tenant.String()
				}
				if err := row(name, tenant, o.Licensed, o.Meetings, round(o.SMPHours), round(o.PMPHours), round(o.RecordingHours)); err != nil {
					return err
				}
			}
			return nil
		}}
}

func round(v float64) float64 { return float64(int64(v*100+.5)) / 100 }

func (r License) reportedTable() Table {
	return Table{Name: "Reported and computed", Title: "CMS's own count beside ours", Note: "CMS counts once in five minutes and misses what is shorter. \"Above\": it counted more than all that went on around, which sampling does not explain.",
		Columns: []Column{{"Day", 1.4, false}, {"SMP computed", 1, true}, {"SMP reported", 1, true}, {"Above, sixths", 1, true}, {"at", 2.2, false}, {"PMP computed", 1, true}, {"PMP reported", 1, true}, {"Rec. computed", 1, true}, {"Rec. reported", 1, true}, {"Gap, s", 1, true}},
		Rows: func(row func(...any) error) error {
			for _, d := range r.Days {
				cells := []any{string(d.Day), d.SMP.Peak, nil, nil, nil, d.PMP.Peak, nil, d.Recording.Peak, nil, nil}
				if p := d.Reported; p != nil {
					cells = []any{string(d.Day), d.SMP.Peak, p.SMPPeak, p.AboveSixths, p.AboveAt, d.PMP.Peak, p.PMPPeak, d.Recording.Peak, p.RecordingPeak, p.GapSeconds}
				}
				if err := row(cells...); err != nil {
					return err
				}
			}
			return nil
		}}
}

// method says how the figures came about, readings included.
func (r License) method() []string {
	x := r.Readings
	pick := func(b bool, yes, no string) string {
		if b {
			return yes
		}
		return no
	}
	rules := []string{}
	for _, rule := range licensing.Rules() {
		rules = append(rules, string(rule)+": "+rule.Why())
	}
	return slices.Concat([]string{
		"Meetings are computed from call detail records, to the second, over all Call Bridges of the pool's clusters: calls with one correlator are one meeting.",
		"SMP is counted in sixths of a license and never rounded before it is compared; peaks are shown with two decimals.",
		"PMP in use is owners with a meeting under their license; assigned is what CMS reports, and what compliance compares" + pick(x.PMPInUse, " not: here it compares those in use.", "."),
		fmt.Sprintf("A day is over when its peak exceeds what was held on that day; up to %d such days in %d are compliant (the guide leaves exactly 15 undefined).", x.AllowedDays, licensing.WindowDays),
		"A day is complete when it is over, its call records are there without a gap, and they go back to before its start.",
		"Readings of the guide: SIP to SIP takes " + pick(x.SIPPointToPointFull, "a full license", "a sixth") + "; recorded audio-only meetings " + pick(x.RecordedAudioOnlyFull, "a full license", "a sixth") +
			"; video counts " + pick(x.VideoForLife, "for the meeting's whole life", "while a leg that used video is connected") + "; a leg still connected counts as " + pick(x.UnknownIsAudio, "audio", "video") +
			"; Lync conferences take " + pick(x.LyncConferenceSixth, "a sixth", "a full license") + "; PMP is granted " + pick(x.GrantAnyTime, "at any time", "at the start, for life") +
			fmt.Sprintf(", for %d calls at once, counted by ", x.PMPCalls) + pick(x.PMPEachCall, "call", "owner") + "; recordings count by " + pick(x.CaptureEach, "recording", "meeting") + ".",
		"Ad hoc escalations and TMS bookings by users with PMP cannot be seen from outside and are counted as shared.",
	}, rules, []string{strings.Join([]string{"Units: licenses, unless a column says sixths; hours are license hours.", "Times are in " + r.DayBoundary + "."}, " ")})
}
