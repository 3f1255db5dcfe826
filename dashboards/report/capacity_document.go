package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/bridgewatch/bridgewatch/licensing"
)

// Document is the report as people read it.
func (r Capacity) Document() Document {
	d := r.document("Capacity")
	d.State, d.Verdict = r.verdict()
	d.Facts = append(d.Facts, [2]string{"Polls of bridges", r.coverage()})
	d.Figures = r.figures()
	d.Charts = slices.Concat([]Chart{r.loadChart(), r.failoverChart()}, r.captureCharts())
	d.Notes = r.method()
	d.Tables = []Table{
		r.summary([2]any{"Verdict", d.Verdict}, [2]any{"Polls of bridges", r.coverage()}), r.bridgesTable(), r.daysTable(), r.failoverTable(), r.capturesTable(),
		completenessTable("Runs of call detail records that never came, of these clusters' Call Bridges, within the period. Recordings and streams depend on them.", r.known.sessions), methodTable(d.Notes),
	}
	return d
}

// coverage is how much of the period polls tell of the bridges.
func (r Capacity) coverage() string {
	if len(r.Bridges) == 0 {
		return "no bridge is known"
	}
	least := slices.MinFunc(r.Bridges, func(a, b BridgeCapacity) int { return cmp.Compare(a.Coverage, b.Coverage) })
	return fmt.Sprintf("%s of the period is known of %d bridges; least of %s: %s", percent(r.share()), len(r.Bridges), line(least.Bridge), percent(least.Coverage))
}

// share of the period that is known of the bridges on average.
func (r Capacity) share() float64 {
	var sum float64
	for _, b := range r.Bridges {
		sum += b.Coverage
	}
	return sum / float64(max(1, len(r.Bridges)))
}

func percent(ratio float64) string { return number(math.Round(1000*ratio)/10) + " %" }

// worst is the bridge with the highest load by its limit; nil where none is known.
func (r Capacity) worst() *BridgeCapacity {
	var worst *BridgeCapacity
	for i, b := range r.Bridges {
		if b.PeakRatio != nil && (worst == nil || *b.PeakRatio > *worst.PeakRatio) {
			worst = &r.Bridges[i]
		}
	}
	return worst
}

// over counts bridge days of which it is known whether they were over a line, and those that were.
func over(days []BridgeDay, line func(BridgeDay) *int64) (known, over int) {
	for _, d := range days {
		if n := line(d); n != nil {
			known++
			if *n > 0 {
				over++
			}
		}
	}
	return known, over
}

// lowest is the day of the least headroom; nil where none is known.
func (r Capacity) lowest() (lowest *FailoverDay, below int) {
	for i, f := range r.Failover {
		if lowest == nil || f.Headroom < lowest.Headroom {
			lowest = &r.Failover[i]
		}
		if f.Headroom < 0 {
			below++
		}
	}
	return lowest, below
}

func (r Capacity) verdict() (State, string) {
	worst := r.worst()
	if worst == nil {
		return Unknown, "No Call Bridge told its load against a limit in this period, so nothing can be said."
	}
	text := fmt.Sprintf("Highest load: %s of the limit, %s, %s.", percent(*worst.PeakRatio), line(worst.Bridge), worst.At.In(r.zone).Format("2006-01-02 15:04:05"))
	state := Good
	for _, one := range []struct {
		name  string
		of    func(BridgeDay) *int64
		state State
	}{
		{"the threshold for new conferences", func(d BridgeDay) *int64 { return d.OverNewMinutes }, Warning},
		{"that for participants of existing ones", func(d BridgeDay) *int64 { return d.OverExistingMinutes }, Warning},
		{"the limit", func(d BridgeDay) *int64 { return d.OverLimitMinutes }, Bad},
	} {
		known, n := over(r.Days, one.of)
		if n > 0 {
			state = one.state
			text += fmt.Sprintf(" Above %s on %d of %d bridge days.", one.name, n, known)
		}
	}
	if lowest, below := r.lowest(); lowest == nil {
		text += " What a fail-over would leave is not known."
		state = cmp.Or(map[State]State{Good: Warning}[state], state)
	} else if below > 0 {
		text += fmt.Sprintf(" Had the busiest bridge died, the others would not have held the load on %d of %d group days.", below, len(r.Failover))
		state = cmp.Or(map[State]State{Good: Warning}[state], state)
	} else {
		text += " Had the busiest bridge died, the others would have held the load at all times known."
	}
	if share := r.share(); share < fullCoverage {
		text += fmt.Sprintf(" Polls tell of %s of the period only.", percent(share))
		state = cmp.Or(map[State]State{Good: Warning}[state], state)
	}
	return state, text
}

func (r Capacity) figures() []Figure {
	list := []Figure{{Name: "Highest load of a limit", Value: "–", State: Unknown}, {Name: "Bridge days above a threshold", Value: "–", State: Unknown}, {Name: "Least fail-over headroom", Value: "–", State: Unknown},
		{Name: "Most recordings at once", Value: "–", State: Unknown}, {Name: "Most streams at once", Value: "–", State: Unknown}}
	if worst := r.worst(); worst != nil {
		list[0].Value, list[0].Of, list[0].State = percent(*worst.PeakRatio), line(worst.Bridge)+", "+worst.At.In(r.zone).Format("2006-01-02 15:04"), Good
		if *worst.PeakRatio > 1 {
			list[0].State = Bad
		}
	}
	if known, n := over(r.Days, func(d BridgeDay) *int64 { return d.OverNewMinutes }); known > 0 {
		list[1].Value, list[1].Of, list[1].State = fmt.Sprint(n), fmt.Sprintf("of %d known", known), Good
		if n > 0 {
			list[1].State = Warning
		}
	}
	if lowest, _ := r.lowest(); lowest != nil {
		list[2].Value, list[2].Of, list[2].State = fmt.Sprint(lowest.Headroom), "load units, "+lowest.At.In(r.zone).Format("2006-01-02 15:04"), Good
		if lowest.Headroom < 0 {
			list[2].State = Bad
		}
	}
	most := map[*Figure]int64{}
	for _, c := range r.Captures {
		f := &list[3]
		if c.Kind == "stream" {
			f = &list[4]
		}
		if highest, seen := most[f]; c.Peak == nil || seen && *c.Peak <= highest {
			continue
		}
		most[f] = *c.Peak
		f.Value, f.State, f.Of = fmt.Sprint(*c.Peak), r.state(), "slots not known"
		if c.Slots != nil {
			f.Of = fmt.Sprintf("of %d slots, on %s", *c.Slots, c.Day)
			if *c.Full {
				f.State = Bad
			}
		}
	}
	return list
}

func (r Capacity) loadChart() Chart {
	c := Chart{Title: "Highest load of any bridge, by its limit, day by day", Unit: "percent of the limit", BarName: "highest load", LineName: "limit"}
	for _, day := range licensing.Days(r.From, r.To, r.zone) {
		b := Bar{Label: string(day), State: Unknown, Line: new(100.0)}
		for _, d := range r.Days {
			if d.Day != day || d.PeakRatio == nil {
				continue
			}
			if v := round(100 * *d.PeakRatio); b.Value == nil || v > *b.Value {
				b.Value = &v
			}
			if b.State == Unknown {
				b.State = Good
			}
			if d.Coverage < fullCoverage && b.State == Good {
				b.State = Warning
			}
			if d.OverLimitMinutes != nil && *d.OverLimitMinutes > 0 {
				b.State = Bad
			}
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

// fullCoverage is the share of a day that must be known for the day to count as complete: a poll now and then may fail.
const fullCoverage = 0.99

func (r Capacity) failoverChart() Chart {
	c := Chart{Title: "If the busiest bridge had died: load of all against the limits of the others, at each day's worst moment", Unit: "load units", BarName: "load of the group", LineName: "the others' limits"}
	for _, day := range licensing.Days(r.From, r.To, r.zone) {
		b := Bar{Label: string(day), State: Unknown}
		var worst *FailoverDay
		for i, f := range r.Failover {
			if f.Day == day && (worst == nil || f.Headroom < worst.Headroom) {
				worst = &r.Failover[i]
			}
		}
		if worst != nil {
			b.Value, b.Line, b.State = float(&worst.Load), float(&worst.Survivors), Good
			if worst.Coverage < fullCoverage {
				b.State = Warning
			}
			if worst.Headroom < 0 {
				b.State = Bad
			}
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

// captureCharts has one for each cluster and kind of which there was anything.
func (r Capacity) captureCharts() []Chart {
	var list []Chart
	for _, cluster := range r.Clusters {
		for _, kind := range []string{"recording", "stream"} {
			c := Chart{Title: "Most " + kind + "s at once, day by day: " + line(cluster), Unit: kind + "s", BarName: kind + "s", LineName: "slots"}
			any := false
			for _, d := range r.Captures {
				if d.Cluster != cluster || d.Kind != kind {
					continue
				}
				b := Bar{Label: string(d.Day), Value: float(d.Peak), Line: float(d.Slots), State: Unknown}
				if d.Peak != nil {
					_, whole := r.ofCluster(cluster).day(d.Day)
					b.State = complete(true, whole)
					any = any || *d.Peak > 0
				}
				if d.Full != nil && *d.Full && *d.Peak > *d.Slots {
					b.State = Bad
				}
				if d.Slots == nil {
					c.LineName = ""
				}
				c.Bars = append(c.Bars, b)
			}
			if any {
				list = append(list, c)
			}
		}
	}
	return list
}

func (r Capacity) bridgesTable() Table {
	return Table{Name: "Bridges", Title: "Bridge by bridge", Note: "Days with load seen above a line, of the days known. Empty: not known.",
		Columns: []Column{{"Cluster", 1.4, false}, {"Call Bridge", 1.6, false}, {"Known", 1, true}, {"Days known", .9, true}, {"Highest load", 1.1, true}, {"of the limit", 1, true}, {"at", 2, false}, {"Most legs", .9, true},
			{"Days over: new conferences", 1.2, true}, {"existing ones", 1, true}, {"limit", .8, true}},
		Rows: func(row func(...any) error) error {
			for _, b := range r.Bridges {
				if err := row(b.Cluster, b.Bridge, percent(b.Coverage), b.DaysKnown, b.PeakLoad, ratioText(b.PeakRatio), b.At, b.PeakLegs, b.DaysOverNew, b.DaysOverExisting, b.DaysOverLimit); err != nil {
					return err
				}
			}
			return nil
		}}
}

func ratioText(ratio *float64) any {
	if ratio == nil {
		return nil
	}
	return percent(*ratio)
}

func (r Capacity) daysTable() Table {
	return Table{Name: "Days", Title: "Bridges day by day", Note: "Load in load units; \"95 %\" is what 95 of 100 polls stayed at or below. Minutes above a line are counted in steps of ten.", Short: 60,
		Columns: []Column{{"Day", 1.5, false}, {"Call Bridge", 1.5, false}, {"Known", 1, true}, {"Highest load", 1.1, true}, {"at", 2.2, false}, {"Limit", 1, true}, {"95 %", 1, true}, {"Highest of the limit", 1.1, true},
			{"Min. over: new conferences", 1.3, true}, {"existing ones", 1, true}, {"limit", .8, true}, {"Most legs", .9, true}, {"at", 2.2, false}},
		Rows: func(row func(...any) error) error {
			for _, d := range r.Days {
				if err := row(string(d.Day), d.Bridge, percent(d.Coverage), d.PeakLoad, d.PeakAt, d.LoadLimit, d.TypicalLoad, ratioText(d.PeakRatio), d.OverNewMinutes, d.OverExistingMinutes, d.OverLimitMinutes, d.PeakLegs, d.PeakLegsAt); err != nil {
					return err
				}
			}
			return nil
		}}
}

func (r Capacity) failoverTable() Table {
	return Table{Name: "Fail-over", Title: "Fail-over headroom", Note: "Load units left at the day's worst moment, had the busiest bridge died. Days of which polls do not tell are not listed.", Short: 60,
		Columns: []Column{{"Day", 1.4, false}, {"Cluster", 1.4, false}, {"Group", 1.4, false}, {"Known", 1, true}, {"Bridges", .8, true}, {"Load of all", 1.1, true}, {"The others' limits", 1.2, true}, {"Headroom", 1, true}, {"at", 2, false}, {"Busiest", 1.5, false}, {"Minutes below 0", 1, true}},
		Rows: func(row func(...any) error) error {
			for _, f := range r.Failover {
				if err := row(string(f.Day), f.Cluster, cmp.Or(f.Group, "(in no group)"), percent(f.Coverage), f.Bridges, f.Load, f.Survivors, f.Headroom, f.At, f.Busiest, f.BelowMinutes); err != nil {
					return err
				}
			}
			return nil
		}}
}

func (r Capacity) capturesTable() Table {
	return Table{Name: "Recording and streaming", Title: "Recorder and streamer slots", Note: "Days without any are left out here. Slots are those of the configured recorders and streamers; empty: not known.", Short: 60,
		Columns: []Column{{"Day", 1.4, false}, {"Cluster", 1.6, false}, {"Kind", 1.2, false}, {"Begun", 1, true}, {"Most at once", 1, true}, {"at", 2, false}, {"Slots", 1, true}, {"Full", .8, false}},
		Rows: func(row func(...any) error) error {
			for _, c := range r.Captures {
				if c.Peak != nil && *c.Peak == 0 && *c.Begun == 0 {
					continue
				}
				if err := row(string(c.Day), c.Cluster, c.Kind, c.Begun, c.Peak, c.At, c.Slots, c.Full); err != nil {
					return err
				}
			}
			return nil
		}}
}

func (r Capacity) method() []string {
	return []string{
		"Load and limits are what polls of the Call Bridges found (mediaProcessingLoad and the limit in force: the bridge's own, the operator's, or the catalogue's); what happened between two polls is not seen.",
		"Known is the share of stretches of ten minutes in which a poll was answered with the load. A day that is not known has no figure, which is not zero.",
		"The thresholds are those that the bridges had at the time: above the first, new conferences are refused or go elsewhere; above the second, participants of existing ones.",
		"Fail-over: in each stretch of ten minutes every bridge counts with its highest load; headroom is the limits of all but the busiest bridge less the load of all. " +
			"Groups are those at the end of the period. A bridge that answers no poll while others do is taken for dead; stretches that do not tell of every bridge are left out.",
		"Recordings and streams are from call records, to the second. Slots are computed from the configured sizes of recorders and streamers.",
		"Times are in " + r.TimeZone + ".",
	}
}
