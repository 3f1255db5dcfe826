package heartbeat

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestLagByStage: each stage has the age of the newest heartbeat that reached it; one that stops grows older while the others stay young.
func TestLagByStage(t *testing.T) {
	now := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	m := New(Deps{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}, StageBus, StageStore, StageQuery)
	now = now.Add(time.Minute)
	m.Reached(StageBus, now.Add(-2*time.Second))
	m.Reached(StageStore, now.Add(-20*time.Second))
	m.Reached(StageStore, now.Add(-40*time.Second)) // an older one that came late
	want := `
		# HELP bridgewatch_pipeline_lag_seconds Age of the newest heartbeat that reached the stage: bus (acknowledged), store (inserted), query (found), in seconds. Before the first one, seconds since it began to be measured.
		# TYPE bridgewatch_pipeline_lag_seconds gauge
		bridgewatch_pipeline_lag_seconds{stage="bus"} 2
		bridgewatch_pipeline_lag_seconds{stage="query"} 60
		bridgewatch_pipeline_lag_seconds{stage="store"} 20
	`
	if err := testutil.CollectAndCompare(m, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if _, measured := New(Deps{}, StageQuery).Lag(StageBus); measured {
		t.Error("a stage that the instance has no part in is measured")
	}
}

// TestBeatIsPosted: a heartbeat reaches the bus stage only with a 200.
func TestBeatIsPosted(t *testing.T) {
	var status atomic.Int64
	var bodies atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && string(body) == "<heartbeat/>" {
			bodies.Add(1)
		}
		w.WriteHeader(int(status.Load()))
	}))
	defer server.Close()
	now := time.Now()
	m := New(Deps{URL: func() string { return server.URL }, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}, StageBus)
	now = now.Add(time.Hour)
	status.Store(http.StatusServiceUnavailable)
	m.Beat(t.Context())
	if lag, _ := m.Lag(StageBus); lag != time.Hour {
		t.Errorf("after 503 the lag is %s, want an hour", lag)
	}
	status.Store(http.StatusOK)
	m.Beat(t.Context())
	if lag, _ := m.Lag(StageBus); lag != 0 || bodies.Load() != 2 {
		t.Errorf("after 200 the lag is %s with %d bodies; want 0 and 2", lag, bodies.Load())
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	m := New(Deps{URL: func() string { return "" }, Newest: func(context.Context) (time.Time, error) { return time.Time{}, errors.New("away") }, Log: slog.New(slog.DiscardHandler)}, StageQuery)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v", err)
	}
}
