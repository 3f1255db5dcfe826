package collector

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

//go:generate go test -run TestPagesAreCurrent -update-pages .

// CoveragePage returns docs/coverage.md: every field that is read, where it is kept and shown, from the tags of the types that the decoder fills.
func CoveragePage() string {
	var b strings.Builder
	b.WriteString("# What is read from Call Bridges\n\n")
	b.WriteString("Made from the code (`go generate ./collector`): the table is the one the decoder works by. Paths are below `/api/v1`; \"since\" is the first release,\n")
	b.WriteString("empty for before 2.0. `@name` is an attribute, `a>b` a child of a child, `*` whatever else is there. Secrets are not read at all.\n")
	for _, o := range Objects() {
		fmt.Fprintf(&b, "\n## %s\n\n`GET %s`, ", o.Name, o.Path)
		switch {
		case o.Every < 0:
			b.WriteString("on demand")
		case o.Every == 0:
			b.WriteString("at the poll interval")
		default:
			fmt.Fprintf(&b, "every %s", strings.TrimSuffix(o.Every.Round(time.Second).String(), "0s"))
		}
		if o.Scope == "bridge" {
			b.WriteString(", of every bridge")
		} else {
			b.WriteString(", of one bridge of the cluster")
		}
		if o.Since != "" {
			fmt.Fprintf(&b, "; since %s", o.Since)
		}
		if o.Until != "" {
			fmt.Fprintf(&b, ", until %s", o.Until)
		}
		b.WriteString("\n\n| field | unit on the wire | since | table.column | metric |\n|---|---|---|---|---|\n")
		fields(&b, "", reflect.TypeOf(o.Type))
	}
	return b.String()
}

func fields(b *strings.Builder, prefix string, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("cms")
		if name == "" {
			continue
		}
		column := f.Tag.Get("column")
		if column == "" {
			inner := f.Type
			for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			fields(b, prefix+name+">", inner)
			continue
		}
		metric := f.Tag.Get("metric")
		if metric != "" {
			metric = "`" + metric + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | `%s` | %s |\n", prefix+name, f.Tag.Get("unit"), f.Tag.Get("since"), column, metric)
	}
}
