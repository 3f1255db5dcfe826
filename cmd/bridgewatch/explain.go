package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/app"
	"github.com/bridgewatch/bridgewatch/licensing"
)

// explainCmd groups explanations.
type explainCmd struct {
	License explainLicenseCmd `cmd:"" help:"The meetings, owners and rules that make up license use at an instant."`
}

// explainLicenseCmd explains one instant of one pool.
type explainLicenseCmd struct {
	configFlag
	At     string `placeholder:"TIME" xor:"when" help:"RFC 3339 time, or a day (its start); now when both are left out."`
	Peak   string `placeholder:"DAY" xor:"when" help:"The instant of the highest use of shared licenses on a day (2026-08-03)."`
	Pool   string `placeholder:"NAME" help:"License pool; the only one when left out."`
	Format string `enum:"text,json" default:"text" help:"text or json."`
	Output string `short:"o" placeholder:"FILE" help:"File to write; standard output when left out."`
}

func (e explainLicenseCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	pool, err := app.PoolOf(c, e.Pool)
	if err != nil {
		return usageError{err}
	}
	at, day := time.Now(), licensing.Day("")
	if e.At != "" {
		if at, err = instant(e.At, pool.Zone); err != nil {
			return usageError{fmt.Errorf("--at: %w", err)}
		}
		if at.After(time.Now()) {
			return usageError{errors.New("--at lies in the future")}
		}
	}
	if e.Peak != "" {
		if _, err := time.Parse(time.DateOnly, e.Peak); err != nil {
			return usageError{fmt.Errorf("--peak: %q is not a day such as 2026-08-03", e.Peak)}
		}
		day = licensing.Day(e.Peak)
	}
	explained, err := app.ExplainLicense(ctx, c, pool, at, day, log)
	if err != nil {
		return err
	}
	write := explained.WriteJSON
	if e.Format == "text" {
		write = func(w io.Writer) error { return explained.WriteText(w, pool.Zone) }
	}
	return writeTo(e.Output, std.out, write)
}
