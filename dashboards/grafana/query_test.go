package grafana

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

// expansion stands for what Grafana and its plugins put in place of macros and variables.
type expansion struct {
	from, to  time.Time
	variables map[string][]string
}

var (
	timeFilter   = regexp.MustCompile(`\$__timeFilter\(([^)]*)\)`)
	timeInterval = regexp.MustCompile(`\$__timeInterval\(([^)]*)\)`)
	formatted    = regexp.MustCompile(`\$\{(\w+):(singlequote|percentencode)\}`)
	inRegexp     = regexp.MustCompile(`\$(cms_cluster|call_bridge|license_pool)\b`)
)

func (e expansion) sql(text string) string {
	from, to := fmt.Sprintf("toDateTime(%d)", e.from.Unix()), fmt.Sprintf("toDateTime(%d)", e.to.Unix())
	text = timeFilter.ReplaceAllString(text, "($1 >= "+from+" AND $1 <= "+to+")")
	text = timeInterval.ReplaceAllString(text, "toStartOfInterval(toDateTime($1), INTERVAL 60 second)")
	text = strings.NewReplacer("$__fromTime", from, "$__toTime", to, "$__interval_s", "60").Replace(text)
	return formatted.ReplaceAllStringFunc(text, func(m string) string {
		parts := formatted.FindStringSubmatch(m)
		values := e.variables[parts[1]]
		if parts[2] == "percentencode" {
			return strings.ReplaceAll(url.QueryEscape(strings.Join(values, ",")), "+", "%20")
		}
		list := make([]string, len(values))
		for i, v := range values {
			list[i] = "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(v) + "'"
		}
		return strings.Join(list, ",")
	})
}

func (e expansion) promQL(text string) string {
	text = inRegexp.ReplaceAllStringFunc(text, func(m string) string {
		return "(" + strings.Join(e.variables[m[1:]], "|") + ")"
	})
	return strings.NewReplacer("$__rate_interval", "1m", "$__range", fmt.Sprintf("%ds", int(e.to.Sub(e.from).Seconds()))).Replace(text)
}

// sqlTexts are all SQL texts of a dashboard, annotations included, by where they stand.
func sqlTexts(t *testing.T, d Dashboard) map[string]string {
	var model any
	if err := json.Unmarshal(d.JSON, &model); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	var walk func(v any, where string)
	walk = func(v any, where string) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item, where)
			}
		case map[string]any:
			for _, key := range []string{"title", "name"} {
				if title, ok := v[key].(string); ok {
					where = d.Name + " / " + title
				}
			}
			if text, ok := v["rawSql"].(string); ok {
				found[where+" "+v["refId"].(string)] = text
			}
			if source, ok := v["datasource"].(map[string]any); ok && source["type"] == clickhousePlugin && v["query"] != nil { // a variable
				found[where] = v["query"].(string)
			}
			for _, item := range v {
				walk(item, where)
			}
		}
	}
	walk(model, d.Name)
	return found
}

// TestSQLRuns: the engine accepts every SQL query on the present schema, with a search text that would break out of quotes.
func TestSQLRuns(t *testing.T) {
	conn := storagetest.Store(t)
	e := expansion{time.Unix(1_780_000_000, 0), time.Unix(1_780_086_400, 0), map[string][]string{
		"cms_cluster": {"emea", "o'hara"}, "call_bridge": {"cb1"}, "search": {`x' OR sleep(3) --\`}, "meeting": {`'; \`}, "license_pool": {"main"},
	}}
	total := 0
	for _, d := range built(t) {
		for where, text := range sqlTexts(t, d) {
			total++
			query := strings.ReplaceAll(e.sql(text), "bridgewatch.", "") // the test's database has another name
			rows, err := conn.Query(t.Context(), query)
			if err != nil {
				t.Errorf("%s: %v\n%s", where, err, query)
				continue
			}
			for rows.Next() {
				t.Errorf("%s returns rows of an empty store", where)
			}
			if err := rows.Err(); err != nil {
				t.Errorf("%s: %v\n%s", where, err, query)
			}
			_ = rows.Close()
		}
	}
	if total < 20 {
		t.Errorf("only %d SQL texts were found", total)
	}
}

// TestLive runs every query of every panel against a Prometheus that scraped a running Bridgewatch, and against its engine. With -update
// it writes docs/dashboards.md. make check-dashboards gives the two addresses.
func TestLive(t *testing.T) {
	prometheus, clickhouse := os.Getenv("BRIDGEWATCH_TEST_PROMETHEUS_URL"), os.Getenv("BRIDGEWATCH_TEST_DASHBOARD_CLICKHOUSE_URL")
	if prometheus == "" || clickhouse == "" {
		t.Skip("needs BRIDGEWATCH_TEST_PROMETHEUS_URL and BRIDGEWATCH_TEST_DASHBOARD_CLICKHOUSE_URL: see make check-dashboards")
	}
	e := expansion{time.Now().Add(-time.Hour), time.Now(), map[string][]string{"search": {""}}}
	for _, label := range []string{"cms_cluster", "call_bridge", "license_pool"} {
		var answer struct{ Data []string }
		fetch(t, prometheus+"/api/v1/label/"+label+"/values", nil, &answer)
		e.variables[label] = answer.Data
	}
	var newest struct{ Data [][]string }
	fetch(t, clickhouse+"/?default_format=JSONCompact", strings.NewReader("SELECT toString(call_correlator) FROM bridgewatch.meetings ORDER BY start DESC LIMIT 1"), &newest)
	if len(newest.Data) == 0 {
		t.Fatal("the store has no meeting")
	}
	e.variables["meeting"] = newest.Data[0]

	var page strings.Builder
	page.WriteString(`# Dashboards, query by query

Generated by ` + "`make check-dashboards`" + `: every query of every panel on the data of a demo that has run for some minutes; a panel whose queries all stay without rows fails it. Rows are series for
Prometheus. Dashes and colors mean the same on every board: green fine, orange look, red act, gray not known; dashed red a limit or entitlement.

Queries select by cluster and bridge, not by ` + "`job` and `instance`" + ` as generic dashboards do: the labels say what is measured, and with several instances of Bridgewatch a bridge's
series move to the instance that holds its lease.
`)
	without, empty := 0, []string{}
	for _, d := range built(t) {
		board := decoded(t)[d.Name]
		picture := ""
		if _, err := os.Stat("../../docs/images/" + d.Name + ".png"); err == nil {
			picture = fmt.Sprintf("![%s](images/%s.png)\n\n", d.Title, d.Name)
		}
		fmt.Fprintf(&page, "\n## %s\n\n%s\n\n%s| panel | query | rows | ms |\n|---|---|---|---|\n", d.Title, board.Description, picture)
		for _, p := range board.Panels {
			answered := false
			for _, q := range p.Targets {
				begin, rows := time.Now(), 0
				if q.RawSQL != "" {
					var answer struct{ Rows int }
					fetch(t, clickhouse+"/?default_format=JSON", strings.NewReader(e.sql(q.RawSQL)), &answer)
					rows = answer.Rows
				} else {
					var answer struct {
						Status, Error string
						Data          struct{ Result []any }
					}
					form, endpoint := url.Values{"query": {e.promQL(q.Expr)}}, "query"
					if q.Range {
						endpoint = "query_range"
						form.Set("start", fmt.Sprint(e.from.Unix()))
						form.Set("end", fmt.Sprint(e.to.Unix()))
						form.Set("step", "15")
					}
					fetch(t, prometheus+"/api/v1/"+endpoint+"?"+form.Encode(), nil, &answer)
					if answer.Status != "success" {
						t.Errorf("%s / %s: %s", d.Name, p.Title, answer.Error)
					}
					rows = len(answer.Data.Result)
				}
				answered = answered || rows > 0
				if rows == 0 {
					without++
				}
				fmt.Fprintf(&page, "| %s | %s | %d | %d |\n", p.Title, q.RefID, rows, time.Since(begin).Milliseconds())
			}
			if !answered && len(p.Targets) > 0 {
				empty = append(empty, d.Name+" / "+p.Title)
			}
		}
	}
	fmt.Fprintf(&page, "\nQueries without rows: %d. Panels without rows: %d.\n", without, len(empty))
	if len(empty) > 0 {
		t.Errorf("panels without rows: %s", strings.Join(empty, "; "))
	}
	if *update {
		if err := os.WriteFile("../../docs/dashboards.md", []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func fetch(t *testing.T, address string, body io.Reader, into any) {
	t.Helper()
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(answer.Body)
	if err != nil || json.Unmarshal(text, into) != nil {
		t.Errorf("%s: %s: %.300s", address, answer.Status, text)
	}
}
