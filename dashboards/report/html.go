package report

import (
	"bufio"
	"cmp"
	"fmt"
	"html/template"
	"io"
	"strings"
)

// WriteHTML writes the document as one page without anything from elsewhere: it can be mailed, archived and printed.
func (d Document) WriteHTML(w io.Writer) error {
	out := bufio.NewWriter(w)
	err := page.Execute(out, struct {
		Document
		Charts []template.HTML
		Tables []htmlTable
	}{d, d.svgs(), d.htmlTables(out)})
	if err != nil {
		return fmt.Errorf("html: %w", err)
	}
	return out.Flush()
}

// htmlTable writes its rows while the page is made, so that the page need not fit into memory.
type htmlTable struct {
	Table
	doc Document
	out *bufio.Writer
}

func (d Document) htmlTables(out *bufio.Writer) []htmlTable {
	var list []htmlTable
	for _, t := range d.Tables {
		if t.Name == "Method" { // stands at the foot, as notes
			continue
		}
		list = append(list, htmlTable{t, d, out})
	}
	return list
}

// Body writes the rows; what it gives to the template is empty.
func (t htmlTable) Body() (string, error) {
	n, hidden := 0, 0
	err := t.Rows(func(cells ...any) error {
		if n++; t.Short > 0 && n > t.Short {
			hidden++
			return nil
		}
		t.out.WriteString("<tr>") //nolint:errcheck // Flush tells
		for i, cell := range cells {
			class := ""
			if t.Columns[i].Right {
				class = ` class="n"`
			}
			fmt.Fprintf(t.out, "<td%s>%s</td>", class, template.HTMLEscapeString(shown(cell, t.doc.Zone)))
		}
		_, err := t.out.WriteString("</tr>\n")
		return err
	})
	switch {
	case err != nil:
		return "", err
	case hidden > 0:
		_, err = fmt.Fprintf(t.out, `<tr><td colspan="%d" class="more">and %d more; the spreadsheet has all</td></tr>`, len(t.Columns), hidden)
	case n == 0:
		_, err = fmt.Fprintf(t.out, `<tr><td colspan="%d" class="more">none</td></tr>`, len(t.Columns))
	}
	return "", err
}

var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{.Title}}</title>
<style>
:root { --good:#2e7d32; --warning:#b26a00; --bad:#b3261e; --unknown:#5f6b7a; --ink:#1c2530; --soft:#5f6b7a; --rule:#d5dbe2; }
body { font: 14px/1.45 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; color: var(--ink); max-width: 1100px; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .3rem; } p.sub { color: var(--soft); margin: .2rem 0 1rem; }
.verdict { color: #fff; padding: .8rem 1rem; border-radius: 6px; font-size: 1.1rem; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.good { --c: var(--good); } .warning { --c: var(--warning); } .bad { --c: var(--bad); } .unknown { --c: var(--unknown); }
.verdict { background: var(--c); }
.figures { display: grid; grid-template-columns: repeat(4, 1fr); gap: .8rem; margin: 1rem 0; }
.figure { border: 1px solid var(--rule); border-top: 4px solid var(--c); border-radius: 6px; padding: .6rem .8rem; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.figure b { display: block; font-size: 1.7rem; line-height: 1.2; } .figure span { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: 12.5px; } th { text-align: left; background: #eef1f5; vertical-align: bottom; } th, td { padding: .25rem .5rem; border-bottom: 1px solid var(--rule); vertical-align: top; overflow-wrap: anywhere; }
.n { text-align: right; font-variant-numeric: tabular-nums; } .note, .more { color: var(--soft); } p.note { margin: .1rem 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; } dt { color: var(--soft); } dd { margin: 0; }
svg { width: 100%; height: auto; } ol { padding-left: 1.4rem; } thead { display: table-header-group; } tr, svg, .figure { break-inside: avoid; } h2 { break-after: avoid; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } table { font-size: 9.5px; } @page { size: A4 landscape; margin: 12mm; } }
</style></head><body>
<h1>{{.Title}}</h1><p class="sub">{{.Subtitle}}</p>
<div class="verdict {{.State}}">{{.Verdict}}</div>
<div class="figures">{{range .Figures}}<div class="figure {{.State}}"><span>{{.Name}}</span><b>{{.Value}}</b><span>{{.Of}}</span></div>{{end}}</div>
<dl>{{range .Facts}}<dt>{{index . 0}}</dt><dd>{{index . 1}}</dd>{{end}}</dl>
{{range .Charts}}{{.}}{{end}}
{{range .Tables}}<h2>{{.Title}}</h2>{{if .Note}}<p class="note">{{.Note}}</p>{{end}}
<table><thead><tr>{{range .Columns}}<th{{if .Right}} class="n"{{end}}>{{.Name}}</th>{{end}}</tr></thead><tbody>
{{.Body}}</tbody></table>
{{end}}
<h2>Method</h2><ol>{{range .Notes}}<li>{{.}}</li>{{end}}</ol>
</body></html>
`))

// The same colour means the same in every format.
var colors = map[State]string{Good: "#2e7d32", Warning: "#b26a00", Bad: "#b3261e", Unknown: "#8a94a1"}

const (
	lineColor = "#1c2530"
	dotColor  = "#1565c0"
)

// svgs draws the charts.
func (d Document) svgs() []template.HTML {
	var list []template.HTML
	for _, c := range d.Charts {
		if len(c.Bars) > 0 {
			list = append(list, template.HTML("<h2>"+template.HTMLEscapeString(c.Title)+"</h2>"+c.svg())) //nolint:gosec // every text in it is escaped
		}
	}
	return list
}

func (c Chart) svg() string {
	const width, height, left, right, top, bottom = 1000.0, 240.0, 46.0, 10.0, 24.0, 42.0
	scale := newScale(c)
	x := func(i float64) float64 { return left + (width-left-right)*i/float64(len(c.Bars)) }
	y := func(v float64) float64 { return top + (height-top-bottom)*(1-v/scale.max) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" font-family="sans-serif" font-size="11" fill="#5f6b7a">`, width, height)
	fmt.Fprintf(&b, `<text x="0" y="12">%s</text>`, template.HTMLEscapeString(c.Unit))
	for _, v := range scale.ticks {
		fmt.Fprintf(&b, `<line x1="%g" x2="%g" y1="%.1f" y2="%.1f" stroke="#e3e8ee"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`, left, width-right, y(v), y(v), left-5, y(v)+4, number(v))
	}
	gap := (x(1) - x(0)) * .15
	var path strings.Builder
	for i, bar := range c.Bars {
		from, to := x(float64(i)), x(float64(i+1))
		title := bar.Label
		if bar.Value != nil {
			title += ": " + number(*bar.Value)
			fmt.Fprintf(&b, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"><title>%s</title></rect>`, from+gap, y(*bar.Value), to-from-2*gap, max(0, y(0)-y(*bar.Value)), colors[bar.State], template.HTMLEscapeString(title))
		} else {
			fmt.Fprintf(&b, `<rect x="%.2f" y="%.2f" width="%.2f" height="3" fill="#d5dbe2"><title>%s: not known</title></rect>`, from+gap, y(0)-3, to-from-2*gap, template.HTMLEscapeString(title))
		}
		if bar.Line != nil {
			command := "L"
			if i == 0 || c.Bars[i-1].Line == nil {
				command = "M"
			}
			fmt.Fprintf(&path, "%s%.2f %.2f L%.2f %.2f ", command, from, y(*bar.Line), to, y(*bar.Line))
		}
		if i%scale.every == 0 {
			fmt.Fprintf(&b, `<text x="%.1f" y="%.1f">%s</text>`, from, height-bottom+14, template.HTMLEscapeString(bar.Label))
		}
	}
	for i, bar := range c.Bars {
		if bar.Dot != nil {
			fmt.Fprintf(&b, `<circle cx="%.2f" cy="%.2f" r="2.4" fill="%s" stroke="#fff" stroke-width=".7"/>`, (x(float64(i))+x(float64(i+1)))/2, y(*bar.Dot), dotColor)
		}
	}
	if path.Len() > 0 {
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="1.6" stroke-dasharray="5 3"/>`, path.String(), lineColor)
	}
	at := left
	legend := func(mark, text string, wide float64) {
		fmt.Fprintf(&b, `<g transform="translate(%.1f %.1f)">%s<text x="18" y="4">%s</text></g>`, at, height-10, mark, template.HTMLEscapeString(text))
		at += wide
	}
	for _, m := range c.marks() {
		legend(`<rect x="2" y="-5" width="10" height="10" fill="`+colors[m.state]+`"/>`, m.text, 40+6.5*float64(len(m.text)))
	}
	if c.LineName != "" {
		legend(`<line x1="0" x2="14" stroke="`+lineColor+`" stroke-width="1.6" stroke-dasharray="5 3"/>`, c.LineName, 40+6.5*float64(len(c.LineName)))
	}
	if c.DotName != "" {
		legend(`<circle cx="7" r="3" fill="`+dotColor+`"/>`, c.DotName, 170)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// scale is the vertical axis of a chart and how many bars share a label.
type scale struct {
	max   float64
	ticks []float64
	every int
}

func newScale(c Chart) scale {
	most := 1.0
	for _, b := range c.Bars {
		for _, v := range []*float64{b.Value, b.Line, b.Dot} {
			if v != nil {
				most = max(most, *v)
			}
		}
	}
	step := 1.0
	for k := 0; most/step > 5; k++ {
		step *= []float64{2, 2.5, 2}[k%3] // 1, 2, 5, 10, 20 …
	}
	s := scale{every: cmp.Or(c.Every, max(1, (len(c.Bars)+9)/10))}
	for v := 0.0; ; v += step {
		s.ticks = append(s.ticks, v)
		if s.max = v; v >= most {
			return s
		}
	}
}
