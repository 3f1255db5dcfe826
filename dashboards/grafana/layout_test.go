package grafana

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// settings walks the JSON of a board and calls see with every object in it and the panel, annotation or board it belongs to.
func settings(t *testing.T, d Dashboard, see func(where string, object map[string]any)) {
	t.Helper()
	var model any
	if err := json.Unmarshal(d.JSON, &model); err != nil {
		t.Fatal(err)
	}
	var walk func(v any, where string)
	walk = func(v any, where string) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item, where)
			}
		case map[string]any:
			if title, ok := v["title"].(string); ok && v["gridPos"] != nil {
				where = d.Name + " / " + title
			}
			see(where, v)
			for _, item := range v {
				walk(item, where)
			}
		}
	}
	walk(model, d.Name)
}

// TestPalette: no color but those of the house style, and one name or state has one color on all boards.
func TestPalette(t *testing.T) {
	known := palette()
	colors := map[string]string{} // of a mapped text, or of a series that is named
	same := func(where, what, color string) {
		if before, ok := colors[what]; ok && before != color {
			t.Errorf("%s: %s is %s here and %s elsewhere", where, what, color, before)
		}
		colors[what] = color
	}
	found := 0
	for _, d := range built(t) {
		settings(t, d, func(where string, object map[string]any) {
			for _, key := range []string{"color", "fixedColor", "iconColor"} {
				if color, ok := object[key].(string); ok {
					found++
					if !slices.Contains(known, color) {
						t.Errorf("%s: %s %q is not in the palette", where, key, color)
					}
					if text, ok := object["text"].(string); ok {
						same(where, "state "+text, color)
					}
				}
			}
			matcher, _ := object["matcher"].(map[string]any)
			properties, _ := object["properties"].([]any)
			for _, p := range properties {
				property := p.(map[string]any)
				if value, ok := property["value"].(map[string]any); ok && property["id"] == "color" && matcher["id"] == "byName" && value["fixedColor"] != nil {
					same(where, fmt.Sprint("series ", matcher["options"]), value["fixedColor"].(string))
				}
			}
		})
	}
	if found < 100 || len(colors) < 8 {
		t.Errorf("only %d colors and %d names were found", found, len(colors))
	}
}

// The widths of a page of 1600 pixels: a column of the grid, what a panel's frame takes, and what Grafana gives a table's column at least.
const (
	gridColumn = 65
	frame      = 24
	leastCell  = 150
)

var alias = regexp.MustCompile(`(?s)\bAS "([^"]+)"`)

// columnsOf are the columns that a table shows, by its query or by its transformations.
func columnsOf(t *testing.T, where string, panel map[string]any) []string {
	var names []string
	for _, tr := range panel["transformations"].([]any) {
		tr := tr.(map[string]any)
		options, _ := tr["options"].(map[string]any)
		switch tr["id"] {
		case "groupingToMatrix":
			return nil // its columns come from the data; the widths stand in its overrides
		case "organize":
			renamed, _ := options["renameByName"].(map[string]any)
			dropped, _ := options["excludeByName"].(map[string]any)
			for name := range options["indexByName"].(map[string]any) {
				if dropped[name] == true {
					continue
				}
				if shown, ok := renamed[name].(string); ok {
					name = shown
				}
				names = append(names, name)
			}
			return names
		}
	}
	sql := panel["targets"].([]any)[0].(map[string]any)["rawSql"].(string)
	depth, end := 0, len(sql) // the FROM of the outermost SELECT
	for i, r := range sql {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		case '\n':
			if depth == 0 && strings.HasPrefix(sql[i+1:], "FROM ") {
				end = min(end, i)
			}
		}
	}
	for _, m := range alias.FindAllStringSubmatch(sql[:end], -1) {
		names = append(names, m[1])
	}
	if len(names) == 0 {
		t.Errorf("%s: no columns found in %s", where, sql)
	}
	return names
}

// TestTablesFit: at 1600 pixels no table scrolls sideways, every override of a column names one that is there, and a column has its width once.
func TestTablesFit(t *testing.T) {
	tables := 0
	for _, d := range built(t) {
		settings(t, d, func(where string, panel map[string]any) {
			if panel["type"] != "table" {
				return
			}
			tables++
			if panel["transformations"] == nil {
				panel["transformations"] = []any{}
			}
			columns := columnsOf(t, where, panel)
			if columns == nil {
				return
			}
			width := map[string]float64{}
			overrides, _ := panel["fieldConfig"].(map[string]any)["overrides"].([]any)
			for _, o := range overrides {
				o := o.(map[string]any)
				name := fmt.Sprint(o["matcher"].(map[string]any)["options"])
				if !slices.Contains(columns, name) {
					t.Errorf("%s: an override for %q, which is none of %v", where, name, columns)
				}
				for _, p := range o["properties"].([]any) {
					p := p.(map[string]any)
					switch p["id"] {
					case "custom.width":
						width[name] = p["value"].(float64)
					case "custom.hidden":
						width[name] = 0
					}
				}
			}
			total := 0.0
			for _, name := range columns {
				if w, ok := width[name]; ok {
					total += w
				} else {
					total += leastCell
				}
			}
			room := panel["gridPos"].(map[string]any)["w"].(float64)*gridColumn - frame
			if total > room {
				t.Errorf("%s: its columns take %.0f pixels of %.0f", where, total, room)
			}
		})
	}
	if tables < 10 {
		t.Errorf("only %d tables were found", tables)
	}
}

// TestLinksLead: every link to one of our boards names one that is there, keeps the time range and sets only variables that it has.
func TestLinksLead(t *testing.T) {
	variables := map[string][]string{}
	for _, b := range decoded(t) {
		for _, v := range b.Templating.List {
			variables[b.UID] = append(variables[b.UID], v.Name)
		}
	}
	board, set, query := regexp.MustCompile(`^/d/([a-z-]+)\?`), regexp.MustCompile(`var-(\w+)=`), regexp.MustCompile(`\$\{(\w+):queryparam\}`)
	found := 0
	for _, d := range built(t) {
		settings(t, d, func(where string, object map[string]any) {
			url, ok := object["url"].(string)
			if !ok || url == "" {
				return
			}
			found++
			target := board.FindStringSubmatch(url)
			if target == nil || variables[target[1]] == nil {
				t.Errorf("%s: %s leads to no board of ours", where, url)
				return
			}
			if !strings.Contains(url, "${__url_time_range}") && !strings.Contains(url, "from=") {
				t.Errorf("%s: %s loses the time range", where, url)
			}
			for _, m := range append(set.FindAllStringSubmatch(url, -1), query.FindAllStringSubmatch(url, -1)...) {
				if !slices.Contains(variables[target[1]], m[1]) {
					t.Errorf("%s: %s sets %s, which %s does not have", where, url, m[1], target[1])
				}
			}
		})
	}
	if found < 2 {
		t.Errorf("only %d links were found", found)
	}
}
