// Package alerts holds the Prometheus rules, their thresholds and a runbook for every alert.
//
// rules/*.yml are ordinary rule files that Prometheus loads as they are. Rules gives the same as one document, with thresholds and
// addresses changed.
package alerts

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed rules/*.yml runbooks/*.md inhibition.yml
var files embed.FS

// The addresses that stand in the rule files; Options replaces them.
const (
	defaultBase    = "http://127.0.0.1:8800"
	defaultGrafana = "http://127.0.0.1:3000"
)

// Options change what Rules prints. The zero value prints the files as they are.
type Options struct {
	// Set overrides thresholds by name.
	Set map[string]float64
	// BaseURL is how people reach Bridgewatch, for the links to runbooks. Empty: http://127.0.0.1:8800.
	BaseURL string
	// GrafanaURL is how people reach Grafana, for the links to dashboards. Empty: http://127.0.0.1:3000.
	GrafanaURL string
}

// Threshold is one number that rules compare with.
type Threshold struct {
	// Name, as it is set.
	Name string
	// Value it has without an override.
	Value float64
	// Help says what it means, with its unit.
	Help string
}

var thresholdRule = regexp.MustCompile(`(?m)((?:^ *# .*\n)+)^ *- record: bridgewatch:threshold:([a-z0-9_]+)\n *expr: vector\(([^)]*)\)$`)

// Thresholds lists all thresholds in the order of their file.
func Thresholds() ([]Threshold, error) {
	text, err := files.ReadFile("rules/thresholds.yml")
	if err != nil {
		return nil, fmt.Errorf("read thresholds: %w", err)
	}
	var list []Threshold
	for _, m := range thresholdRule.FindAllStringSubmatch(string(text), -1) {
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			return nil, fmt.Errorf("threshold %s: %w", m[2], err)
		}
		help := strings.Join(strings.Fields(strings.ReplaceAll(m[1], "#", " ")), " ")
		list = append(list, Threshold{m[2], value, help})
	}
	return list, nil
}

// Rules is one rule file with all groups.
func Rules(o Options) ([]byte, error) {
	known, err := Thresholds()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(o.Set)) {
		if !slices.ContainsFunc(known, func(t Threshold) bool { return t.Name == name }) {
			var names []string
			for _, t := range known {
				names = append(names, t.Name)
			}
			return nil, fmt.Errorf("no threshold is named %q; there are %s", name, strings.Join(names, ", "))
		}
		if value := o.Set[name]; math.IsNaN(value) || math.IsInf(value, 0) {
			return nil, fmt.Errorf("threshold %s: %v is not a number to compare with", name, value)
		}
	}
	paths, err := fs.Glob(files, "rules/*.yml")
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	var out strings.Builder
	out.WriteString("# Printed by `bridgewatch rules`.\ngroups:\n")
	for _, path := range paths {
		text, err := files.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read rules: %w", err)
		}
		head, groups, found := strings.Cut(string(text), "groups:\n")
		if !found {
			return nil, fmt.Errorf("%s has no groups", path)
		}
		if path == "rules/thresholds.yml" {
			for name, value := range o.Set {
				groups = setThreshold(groups, name, value)
			}
		}
		out.WriteString(head)
		out.WriteString(groups)
	}
	base, err := address(o.BaseURL, defaultBase)
	if err != nil {
		return nil, err
	}
	dashboards, err := address(o.GrafanaURL, defaultGrafana)
	if err != nil {
		return nil, err
	}
	return []byte(strings.NewReplacer(defaultBase, base, defaultGrafana, dashboards).Replace(out.String())), nil
}

// address is where links begin, written so that it can stand in a rule.
func address(text, usual string) (string, error) {
	if text == "" {
		return usual, nil
	}
	parsed, err := url.Parse(text)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Hostname() == "" || parsed.RawQuery != "" || parsed.Fragment != "" {
		return "", fmt.Errorf("%q is no address such as %s", text, usual)
	}
	return strings.TrimRight(parsed.String(), "/"), nil
}

func setThreshold(text, name string, value float64) string {
	at := regexp.MustCompile(`(- record: bridgewatch:threshold:` + name + `\n *expr: )vector\([^)]*\)`)
	return at.ReplaceAllString(text, "${1}vector("+strconv.FormatFloat(value, 'g', -1, 64)+")")
}

// Inhibition is the inhibit_rules section for Alertmanager's configuration: what keeps quiet while a greater fault explains it.
func Inhibition() ([]byte, error) {
	text, err := files.ReadFile("inhibition.yml")
	if err != nil {
		return nil, fmt.Errorf("read inhibition rules: %w", err)
	}
	return text, nil
}
