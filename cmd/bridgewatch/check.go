package main

import (
	"context"
	"log/slog"

	"github.com/bridgewatch/bridgewatch/internal/app"
)

// checkCmd validates the configuration and reaches everything it names.
type checkCmd struct{ configFlag }

func (c checkCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if err := cfg.NeedClusters(); err != nil {
		return usageError{err}
	}
	return app.Check(ctx, cfg, std.out, log)
}
