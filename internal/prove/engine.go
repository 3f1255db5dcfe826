package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/bridgewatch/bridgewatch/alerts"
)

// epoch is when every simulation begins; 2026-08-03 is a Monday.
var epoch = time.Date(2026, 8, 3, 0, 0, 0, 0, time.UTC)

// step is the time between two scrapes, and two evaluations, of most simulations; scrapes is that of the real set-up (packaging/compose/prometheus.yml).
const (
	step    = time.Minute
	scrapes = 15 * time.Second
)

// thresholds is the group of rules that the others compare with.
const thresholds = "bridgewatch-thresholds"

// world is one Prometheus on a simulated clock.
type world struct {
	folder string
	db     *tsdb.DB
	groups []*rules.Group
	query  rules.QueryFunc
	// targets are the labels of series as they are stored, by the hash of those scraped.
	targets map[uint64]labels.Labels
	// unruled: the group of thresholds is not evaluated.
	unruled bool
}

// newWorld is a Prometheus that evaluates its rules every so often.
func newWorld(ctx context.Context, every time.Duration) (*world, error) {
	folder, err := os.MkdirTemp("", "prove-*")
	if err != nil {
		return nil, err
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	db, err := tsdb.Open(filepath.Join(folder, "tsdb"), quiet, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return nil, fmt.Errorf("open TSDB: %w", err)
	}
	language := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: language})
	query := rules.EngineQueryFunc(engine, db)
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: query, NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Context: ctx, Appendable: db, Queryable: db, Logger: quiet, Parser: language,
	})
	text, err := alerts.Rules(alerts.Options{})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "rules.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	loaded, errs := manager.LoadGroups(every, labels.EmptyLabels(), "", nil, false, file)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	w := &world{folder: folder, db: db, query: query, targets: map[uint64]labels.Labels{}}
	for _, g := range loaded {
		w.groups = append(w.groups, g)
	}
	// Thresholds first: in one step of a simulation the others read what they record.
	slices.SortFunc(w.groups, func(a, b *rules.Group) int {
		if (a.Name() == thresholds) != (b.Name() == thresholds) {
			if a.Name() == thresholds {
				return -1
			}
			return 1
		}
		return 0
	})
	return w, nil
}

func (w *world) close() {
	_ = w.db.Close()
	_ = os.RemoveAll(w.folder)
}

// only leaves out the groups that an alert has no need of.
func (w *world) only(alert string) {
	w.groups = slices.DeleteFunc(w.groups, func(g *rules.Group) bool {
		return g.Name() != thresholds && !slices.ContainsFunc(g.Rules(), func(r rules.Rule) bool { return r.Name() == alert })
	})
}

// sample is one value of one series.
type sample struct {
	labels labels.Labels
	value  float64
}

// tick writes the samples of one moment and evaluates all groups at it.
func (w *world) tick(ctx context.Context, at time.Time, samples []sample) error {
	appender := w.db.Appender(ctx)
	for _, s := range samples {
		if _, err := appender.Append(0, w.target(s.labels), at.UnixMilli(), s.value); err != nil {
			return fmt.Errorf("append %s: %w", s.labels, err)
		}
	}
	if err := appender.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	for _, g := range w.groups {
		if w.unruled && g.Name() == thresholds {
			continue
		}
		g.Eval(ctx, at)
		for _, r := range g.Rules() {
			if err := r.LastError(); err != nil {
				return fmt.Errorf("rule %s: %w", r.Name(), err)
			}
		}
	}
	return nil
}

// target adds what Prometheus adds to all that it scrapes: a rule that compares a sum with a series as it was scraped finds nothing.
func (w *world) target(scraped labels.Labels) labels.Labels {
	key := scraped.Hash()
	known, ok := w.targets[key]
	if !ok {
		b := labels.NewBuilder(scraped)
		b.Set("job", "bridgewatch")
		b.Set("instance", "bw1:8800")
		known = b.Labels()
		w.targets[key] = known
	}
	return known
}

// firing lists the alerts that fire.
func (w *world) firing() []string {
	var names []string
	for _, g := range w.groups {
		for _, r := range g.Rules() {
			if a, ok := r.(*rules.AlertingRule); ok && a.State() == rules.StateFiring {
				names = append(names, a.Name())
			}
		}
	}
	return names
}

var runbookQuery = regexp.MustCompile(`(?m)^curl -s --data-urlencode 'query=([^']*)' http://127\.0\.0\.1:9090/api/v1/query$`)

// followRunbook runs the queries of an alert's runbook. Each must work, and one at least must find something while the fault is there; an alert for what is
// absent is the exception.
func (w *world) followRunbook(ctx context.Context, alert string, at time.Time) error {
	text, err := alerts.Runbook(alert)
	if err != nil {
		return err
	}
	queries := runbookQuery.FindAllStringSubmatch(text, -1)
	found := 0
	for _, q := range queries {
		answer, err := w.query(ctx, q[1], at)
		if err != nil {
			return fmt.Errorf("runbook: %s: %w", q[1], err)
		}
		found += len(answer)
	}
	if len(queries) > 0 && found == 0 {
		return errors.New("runbook: no query finds anything while the fault is there")
	}
	return nil
}

// patience is how long after its fault an alert may take: its own "for", the longest range it reads, and two steps of the clock.
func (w *world) patience(alert string) (time.Duration, error) {
	for _, g := range w.groups {
		for _, r := range g.Rules() {
			a, ok := r.(*rules.AlertingRule)
			if !ok || a.Name() != alert {
				continue
			}
			return a.HoldDuration() + w.lookBack(a.Query()) + 2*step, nil
		}
	}
	return 0, fmt.Errorf("no rule is named %s", alert)
}

// lookBack is the longest range that an expression reads, through recording rules too.
func (w *world) lookBack(expr parser.Expr) time.Duration {
	longest := time.Duration(0)
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.MatrixSelector:
			longest = max(longest, n.Range)
		case *parser.Call:
			if n.Func.Name == "absent" {
				longest = max(longest, 5*time.Minute) // a series that ends is remembered for the look-back
			}
		case *parser.VectorSelector:
			longest = max(longest, n.OriginalOffset)
			for _, g := range w.groups {
				for _, r := range g.Rules() {
					if record, ok := r.(*rules.RecordingRule); ok && record.Name() == n.Name {
						longest = max(longest, w.lookBack(record.Query()))
					}
				}
			}
		}
		return nil
	})
	return longest
}
