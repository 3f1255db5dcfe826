package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
)

// WriteXLSX writes the document as a workbook: a sheet a table, the charts on a sheet of their own. Rows are streamed, so that no size is too large.
func (d Document) WriteXLSX(w io.Writer) (err error) {
	f := excelize.NewFile()
	defer func() { err = errors.Join(err, f.Close()) }()
	styles, err := newStyles(f)
	if err != nil {
		return fmt.Errorf("xlsx: %w", err)
	}
	for i, t := range d.Tables {
		name := sheetName(t.Name)
		if i == 0 {
			err = f.SetSheetName("Sheet1", name)
		} else {
			_, err = f.NewSheet(name)
		}
		if err == nil {
			err = d.sheet(f, name, t, styles)
		}
		if err != nil {
			return fmt.Errorf("xlsx: sheet %s: %w", name, err)
		}
	}
	if err := d.chartSheet(f); err != nil {
		return fmt.Errorf("xlsx: charts: %w", err)
	}
	if err := f.SetDocProps(&excelize.DocProperties{Title: d.Title, Subject: d.Subtitle, Creator: "Bridgewatch"}); err != nil {
		return fmt.Errorf("xlsx: %w", err)
	}
	if err := f.Write(w); err != nil {
		return fmt.Errorf("xlsx: %w", err)
	}
	return nil
}

// sheetName is at most 31 characters, as Excel demands.
func sheetName(name string) string { return name[:min(len(name), 31)] }

// styles of cells.
type styles struct{ title, note, head, time, text, number, left int }

func newStyles(f *excelize.File) (s styles, err error) {
	format := "yyyy-mm-dd hh:mm:ss"
	font := func(f excelize.Font) *excelize.Font {
		f.Family = "Arial"
		f.Size = max(f.Size, 10)
		return &f
	}
	plain := font(excelize.Font{})
	for _, one := range []struct {
		to *int
		of excelize.Style
	}{
		{&s.title, excelize.Style{Font: font(excelize.Font{Bold: true, Size: 14})}},
		{&s.note, excelize.Style{Font: font(excelize.Font{Italic: true, Color: "555555"}), Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}}},
		{&s.head, excelize.Style{Font: font(excelize.Font{Bold: true}), Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E3E8EE"}},
			Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}, Border: []excelize.Border{{Type: "bottom", Color: "888888", Style: 1}}}},
		{&s.time, excelize.Style{Font: plain, CustomNumFmt: &format, Alignment: &excelize.Alignment{Horizontal: "left", Vertical: "top"}}},
		{&s.text, excelize.Style{Font: plain, Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}}},
		{&s.number, excelize.Style{Font: plain, Alignment: &excelize.Alignment{Vertical: "top", Horizontal: "right", Indent: 1}}},
		{&s.left, excelize.Style{Font: plain, Alignment: &excelize.Alignment{Vertical: "top", Horizontal: "left"}}},
	} {
		if *one.to, err = f.NewStyle(&one.of); err != nil {
			return s, err
		}
	}
	return s, nil
}

// sheetWidth is the width of a printed page in characters, shared among the columns.
const sheetWidth = 120

// layout prints a sheet as wide as a page, lying.
func layout(f *excelize.File, sheet string) error {
	landscape, wide, pages, a4, fit := "landscape", 1, 0, 9, true
	return errors.Join(f.SetPageLayout(sheet, &excelize.PageLayoutOptions{Orientation: &landscape, FitToWidth: &wide, FitToHeight: &pages, Size: &a4}),
		f.SetSheetProps(sheet, &excelize.SheetPropsOptions{FitToPage: &fit}))
}

// mostRows of a sheet, by the format's own limit, less the heads.
const mostRows = 1_048_576 - 10

func (d Document) sheet(f *excelize.File, name string, t Table, s styles) error {
	if err := errors.Join(layout(f, name), f.SetDefinedName(&excelize.DefinedName{Name: "_xlnm.Print_Titles", RefersTo: "'" + name + "'!$4:$4", Scope: name})); err != nil {
		return err
	}
	stream, err := f.NewStreamWriter(name)
	if err != nil {
		return err
	}
	var weights float64
	for _, c := range t.Columns {
		weights += c.Weight
	}
	widths := make([]float64, len(t.Columns))
	for i, c := range t.Columns {
		widths[i] = max(9, c.Weight/weights*sheetWidth)
		if err := stream.SetColWidth(i+1, i+1, widths[i]); err != nil {
			return err
		}
	}
	note := t.Note
	if note != "" {
		note += " "
	}
	note += d.Title + ", " + d.Subtitle + ". Times in " + d.Zone.String() + "."
	head, names := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	var whole float64
	for i, c := range t.Columns {
		head[i], names[i] = excelize.Cell{StyleID: s.head, Value: c.Name}, c.Name
		whole += widths[i]
	}
	last, err := excelize.CoordinatesToCellName(len(t.Columns), 2)
	if err != nil {
		return err
	}
	if err := errors.Join(stream.SetRow("A1", []any{excelize.Cell{StyleID: s.title, Value: t.Title}}, excelize.RowOpts{Height: 22}),
		stream.SetRow("A2", []any{excelize.Cell{StyleID: s.note, Value: note}}, excelize.RowOpts{Height: d.rowHeight([]any{note}, []float64{whole})}),
		stream.MergeCell("A2", last), stream.SetRow("A4", head, excelize.RowOpts{Height: d.rowHeight(names, widths)})); err != nil {
		return err
	}
	at := 4
	err = t.Rows(func(cells ...any) error {
		if at++; at > mostRows {
			return fmt.Errorf("more than %d rows", mostRows)
		}
		row := make([]any, len(cells))
		for i, cell := range cells {
			row[i] = d.excel(cell, t.Columns[i], s)
		}
		return stream.SetRow(fmt.Sprintf("A%d", at), row, excelize.RowOpts{Height: d.rowHeight(cells, widths)})
	})
	if err != nil {
		return err
	}
	if err := stream.Flush(); err != nil {
		return err
	}
	return f.SetPanes(name, &excelize.Panes{Freeze: true, YSplit: 4, TopLeftCell: "A5", ActivePane: "bottomLeft"})
}

// rowHeight is the height of a row, in points, in which wrapped texts are seen whole: who opens a streamed sheet need not measure them.
func (d Document) rowHeight(cells []any, widths []float64) float64 {
	lines := 1
	for i, cell := range cells {
		lines = max(lines, int(math.Ceil(float64(utf8.RuneCountInString(shown(cell, d.Zone)))/widths[i])))
	}
	return min(float64(lines)*13.5+1.5, excelize.MaxRowHeight) // a meeting on 24 Call Bridges may have more
}

// excel is a cell's value: times as times in the document's zone, so that they can be reckoned with. Text is written as text, so no name becomes a formula.
func (d Document) excel(cell any, c Column, s styles) any {
	switch v := plain(cell).(type) {
	case nil:
		return nil
	case time.Time:
		local := v.In(d.Zone)
		return excelize.Cell{StyleID: s.time, Value: time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC)}
	case string:
		return excelize.Cell{StyleID: s.text, Value: line(v)}
	case bool:
		return excelize.Cell{StyleID: s.text, Value: shown(v, d.Zone)}
	default:
		if !c.Right {
			return excelize.Cell{StyleID: s.left, Value: v}
		}
		return excelize.Cell{StyleID: s.number, Value: v}
	}
}

// chartSheet writes the charts and the figures they are drawn from.
func (d Document) chartSheet(f *excelize.File) error {
	if len(d.Charts) == 0 {
		return nil
	}
	const data, sheet = "Chart data", "Charts"
	if _, err := f.NewSheet(sheet); err != nil {
		return err
	}
	if _, err := f.NewSheet(data); err != nil {
		return err
	}
	if err := errors.Join(layout(f, sheet), layout(f, data)); err != nil {
		return err
	}
	column := 1
	for k, c := range d.Charts {
		series := []struct {
			name string
			of   func(Bar) *float64
		}{{c.BarName, func(b Bar) *float64 { return b.Value }}, {c.LineName, func(b Bar) *float64 { return b.Line }}, {c.DotName, func(b Bar) *float64 { return b.Dot }}}
		ref := func(col, from, to int) string {
			first, _ := excelize.CoordinatesToCellName(col, from, true) //nolint:errcheck // small numbers
			last, _ := excelize.CoordinatesToCellName(col, to, true)    //nolint:errcheck // small numbers
			return "'" + data + "'!" + first + ":" + last
		}
		set := func(col, row int, value any) error {
			cell, err := excelize.CoordinatesToCellName(col, row)
			if err != nil {
				return err
			}
			return f.SetCellValue(data, cell, value)
		}
		if err := errors.Join(set(column, 1, c.Title), set(column, 2, cmp.Or(c.Axis, "Day"))); err != nil {
			return err
		}
		for i, b := range c.Bars {
			if err := set(column, 3+i, b.Label); err != nil {
				return err
			}
		}
		last := 2 + max(1, len(c.Bars))
		bars := &excelize.Chart{Type: excelize.Col, Title: excelize.ChartTitle{Paragraph: []excelize.RichTextRun{{Text: c.Title}}}, Legend: excelize.ChartLegend{Position: "bottom"},
			Dimension: excelize.ChartDimension{Width: 1100, Height: 340}, YAxis: excelize.ChartAxis{MajorGridLines: true, Title: excelize.ChartTitle{Paragraph: []excelize.RichTextRun{{Text: c.Unit}}}}}
		lines := &excelize.Chart{Type: excelize.Line}
		for j, one := range series {
			if one.name == "" {
				continue
			}
			if err := set(column+1+j, 2, one.name); err != nil {
				return err
			}
			for i, b := range c.Bars {
				if v := one.of(b); v != nil {
					if err := set(column+1+j, 3+i, *v); err != nil {
						return err
					}
				}
			}
			name, _ := excelize.CoordinatesToCellName(column+1+j, 2, true) //nolint:errcheck // small numbers
			to := excelize.ChartSeries{Name: "'" + data + "'!" + name, Categories: ref(column, 3, last), Values: ref(column+1+j, 3, last)}
			if j == 0 {
				bars.Series = append(bars.Series, to)
			} else {
				lines.Series = append(lines.Series, to)
			}
		}
		var combined []*excelize.Chart
		if len(lines.Series) > 0 {
			combined = append(combined, lines)
		}
		if err := f.AddChart(sheet, fmt.Sprintf("A%d", 1+k*19), bars, combined...); err != nil {
			return err
		}
		column += 5
	}
	return nil
}
