package alerts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestScrapedLabels plays the unit tests in which alerts fire with the labels that Prometheus adds to all that it scrapes: a rule that compares a sum with a
// series as it was scraped finds no pair, and never fires.
func TestScrapedLabels(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian's package prometheus)")
	}
	rules, err := filepath.Abs("rules")
	if err != nil {
		t.Fatal(err)
	}
	type check struct {
		Expr     string           `yaml:"expr"`
		EvalTime string           `yaml:"eval_time"`
		Samples  []map[string]any `yaml:"exp_samples"`
	}
	type file struct {
		RuleFiles []string `yaml:"rule_files"`
		Every     string   `yaml:"evaluation_interval"`
		Tests     []struct {
			Name     string              `yaml:"name"`
			Interval string              `yaml:"interval"`
			Series   []map[string]string `yaml:"input_series"`
			Checks   []check             `yaml:"promql_expr_test"`
		} `yaml:"tests"`
	}
	alertOf := regexp.MustCompile(`^ALERTS\{alertname="(\w+)"`)
	paths, _ := filepath.Glob("tests/*.yml")
	var changed []string
	fires := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var f file
		if err := yaml.Unmarshal(text, &f); err != nil {
			t.Fatal(err)
		}
		for i, name := range f.RuleFiles {
			f.RuleFiles[i] = filepath.Join(rules, filepath.Base(name))
		}
		played := f.Tests[:0]
		for _, test := range f.Tests {
			var checks []check
			for _, c := range test.Checks {
				if m := alertOf.FindStringSubmatch(c.Expr); m != nil && len(c.Samples) > 0 {
					c.Expr = "count by (alertname) (" + c.Expr + ")"
					c.Samples = []map[string]any{{"labels": fmt.Sprintf(`{alertname="%s"}`, m[1]), "value": len(c.Samples)}}
					checks = append(checks, c)
				}
			}
			if len(checks) == 0 {
				continue
			}
			for _, s := range test.Series {
				s["series"] = scraped(s["series"])
			}
			test.Checks = checks
			played = append(played, test)
		}
		fires += len(played)
		f.Tests = played
		out, err := yaml.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), filepath.Base(path))
		if err := os.WriteFile(name, out, 0o600); err != nil {
			t.Fatal(err)
		}
		changed = append(changed, name)
	}
	if fires < 60 {
		t.Errorf("only %d tests were found in which an alert fires", fires)
	}
	if out, err := exec.Command(promtool, append([]string{"test", "rules"}, changed...)...).CombinedOutput(); err != nil {
		t.Errorf("promtool test rules, with the labels of a scrape: %v\n%s", err, out)
	}
}

// scraped adds what a scrape adds to the description of a series, unless it is made by a rule.
func scraped(series string) string {
	name, rest, labeled := strings.Cut(series, "{")
	if strings.Contains(name, ":") {
		return series
	}
	var added string
	for _, label := range []string{"job", "instance"} {
		if !strings.Contains(rest, label+"=") {
			added += label + `="bridgewatch",`
		}
	}
	if !labeled {
		return name + "{" + strings.TrimSuffix(added, ",") + "}"
	}
	return name + "{" + added + rest
}
