package grafana

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

var update = flag.Bool("update", false, "write json/")

// TestGolden keeps the committed JSON true to the builders.
func TestGolden(t *testing.T) {
	files := map[string]bool{}
	for _, d := range built(t) {
		path := filepath.Join("json", d.Name+".json")
		files[path] = true
		if *update {
			if err := os.WriteFile(path, d.JSON, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || string(want) != string(d.JSON) {
			t.Errorf("%s is not current (%v); run go test ./dashboards/grafana -run TestGolden -update", path, err)
		}
	}
	committed, _ := filepath.Glob("json/*.json")
	for _, path := range committed {
		if !files[path] {
			t.Errorf("%s belongs to no dashboard", path)
		}
	}
}

func built(t *testing.T) []Dashboard {
	t.Helper()
	list, err := Dashboards()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestStrictDecoding: the SDK's strict decoder accepts what we write, except our own query type, which it cannot know.
func TestStrictDecoding(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	for _, d := range built(t) {
		model := dashboard.Dashboard{}
		err := model.UnmarshalJSONStrict(withoutClickHouse(t, d.JSON))
		if list, isList := err.(cog.BuildErrors); err != nil && (!isList || len(list) > 0) { // it returns an empty list for success
			t.Errorf("%s: %v", d.Name, err)
		}
	}
}

// withoutClickHouse removes the ClickHouse targets.
func withoutClickHouse(t *testing.T, text []byte) []byte {
	var model any
	if err := json.Unmarshal(text, &model); err != nil {
		t.Fatal(err)
	}
	isOurs := func(v any) bool {
		target, _ := v.(map[string]any)
		source, _ := target["datasource"].(map[string]any)
		return source["type"] == clickhousePlugin && target["rawSql"] != nil
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			if list, ok := v["targets"].([]any); ok {
				v["targets"] = slices.DeleteFunc(list, isOurs)
			}
			if isOurs(v["target"]) {
				delete(v, "target")
			}
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(model)
	out, err := json.Marshal(model)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The parts of a dashboard's JSON that the rules below judge, decoded without the SDK.
type jsonBoard struct {
	UID, Title, Description string
	Panels                  []jsonPanel
	Templating              struct{ List []jsonVariable }
	Refresh, Timezone       string
	Time                    struct{ From, To string }
}

type jsonVariable struct {
	Name, Type string
	AllValue   *string
	Query      any
}

type jsonPanel struct {
	ID                       uint32
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H uint32 }
	Targets                  []struct {
		RefID      string
		Expr       string
		Range      bool
		RawSQL     string
		Format     any
		Datasource struct{ UID, Type string }
	}
	Options struct {
		Orientation string
	}
	FieldConfig struct {
		Defaults struct {
			Unit   string
			Color  *struct{ Mode, FixedColor string }
			Custom struct{ Stacking *struct{ Mode string } }
		}
		Overrides []any
	}
}

func decoded(t *testing.T) map[string]jsonBoard {
	t.Helper()
	boards := map[string]jsonBoard{}
	for _, d := range built(t) {
		var b jsonBoard
		if err := json.Unmarshal(d.JSON, &b); err != nil {
			t.Fatal(err)
		}
		boards[d.Name] = b
	}
	return boards
}

func TestBoards(t *testing.T) {
	uids := map[string]bool{}
	for name, b := range decoded(t) {
		if b.UID != "bridgewatch-"+name || len(b.UID) > 40 || uids[b.UID] {
			t.Errorf("%s: uid %q", name, b.UID)
		}
		uids[b.UID] = true
		if !strings.HasPrefix(b.Title, "Bridgewatch / ") || !strings.HasSuffix(b.Description, "?") {
			t.Errorf("%s: title %q, question %q", name, b.Title, b.Description)
		}
		for _, v := range b.Templating.List {
			if v.AllValue != nil && *v.AllValue != "" {
				t.Errorf("%s: variable %s has an all-value of its own, which SQL cannot use", name, v.Name)
			}
		}
	}
}

// TestLayout: no overlap, 24 columns filled, titles that fit, one screen and a half at most for the wall.
func TestLayout(t *testing.T) {
	for name, b := range decoded(t) {
		taken := map[[2]uint32]string{}
		height, ids := uint32(0), map[uint32]bool{}
		rowWidth := map[uint32]uint32{}
		for _, p := range b.Panels {
			where := fmt.Sprintf("%s: panel %q", name, p.Title)
			if ids[p.ID] {
				t.Errorf("%s: id %d twice", where, p.ID)
			}
			ids[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other, used := taken[[2]uint32{x, y}]; used {
						t.Fatalf("%s overlaps %q", where, other)
					}
					taken[[2]uint32{x, y}] = p.Title
				}
			}
			height = max(height, p.GridPos.Y+p.GridPos.H)
			rowWidth[p.GridPos.Y] += p.GridPos.W
			// At 1600 pixels a column is 65 wide; a title's letter takes about 7.4, and the margin 40.
			if fits := int(float64(p.GridPos.W)*65-40) * 10 / 74; len([]rune(p.Title)) > fits {
				t.Errorf("%s: the title has %d letters, %d fit", where, len(p.Title), fits)
			}
		}
		for y, width := range rowWidth {
			if width != columns {
				t.Errorf("%s: the panels at y=%d take %d of 24 columns", name, y, width)
			}
		}
		if name == "noc" && height > 28 {
			t.Errorf("the wall is %d units high; one screen has 28", height)
		}
	}
}

var ownTypes = []string{"row", "stat", "gauge", "bargauge", "timeseries", "table", "state-timeline", "status-history", "barchart", "piechart", "heatmap", "text", "logs"}

var rangeOf = regexp.MustCompile(`\[([^\]]*)\]`)

func TestPanels(t *testing.T) {
	for name, b := range decoded(t) {
		for _, p := range b.Panels {
			where := fmt.Sprintf("%s: panel %q", name, p.Title)
			if !slices.Contains(ownTypes, p.Type) {
				t.Errorf("%s: %s is not one of Grafana's own types", where, p.Type)
			}
			if p.Title == "" {
				t.Errorf("%s: panel %d has no title", name, p.ID)
			}
			if p.Type == "row" || p.Type == "text" {
				continue
			}
			if len(p.Description) < 20 || !strings.HasSuffix(p.Description, ".") {
				t.Errorf("%s: the description %q does not explain it", where, p.Description)
			}
			if p.FieldConfig.Defaults.Unit == "" {
				t.Errorf("%s has no unit", where)
			}
			if slices.Contains([]string{"stat", "gauge", "bargauge"}, p.Type) && p.Options.Orientation == "" {
				t.Errorf("%s has an empty orientation: Grafana would show the first value only", where)
			}
			if s := p.FieldConfig.Defaults.Custom.Stacking; s != nil && s.Mode != "none" {
				t.Errorf("%s is stacked by default", where)
			}
			if len(p.Targets) == 0 {
				t.Errorf("%s asks for nothing", where)
			}
			for _, q := range p.Targets {
				at := where + " " + q.RefID
				switch q.Datasource.Type {
				case prometheusPlugin:
					if q.Datasource.UID != "${metrics}" {
						t.Errorf("%s: data source %s is not the variable", at, q.Datasource.UID)
					}
					for _, m := range rangeOf.FindAllStringSubmatch(q.Expr, -1) {
						if regexp.MustCompile(`\b(rate|irate)\([^()]*`+regexp.QuoteMeta(m[0])).MatchString(q.Expr) && m[1] != "$__rate_interval" {
							t.Errorf("%s: a rate over %s; take $__rate_interval", at, m[0])
						}
					}
				case clickhousePlugin:
					if _, number := q.Format.(float64); !number || q.Datasource.UID != "${history}" {
						t.Errorf("%s: format %v, data source %s", at, q.Format, q.Datasource.UID)
					}
					if q.Format == float64(asSeries) && !regexp.MustCompile(`(?i)ORDER BY time`).MatchString(q.RawSQL) {
						t.Errorf("%s: a series without ORDER BY time", at)
					}
					if strings.Contains(q.RawSQL, "FINAL") || strings.Contains(q.RawSQL, "$__conditionalAll") {
						t.Errorf("%s: %s", at, q.RawSQL)
					}
				default:
					t.Errorf("%s: data source %q", at, q.Datasource.Type)
				}
			}
		}
	}
}
