package report

import (
	"cmp"
	"fmt"
	"strconv"
	"time"
)

// Document is a report as every format shows it: what it is of, its state at one look, charts and tables.
type Document struct {
	Title    string
	Subtitle string
	// State and Verdict say at one look how it stands.
	State   State
	Verdict string
	// Facts are what must be known to read the figures: period, time zone, completeness.
	Facts   [][2]string
	Figures []Figure
	Charts  []Chart
	Tables  []Table
	// Notes say how the figures came about.
	Notes []string
	// Zone in which times are shown.
	Zone *time.Location
}

// State is how something stands.
type State string

// The states, from good to bad.
const (
	Unknown State = "unknown"
	Good    State = "good"
	Warning State = "warning"
	Bad     State = "bad"
)

// Figure is one number that matters, with what it is to be compared with.
type Figure struct {
	Name, Value, Of string
	State           State
}

// Chart is bars over labels, a line they are compared with, and dots of a second source.
type Chart struct {
	Title, Unit string
	Bars        []Bar
	// BarName, LineName and DotName stand in the legend; the line and the dots are left out where their name is empty.
	BarName, LineName, DotName string
	// BadName and WarningName say what these colours mean: over and not complete where they are empty.
	BadName, WarningName string
	// Axis is what the labels are, Day where it is empty; a label stands at each Every-th bar, or at about ten where it is 0.
	Axis  string
	Every int
}

// mark is a colour in a legend and what it says.
type mark struct {
	state State
	text  string
}

// marks explains the colours that the bars have.
func (c Chart) marks() []mark {
	has := map[State]bool{}
	for _, b := range c.Bars {
		has[b.State] = true
	}
	list := []mark{{Good, c.BarName}}
	for _, m := range []mark{{Bad, cmp.Or(c.BadName, "over")}, {Warning, cmp.Or(c.WarningName, "not complete")}, {Unknown, "cannot be judged"}} {
		if has[m.state] {
			list = append(list, m)
		}
	}
	return list
}

// Bar is one value; nil where it is not known.
type Bar struct {
	Label            string
	Value, Line, Dot *float64
	State            State
}

// Table is rows below columns.
type Table struct {
	// Name is short enough for the tab of a spreadsheet; Title says all.
	Name, Title string
	Note        string
	Columns     []Column
	// Rows gives each row's cells, as many as there are columns: string, bool, int, int64, uint64, float64, time.Time, pointers to these, or nil for what is not known.
	Rows func(row func(cells ...any) error) error
	// Short is how many rows a printed page has at most, 0 for all; spreadsheets have all.
	Short int
}

// Column is the head of a column; Weight is its share of the width.
type Column struct {
	Name   string
	Weight float64
	Right  bool
}

// shown is a cell as text, times in a zone; what is not known is empty.
func shown(cell any, zone *time.Location) string {
	switch v := plain(cell).(type) {
	case nil:
		return ""
	case string:
		return line(v)
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case time.Time:
		return v.In(zone).Format("2006-01-02 15:04:05")
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}

// plain takes pointers and named types off a cell; a nil pointer is nil.
func plain(cell any) any {
	switch v := cell.(type) {
	case *string:
		return deref(v)
	case *bool:
		return deref(v)
	case *int:
		return deref(v)
	case *int64:
		return deref(v)
	case *float64:
		return deref(v)
	case *time.Time:
		return deref(v)
	case fmt.Stringer:
		if _, isTime := cell.(time.Time); !isTime {
			return v.String()
		}
	}
	return cell
}

func deref[T any](v *T) any {
	if v == nil {
		return nil
	}
	return *v
}
