package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// series is one series of a script, a value a minute; the last value goes on.
type series struct {
	labels labels.Labels
	values []float64
}

// fault is one alert's script: what keeps it quiet and what makes it fire.
type fault struct {
	alert         string
	quiet, broken []series
	faultText     string
}

// loadCases pairs the two cases that each alert has in the unit tests.
func loadCases(folder string) ([]fault, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.yml"))
	if err != nil {
		return nil, err
	}
	byAlert := map[string]*fault{}
	var order []string
	language := parser.NewParser(parser.Options{})
	for _, path := range paths {
		if filepath.Base(path) == "thresholds.yml" {
			order = append(order, "CMSThresholdsMissing") // about rule files that are not loaded: no series to play
			byAlert["CMSThresholdsMissing"] = &fault{alert: "CMSThresholdsMissing"}
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var file struct {
			Tests []struct {
				Name        string
				InputSeries []struct{ Series, Values string } `yaml:"input_series"`
			}
		}
		if err := yaml.Unmarshal(text, &file); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, test := range file.Tests {
			alert, what, _ := strings.Cut(test.Name, " ")
			f := byAlert[alert]
			if f == nil {
				f = &fault{alert: alert}
				byAlert[alert] = f
				order = append(order, alert)
			}
			var list []series
			var lines []string
			for _, in := range test.InputSeries {
				name, values, err := language.ParseSeriesDesc(in.Series + " " + in.Values)
				if err != nil {
					return nil, fmt.Errorf("%s: %s: %w", path, test.Name, err)
				}
				s := series{labels: name}
				for _, v := range values {
					s.values = append(s.values, v.Value)
				}
				list = append(list, s)
				lines = append(lines, name.Get("__name__")+" "+in.Values)
			}
			switch what {
			case "fires":
				f.broken, f.faultText = list, strings.Join(lines, ", ")
			case "stays quiet":
				f.quiet = list
			}
		}
	}
	var cases []fault
	for _, alert := range order {
		if f := byAlert[alert]; (f.quiet == nil) != (f.broken == nil) {
			return nil, fmt.Errorf("%s lacks the case that fires or the one that does not", alert)
		}
		cases = append(cases, *byAlert[alert])
	}
	return cases, nil
}

// result is what was seen of one alert; negative durations mean never.
type result struct {
	promised, fired, resolved time.Duration
	early                     bool
	runbook                   error // of the queries of its runbook, run while the fault was there
}

const (
	quietMinutes   = 30
	patienceToHeal = 8 * 60 // minutes that an alert may take to resolve at least; else twice what it may take to fire
)

// troupe plays one alert: minutes without its fault, minutes with it, minutes after it.
type troupe interface {
	// minute is what is scraped in the next minute; broken counts the minutes of the fault and is negative while there is none.
	minute(ctx context.Context, broken int) ([]sample, error)
	end()
}

// script plays the series of a unit test.
type script struct {
	fault
	counters map[string]float64
	quieted  int // minutes of the present quiet phase
}

func (s *script) minute(_ context.Context, broken int) ([]sample, error) {
	list, minute := s.broken, broken
	if broken < 0 {
		list, minute = s.quiet, s.quieted
		s.quieted++
	}
	samples := make([]sample, 0, len(list)+1)
	for _, one := range list {
		samples = append(samples, sample{one.labels, one.at(minute, s.counters)})
	}
	if !slices.ContainsFunc(list, func(s series) bool { return s.labels.Get("__name__") == "up" }) {
		samples = append(samples, heartbeat(list)...)
	}
	return samples, nil
}

func (s *script) end() { s.quieted = 0 }

// play lives through quiet, fault and, to see it resolve, quiet again. The alert may take late longer than its rule promises, and the fault takes lead to begin.
func play(ctx context.Context, alert string, actors troupe, late, lead time.Duration, resolve bool) (result, error) {
	r := result{fired: -1, resolved: -1}
	w, err := newWorld(ctx, step)
	if err != nil {
		return r, err
	}
	defer w.close()
	w.only(alert)
	if r.promised, err = w.patience(alert); err != nil {
		return r, err
	}
	r.promised += late
	now := epoch
	tick := func(broken int) error {
		samples, err := actors.minute(ctx, broken)
		if err != nil {
			return err
		}
		if x, ok := actors.(*insider); ok {
			w.unruled = x.unruled && broken >= 0
		}
		now = now.Add(step)
		return w.tick(ctx, now, samples)
	}
	for range quietMinutes {
		if err := tick(-1); err != nil {
			return r, err
		}
		r.early = r.early || slices.Contains(w.firing(), alert)
	}
	begins := int(lead / step)
	for minute := range int((r.promised+30*time.Minute)/step) + begins {
		if err := tick(minute); err != nil {
			return r, err
		}
		if slices.Contains(w.firing(), alert) {
			r.fired = time.Duration(max(minute-begins, 0)) * step
			if resolve {
				r.runbook = w.followRunbook(ctx, alert, now)
			}
			break
		}
	}
	if !resolve {
		return r, nil
	}
	actors.end()
	for minute := range max(patienceToHeal, int(2*r.promised/step)) {
		if err := tick(-1); err != nil {
			return r, err
		}
		if r.fired >= 0 && !slices.Contains(w.firing(), alert) {
			r.resolved = time.Duration(minute) * step
			break
		}
	}
	return r, nil
}

// begins is the first minute in which the broken script differs from its own start: scripts may lead in.
func (f fault) begins() int {
	for _, s := range f.broken {
		for i, v := range s.values {
			if i > 0 && v != s.values[0] && !strings.Contains(f.faultText, "+") {
				return i
			}
		}
	}
	return 0
}

// heartbeat keeps CMSPipelineAbsent and CMSPipelineLag out of other alerts' scripts.
func heartbeat(list []series) []sample {
	const name = "bridgewatch_pipeline_lag_seconds"
	if slices.ContainsFunc(list, func(s series) bool { return s.labels.Get("__name__") == name }) {
		return nil
	}
	return []sample{{labels.FromStrings("__name__", name, "stage", "query"), 20}}
}

// at is the value in a minute of a phase. Counters go on from phase to phase, times are relative to the beginning of the simulation.
func (s series) at(minute int, counters map[string]float64) float64 {
	value := s.values[min(minute, len(s.values)-1)]
	name := s.labels.Get("__name__")
	switch {
	case strings.HasSuffix(name, "_total"):
		key := s.labels.String()
		if minute > 0 {
			value -= s.values[min(minute-1, len(s.values)-1)]
		} else {
			value = 0
		}
		counters[key] += value
		return counters[key]
	case strings.HasSuffix(name, "_timestamp_seconds"):
		return value + float64(epoch.Unix())
	default:
		return value
	}
}
