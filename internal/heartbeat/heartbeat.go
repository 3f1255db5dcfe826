// Package heartbeat measures whether the screens can be trusted: a small body enters by the real CDR listener like any Call Bridge's, goes over the
// bus into the store, and is queried back. How old the newest one is that reached each stage tells how far behind that stage is.
package heartbeat

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Every is the time between two heartbeats. A stage that stops shows within that time, so it is well below a scrape or two.
const Every = 15 * time.Second

// Stages that a heartbeat passes, in order.
const (
	StageBus   = "bus"   // answered with 200: synced to the bus
	StageStore = "store" // inserted by the writer
	StageQuery = "query" // found by a query
)

// Deps are what a Monitor works with. A nil field leaves its stage out.
type Deps struct {
	// URL of the CDR listener with the heartbeat's own token; asked for at each beat; empty until it listens. Nil: this instance sends none.
	URL func() string
	// Client posts; nil is a plain one. Its time-out bounds a beat.
	Client *http.Client
	// Newest is when the newest heartbeat in the store was sent; zero for none.
	Newest func(ctx context.Context) (time.Time, error)
	Log    *slog.Logger
	Now    func() time.Time
}

// Monitor sends heartbeats and exposes their age at each stage as bridgewatch_pipeline_lag_seconds.
type Monitor struct {
	deps Deps
	desc *prometheus.Desc

	mu     sync.Mutex
	newest map[string]time.Time // by stage
	began  map[string]time.Time // by stage
}

// New makes a monitor of the given stages; register it with a Prometheus registry.
func New(deps Deps, stages ...string) *Monitor {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Client == nil {
		deps.Client = &http.Client{Timeout: Every}
	}
	m := &Monitor{deps: deps, newest: map[string]time.Time{}, began: map[string]time.Time{}, desc: prometheus.NewDesc("bridgewatch_pipeline_lag_seconds",
		"Age of the newest heartbeat that reached the stage: bus (acknowledged), store (inserted), query (found), in seconds. Before the first one, seconds since it began to be measured.",
		[]string{"stage"}, nil)}
	for _, s := range stages {
		m.Measure(s, true)
	}
	return m
}

// Measure begins or ends to measure a stage, for one that this instance has a part in only at times.
func (m *Monitor) Measure(stage string, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !on {
		delete(m.newest, stage)
		return
	}
	m.newest[stage], m.began[stage] = time.Time{}, m.deps.Now()
}

// Reached notes that a heartbeat sent at that time reached a stage. Stages that the monitor was not made for are ignored.
func (m *Monitor) Reached(stage string, sent time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.newest[stage]; ok && sent.After(known) {
		m.newest[stage] = sent
	}
}

// Lag is the age of the newest heartbeat at a stage, and whether the stage is measured.
func (m *Monitor) Lag(stage string) (time.Duration, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sent, ok := m.newest[stage]
	if !ok {
		return 0, false
	}
	if sent.IsZero() {
		sent = m.began[stage]
	}
	return max(0, m.deps.Now().Sub(sent)), true
}

// Describe implements prometheus.Collector.
func (m *Monitor) Describe(to chan<- *prometheus.Desc) { to <- m.desc }

// Collect implements prometheus.Collector.
func (m *Monitor) Collect(to chan<- prometheus.Metric) {
	for _, stage := range []string{StageBus, StageStore, StageQuery} {
		if lag, ok := m.Lag(stage); ok {
			to <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, lag.Seconds(), stage)
		}
	}
}

// Run sends heartbeats and looks for them until ctx ends.
func (m *Monitor) Run(ctx context.Context) error {
	beat, look := time.NewTicker(Every), time.NewTicker(Every/3)
	defer beat.Stop()
	defer look.Stop()
	m.Beat(ctx)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
			m.Beat(ctx)
		case <-look.C:
			if lag, _ := m.Lag(StageBus); lag > Every { // the listener opened late, or the last one was not taken: not a whole interval more
				m.Beat(ctx)
			}
			m.Look(ctx)
		}
	}
}

// Beat posts one heartbeat, for Run and for whoever beats by a clock of their own. A failure needs no more than a quiet line: the age tells.
func (m *Monitor) Beat(ctx context.Context) {
	if m.deps.URL == nil {
		return
	}
	url := m.deps.URL()
	if url == "" {
		return
	}
	sent := m.deps.Now()
	err := m.post(ctx, url)
	if err != nil {
		m.deps.Log.Debug("heartbeat not taken", "error", err)
		return
	}
	m.Reached(StageBus, sent)
}

func (m *Monitor) post(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("<heartbeat/>"))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "text/xml")
	answer, err := m.deps.Client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // drained below
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<10)); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("answered with %s", answer.Status)
	}
	return nil
}

// Look notes the newest heartbeat that a query finds.
func (m *Monitor) Look(ctx context.Context) {
	if m.deps.Newest == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, Every)
	defer cancel()
	sent, err := m.deps.Newest(ctx)
	if err != nil {
		m.deps.Log.Debug("heartbeats cannot be queried", "error", err)
		return
	}
	m.Reached(StageQuery, sent)
}
