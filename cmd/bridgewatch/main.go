// Command bridgewatch is the monitoring, CDR and licensing pipeline for Cisco Meeting Server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes: 0 done, 1 failed, 2 usage.
const (
	exitFailed = 1
	exitUsage  = 2
)

// cli is the whole command line; each command lives in a file of its own.
type cli struct {
	LogFormat string `enum:"text,json" default:"text" help:"Log lines as text or JSON."`
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"Least level that is logged."`

	Demo          demoCmd          `cmd:"" help:"A simulated CMS cluster and the whole pipeline on embedded servers."`
	Serve         serveCmd         `cmd:"" help:"The pipeline against real Call Bridges."`
	Check         checkCmd         `cmd:"" help:"Validate a configuration, then reach every bridge, NATS and ClickHouse."`
	Adopt         adoptCmd         `cmd:"" help:"Ask one Call Bridge for its cluster and write a configuration for all of it."`
	Report        reportCmd        `cmd:"" help:"Reports over a period."`
	Explain       explainCmd       `cmd:"" help:"What lies behind a figure."`
	WhatIf        whatIfCmd        `cmd:"" name:"what-if" help:"License history under another assignment or entitlement; the cheapest mix; a forecast."`
	Verify        verifyCmd        `cmd:"" help:"Prove a sealed report and compute it again, offline."`
	Import        importCmd        `cmd:"" help:"Feed captured CDR bodies through the pipeline."`
	Replay        replayCmd        `cmd:"" help:"Make facts anew from the raw bodies of a period and print what changes."`
	Backup        backupCmd        `cmd:"" help:"Copy the tables and streams of the embedded servers into a folder."`
	Restore       restoreCmd       `cmd:"" help:"Make an installation from a backup."`
	SupportBundle supportBundleCmd `cmd:"" name:"support-bundle" help:"Pack versions, configuration without secrets, health and metrics for a person who helps."`
	Sql           sqlCmd           `cmd:"" name:"sql" help:"Run a query on the configured store."`
	Rules         rulesCmd         `cmd:"" help:"Print the Prometheus rules."`
	Dashboards    dashboardsCmd    `cmd:"" help:"Write the Grafana dashboards as JSON."`
	Version       versionCmd       `cmd:"" help:"Version, revision and engine versions."`
	Healthy       healthyCmd       `cmd:"" hidden:"" help:"Ask the instance on this machine whether it answers, for a container's health check."`
	EngineProcess engineProcessCmd `cmd:"" name:"engine" hidden:"" help:"The embedded engine's child process."`
}

// usageError is a mistake of the person at the keyboard, as opposed to a failure of the work.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// streams are the program's standard streams, passed in so that commands can be tested.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// run parses args, runs the command and returns the exit code. Errors are one line on the error stream.
func run(ctx context.Context, args []string, std streams) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("bridgewatch"),
		kong.Description("Monitoring, CDR and licensing pipeline for Cisco Meeting Server."),
		kong.Writers(std.out, std.err),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(std.err, "bridgewatch: "+err.Error())
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintf(std.err, "bridgewatch: %s; see bridgewatch --help\n", oneLine(err))
		return exitUsage
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.Bind(std, c.logger(std.err))
	err = parsed.Run()
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintln(std.err, "bridgewatch: "+oneLine(err))
		return exitUsage
	default:
		fmt.Fprintln(std.err, "bridgewatch: "+oneLine(err))
		return exitFailed
	}
}

// logger is where a command logs to: the error stream, so that standard output stays clean for data.
func (c *cli) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil { // the enum above allows only valid names
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// answered waits for what a person or a pipe is to say on standard input, but not beyond the end of ctx: Ctrl-C ends a question too.
func answered(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	said := make(chan answer, 1)
	go func() {
		text, err := read()
		said <- answer{text, err}
	}()
	select {
	case a := <-said:
		return a.text, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// oneLine joins an error of several lines into one, as people and scripts read errors by the line.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
