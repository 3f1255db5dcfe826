package cdr

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/beevik/etree"
)

// element names the child of <record> for each known type (cms-cdr 2).
var element = map[Type]string{
	CallStart: "call", CallEnd: "call",
	CallLegStart: "callLeg", CallLegUpdate: "callLeg", CallLegEnd: "callLeg",
	RecordingStart: "recording", RecordingEnd: "recording",
	StreamingStart: "streaming", StreamingEnd: "streaming",
}

// Decode parses a record that [Scan] cut out. What it does not understand (an unknown type, element, attribute, or a text that
// does not fit its field) is kept in Record.Unknown; only bytes that are no XML are an error.
func Decode(raw Raw) (Record, error) {
	rec := Record{Header: raw.Header}
	doc := etree.NewDocument()
	doc.ReadSettings.MaxDepth = 128
	if err := doc.ReadFromBytes(raw.XML); err != nil {
		// The parser's error quotes what it read.
		return rec, fmt.Errorf("parse %s record %s/%d: %s", clip([]byte(raw.Type)), raw.Session, raw.CorrelatorIndex, shorten(err.Error(), 200))
	}
	root := doc.Root()
	if root == nil {
		return rec, fmt.Errorf("parse %s record %s/%d: no element", clip([]byte(raw.Type)), raw.Session, raw.CorrelatorIndex)
	}
	want := element[raw.Type]
	found := false
	for _, child := range root.ChildElements() {
		if found || child.Tag != want {
			rec.keep(child.Tag, child)
			continue
		}
		found = true
		switch want {
		case "call":
			rec.Call = new(CallDetail)
			fill(&rec, rec.Call, callSteps, child)
		case "callLeg":
			rec.Leg = new(LegDetail)
			fill(&rec, rec.Leg, legSteps, child)
		case "recording":
			rec.Recording = new(RecordingDetail)
			fill(&rec, rec.Recording, recordingSteps, child)
		case "streaming":
			rec.Stream = new(StreamDetail)
			fill(&rec, rec.Stream, streamSteps, child)
		}
	}
	for _, a := range root.Attr {
		if !headerAttr(a) {
			rec.unknown("@"+a.Key, a.Value)
		}
	}
	return rec, nil
}

func headerAttr(a etree.Attr) bool {
	switch a.Key {
	case "type", "time", "recordIndex", "correlatorIndex", "numPreceedingRecordsMissing", "numPrecedingRecordsMissing":
		return true
	}
	return a.Space == "xmlns" || a.Key == "xmlns"
}

// fill takes the fields below e, which may be elements or attributes, into d.
func fill[D any](rec *Record, d *D, at *step[D], e *etree.Element) {
	w := walker[D]{rec: rec, d: d, root: e}
	w.walk(at, e, true)
}

type walker[D any] struct {
	rec  *Record
	d    *D
	root *etree.Element
}

func (w *walker[D]) walk(at *step[D], e *etree.Element, top bool) {
	for _, a := range e.Attr {
		switch {
		case a.Space == "xmlns" || a.Key == "xmlns":
		case top && a.Key == "id":
			w.rec.ID = ParseID(a.Value)
		default:
			if next := at.child(a.Key); next == nil || !w.set(next.field, strings.TrimSpace(a.Value)) {
				w.rec.unknown(w.path(e)+"/@"+a.Key, a.Value)
			}
		}
	}
	for _, token := range e.Child {
		child, ok := token.(*etree.Element)
		if !ok {
			continue
		}
		next := at.child(child.Tag)
		switch {
		case next == nil:
			w.other(child, top)
		case len(next.next) > 0:
			w.walk(next, child, false)
			if text := text(child); text != "" && (next.field == nil || !w.set(next.field, text)) {
				w.rec.unknown(w.path(child), text)
			}
		default:
			if presence := next.field.set == nil; presence && hasElements(child) {
				w.set(next.field, "")
			}
			if hasElements(child) || !w.set(next.field, text(child)) {
				w.rec.keep(w.path(child), child)
				continue
			}
			for _, a := range child.Attr {
				w.rec.unknown(w.path(child)+"/@"+a.Key, a.Value)
			}
		}
	}
}

// other takes what is no plain field: alarms, an id as an element, and the unknown.
func (w *walker[D]) other(child *etree.Element, top bool) {
	leg, isLeg := any(w.d).(*LegDetail)
	switch {
	case top && isLeg && child.Tag == "alarm":
		w.alarm(leg, child)
	case top && isLeg && child.Tag == "alarms": // a list in a wrapper, as other groups have one; not seen
		for _, c := range child.ChildElements() {
			if c.Tag == "alarm" {
				w.alarm(leg, c)
			} else {
				w.rec.keep(w.path(c), c)
			}
		}
	case top && child.Tag == "id" && w.rec.ID == ParseID("") && !hasElements(child):
		w.rec.ID = ParseID(text(child))
	default:
		w.rec.keep(w.path(child), child)
	}
}

// alarm reads <alarm type="…" durationPercentage="…"/>, or the same as child elements.
func (w *walker[D]) alarm(leg *LegDetail, e *etree.Element) {
	var a Alarm
	take := func(name, path, value string) {
		value = strings.TrimSpace(value)
		switch name {
		case "type":
			a.Type = value
			return
		case "durationPercentage":
			if f, err := strconv.ParseFloat(value, 32); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
				a.DurationPercent = new(float32(f))
				return
			}
		}
		w.rec.unknown(path, value)
	}
	for _, attr := range e.Attr {
		take(attr.Key, w.path(e)+"/@"+attr.Key, attr.Value)
	}
	for _, c := range e.ChildElements() {
		if hasElements(c) || len(c.Attr) > 0 {
			w.rec.keep(w.path(c), c)
			continue
		}
		take(c.Tag, w.path(c), text(c))
	}
	if text := text(e); text != "" {
		w.rec.unknown(w.path(e), text)
	}
	if a.Type != "" || a.DurationPercent != nil {
		leg.Alarms = append(leg.Alarms, a)
	}
}

// set stores a text; empty is the same as absent, but for a field whose presence is the message.
func (w *walker[D]) set(f *field[D], text string) bool {
	switch {
	case f == nil:
		return false
	case f.set == nil:
		if leg, ok := any(w.d).(*LegDetail); ok {
			leg.IVR = !strings.EqualFold(text, "false")
		}
		return text == "" || strings.EqualFold(text, "true") || strings.EqualFold(text, "false")
	case text == "":
		return true
	}
	return f.set(w.d, text)
}

// path names an element from the child of <record> on.
func (w *walker[D]) path(e *etree.Element) string {
	path := e.Tag
	for p := e; p != w.root; {
		p = p.Parent()
		path = p.Tag + "/" + path
	}
	return path
}

// keep flattens an element into Unknown.
func (r *Record) keep(path string, e *etree.Element) {
	for _, a := range e.Attr {
		r.unknown(path+"/@"+a.Key, a.Value)
	}
	value := text(e)
	if value != "" || len(e.Attr) == 0 && !hasElements(e) {
		r.unknown(path, value)
	}
	for _, c := range e.ChildElements() {
		r.keep(path+"/"+c.Tag, c)
	}
}

// maxUnknown bounds what one record may keep of what nobody knows; the rest is counted under unknownRest.
const (
	maxUnknown  = 256
	unknownRest = "(more)"
)

func (r *Record) unknown(path, value string) {
	if r.Unknown == nil {
		r.Unknown = map[string]string{}
	}
	if len(r.Unknown) >= maxUnknown {
		n, _ := strconv.Atoi(r.Unknown[unknownRest])
		r.Unknown[unknownRest] = strconv.Itoa(n + 1)
		return
	}
	for part := range strings.SplitSeq(path, "/") {
		if secretName(strings.TrimPrefix(part, "@")) {
			value = masked
		}
	}
	key := path
	for n := 2; ; n++ {
		if _, taken := r.Unknown[key]; !taken {
			break
		}
		key = path + "#" + strconv.Itoa(n)
	}
	r.Unknown[key] = strings.TrimSpace(value)
}

func hasElements(e *etree.Element) bool {
	for _, c := range e.Child {
		if _, ok := c.(*etree.Element); ok {
			return true
		}
	}
	return false
}

// text is all character data directly in e, trimmed.
func text(e *etree.Element) string {
	var first string
	var all *strings.Builder
	n := 0
	for _, c := range e.Child {
		cd, ok := c.(*etree.CharData)
		if !ok {
			continue
		}
		switch n++; n {
		case 1:
			first = cd.Data
		case 2:
			all = new(strings.Builder)
			all.WriteString(first)
			fallthrough
		default:
			all.WriteString(cd.Data)
		}
	}
	if all != nil {
		first = all.String()
	}
	return strings.TrimSpace(first)
}
