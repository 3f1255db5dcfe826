package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/app"
)

// demoCmd runs a simulated cluster and the whole pipeline.
type demoCmd struct {
	For      time.Duration `help:"End by itself after this long, with a summary; 0 runs until Ctrl-C." placeholder:"30s"`
	Bridges  int           `default:"3" help:"Call Bridges of the simulated cluster, 1 to 24."`
	Speed    float64       `default:"1" help:"Simulated seconds per second."`
	Backfill days          `help:"History to write as CDRs before the live part, such as 90d." placeholder:"90d"`
	Seed     int64         `default:"1" help:"The same seed tells the same story."`
	Data     string        `placeholder:"DIR" help:"Folder to keep everything in; a temporary one, removed at the end, when left out."`
}

// check judges the flags: what the simulator would take for its default, such as no bridges, was a mistake of whoever wrote it here.
func (d demoCmd) check() error {
	switch {
	case d.For < 0:
		return fmt.Errorf("--for: %v is less than nothing", d.For)
	case d.Bridges < 1 || d.Bridges > 24:
		return fmt.Errorf("--bridges: %d is not between 1 and 24, the most one cluster has", d.Bridges)
	case !(d.Speed > 0 && d.Speed <= 1e6): // not a number included
		return fmt.Errorf("--speed: %v is not above 0 and up to 1000000", d.Speed)
	case d.Backfill != 0 && time.Duration(d.Backfill) < 8*time.Hour:
		return errors.New("--backfill: want none, or 8h and more")
	}
	return nil
}

func (d demoCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	if err := d.check(); err != nil {
		return usageError{err}
	}
	return app.Demo(ctx, app.DemoOptions{For: d.For, Bridges: d.Bridges, Speed: d.Speed, Backfill: time.Duration(d.Backfill), Seed: d.Seed,
		Data: d.Data, Out: std.out, Log: log})
}
