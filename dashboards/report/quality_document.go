package report

import (
	"cmp"
	"fmt"
)

// What share of minutes without an alarm is good, and what is bad below it. The first is the objective of the dashboards.
const (
	goodQuality = 0.95
	badQuality  = 0.90
)

// Document is the report as people read it.
func (r Quality) Document() Document {
	d := r.document("Media quality")
	d.State, d.Verdict = r.verdict()
	d.Figures = r.figures()
	d.Charts = []Chart{r.ratioChart(), r.alarmChart()}
	d.Notes = r.method()
	totals := []QualityShare{}
	if r.Totals != nil {
		totals = append(totals, *r.Totals)
		totals[0].Key = "all legs"
	}
	d.Tables = []Table{
		r.summary([2]any{"Verdict", d.Verdict}),
		shareTable("Totals", "All legs", "Legs", "", totals, ""), r.daysTable(),
		shareTable("Bridges", "By Call Bridge", "Call Bridge", "", r.Bridges, "(not known)"),
		shareTable("Clients", "By kind of client", "Client", "webapp: the web app and older Meeting Apps.", r.Clients, "(not known)"),
		shareTable("Audio codecs", "By audio codec, as received", "Codec", "", r.AudioCodecs, "(none told)"),
		shareTable("Video codecs", "By video codec, as received", "Codec", "", r.VideoCodecs, "(none told)"),
		shareTable("Networks", "By network of the far end", "Network", "Where the far address is an IP address: /24, or /48 of IPv6. Behind an Expressway or a firewall it is theirs.", r.Networks, "(not an IP address)"),
		r.meetingsTable(),
		completenessTable("Runs of call detail records that never came, of these clusters' Call Bridges, within the period.", r.known.sessions), methodTable(d.Notes),
	}
	return d
}

func qualityState(ratio *float64) State {
	switch {
	case ratio == nil:
		return Unknown
	case *ratio < badQuality:
		return Bad
	case *ratio < goodQuality:
		return Warning
	}
	return Good
}

func (r Quality) verdict() (State, string) {
	t := r.Totals
	switch {
	case t == nil:
		return Unknown, "No call records of this period are known, so nothing can be said."
	case t.Legs == 0:
		return r.state(), "Nobody was connected."
	case t.GoodRatio == nil:
		return Unknown, fmt.Sprintf("None of %d legs can be judged: their end records, which tell of quality, are not there.", t.Legs)
	}
	text := fmt.Sprintf("%s of %s minutes passed without a quality alarm; %d of %d legs had one.", percent(*t.GoodRatio), number(t.Minutes), t.Alarmed, t.Judged)
	if silent := t.Legs - t.Judged; silent > 0 {
		text += fmt.Sprintf(" %d more legs cannot be judged.", silent)
	}
	if state := qualityState(t.GoodRatio); state != Good {
		return state, text
	}
	return r.state(), text
}

func (r Quality) figures() []Figure {
	list := []Figure{{Name: "Good meeting minutes", Value: "–", State: Unknown}, {Name: "Legs with an alarm", Value: "–", State: Unknown}, {Name: "with packet loss", Value: "–", State: Unknown}, {Name: "Legs judged", Value: "–", State: Unknown}}
	t := r.Totals
	if t == nil {
		return list
	}
	if t.GoodRatio != nil {
		list[0] = Figure{"Good meeting minutes", percent(*t.GoodRatio), "of " + number(t.Minutes), qualityState(t.GoodRatio)}
		for i, n := range []int64{t.Alarmed, t.PacketLoss} {
			list[i+1].Value, list[i+1].Of, list[i+1].State = fmt.Sprint(n), fmt.Sprintf("of %d", t.Judged), qualityState(t.GoodRatio)
		}
	}
	list[3].Value, list[3].Of, list[3].State = fmt.Sprint(t.Judged), fmt.Sprintf("of %d connected", t.Legs), Good
	if t.Judged < t.Legs {
		list[3].State = Warning
	}
	return list
}

func (r Quality) ratioChart() Chart {
	c := Chart{Title: "Good meeting minutes, day by day", Unit: "percent of the minutes of people's legs", BarName: "good", BadName: "below 90 %", WarningName: "below 95 %, or not complete", LineName: "objective"}
	for _, d := range r.Days {
		b := Bar{Label: string(d.Day), State: Unknown, Line: new(100 * goodQuality)}
		if d.Quality != nil && d.Quality.GoodRatio != nil {
			v := round(100 * *d.Quality.GoodRatio)
			b.Value, b.State = &v, qualityState(d.Quality.GoodRatio)
			if b.State == Good && !d.Complete {
				b.State = Warning
			}
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

func (r Quality) alarmChart() Chart {
	c := Chart{Title: "Legs with an alarm, day by day", Unit: "call legs", BarName: "with an alarm", DotName: "with packet loss"}
	for _, d := range r.Days {
		b := Bar{Label: string(d.Day), State: Unknown}
		if d.Quality != nil {
			b.Value, b.Dot, b.State = float(&d.Quality.Alarmed), float(&d.Quality.PacketLoss), complete(true, d.Complete)
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

// shareColumns are the columns of qualityCells.
var shareColumns = []Column{{"Legs", .9, true}, {"Judged", .9, true}, {"With alarm", .9, true}, {"Packet loss", .9, true}, {"Jitter", .8, true}, {"Round trip", .9, true}, {"Other", .8, true},
	{"Minutes", 1.1, true}, {"Good minutes", 1.1, true}, {"Good", .9, true}}

func qualityCells(s QualityShare) []any {
	return []any{s.Legs, s.Judged, s.Alarmed, s.PacketLoss, s.ExcessiveJitter, s.HighRoundTripTime, s.OtherAlarms, s.Minutes, s.GoodMinutes, ratioText(s.GoodRatio)}
}

func shareTable(name, title, what, note string, list []QualityShare, none string) Table {
	return Table{Name: name, Title: title, Note: note, Short: 30, Columns: append([]Column{{what, 2.4, false}}, shareColumns...), Rows: func(row func(...any) error) error {
		for _, s := range list {
			if err := row(append([]any{cmp.Or(s.Key, none)}, qualityCells(s)...)...); err != nil {
				return err
			}
		}
		return nil
	}}
}

func (r Quality) daysTable() Table {
	return Table{Name: "Days", Title: "Day by day", Note: "Legs count on the day they began. Empty: not known.", Columns: append([]Column{{"Day", 1.4, false}, {"Complete", 1, false}}, shareColumns...), Rows: func(row func(...any) error) error {
		for _, d := range r.Days {
			cells := []any{string(d.Day), d.Complete}
			if d.Quality != nil {
				cells = append(cells, qualityCells(*d.Quality)...)
			} else {
				cells = append(cells, make([]any, len(shareColumns))...)
			}
			if err := row(cells...); err != nil {
				return err
			}
		}
		return nil
	}}
}

func (r Quality) meetingsTable() Table {
	return Table{Name: "Worst meetings", Title: "Meetings with most minutes under an alarm", Short: 30,
		Columns: []Column{{"Began", 2, false}, {"Meeting", 3, false}, {"Owner", 2, false}, {"Bridges", 1.6, false}, {"Legs", .8, true}, {"Judged", .8, true}, {"With alarm", .9, true}, {"Minutes", 1, true}, {"Bad minutes", 1, true}},
		Rows: func(row func(...any) error) error {
			for _, m := range r.Meetings {
				if err := row(m.Start, m.Name, m.Host, join(m.Bridges), *count(m.Legs), *count(m.Judged), *count(m.Alarmed), minutes(m.Seconds), minutes(m.BadSeconds)); err != nil {
					return err
				}
			}
			return nil
		}}
}

func (r Quality) method() []string {
	return []string{
		"Legs are those of people that were connected and began in the period: not recorders, streamers, links between bridges or Lync sharing.",
		"Alarms come with a leg's end record, each with the share of the leg's life during which it held. Legs without that record (open, ended by a restart, lost) are not judged, and their minutes are in no figure.",
		"Good minutes are a leg's life less the time under alarms. Whether alarms of one leg held at the same time is not told, so their shares are added, up to the whole leg; an alarm without a share counts for all of it. Good minutes are thus never overstated.",
		"CMS raises these alarms by thresholds of its own, which may adapt: a hint, not a proof of bad quality.",
		"Good: 95 % of minutes or more; bad: below 90 %.",
		"Times are in " + r.TimeZone + ".",
	}
}
