package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// DemoOptions say what is simulated and for how long.
type DemoOptions struct {
	// For is how long the live part runs before the demo ends by itself; zero means until it is told to.
	For time.Duration
	// Bridges of the simulated cluster.
	Bridges int
	// Speed is simulated seconds per second.
	Speed float64
	// Backfill is how much history is told before the live part.
	Backfill time.Duration
	Seed     int64
	// Data is the folder for everything; empty means a temporary one that is removed at the end.
	Data string
	// EngineCommand as in Options.
	EngineCommand []string
	Out           io.Writer
	Log           *slog.Logger
}

// drainTimeout is how long the end of a demo may take until everything that was told is stored.
const drainTimeout = 10 * time.Minute

// Demo runs a simulated cluster and the whole pipeline until ctx ends or its time is over.
func Demo(ctx context.Context, o DemoOptions) (err error) {
	dir := o.Data
	if dir == "" {
		if dir, err = os.MkdirTemp("", "bridgewatch-demo-"); err != nil {
			return fmt.Errorf("make a temporary folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	if bus.Served(filepath.Join(dir, "data")) { // its configuration and certificates would be written over below
		return fmt.Errorf("--data: a demo runs in %s already", dir)
	}
	sim, err := cmssim.New(cmssim.Config{
		Bridges: o.Bridges, Seed: o.Seed, Speed: o.Speed, Backfill: o.Backfill, Hold: true,
		StopAfter: time.Duration(float64(o.For) * o.Speed), Logger: o.Log,
	})
	if err != nil {
		return fmt.Errorf("simulate: %w", err)
	}

	// The simulator outlives ctx a little: it ends first, then the pipeline.
	simCtx, stopSim := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSim()
	appCtx, stopApp := context.WithCancel(context.WithoutCancel(ctx))
	defer stopApp()
	var group errgroup.Group
	group.Go(func() error { return sim.Run(simCtx) })
	defer func() {
		stopSim()
		err = errors.Join(err, group.Wait())
	}()
	select {
	case <-sim.Ready():
	case <-ctx.Done():
		return nil
	case <-time.After(time.Minute):
		return errors.New("the simulated cluster did not start within a minute")
	}
	path, err := writeDemoConfig(dir, sim)
	if err != nil {
		return err
	}
	c, err := config.Load(path)
	if err != nil {
		return err
	}
	if err := errors.Join(c.ReadBridgeSecrets(), c.ReadServerSecrets()); err != nil {
		return err
	}
	a, err := New(Options{Config: *c, EngineCommand: o.EngineCommand, Log: o.Log})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(appCtx) }()
	defer func() {
		stopSim()
		stopApp()
		err = errors.Join(err, <-ended)
	}()
	select {
	case <-a.Started():
	case failure := <-ended:
		ended <- nil
		return failure
	case <-ctx.Done():
		return nil
	}
	for _, b := range sim.Bridges() {
		if err := b.AddReceiver("http://" + a.CDRAddr().String() + "/cdr/" + b.Token()); err != nil {
			return fmt.Errorf("add the receiver on %s: %w", b.Name, err)
		}
	}
	sim.StartStory()
	group.Go(func() error {
		cause(simCtx, sim, troubles("http://"+a.CDRAddr().String()), o.Log)
		return nil
	})
	fmt.Fprintf(o.Out, `Bridgewatch watches a simulated cluster of %d Call Bridges (seed %d, speed %g).

  start here  http://%[4]s/
  metrics     http://%[4]s/metrics
  calls       http://%[4]s/api/v1/calls
  ClickHouse  http://%[5]s/ (read-only; HTTP interface)
  query       bridgewatch sql -c %[6]s 'SELECT count() FROM call_legs'

`, len(sim.Bridges()), o.Seed, o.Speed, a.HTTPAddr(), a.ClickHouseAddr(), path)

	if o.For == 0 {
		fmt.Fprintln(o.Out, "Ctrl-C ends it.")
		select {
		case <-ctx.Done():
			return nil
		case failure := <-ended:
			ended <- nil
			return failure
		}
	}
	drained := make(chan error, 1)
	go func() { drained <- drain(ctx, sim, a) }()
	select {
	case err := <-drained:
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	case failure := <-ended:
		ended <- nil
		return failure
	}
	return summarize(ctx, o.Out, a, o.For)
}

// drain waits until the story is told and all of it is stored.
func drain(ctx context.Context, sim *cmssim.Sim, a *App) error {
	if err := sim.Drain(ctx); err != nil {
		return fmt.Errorf("drain the simulated bridges: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	for {
		stats, err := a.Bus().Stats(ctx)
		if err != nil {
			return fmt.Errorf("drain the bus: %w", err)
		}
		if stats[bus.CDR].Messages == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("drain the bus: %d messages were not stored within %s", stats[bus.CDR].Messages, drainTimeout)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// summarize prints what a demo of limited time brought.
func summarize(ctx context.Context, out io.Writer, a *App, ran time.Duration) error {
	fmt.Fprintf(out, "\nAfter %s and all records stored:\n", ran)
	for _, line := range []struct{ what, query string }{
		{"records", "SELECT toString(count()) FROM cdr_records"},
		{"missing", "SELECT toString(sum(missing)) FROM cdr_sessions"},
		{"meetings", "SELECT toString(count()) FROM meetings"},
		{"calls", "SELECT concat(toString(count()), ', ', toString(countIf(end IS NULL)), ' going on') FROM calls"},
		{"call legs", "SELECT concat(toString(count()), ', ', toString(countIf(end IS NULL)), ' connected, ', toString(countIf(NOT counts_as_person)), ' no people') FROM call_legs"},
		{"recordings", "SELECT toString(count()) FROM recordings"},
		{"streams", "SELECT toString(count()) FROM streams"},
		{"polls", "SELECT toString(count()) FROM bridge_samples"},
	} {
		var value string
		if err := a.Conn().QueryRow(ctx, line.query).Scan(&value); err != nil {
			return fmt.Errorf("summary of %s: %w", line.what, err)
		}
		fmt.Fprintf(out, "  %-11s %s\n", line.what, value)
	}
	return nil
}

// writeDemoConfig writes the configuration of the demo, so that other commands work beside it, and returns its path. The simulated bridges send their syslog there.
func writeDemoConfig(dir string, sim *cmssim.Sim) (string, error) {
	path := filepath.Join(dir, "bridgewatch.yml")
	files := cmssim.ConfigFiles{
		DataDir: filepath.Join(dir, "data"), CAFile: filepath.Join(dir, "ca.pem"), PasswordFile: filepath.Join(dir, "password"), PollInterval: "5s",
	}
	for _, listen := range []struct {
		to      *string
		usually string
	}{{&files.HTTPListen, "127.0.0.1:8800"}, {&files.CDRListen, "127.0.0.1:8801"}, {&files.ClickHouseListen, "127.0.0.1:8802"}, {&files.SyslogListen, "127.0.0.1:8803"}} {
		address, err := freeAddress(listen.usually)
		if err != nil {
			return "", err
		}
		*listen.to = address
	}
	for _, f := range []struct {
		path string
		text []byte
	}{
		{files.CAFile, sim.CAPEM()},
		{files.PasswordFile, []byte(sim.Bridges()[0].Password + "\n")},
		{path, sim.BridgewatchConfig(files)},
	} {
		if err := os.WriteFile(f.path, f.text, 0o600); err != nil {
			return "", fmt.Errorf("write the demo's configuration: %w", err)
		}
	}
	sim.SetSyslogTarget(files.SyslogListen)
	return path, nil
}

// freeAddress is the usual address, or one with a free port where it is taken, so that a demo never stands in the way of a real instance.
func freeAddress(usually string) (string, error) {
	for _, address := range []string{usually, "127.0.0.1:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		defer l.Close() //nolint:errcheck // only the number was wanted
		return l.Addr().String(), nil
	}
	return "", errors.New("no free port on 127.0.0.1")
}
