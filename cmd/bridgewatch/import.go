package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/internal/app"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage"
)

// importCmd feeds captured bodies through the pipeline.
type importCmd struct {
	configFlag
	Files      []string `arg:"" optional:"" help:"Files: one CDR body each as a Call Bridge sent it, or a capture (a JSON object a line with time, source and body); gzip or not."`
	Dir        []string `type:"path" placeholder:"DIR" help:"Import all files below a folder. Bodies in a folder named after a bridge are that bridge's."`
	Source     string   `placeholder:"BRIDGE" help:"Bridge that sent the bodies which do not say so."`
	Quarantine bool     `help:"Feed the bodies that lie in quarantine again, after a fix; those understood now leave it."`
	From       string   `placeholder:"TIME" help:"With --quarantine: received from this day or time on."`
	To         string   `placeholder:"TIME" help:"With --quarantine: received before this day or time."`
	NoWait     bool     `help:"End once everything lies safely on the bus, not once it is stored."`
}

func (i importCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	inputs := append(append([]string{}, i.Files...), i.Dir...)
	if i.Quarantine == (len(inputs) > 0) {
		return usageError{errors.New("name files or --dir DIR, or say --quarantine")}
	}
	if !i.Quarantine && i.From+i.To != "" {
		return usageError{errors.New("--from and --to go with --quarantine")}
	}
	c, err := i.load()
	if err != nil {
		return err
	}
	line := newProgressLine(std.err)
	began := time.Now()
	progress := func(f app.Feeding) { line.show(feedingText(f, time.Since(began))) }
	options := app.Options{Config: c, Log: log}
	var done app.Feeding
	if i.Quarantine {
		var when storage.Period
		if when, err = receipt(c, i.From, i.To); err != nil {
			return usageError{err}
		}
		done, err = app.ImportQuarantine(ctx, options, when, progress, func(b storage.KeptBody) {
			line.clear()
			fmt.Fprintf(std.out, "still not understood: body %s of %s, received %s: %s\n", b.ID, b.Source, b.Received.UTC().Format(time.RFC3339), b.Reason)
		})
	} else {
		if i.Source != "" && !c.HasBridge(i.Source) {
			return usageError{fmt.Errorf("--source: no bridge %q is configured", i.Source)}
		}
		done, err = app.Import(ctx, app.ImportOptions{Options: options, Files: inputs, Source: i.Source, NoWait: i.NoWait, Progress: progress, Refused: func(err error) {
			line.clear()
			fmt.Fprintln(std.err, "bridgewatch: "+oneLine(err))
		}})
	}
	line.clear()
	if err == nil || done.Bodies > 0 {
		fmt.Fprintf(std.out, "%d bodies, %d records in %s", done.Bodies, done.Records, time.Since(began).Round(time.Millisecond))
		if done.Faulty > 0 {
			fmt.Fprintf(std.out, "; %d bodies not wholly understood: see the table cdr_quarantine", done.Faulty)
		}
		fmt.Fprintln(std.out)
	}
	return err
}

func feedingText(f app.Feeding, since time.Duration) string {
	text := fmt.Sprintf("%d bodies, %d records (%.0f/s)", f.Bodies, f.Records, float64(f.Records)/since.Seconds())
	if f.Left > 0 {
		text += fmt.Sprintf("; being stored, %d messages left", f.Left)
	}
	return text
}

// receipt reads a period of receipt; what is left out does not bind.
func receipt(c config.Config, fromText, toText string) (when storage.Period, err error) {
	zone := time.UTC
	if len(c.LicensePools) == 1 {
		zone = c.LicensePools[0].DayBoundary.Std()
	}
	if fromText != "" {
		if when.From, err = instant(fromText, zone); err != nil {
			return when, fmt.Errorf("--from: %w", err)
		}
	}
	if toText != "" {
		if when.To, err = instant(toText, zone); err != nil {
			return when, fmt.Errorf("--to: %w", err)
		}
	}
	if !when.From.IsZero() && !when.To.IsZero() && !when.From.Before(when.To) {
		return when, errors.New("--from must be before --to")
	}
	return when, nil
}

// replayCmd makes facts anew.
type replayCmd struct {
	configFlag
	From   string `required:"" placeholder:"TIME" help:"Bodies received from this day or time on."`
	To     string `placeholder:"TIME" help:"Bodies received before this day or time; all since --from when left out."`
	DryRun bool   `help:"Only print what would change."`
}

func (r replayCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	c, err := r.load()
	if err != nil {
		return err
	}
	when, err := receipt(c, r.From, r.To)
	if err != nil {
		return usageError{err}
	}
	line := newProgressLine(std.err)
	began := time.Now()
	done, err := app.Replay(ctx, app.Options{Config: c, Log: log}, when, !r.DryRun,
		func(change app.Change) error { line.clear(); return printChange(std, change) },
		func(f app.Feeding) { line.show(feedingText(f, time.Since(began))) })
	line.clear()
	if err != nil {
		return err
	}
	verb := "changed"
	if r.DryRun {
		verb = "would change"
	}
	fmt.Fprintf(std.out, "%d bodies, %d records; %d rows %s, %d records new, %d bodies not wholly understood\n", done.Bodies, done.Records, done.Changed, verb, done.NewRecords, done.Faulty)
	return nil
}

// printChange prints a row that differs, a line each, its fields after it.
func printChange(std streams, c app.Change) error {
	what := "~"
	if c.New {
		what = "+"
	}
	if _, err := fmt.Fprintf(std.out, "%s %s %s %s %q\n", what, c.Table, c.ID, c.Start.UTC().Format(time.RFC3339), c.Name); err != nil {
		return err
	}
	for _, f := range c.Fields {
		if _, err := fmt.Fprintf(std.out, "    %s: %s → %s\n", f.Column, shownValue(f.Old), shownValue(f.New)); err != nil {
			return err
		}
	}
	return nil
}

func shownValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case string:
		return fmt.Sprintf("%q", v)
	case []cdr.Alarm: // has pointers in it
		if text, err := json.Marshal(v); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(v)
}
