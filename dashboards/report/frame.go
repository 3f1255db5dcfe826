package report

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// Frame is what the reports of usage, capacity and quality have in common: of what they are, and how complete the call records were.
type Frame struct {
	Clusters     []string     `json:"clusters"`
	From         time.Time    `json:"from"`
	To           time.Time    `json:"to"`
	TimeZone     string       `json:"time_zone"`
	GeneratedAt  time.Time    `json:"generated_at"`
	Completeness Completeness `json:"completeness"`

	zone  *time.Location
	known knowledge
}

// newFrame asks how complete the records of a scope are.
func newFrame(ctx context.Context, q *storage.Queries, s storage.Scope) (Frame, error) {
	all, err := q.Completeness(ctx, storage.Period{From: s.From, To: s.To})
	if err != nil {
		return Frame{}, err
	}
	sessions := slices.DeleteFunc(all.Sources, func(c storage.SessionCompleteness) bool { return !slices.Contains(s.Clusters, c.Cluster) })
	return Frame{Clusters: s.Clusters, From: s.From.UTC(), To: s.To.UTC(), TimeZone: s.Zone.String(), GeneratedAt: s.Now.UTC(), Completeness: completeness(sessions),
		zone: s.Zone, known: knowledge{sessions, s.Clusters, s.Now, s.Now}}, nil
}

// day tells whether figures of call records can be given for a day, and whether nothing of it is missing.
func (f Frame) day(d licensing.Day) (known, complete bool) {
	start, end := d.Start(f.zone), d.End(f.zone)
	if f.To.Before(end) {
		end = f.To
	}
	known, complete = f.known.of(later(start, f.From), end)
	return known, known && complete && d.End(f.zone).Compare(f.To) <= 0 && !start.Before(f.From)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// document begins the document of a report.
func (f Frame) document(title string) Document {
	return Document{Title: title, Zone: f.zone,
		Subtitle: fmt.Sprintf("%s to %s", f.From.In(f.zone).Format("2006-01-02 15:04"), f.To.In(f.zone).Format("2006-01-02 15:04")),
		Facts: [][2]string{
			{"Clusters", orNone(join(f.Clusters))},
			{"Days and hours", "in " + f.TimeZone + "; all times on these pages too"},
			{"Generated", f.GeneratedAt.In(f.zone).Format("2006-01-02 15:04:05")},
			{"Call records", f.Completeness.words()},
		}}
}

// state of a report that does not judge: whether it can be relied on.
func (f Frame) state() State {
	switch {
	case f.Completeness.Ratio == nil:
		return Unknown
	case f.Completeness.Missing > 0:
		return Warning
	}
	return Good
}

// rows adds the facts to the rows of a summary.
func (f Frame) summary(rows ...[2]any) Table {
	rows = slices.Concat([][2]any{{"Clusters", join(f.Clusters)}, {"From", f.From}, {"To (exclusive)", f.To}, {"Time zone of days, hours and times", f.TimeZone},
		{"Generated", f.GeneratedAt}, {"Call records", f.Completeness.words()}}, rows)
	return Table{Name: "Summary", Title: "Summary", Columns: []Column{{"What", 2, false}, {"Value", 4, false}}, Rows: func(row func(...any) error) error {
		for _, r := range rows {
			if err := row(r[0], r[1]); err != nil {
				return err
			}
		}
		return nil
	}}
}

func methodTable(notes []string) Table {
	return Table{Name: "Method", Title: "Method", Columns: []Column{{"How the figures came about", 1, false}}, Rows: func(row func(...any) error) error {
		for _, n := range notes {
			if err := row(n); err != nil {
				return err
			}
		}
		return nil
	}}
}

// completenessTable lists the sessions and what is missing of them.
func completenessTable(note string, sessions []storage.SessionCompleteness) Table {
	return Table{Name: "Completeness", Title: "What is missing", Note: note, Short: 40,
		Columns: []Column{{"Call Bridge", 2, false}, {"Session", 3, false}, {"Records", 1, true}, {"Missing", 1, true}, {"of which the bridge says so", 1.2, true}, {"From", 2, false}, {"To", 2, false}},
		Rows: func(row func(...any) error) error {
			for _, s := range sessions {
				if err := row(s.Bridge, s.Session.String(), s.Records, s.Missing, s.ReportedMissing, s.FirstTime, s.LastTime); err != nil {
					return err
				}
				for _, g := range s.Gaps {
					if err := row(s.Bridge, "gap", nil, g.Count, g.Reported, g.From, g.To); err != nil {
						return err
					}
				}
			}
			return nil
		}}
}

func writeJSON(w io.Writer, report any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}

// csvLines writes lines of cells as CSV: times as RFC 3339 in UTC, nothing for nil.
func csvLines(w io.Writer, header string, lines func(line func(cells ...any) error) error) error {
	out := csv.NewWriter(w)
	names := strings.Split(header, ",")
	if err := out.Write(names); err != nil {
		return err
	}
	err := lines(func(cells ...any) error {
		texts := make([]string, len(names))
		for i, c := range cells {
			switch v := plain(c).(type) {
			case nil:
			case string:
				texts[i] = text(v)
			case time.Time:
				texts[i] = v.UTC().Format(time.RFC3339)
			case float64:
				texts[i] = strconv.FormatFloat(v, 'f', -1, 64)
			default:
				texts[i] = fmt.Sprint(v)
			}
		}
		return out.Write(texts)
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}
