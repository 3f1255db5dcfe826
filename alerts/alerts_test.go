package alerts

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Record, Alert, Expr string
	For                 string
	KeepFiringFor       string `yaml:"keep_firing_for"`
	Labels, Annotations map[string]string
}

func allRules(t *testing.T) (list []rule) {
	t.Helper()
	text, err := Rules(Options{})
	if err != nil {
		t.Fatal(err)
	}
	var file ruleFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		list = append(list, g.Rules...)
	}
	return list
}

// TestHouseRules: every alert is complete and named as its users expect.
func TestHouseRules(t *testing.T) {
	seen, runbooks := map[string]bool{}, map[string]bool{}
	names, err := Runbooks()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		runbooks[n] = true
	}
	boards, _ := filepath.Glob("../dashboards/grafana/json/*.json")
	for _, r := range allRules(t) {
		if r.Alert == "" {
			if !regexp.MustCompile(`^[a-z_]+:[a-zA-Z0-9_]+:[a-z0-9_]+$`).MatchString(r.Record) {
				t.Errorf("record %s is not level:metric:operations", r.Record)
			}
			continue
		}
		if seen[r.Alert] || !alertName.MatchString(r.Alert) || len(r.Alert) > 40 {
			t.Errorf("alert %s: twice, or not CMS… of at most 40 letters", r.Alert)
		}
		seen[r.Alert] = true
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
		}
		if r.For == "" || r.KeepFiringFor == "" {
			t.Errorf("%s: for %q, keep_firing_for %q", r.Alert, r.For, r.KeepFiringFor)
		}
		if s := r.Annotations["summary"]; s == "" || strings.Contains(s, "{{") || strings.HasSuffix(s, ".") {
			t.Errorf("%s: summary %q", r.Alert, s)
		}
		if d := r.Annotations["description"]; !strings.HasSuffix(d, ".") {
			t.Errorf("%s: description %q", r.Alert, d)
		}
		if r.Annotations["runbook_url"] != defaultBase+"/runbooks/"+r.Alert || !runbooks[r.Alert] {
			t.Errorf("%s: no runbook at %s", r.Alert, r.Annotations["runbook_url"])
		}
		delete(runbooks, r.Alert)
		uid := regexp.MustCompile(`/d/bridgewatch-([a-z-]+)`).FindStringSubmatch(r.Annotations["dashboard_url"])
		if uid == nil || !slices.ContainsFunc(boards, func(b string) bool { return filepath.Base(b) == uid[1]+".json" }) {
			t.Errorf("%s: no dashboard at %s", r.Alert, r.Annotations["dashboard_url"])
			continue
		}
		board, err := os.ReadFile("../dashboards/grafana/json/" + uid[1] + ".json")
		if err != nil {
			t.Fatal(err)
		}
		for _, variable := range regexp.MustCompile(`var-([a-z_]+)=`).FindAllStringSubmatch(r.Annotations["dashboard_url"], -1) {
			if !bytes.Contains(board, []byte(`"name": "`+variable[1]+`"`)) {
				t.Errorf("%s: dashboard %s has no variable %s", r.Alert, uid[1], variable[1])
			}
		}
	}
	for n := range runbooks {
		t.Errorf("runbook %s belongs to no alert", n)
	}
	if len(seen) < 45 {
		t.Errorf("only %d alerts", len(seen))
	}
}

func TestThresholds(t *testing.T) {
	list, err := Thresholds()
	if err != nil {
		t.Fatal(err)
	}
	var all string
	for _, r := range allRules(t) {
		all += r.Expr + "\n"
	}
	text, _ := os.ReadFile("rules/thresholds.yml")
	if records := strings.Count(string(text), "- record:"); len(list) != records {
		t.Errorf("%d thresholds are understood of %d", len(list), records)
	}
	for _, th := range list {
		if th.Help == "" || !strings.Contains(all, "scalar(bridgewatch:threshold:"+th.Name+")") {
			t.Errorf("threshold %s has no help (%q) or is used by no rule", th.Name, th.Help)
		}
	}
	for _, m := range regexp.MustCompile(`threshold:([a-z_]+)`).FindAllStringSubmatch(all, -1) {
		if !slices.ContainsFunc(list, func(th Threshold) bool { return th.Name == m[1] }) {
			t.Errorf("a rule uses the threshold %s, which there is not", m[1])
		}
	}
}

func TestOverrides(t *testing.T) {
	text, err := Rules(Options{Set: map[string]float64{"load_warning": 0.7}, BaseURL: "https://bw.example.org/", GrafanaURL: "https://g.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"record: bridgewatch:threshold:load_warning\n        expr: vector(0.7)\n", "expr: vector(0.9)\n",
		"runbook_url: https://bw.example.org/runbooks/CMSBridgeDown\n", "dashboard_url: https://g.example.org/d/bridgewatch-",
	} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the rules lack %q", want)
		}
	}
	if bytes.Contains(text, []byte("127.0.0.1:3000")) || bytes.Contains(text, []byte("vector(0.8)")) {
		t.Error("a default is left")
	}
	for _, bad := range []string{"x y", "javascript:alert(1)", "https://", "https://bw.example.org/?a=b"} {
		if _, err := Rules(Options{BaseURL: bad}); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("the address %q: %v", bad, err)
		}
	}
	text, err = Rules(Options{BaseURL: "http://127.0.0.1:3000/bw", GrafanaURL: "http://127.0.0.1:8800/{{g}}/\"x\""})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"runbook_url: http://127.0.0.1:3000/bw/runbooks/CMSBridgeDown\n", "dashboard_url: http://127.0.0.1:8800/%7B%7Bg%7D%7D/%22x%22/d/bridgewatch-"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in the rules", want)
		}
	}
	if _, err := Rules(Options{Set: map[string]float64{"load_warming": 1}}); err == nil || !strings.Contains(err.Error(), "load_warning") {
		t.Errorf("an unknown threshold: %v", err)
	}
}

// TestPromtool runs Prometheus' own checks and the unit tests of the rules.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian's package prometheus)")
	}
	rules, _ := filepath.Glob("rules/*.yml")
	tests, _ := filepath.Glob("tests/*.yml")
	one := filepath.Join(t.TempDir(), "all.yml")
	text, err := Rules(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(one, text, 0o600); err != nil {
		t.Fatal(err)
	}
	queries := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(queries, runbookQueries(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{append([]string{"check", "rules", "--lint-fatal"}, rules...), {"check", "rules", one}, {"check", "rules", queries}, append([]string{"test", "rules"}, tests...)} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args[:2], " "), err, out)
		}
	}
}

// runbookQueries makes a rule file of the PromQL queries that runbooks tell a person to run.
func runbookQueries(t *testing.T) []byte {
	names, err := Runbooks()
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^curl -s --data-urlencode 'query=([^']*)' http://127\.0\.0\.1:9090/api/v1/query$`)
	file := "groups:\n  - name: queries\n    rules:\n"
	for i, n := range names {
		text, err := Runbook(n)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(text, "/api/v1/query") != len(command.FindAllString(text, -1)) {
			t.Errorf("%s: a PromQL query is not written as the others", n)
		}
		for j, m := range command.FindAllStringSubmatch(text, -1) {
			file += fmt.Sprintf("      - record: runbook:query:%d_%d\n        expr: '%s'\n", i, j, m[1])
		}
	}
	return []byte(file)
}

// TestEveryAlertIsTested: a case that fires and one that does not.
func TestEveryAlertIsTested(t *testing.T) {
	var all string
	paths, _ := filepath.Glob("tests/*.yml")
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
	}
	for _, r := range allRules(t) {
		if r.Alert == "" {
			continue
		}
		query := `ALERTS{alertname="` + r.Alert + `",alertstate="firing"}`
		if strings.Count(all, query) < 2 || !strings.Contains(all, `'ALERTS{alertname="`+r.Alert+`", alertstate="firing"`) {
			t.Errorf("%s lacks a case that fires or one that does not", r.Alert)
		}
	}
}

func TestInhibition(t *testing.T) {
	text, err := Inhibition()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, r := range allRules(t) {
		names[r.Alert] = true
	}
	for _, n := range bareAlert.FindAllString(string(text), -1) {
		if !names[n] {
			t.Errorf("inhibition names %s, which is no alert", n)
		}
	}
	amtool, err := exec.LookPath("amtool")
	if err != nil {
		t.Skip("amtool is not installed (Debian's package prometheus-alertmanager)")
	}
	config := filepath.Join(t.TempDir(), "alertmanager.yml")
	if err := os.WriteFile(config, append(text, "route: {receiver: none}\nreceivers: [{name: none}]\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(amtool, "check-config", config).CombinedOutput(); err != nil {
		t.Errorf("amtool: %v\n%s", err, out)
	}
}

var metricName = regexp.MustCompile(`\b(?:cms|bridgewatch)_[a-z0-9_]+\b`)

// TestMetricsExist: each metric that a rule or a panel reads is registered somewhere in this repository.
func TestMetricsExist(t *testing.T) {
	exposed := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			strings.HasPrefix(path, "../alerts") || strings.HasPrefix(path, "../dashboards") || strings.HasPrefix(path, "../internal/prove") || strings.HasPrefix(path, "../internal/stage") { // these only read or play them
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`"((?:cms|bridgewatch)_[a-z0-9_]+)"`).FindAllSubmatch(text, -1) {
			exposed[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	labels := regexp.MustCompile(`(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|\{[^}]*\}|[a-z_]+:[a-z0-9_]+(:[a-z0-9_]+)?`)
	check := func(where, expr string) {
		for _, name := range metricName.FindAllString(labels.ReplaceAllString(expr, ""), -1) {
			if !exposed[name] && !exposed[strings.TrimSuffix(name, "_bucket")] {
				t.Errorf("%s reads %s, which nothing exposes", where, name)
			}
		}
	}
	for _, r := range allRules(t) {
		check(r.Alert+r.Record, r.Expr)
	}
	boards, _ := filepath.Glob("../dashboards/grafana/json/*.json")
	for _, path := range boards {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"expr": "((?:[^"\\]|\\.)*)"`).FindAllSubmatch(text, -1) {
			check(path, string(m[1]))
		}
	}
}

func TestRunbooks(t *testing.T) {
	rules := allRules(t)
	names, err := Runbooks()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		text, err := Runbook(n)
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for _, heading := range []string{"# " + n + "\n", "\n## Meaning\n", "\n## Impact\n", "\n## Diagnosis\n", "\n## Mitigation\n"} {
			i := strings.Index(text[at:], heading)
			if i < 0 {
				t.Errorf("%s lacks %q, or not in order", n, strings.TrimSpace(heading))
				continue
			}
			at += i
		}
		if !strings.Contains(text, "```sh\n") {
			t.Errorf("%s has no command", n)
		}
		i := slices.IndexFunc(rules, func(r rule) bool { return r.Alert == n })
		if i < 0 {
			continue // TestHouseRules says so
		}
		if !strings.Contains(text, "```promql\n"+rules[i].Expr+"\n```") || !strings.Contains(text, " Severity "+rules[i].Labels["severity"]+"; fires after "+rules[i].For) {
			t.Errorf("%s does not give the rule's expression, severity and time", n)
		}
		for _, other := range bareAlert.FindAllString(text, -1) {
			if _, err := Runbook(other); err != nil {
				t.Errorf("%s names %s, which has no runbook", n, other)
			}
		}
	}
}

func TestRunbookHandler(t *testing.T) {
	server := httptest.NewServer(RunbookHandler())
	defer server.Close()
	get := func(path string) (int, string) {
		answer, err := http.Get(server.URL + path) //nolint:noctx // a test
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close() //nolint:errcheck // only read from
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	_, index := get("/runbooks/")
	links := regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(index, -1)
	if len(links) < 45 {
		t.Fatalf("the list has %d links", len(links))
	}
	for _, link := range links {
		status, page := get(link[1])
		if status != 200 || !strings.Contains(page, "<h2>Mitigation</h2>") {
			t.Errorf("%s: status %d", link[1], status)
		}
		for _, inner := range regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(page, -1) {
			if status, _ := get(inner[1]); status != 200 {
				t.Errorf("%s links to %s: status %d", link[1], inner[1], status)
			}
		}
	}
	for _, wrong := range []string{"/runbooks/CMSNone", "/runbooks/..%2fthresholds", "/runbooks/CMSBridgeDown.md"} {
		if status, _ := get(wrong); status != 404 {
			t.Errorf("%s: status %d, want 404", wrong, status)
		}
	}
	if got := toHTML("a <b> `<i>`\n\n```\n<x>\n```"); strings.Contains(got, "<b>") || strings.Contains(got, "<i>") || strings.Contains(got, "<x>") {
		t.Errorf("not escaped: %s", got)
	}
}
