package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
)

// Measures of a page, in millimetres: A4 across.
const (
	pageWidth, pageHeight, margin = 297.0, 210.0, 12.0
	bodyWidth                     = pageWidth - 2*margin
	lineHeight                    = 4.2
)

// pdf is a document being printed.
type pdf struct {
	*fpdf.Fpdf
	doc Document
}

// WritePDF prints the document. Its fonts have the Latin, Greek and Cyrillic letters; others appear as boxes.
func (d Document) WritePDF(w io.Writer) error {
	p := pdf{fpdf.New("L", "mm", "A4", ""), d}
	p.AddUTF8FontFromBytes("go", "", goregular.TTF)
	p.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	p.SetMargins(margin, margin, margin)
	p.SetAutoPageBreak(false, margin)
	p.SetTitle(d.Title, true)
	p.SetCreator("Bridgewatch", true)
	p.AliasNbPages("{pages}")
	p.SetFooterFunc(func() {
		p.SetY(-9)
		p.font("", 7.5, "#5f6b7a")
		p.CellFormat(bodyWidth/2, 4, d.Title+", "+d.Subtitle+", times in "+d.Zone.String(), "", 0, "L", false, 0, "")
		p.CellFormat(bodyWidth/2, 4, fmt.Sprintf("%d of {pages}", p.PageNo()), "", 0, "R", false, 0, "")
	})
	p.AddPage()
	p.head()
	for _, c := range d.Charts {
		if len(c.Bars) > 0 {
			p.chart(c)
		}
	}
	for _, t := range d.Tables {
		if t.Name == "Method" {
			continue
		}
		if err := p.table(t); err != nil {
			return fmt.Errorf("pdf: %s: %w", t.Name, err)
		}
	}
	p.notes()
	if err := p.Output(w); err != nil {
		return fmt.Errorf("pdf: %w", err)
	}
	return nil
}

// The library fails at characters beyond U+FFFF, such as emoji in the names of meetings: every text passes through one of these, which print a replacement character for them.

func (p pdf) CellFormat(w, h float64, text, border string, ln int, align string, fill bool, link int, url string) {
	p.Fpdf.CellFormat(w, h, printable(text), border, ln, align, fill, link, url)
}

func (p pdf) MultiCell(w, h float64, text, border, align string, fill bool) {
	p.Fpdf.MultiCell(w, h, printable(text), border, align, fill)
}

func (p pdf) Text(x, y float64, text string) { p.Fpdf.Text(x, y, printable(text)) }

func (p pdf) SplitText(text string, w float64) []string {
	return p.Fpdf.SplitText(printable(text), w)
}

func (p pdf) GetStringWidth(text string) float64 { return p.Fpdf.GetStringWidth(printable(text)) }

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r > 0xFFFF {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func (p pdf) font(style string, size float64, color string) {
	p.SetFont("go", style, size)
	r, g, b := rgb(color)
	p.SetTextColor(r, g, b)
}

func (p pdf) fill(color string) { p.SetFillColor(rgb(color)) }

// rgb reads #rrggbb of our own palette.
func rgb(color string) (r, g, b int) {
	v, err := strconv.ParseUint(strings.TrimPrefix(color, "#"), 16, 32)
	if err != nil {
		return 0, 0, 0
	}
	return int(v >> 16), int(v >> 8 & 255), int(v & 255) //nolint:gosec // 24 bits
}

// room begins a new page where less than a height is left.
func (p pdf) room(height float64) {
	if p.GetY()+height > pageHeight-margin {
		p.AddPage()
	}
}

func (p pdf) head() {
	p.font("B", 18, lineColor)
	p.CellFormat(bodyWidth, 8, line(p.doc.Title), "", 1, "L", false, 0, "")
	p.font("", 10, "#5f6b7a")
	p.CellFormat(bodyWidth, 6, p.doc.Subtitle, "", 1, "L", false, 0, "")
	p.Ln(2)
	p.fill(colors[p.doc.State])
	p.font("", 12, "#ffffff")
	p.MultiCell(bodyWidth, 9, " "+p.doc.Verdict, "", "L", true)
	p.Ln(3)
	if n := len(p.doc.Figures); n > 0 {
		const space = 4.0
		wide, y := (bodyWidth-space*float64(n-1))/float64(n), p.GetY()
		for i, f := range p.doc.Figures {
			x := margin + float64(i)*(wide+space)
			p.fill(colors[f.State])
			p.Rect(x, y, wide, 1.4, "F")
			p.SetDrawColor(rgb("#d5dbe2"))
			p.Rect(x, y, wide, 22, "D")
			p.SetXY(x+2, y+2.5)
			p.font("", 9, "#5f6b7a")
			p.CellFormat(wide-4, 4.5, f.Name, "", 2, "L", false, 0, "")
			p.font("B", 17, lineColor)
			p.CellFormat(wide-4, 8, f.Value, "", 2, "L", false, 0, "")
			p.font("", 9, "#5f6b7a")
			p.CellFormat(wide-4, 4.5, f.Of, "", 2, "L", false, 0, "")
		}
		p.SetXY(margin, y+25)
	}
	for _, f := range p.doc.Facts {
		p.font("", 9, "#5f6b7a")
		p.CellFormat(28, 4.8, f[0], "", 0, "L", false, 0, "")
		p.font("", 9, lineColor)
		p.MultiCell(bodyWidth-28, 4.8, line(f[1]), "", "L", false)
	}
	p.Ln(3)
}

func (p pdf) chart(c Chart) {
	const height, left, below = 52.0, 12.0, 10.0
	p.room(height + below + 10)
	p.font("B", 11, lineColor)
	p.CellFormat(bodyWidth, 6, c.Title+" ("+c.Unit+")", "", 1, "L", false, 0, "")
	top, s := p.GetY()+1, newScale(c)
	x := func(i int) float64 { return margin + left + (bodyWidth-left)*float64(i)/float64(len(c.Bars)) }
	y := func(v float64) float64 { return top + height*(1-v/s.max) }
	p.SetLineWidth(.1)
	p.font("", 7.5, "#5f6b7a")
	for _, v := range s.ticks {
		p.SetDrawColor(rgb("#e3e8ee"))
		p.Line(x(0), y(v), margin+bodyWidth, y(v))
		p.SetXY(margin, y(v)-2)
		p.CellFormat(left-1.5, 4, number(v), "", 0, "R", false, 0, "")
	}
	gap := (x(1) - x(0)) * .15
	for i, b := range c.Bars {
		if b.Value != nil {
			p.fill(colors[b.State])
			p.Rect(x(i)+gap, y(*b.Value), x(i+1)-x(i)-2*gap, y(0)-y(*b.Value), "F")
		} else {
			p.fill("#d5dbe2")
			p.Rect(x(i)+gap, y(0)-.7, x(i+1)-x(i)-2*gap, .7, "F")
		}
		if i%s.every == 0 {
			p.Text(x(i), top+height+3.6, b.Label)
		}
	}
	p.SetDrawColor(rgb(lineColor))
	p.SetLineWidth(.35)
	p.SetDashPattern([]float64{1.4, .9}, 0)
	for i, b := range c.Bars {
		if b.Line != nil {
			p.Line(x(i), y(*b.Line), x(i+1), y(*b.Line))
			if i > 0 && c.Bars[i-1].Line != nil {
				p.Line(x(i), y(*c.Bars[i-1].Line), x(i), y(*b.Line))
			}
		}
	}
	p.SetDashPattern(nil, 0)
	p.fill(dotColor)
	for i, b := range c.Bars {
		if b.Dot != nil {
			p.Circle((x(i)+x(i+1))/2, y(*b.Dot), .6, "F")
		}
	}
	at, under := margin+left, top+height+8
	legend := func(color, text string, mark func(x, y float64)) {
		p.fill(color)
		mark(at, under)
		p.Text(at+4.5, under, text)
		at += 9 + p.GetStringWidth(text)
	}
	square := func(x, y float64) { p.Rect(x, y-2.3, 3, 2.6, "F") }
	for _, m := range c.marks() {
		legend(colors[m.state], m.text, square)
	}
	if c.LineName != "" {
		legend(lineColor, c.LineName, func(x, y float64) { p.Line(x, y-1, x+1.3, y-1); p.Line(x+2, y-1, x+3.3, y-1) })
	}
	if c.DotName != "" {
		legend(dotColor, c.DotName, func(x, y float64) { p.Circle(x+1.5, y-1, .8, "F") })
	}
	p.SetXY(margin, under+4)
}

func (p pdf) table(t Table) error {
	widths := make([]float64, len(t.Columns))
	var weights float64
	for _, c := range t.Columns {
		weights += c.Weight
	}
	for i, c := range t.Columns {
		widths[i] = c.Weight / weights * bodyWidth
	}
	head := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = c.Name
	}
	p.room(32)
	p.Ln(3)
	p.font("B", 11, lineColor)
	p.CellFormat(bodyWidth, 6, t.Title, "", 1, "L", false, 0, "")
	if t.Note != "" {
		p.font("", 8, "#5f6b7a")
		p.MultiCell(bodyWidth, 4, t.Note, "", "L", false)
		p.Ln(1)
	}
	p.font("B", 8, lineColor)
	p.row(t, widths, head, true)
	n, hidden := 0, 0
	err := t.Rows(func(cells ...any) error {
		if n++; t.Short > 0 && n > t.Short {
			hidden++
			return nil
		}
		texts := make([]string, len(cells))
		for i, cell := range cells {
			texts[i] = shown(cell, p.doc.Zone)
		}
		p.font("", 8, lineColor)
		if p.GetY()+p.rowHeight(widths, texts) > pageHeight-margin {
			p.AddPage()
			p.font("B", 8, lineColor)
			p.row(t, widths, head, true)
			p.font("", 8, lineColor)
		}
		p.row(t, widths, texts, false)
		return p.Error()
	})
	p.font("", 8, "#5f6b7a")
	switch {
	case hidden > 0:
		p.CellFormat(bodyWidth, 5, fmt.Sprintf("and %d more; the spreadsheet has all", hidden), "", 1, "L", false, 0, "")
	case n == 0:
		p.CellFormat(bodyWidth, 5, "none", "", 1, "L", false, 0, "")
	}
	return err
}

// lines breaks a text to a width, in the middle of a word where it must.
func (p pdf) lines(text string, width float64) []string {
	if text == "" {
		return []string{""}
	}
	var list []string
	for _, l := range p.SplitText(text, width) {
		list = append(list, strings.TrimRight(l, " "))
	}
	return list
}

func (p pdf) rowHeight(widths []float64, texts []string) float64 {
	most := 1
	for i, text := range texts {
		most = max(most, len(p.lines(text, widths[i]-1.5)))
	}
	return float64(most)*lineHeight + .8
}

func (p pdf) row(t Table, widths []float64, texts []string, head bool) {
	height, x, y := p.rowHeight(widths, texts), margin, p.GetY()
	if head {
		p.fill("#eef1f5")
		p.Rect(margin, y, bodyWidth, height, "F")
	}
	for i, text := range texts {
		align, wide := "L", widths[i]
		if t.Columns[i].Right {
			align, wide = "R", widths[i]-1.5 // apart from what follows
		}
		for k, l := range p.lines(text, widths[i]-1.5) {
			p.SetXY(x, y+.4+float64(k)*lineHeight)
			p.CellFormat(wide, lineHeight, l, "", 0, align, false, 0, "")
		}
		x += widths[i]
	}
	p.SetDrawColor(rgb("#d5dbe2"))
	p.SetLineWidth(.1)
	p.Line(margin, y+height, margin+bodyWidth, y+height)
	p.SetXY(margin, y+height)
}

func (p pdf) notes() {
	p.room(40)
	p.Ln(3)
	p.font("B", 11, lineColor)
	p.CellFormat(bodyWidth, 6, "Method", "", 1, "L", false, 0, "")
	p.font("", 8, lineColor)
	for i, n := range p.doc.Notes {
		p.room(12)
		p.CellFormat(7, 4.2, strconv.Itoa(i+1)+".", "", 0, "L", false, 0, "")
		p.MultiCell(bodyWidth-7, 4.2, n, "", "L", false)
	}
}
