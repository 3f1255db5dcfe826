package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/internal/app"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/licensing"
)

// reportCmd groups the reports.
type reportCmd struct {
	License  reportLicenseCmd  `cmd:"" help:"License true-up: use against entitlement, day by day."`
	Usage    reportUsageCmd    `cmd:"" help:"Meetings: top spaces and hosts, busiest hours, no-shows, clients."`
	Capacity reportCapacityCmd `cmd:"" help:"Load against limits by bridge and day, fail-over headroom, recorder and streamer slots."`
	Quality  reportQualityCmd  `cmd:"" help:"Media quality: alarms and good minutes by day, bridge, codec, client and network; the worst meetings."`
}

// reportLicenseCmd writes the true-up report of one pool.
type reportLicenseCmd struct {
	configFlag
	From   string `placeholder:"TIME" help:"First day (2026-08-01, in the pool's day_boundary) or RFC 3339 time; 90 days before --to when left out."`
	To     string `placeholder:"TIME" help:"Day or time at which the report ends, exclusive; now when left out."`
	Pool   string `placeholder:"NAME" help:"License pool; the only one when left out."`
	Format string `enum:"json,csv,xlsx,html,pdf" default:"json" help:"json, csv, xlsx, html or pdf."`
	Output string `short:"o" placeholder:"FILE" help:"File to write; standard output when left out."`
	Sign   string `placeholder:"KEY" help:"Seal the report with its inputs by this Ed25519 key (PEM) and write the pack to --output; --format does not matter then."`

	Pseudonymize bool `help:"Put numbers in the place of names of people and meetings, the same throughout the report."`
}

func (r reportLicenseCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	c, err := r.load()
	if err != nil {
		return err
	}
	pool, err := app.PoolOf(c, r.Pool)
	if err != nil {
		return usageError{err}
	}
	from, to, err := period(r.From, r.To, pool.Zone, time.Now())
	if err != nil {
		return usageError{err}
	}
	if r.Sign != "" {
		return r.seal(ctx, std, c, pool, from, to, log)
	}
	made, err := app.LicenseReport(ctx, c, pool, from, to, log)
	if err != nil {
		return err
	}
	if r.Pseudonymize {
		made.Pseudonymize()
	}
	document := made.Document(pool.Zone)
	write := map[string]func(io.Writer) error{"json": made.WriteJSON, "csv": made.WriteCSV, "xlsx": document.WriteXLSX, "html": document.WriteHTML, "pdf": document.WritePDF}[r.Format]
	return writeTo(r.Output, std.out, write)
}

// seal writes a pack instead of a report.
func (r reportLicenseCmd) seal(ctx context.Context, std streams, c config.Config, pool report.Pool, from, to time.Time, log *slog.Logger) error {
	switch {
	case r.Output == "":
		return usageError{errors.New("--sign writes a pack: say where with --output")}
	case r.Pseudonymize:
		return usageError{errors.New("--sign and --pseudonymize do not go together: a pack is to be computed again from what was recorded")}
	}
	key, err := report.LoadSigningKey(r.Sign)
	if err != nil {
		return usageError{fmt.Errorf("--sign: %w", err)}
	}
	if err := app.SealLicense(ctx, c, pool, from, to, key, r.Output, log); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "%s\n", r.Output)
	return err
}

// reportDays is how far back a report goes when it is not said: the window of overage.
const reportDays = 90

// mostYears is the longest period of a report.
const mostYears = 20

// period reads --from and --to.
func period(fromText, toText string, zone *time.Location, now time.Time) (from, to time.Time, err error) {
	if to = now; toText != "" {
		if to, err = instant(toText, zone); err != nil {
			return from, to, fmt.Errorf("--to: %w", err)
		}
	}
	if from = to.In(zone).AddDate(0, 0, -reportDays); fromText != "" {
		if from, err = instant(fromText, zone); err != nil {
			return from, to, fmt.Errorf("--from: %w", err)
		}
	}
	if !from.Before(to) {
		return from, to, errors.New("--from must be before --to")
	}
	// A report has a line for each day.
	switch {
	case to.After(now.AddDate(1, 0, 0)):
		return from, to, errors.New("--to lies more than a year ahead")
	case from.Before(to.AddDate(-mostYears, 0, 0)):
		return from, to, fmt.Errorf("--from lies more than %d years before --to", mostYears)
	}
	return from, to, nil
}

// instant reads a day, which is its start in the zone, or an RFC 3339 time.
func instant(text string, zone *time.Location) (time.Time, error) {
	if _, err := time.Parse(time.DateOnly, text); err == nil {
		return licensing.Day(text).Start(zone), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is neither a day such as 2026-08-01 nor a time such as 2026-08-01T09:00:00Z", text)
	}
	return t, nil
}

// writeTo writes to a file, or to standard output where no file is named.
func writeTo(path string, out io.Writer, write func(io.Writer) error) error {
	if path == "" {
		return write(out)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
