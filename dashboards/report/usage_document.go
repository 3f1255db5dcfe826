package report

import (
	"cmp"
	"fmt"
	"slices"
)

// Document is the report as people read it.
func (r Usage) Document() Document {
	d := r.document("Usage of meetings")
	d.State, d.Verdict = r.verdict()
	d.Figures = r.figures()
	d.Charts = []Chart{r.dayChart(), r.peakChart(), r.hourChart()}
	d.Notes = r.method()
	t := r.Totals
	d.Tables = []Table{
		r.summary([2]any{"Verdict", d.Verdict}, [2]any{"Meetings", t.Meetings}, [2]any{"Joins", t.Joins}, [2]any{"Participant minutes", t.ParticipantMinutes},
			[2]any{"Most people at once", t.PeakParticipants}, [2]any{"at", t.PeakAt}, [2]any{"Meetings of which attendance is known", t.Judged}, [2]any{"No-shows", t.NoShows},
			[2]any{"of these, nobody at all came", t.Empty}, [2]any{"Minutes waited alone", t.WaitedMinutes}),
		r.daysTable(), r.hoursTable(),
		r.shareTable("Spaces", "Top spaces", "Space", "Most participant minutes first.", r.Spaces, "(no space)", true),
		r.shareTable("Hosts", "Top hosts", "Owner of the space", "Spaces of owners of the same name stand together.", r.Hosts, "(no owner, or not known)", false),
		r.shareTable("Call types", "By type of call", "Type", "coSpace: a meeting in a space.", named(r.CallTypes), "(not known)", false),
		r.clientsTable(), r.noShowsTable(),
		completenessTable("Runs of call detail records that never came, of these clusters' Call Bridges, within the period.", r.known.sessions), methodTable(d.Notes),
	}
	return d
}

// named shows types by their own name.
func named(list []UsageShare) []UsageShare {
	list = slices.Clone(list)
	for i := range list {
		list[i].Name = list[i].ID
	}
	return list
}

func (r Usage) verdict() (State, string) {
	t := r.Totals
	if t.Meetings == nil {
		return Unknown, "No call records of this period are known, so nothing can be said."
	}
	if *t.Meetings == 0 && *t.Joins == 0 {
		return r.state(), "No meeting was held."
	}
	text := fmt.Sprintf("%d meetings, %d joins, %s participant hours.", *t.Meetings, *t.Joins, number(round(*t.ParticipantMinutes/60)))
	if busiest := r.busiest(); len(busiest) > 0 {
		text += fmt.Sprintf(" Busiest: %s at %02d, with %s people on average.", busiest[0].Weekday, busiest[0].Hour, number(busiest[0].AverageParticipants))
	}
	return r.state(), text
}

// busiest hours of the week come first.
func (r Usage) busiest() []UsageHour {
	list := slices.DeleteFunc(slices.Clone(r.Hours), func(h UsageHour) bool { return h.ParticipantMinutes == 0 && h.Meetings == 0 })
	slices.SortStableFunc(list, func(a, b UsageHour) int { return cmp.Compare(b.AverageParticipants, a.AverageParticipants) })
	return list
}

func (r Usage) figures() []Figure {
	t, state := r.Totals, r.state()
	show := func(name string, value *int64, of string) Figure {
		if value == nil {
			return Figure{Name: name, Value: "–", State: Unknown}
		}
		return Figure{Name: name, Value: fmt.Sprint(*value), Of: of, State: state}
	}
	peak := show("Most people at once", t.PeakParticipants, "")
	if t.PeakAt != nil {
		peak.Of = "at " + t.PeakAt.In(r.zone).Format("2006-01-02 15:04:05")
	}
	noShows := show("No-shows", t.NoShows, "")
	if t.Judged != nil {
		if noShows.Of = fmt.Sprintf("of %d meetings that can be judged", *t.Judged); *t.Judged == 0 {
			noShows.Value, noShows.State, noShows.Of = "–", Unknown, "no meeting can be judged"
		}
	}
	hours := Figure{Name: "Participant hours", Value: "–", State: Unknown}
	if t.ParticipantMinutes != nil {
		hours.Value, hours.State, hours.Of = number(round(*t.ParticipantMinutes/60)), state, fmt.Sprintf("%d joins", *t.Joins)
	}
	return []Figure{show("Meetings", t.Meetings, "begun in the period"), hours, peak, noShows}
}

func complete(known, complete bool) State {
	switch {
	case !known:
		return Unknown
	case !complete:
		return Warning
	}
	return Good
}

func (r Usage) dayChart() Chart {
	c := Chart{Title: "People's time in meetings, day by day", Unit: "participant hours", BarName: "hours"}
	for _, d := range r.Days {
		b := Bar{Label: string(d.Day), State: complete(d.Meetings != nil, d.Complete)}
		if d.ParticipantMinutes != nil {
			hours := round(*d.ParticipantMinutes / 60)
			b.Value = &hours
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

func (r Usage) peakChart() Chart {
	c := Chart{Title: "Most people at once, day by day", Unit: "people in calls", BarName: "people"}
	for _, d := range r.Days {
		c.Bars = append(c.Bars, Bar{Label: string(d.Day), Value: float(d.PeakParticipants), State: complete(d.Meetings != nil, d.Complete)})
	}
	return c
}

// hourChart has every hour of the week, those of which nothing is known too.
func (r Usage) hourChart() Chart {
	c := Chart{Title: "Hours of the week", Unit: "people at once, on average", BarName: "people", Axis: "Hour", Every: 12}
	next := 0
	for slot := range 7 * 24 {
		weekday, hour := [7]string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}[slot/24], slot%24
		b := Bar{Label: fmt.Sprintf("%s %02d", weekday, hour), State: Unknown}
		if next < len(r.Hours) && (int(r.Hours[next].weekday)+6)%7*24+r.Hours[next].Hour == slot {
			b.Value, b.State = &r.Hours[next].AverageParticipants, r.state()
			next++
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

func (r Usage) daysTable() Table {
	return Table{Name: "Days", Title: "Day by day", Note: "Meetings count on the day they began; people's time where it was. Empty: not known.",
		Columns: []Column{{"Day", 1.4, false}, {"Complete", 1, false}, {"Meetings", 1, true}, {"Joins", 1, true}, {"Participant minutes", 1.4, true}, {"Most people at once", 1.3, true}, {"at", 2, false}},
		Rows: func(row func(...any) error) error {
			for _, d := range r.Days {
				if err := row(string(d.Day), d.Complete, d.Meetings, d.Joins, d.ParticipantMinutes, d.PeakParticipants, d.PeakAt); err != nil {
					return err
				}
			}
			return nil
		}}
}

func (r Usage) hoursTable() Table {
	return Table{Name: "Hours", Title: "Busiest hours of the week", Note: "Averages over all such hours of which call records are known; busiest first, hours without anybody left out.", Short: 20,
		Columns: []Column{{"Weekday", 1.3, false}, {"Hour", .8, true}, {"Hours known", 1, true}, {"Meetings begun", 1, true}, {"Participant minutes", 1.4, true}, {"People on average", 1.3, true}, {"Most at once", 1, true}, {"at", 2, false}},
		Rows: func(row func(...any) error) error {
			for _, h := range r.busiest() {
				if err := row(h.Weekday, fmt.Sprintf("%02d", h.Hour), h.Hours, h.Meetings, h.ParticipantMinutes, h.AverageParticipants, h.PeakParticipants, instantOf(h.PeakParticipants, h.PeakAt)); err != nil {
					return err
				}
			}
			return nil
		}}
}

func (r Usage) shareTable(name, title, what, note string, list []UsageShare, none string, owner bool) Table {
	t := Table{Name: name, Title: title, Note: note, Short: 25, Columns: []Column{{what, 3, false}}}
	if owner {
		t.Columns = append(t.Columns, Column{"Owner", 2, false}, Column{"Id", 3, false})
	}
	t.Columns = append(t.Columns, Column{"Meetings", 1, true}, Column{"Joins", 1, true}, Column{"Participant minutes", 1.3, true}, Column{"Judged", 1, true}, Column{"No-shows", 1, true})
	t.Rows = func(row func(...any) error) error {
		for _, u := range list {
			cells := []any{cmp.Or(u.Name, none)}
			if u.ID != "" && u.Name == "" {
				cells[0] = "(without a name)"
			}
			if owner {
				cells = append(cells, u.OwnerName, u.ID)
			}
			if err := row(append(cells, u.Meetings, u.Joins, u.ParticipantMinutes, u.Judged, u.NoShows)...); err != nil {
				return err
			}
		}
		return nil
	}
	return t
}

func (r Usage) clientsTable() Table {
	return Table{Name: "Clients", Title: "By kind of client", Note: "webapp: the web app and older Meeting Apps.",
		Columns: []Column{{"Client", 2, false}, {"Joins", 1, true}, {"Participant minutes", 1.4, true}, {"Most at once", 1, true}, {"at", 2, false}},
		Rows: func(row func(...any) error) error {
			for _, c := range r.Clients {
				if err := row(c.Client, c.Joins, c.ParticipantMinutes, c.PeakParticipants, instantOf(c.PeakParticipants, c.PeakAt)); err != nil {
					return err
				}
			}
			return nil
		}}
}

func (r Usage) noShowsTable() Table {
	return Table{Name: "No-shows", Title: "Meetings to which fewer than two people ever came", Note: "The longest wait first.", Short: 30,
		Columns: []Column{{"Began", 2, false}, {"Ended", 2, false}, {"Meeting", 3, false}, {"Owner", 2, false}, {"People", .8, true}, {"Waited, minutes", 1.2, true}},
		Rows: func(row func(...any) error) error {
			for _, n := range r.NoShows {
				if err := row(n.Start, n.End, n.Name, n.Host, n.People, minutes(n.WaitedSeconds)); err != nil {
					return err
				}
			}
			return nil
		}}
}

func (r Usage) method() []string {
	return []string{
		"A meeting is all calls of one correlator, on all Call Bridges; it counts where its first call began.",
		"People are call legs of persons: not recorders, streamers, links between bridges or Lync sharing. One who leaves and comes again joins twice.",
		"Participant minutes run from leaving the lobby to the end of the leg, and are cut at the ends of the period. Who still is there counts until the report was made.",
		"No-show: fewer than two people ever came, by address and name together; the lobby counts as coming. Judged are meetings that began in the period and ended, whose calls' own start and end records are there, " +
			"with no gap in the records of their Call Bridges meanwhile. Gateway calls and Lync conferences are not judged: the other side is not seen.",
		"Hours of the week are averages over all such hours of days of which call records are known; the hour that a change of clocks repeats counts twice.",
		"A day without any record after the last one that came is not known, rather than quiet. A day is complete when it is over and nothing of it is missing.",
		"Hosts are owners of spaces, by the name in the call records.",
		"Times are in " + r.TimeZone + ".",
	}
}
