package main

import (
	"context"
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

func (d demoCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	return app.Demo(ctx, app.DemoOptions{For: d.For, Bridges: d.Bridges, Speed: d.Speed, Backfill: time.Duration(d.Backfill), Seed: d.Seed,
		Data: d.Data, Out: std.out, Log: log})
}
