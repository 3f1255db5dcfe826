package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/internal/app"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage"
)

// scopeFlags are what the reports of usage, capacity and quality are asked with.
type scopeFlags struct {
	configFlag
	From    string   `placeholder:"TIME" help:"First day (2026-08-01, in the license pool's day_boundary) or RFC 3339 time; 90 days before --to when left out."`
	To      string   `placeholder:"TIME" help:"Day or time at which the report ends, exclusive; now when left out."`
	Cluster []string `placeholder:"NAME" help:"Cluster; all when left out. May be repeated."`
	Format  string   `enum:"json,csv,xlsx,html,pdf" default:"json" help:"json, csv, xlsx, html or pdf."`
	Output  string   `short:"o" placeholder:"FILE" help:"File to write; standard output when left out."`
}

// scopedReport is a report that was made for a scope.
type scopedReport interface {
	WriteJSON(w io.Writer) error
	WriteCSV(w io.Writer) error
	Document() report.Document
}

// write makes a report of what the flags ask for and writes it.
func (f scopeFlags) write(std streams, make func(config.Config, storage.Scope) (scopedReport, error)) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	scope, err := app.ScopeOf(c, f.Cluster)
	if err != nil {
		return usageError{err}
	}
	if scope.From, scope.To, err = period(f.From, f.To, scope.Zone, time.Now()); err != nil {
		return usageError{err}
	}
	made, err := make(c, scope)
	if err != nil {
		return err
	}
	write := made.WriteJSON
	switch f.Format {
	case "csv":
		write = made.WriteCSV
	case "xlsx":
		write = made.Document().WriteXLSX
	case "html":
		write = made.Document().WriteHTML
	case "pdf":
		write = made.Document().WritePDF
	}
	return writeTo(f.Output, std.out, write)
}

// reportUsageCmd writes the report of meetings.
type reportUsageCmd struct {
	scopeFlags
	Pseudonymize bool `help:"Put numbers in the place of names of people, spaces and meetings, the same throughout the report."`
}

func (r reportUsageCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	return r.write(std, func(c config.Config, s storage.Scope) (scopedReport, error) {
		made, err := app.UsageReport(ctx, c, s, log)
		if r.Pseudonymize {
			made.Pseudonymize()
		}
		return made, err
	})
}

// reportCapacityCmd writes the report of load against limits.
type reportCapacityCmd struct{ scopeFlags }

func (r reportCapacityCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	return r.write(std, func(c config.Config, s storage.Scope) (scopedReport, error) {
		return app.CapacityReport(ctx, c, s, log)
	})
}

// reportQualityCmd writes the report of media quality.
type reportQualityCmd struct {
	scopeFlags
	Pseudonymize bool `help:"Put numbers in the place of names of people and meetings, the same throughout the report."`
}

func (r reportQualityCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	return r.write(std, func(c config.Config, s storage.Scope) (scopedReport, error) {
		made, err := app.QualityReport(ctx, c, s, log)
		if r.Pseudonymize {
			made.Pseudonymize()
		}
		return made, err
	})
}
