package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// journal records what components did, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) component(name string) component {
	ready := make(chan struct{})
	return component{name: name, ready: ready, run: func(ctx context.Context) error {
		j.add("start " + name)
		close(ready)
		<-ctx.Done()
		j.add("end " + name)
		return ctx.Err()
	}}
}

func TestStagesEndInReverseOrder(t *testing.T) {
	var j journal
	ctx, cancel := context.WithCancel(t.Context())
	stages := []stage{
		{name: "servers", components: []component{j.component("engine")}, grace: time.Minute},
		{name: "writers", components: []component{j.component("writer")}, grace: time.Minute},
		{name: "receivers", components: []component{j.component("receiver")}, grace: time.Minute},
	}
	if err := runStages(ctx, slog.New(slog.DiscardHandler), stages, cancel); err != nil {
		t.Fatalf("runStages = %v, want nil", err)
	}
	want := []string{"start engine", "start writer", "start receiver", "end receiver", "end writer", "end engine"}
	if !slices.Equal(j.lines, want) {
		t.Errorf("order %v, want %v", j.lines, want)
	}
}

func TestFailureHalfWayEndsWhatRan(t *testing.T) {
	var j journal
	boom := errors.New("port in use")
	stages := []stage{
		{name: "servers", components: []component{j.component("engine")}, grace: time.Minute},
		{name: "receivers", components: []component{{name: "receiver", ready: make(chan struct{}), run: func(context.Context) error { return boom }}}, grace: time.Minute},
		{name: "http", components: []component{j.component("http")}, grace: time.Minute},
	}
	err := runStages(t.Context(), slog.New(slog.DiscardHandler), stages, func() { t.Error("started called though a stage failed") })
	if !errors.Is(err, boom) || !strings.HasPrefix(err.Error(), "receiver: ") {
		t.Errorf("runStages = %v, want receiver: %v", err, boom)
	}
	if want := []string{"start engine", "end engine"}; !slices.Equal(j.lines, want) {
		t.Errorf("order %v, want %v", j.lines, want)
	}
}

func TestFailedPreparationStops(t *testing.T) {
	var j journal
	boom := errors.New("migration failed")
	stages := []stage{
		{name: "servers", components: []component{j.component("engine")}, grace: time.Minute},
		{name: "writers", prepare: func(context.Context) error { return boom }, components: []component{j.component("writer")}, grace: time.Minute},
	}
	if err := runStages(t.Context(), slog.New(slog.DiscardHandler), stages, nil); !errors.Is(err, boom) {
		t.Errorf("runStages = %v, want %v", err, boom)
	}
	if want := []string{"start engine", "end engine"}; !slices.Equal(j.lines, want) {
		t.Errorf("order %v, want %v", j.lines, want)
	}
}

func TestComponentThatEndsByItselfIsAnError(t *testing.T) {
	stages := []stage{{name: "pollers", components: []component{{name: "poller", run: func(context.Context) error { return nil }}}, grace: time.Minute}}
	if err := runStages(t.Context(), slog.New(slog.DiscardHandler), stages, nil); err == nil || !strings.Contains(err.Error(), "ended by itself") {
		t.Errorf("runStages = %v, want an error that says the poller ended by itself", err)
	}
}

func TestStuckStageDoesNotHoldTheOthers(t *testing.T) {
	var j journal
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	stages := []stage{
		{name: "servers", components: []component{j.component("engine")}, grace: time.Minute},
		{name: "stuck", components: []component{{name: "stuck", run: func(context.Context) error { <-release; return nil }}}, grace: 10 * time.Millisecond},
	}
	if err := runStages(ctx, slog.New(slog.DiscardHandler), stages, cancel); err != nil {
		t.Errorf("runStages = %v, want nil", err)
	}
	if !slices.Contains(j.lines, "end engine") {
		t.Errorf("engine was not ended: %v", j.lines)
	}
}
