package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/bridgewatch/bridgewatch/internal/stage/program"
)

// engineArgument makes this program the child process of the engine.
const engineArgument = "engine"

// act is an alert's fault in the program itself.
type act struct {
	fault string
	// lead is how long the fault takes to become the one that the alert is for.
	lead time.Duration
	// inject and repair are called once each, during in each minute that the fault is there. Each may be nil.
	inject, repair func(context.Context, *program.Program) error
	during         func(ctx context.Context, p *program.Program, minute int) error
	// unscraped: nothing is scraped while the fault is there.
	unscraped bool
	// unruled: the rules of the thresholds are not loaded while the fault is there.
	unruled bool
}

// acts are the faults of the program itself, by alert.
func acts() map[string]act {
	type does = func(context.Context, *program.Program) error
	stop := func(_ context.Context, p *program.Program) error { p.StopWriter(); return nil }
	start := func(ctx context.Context, p *program.Program) error { p.StartWriter(ctx); return nil }
	fill := func(share float64) does {
		return func(ctx context.Context, p *program.Program) error {
			p.StopWriter()
			return p.FillBus(ctx, share)
		}
	}
	free := func(share float64) does {
		return func(_ context.Context, p *program.Program) error { p.SetDiskFree(share); return nil }
	}
	return map[string]act{
		"CMSPipelineLag":       {fault: "the writer stands still", lead: 3 * time.Minute, inject: stop, repair: start},
		"CMSPipelineAbsent":    {fault: "nothing answers the scrape", unscraped: true},
		"CMSThresholdsMissing": {fault: "the rules of thresholds.yml are not loaded", unruled: true},
		"CMSBusBacklog":        {fault: "the writer stands still and 60 % of the budget waits", inject: fill(0.6), repair: start},
		"CMSBusNearlyFull":     {fault: "the writer stands still and 95 % of the budget waits", inject: fill(0.95), repair: start},
		"CMSDiskNearlyFull":    {fault: "the system says that 4 % of the disk are free", inject: free(0.04), repair: free(0.8)},
		"CMSDiskFillsSoon": {fault: "the system says that 40 % of the disk are free, and 10 MB less each minute", repair: free(0.8),
			during: func(ctx context.Context, p *program.Program, minute int) error {
				return free(0.4-1e-4*float64(minute))(ctx, p)
			}},
		"CMSWriterFailing":  {fault: "a table of the store is gone", inject: func(ctx context.Context, p *program.Program) error { return p.HideTable(ctx) }, repair: func(ctx context.Context, p *program.Program) error { return p.ShowTable(ctx) }},
		"CMSDeadLetters":    {fault: "a row for a table that there is not", inject: func(ctx context.Context, p *program.Program) error { return p.Unstorable(ctx) }},
		"CMSEngineRestarts": {fault: "the engine's process killed", inject: func(ctx context.Context, p *program.Program) error { return p.KillEngine(ctx) }},
		"CMSReceiverProbed": {fault: "60 requests a minute for what the receiver does not have",
			during: func(ctx context.Context, p *program.Program, _ int) error { return p.Probe(ctx, 60) }},
	}
}

// insider plays an act in a program that goes on from one alert to the next.
type insider struct {
	act
	*program.Program
	broken bool
}

// newProgram starts the program in a folder of its own; stop ends it and takes the folder away.
func newProgram(ctx context.Context) (p *program.Program, stop func(), err error) {
	folder, err := os.MkdirTemp("", "prove-program-*")
	if err != nil {
		return nil, nil, err
	}
	self, err := os.Executable()
	if err == nil {
		p, err = program.Start(ctx, folder, []string{self, engineArgument})
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(folder))
	}
	return p, func() { p.Close(); _ = os.RemoveAll(folder) }, nil
}

// minute lets a minute pass.
func (x *insider) minute(ctx context.Context, broken int) ([]sample, error) {
	if x.broken && broken < 0 && x.repair != nil {
		if err := x.repair(ctx, x.Program); err != nil {
			return nil, fmt.Errorf("repair: %w", err)
		}
	}
	if broken == 0 && x.inject != nil {
		if err := x.inject(ctx, x.Program); err != nil {
			return nil, fmt.Errorf("fault: %w", err)
		}
	}
	x.broken = broken >= 0
	if x.broken && x.during != nil {
		if err := x.during(ctx, x.Program, broken); err != nil {
			return nil, fmt.Errorf("fault: %w", err)
		}
	}
	if err := x.Step(ctx, step); err != nil {
		return nil, err
	}
	return x.scrape()
}

// scrape is what Prometheus would have of the program: its target is up or not.
func (x *insider) scrape() ([]sample, error) {
	up := sample{labels.FromStrings("__name__", "up", "job", "bridgewatch"), 1}
	if x.broken && x.unscraped {
		up.value = 0
		return []sample{up}, nil
	}
	list, err := gathered(x.Registry)
	return append(list, up), err
}

func (x *insider) end() {}
