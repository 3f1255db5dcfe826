package poller

import (
	"fmt"
	"html"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/storage"
)

// form is how a field is sent.
type form int

const (
	value form = iota
	zero
	empty
	absent
	forms
)

func (f form) String() string { return [...]string{"value", "zero", "empty", "absent"}[f] }

// tree is a document to be written in any dialect.
type tree struct {
	name     string
	attrs    map[string]string
	text     string
	children []*tree
}

// at returns the child that a path leads to, made where it is missing.
func (t *tree) at(path []string) *tree {
	for _, name := range path {
		i := slices.IndexFunc(t.children, func(c *tree) bool { return c.name == name })
		if i < 0 {
			t.children = append(t.children, &tree{name: name, attrs: make(map[string]string)})
			i = len(t.children) - 1
		}
		t = t.children[i]
	}
	return t
}

// dialect is a manner of writing (cms-api.md §2.2).
type dialect struct {
	name                               string
	declaration                        string
	indent, newline, comment           string
	selfClosing, blankBeforeEnd, cdata bool
}

func dialects() []dialect {
	const declaration = `<?xml version="1.0"?>`
	return []dialect{
		{name: "compact", declaration: declaration},
		{name: "compact without declaration"},
		{name: "compact self-closing", declaration: declaration, selfClosing: true},
		{name: "self-closing with a blank", declaration: declaration, selfClosing: true, blankBeforeEnd: true},
		{name: "pretty", declaration: declaration, indent: "  ", newline: "\n"},
		{name: "pretty, CRLF, tabs, comments, self-closing", declaration: `<?xml version="1.0" encoding="utf-8" standalone="yes"?>`, indent: "\t", newline: "\r\n", comment: "<!-- x -->", selfClosing: true},
		{name: "text as CDATA", declaration: declaration, cdata: true},
	}
}

func (d dialect) write(t *tree) string {
	var b strings.Builder
	b.WriteString(d.declaration + d.newline)
	d.element(&b, t, "")
	return b.String() + d.newline
}

func (d dialect) element(b *strings.Builder, t *tree, margin string) {
	b.WriteString(margin + "<" + t.name)
	for _, name := range slices.Sorted(maps.Keys(t.attrs)) {
		fmt.Fprintf(b, ` %s="%s"`, name, html.EscapeString(t.attrs[name]))
	}
	switch {
	case d.selfClosing && t.text == "" && len(t.children) == 0:
		if d.blankBeforeEnd {
			b.WriteString(" ")
		}
		b.WriteString("/>" + d.newline)
		return
	case len(t.children) == 0:
		text := html.EscapeString(t.text)
		if d.cdata && t.text != "" {
			text = "<![CDATA[" + t.text + "]]>"
		}
		fmt.Fprintf(b, ">%s</%s>%s", text, t.name, d.newline)
		return
	}
	b.WriteString(">" + d.newline)
	for _, c := range t.children {
		b.WriteString(d.comment)
		d.element(b, c, margin+d.indent)
	}
	fmt.Fprintf(b, "%s</%s>%s", margin, t.name, d.newline)
}

// sample returns the text of a field in a form and the value it must become; nil for missing.
func sample(t *testing.T, field reflect.Type, f form) (text string, want any) {
	t.Helper()
	if f == empty {
		return "", nil
	}
	switch reflect.Zero(field).Interface().(type) {
	case *string:
		return [...]string{"café & <Räume>", "0"}[f], ptr([...]string{"café & <Räume>", "0"}[f])
	case *int64:
		return [...]string{"42", "0"}[f], ptr([...]int64{42, 0}[f])
	case *float64:
		return [...]string{"2.5", "0.0"}[f], ptr([...]float64{2.5, 0}[f])
	case *collector.Thousandths:
		return [...]string{"5.501", "0.000"}[f], ptr([...]collector.Thousandths{5501, 0}[f])
	case *bool:
		return [...]string{"true", "false"}[f], ptr(f == value)
	case *time.Time:
		if f == zero { // no time is zero: what cannot be read is missing
			return "0", nil
		}
		return "2031-04-02T09:15:03Z", ptr(time.Date(2031, 4, 2, 9, 15, 3, 0, time.UTC))
	case *collector.Date:
		if f == zero {
			return "0", nil
		}
		return "2031-Feb-03", &collector.Date{Time: time.Date(2031, 2, 3, 0, 0, 0, 0, time.UTC)}
	}
	t.Fatalf("no sample for %s", field)
	return "", nil
}

// fill writes the fields of a type below a node, each in the form that of says, and returns what must be decoded from them.
func fill(t *testing.T, node *tree, kind reflect.Type, of func(tag string) form) reflect.Value {
	t.Helper()
	want := reflect.New(kind).Elem()
	empties := make(collector.Empties)
	for i := range kind.NumField() {
		field, tag := kind.Field(i), kind.Field(i).Tag.Get("cms")
		f := of(tag)
		switch {
		case tag == "":
			continue
		case tag == "*":
			want.Field(i).Set(reflect.ValueOf(map[string]string{}))
			continue
		case strings.HasPrefix(tag, "@"):
			if f != absent {
				text, v := sample(t, field.Type, f)
				node.attrs[tag[1:]] = text
				set(want.Field(i), v)
				empties[tag] = f == empty
			}
			continue
		case f == absent:
			continue
		}
		path := strings.Split(tag, ">")
		parent, name := node.at(path[:len(path)-1]), path[len(path)-1]
		child := &tree{name: name, attrs: make(map[string]string)}
		switch inner := field.Type; {
		case inner.Kind() == reflect.Bool:
			want.Field(i).SetBool(true)
		case inner.Kind() == reflect.Slice:
			// Two of them; an empty one is an object without fields.
			list := reflect.MakeSlice(inner, 2, 2)
			for n := range 2 {
				one := &tree{name: name, attrs: make(map[string]string)}
				list.Index(n).Set(fill(t, one, inner.Elem(), func(string) form { return inside(f) }))
				parent.children = append(parent.children, one)
			}
			want.Field(i).Set(list)
			empties[tag] = f == empty
			continue
		case inner.Elem().Kind() == reflect.Struct && inner.Elem() != reflect.TypeFor[time.Time]() && inner.Elem() != reflect.TypeFor[collector.Date]():
			p := reflect.New(inner.Elem())
			p.Elem().Set(fill(t, child, inner.Elem(), func(string) form { return inside(f) }))
			want.Field(i).Set(p)
			empties[tag] = f == empty
		default:
			text, v := sample(t, inner, f)
			child.text = text
			set(want.Field(i), v)
			empties[tag] = f == empty
		}
		parent.children = append(parent.children, child)
	}
	maps.DeleteFunc(empties, func(_ string, is bool) bool { return !is })
	if field := want.FieldByName("Empties"); field.IsValid() && len(empties) > 0 {
		field.Set(reflect.ValueOf(empties))
	}
	return want
}

// inside is the form of the fields of an object that is sent in a form itself: an empty object has none.
func inside(f form) form {
	if f == empty {
		return absent
	}
	return f
}

func set(field reflect.Value, v any) {
	if v != nil {
		field.Set(reflect.ValueOf(v))
	}
}

// TestEveryObjectInEveryDialect: every object that is read, all of its fields and each of them alone, sent as a value, as zero, empty and not at all, in every manner of
// writing: the values come out the same, and absent, empty and zero stay three things.
func TestEveryObjectInEveryDialect(t *testing.T) {
	seen := make(map[reflect.Type]bool)
	objects, fields, documents := 0, 0, 0
	for _, o := range collector.Objects() {
		kind := reflect.TypeOf(o.Type)
		if seen[kind] {
			continue
		}
		seen[kind] = true
		objects++
		try := func(what string, of func(string) form) {
			root := &tree{name: "object", attrs: make(map[string]string)}
			want := fill(t, root, kind, of)
			for _, d := range dialects() {
				text := d.write(root)
				got := reflect.New(kind)
				decode(mustParse(t, text), got.Interface())
				documents++
				if diff := cmp.Diff(want.Interface(), got.Elem().Interface(), cmpopts.EquateComparable(collector.Date{})); diff != "" {
					t.Fatalf("%s, %s, %s (-want +got):\n%s\n%s", kind.Name(), what, d.name, diff, text)
				}
			}
		}
		for f := range forms {
			try("all "+f.String(), func(string) form { return f })
		}
		for i := range kind.NumField() {
			tag := kind.Field(i).Tag.Get("cms")
			if tag == "" || tag == "*" {
				continue
			}
			fields++
			for f := zero; f < forms; f++ {
				try(tag+" "+f.String(), func(name string) form {
					if name == tag {
						return f
					}
					return value
				})
			}
		}
	}
	t.Logf("%d objects, %d fields, %d documents in %d dialects", objects, fields, documents, len(dialects()))
	if fields < 120 {
		t.Errorf("only %d fields", fields)
	}
}

// Configuration keeps the three apart in its table: zero is "0", empty is "", no longer sent is NULL.
func TestSettingsKeepAbsentEmptyAndZeroApart(t *testing.T) {
	inv := collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{{Name: "cb1", URL: "http://cb1"}}}}}
	out := &shelf{rows: make(map[string][]any)}
	p, err := New(DefaultConfig(), Deps{Live: collector.NewLive(inv, nil), Publisher: out})
	if err != nil {
		t.Fatal(err)
	}
	run, err := p.newRun(inv.Clusters[0])
	if err != nil {
		t.Fatal(err)
	}
	history := make(settings)
	for _, text := range []string{
		`<tenant><name>T</name><participantLimit>5</participantLimit></tenant>`, `<tenant><participantLimit>0</participantLimit></tenant>`,
		`<tenant><participantLimit></participantLimit></tenant>`, `<tenant><participantLimit/></tenant>`, `<tenant></tenant>`, `<tenant><participantLimit>0</participantLimit></tenant>`,
	} {
		var c collector.Tenant
		decode(mustParse(t, text), &c)
		history.publish(t.Context(), run.workers[0], "", "tenant", "1", &c)
	}
	var got []string
	for _, r := range rowsOf[storage.Setting](out, storage.TableSettings) {
		if r.Field != "participantLimit" {
			continue
		}
		if r.Value == nil {
			got = append(got, "NULL")
		} else {
			got = append(got, fmt.Sprintf("%q", *r.Value))
		}
	}
	if want := []string{`"5"`, `"0"`, `""`, "NULL", `"0"`}; !slices.Equal(got, want) {
		t.Errorf("participantLimit became %v, want %v", got, want)
	}
}
