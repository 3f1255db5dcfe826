package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/bridgewatch/bridgewatch/alerts"
	"github.com/bridgewatch/bridgewatch/dashboards/grafana"
	"github.com/bridgewatch/bridgewatch/internal/app"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/engine"
)

// configFlag is how commands find the configuration file.
type configFlag struct {
	Config string `short:"c" env:"BRIDGEWATCH_CONFIG" placeholder:"FILE" help:"Configuration file."`
}

// load reads the file and the secrets it points to. A mistake in the file is a usage error.
func (f configFlag) load() (config.Config, error) {
	if f.Config == "" {
		return config.Config{}, usageError{errors.New("no configuration: give -c FILE, or set BRIDGEWATCH_CONFIG")}
	}
	c, err := config.Load(f.Config)
	if err == nil {
		err = errors.Join(c.ReadBridgeSecrets(), c.ReadServerSecrets())
	}
	if err != nil {
		return config.Config{}, usageError{err}
	}
	return *c, nil
}

// serveCmd runs the pipeline.
type serveCmd struct {
	configFlag
	Role string `default:"receive,subscribe,collect,store,expose" help:"Parts of the work this instance does, comma-separated: receive, subscribe, collect, store, expose."`
}

func (s serveCmd) Run(ctx context.Context, log *slog.Logger) error {
	roles, err := app.ParseRoles(s.Role)
	if err != nil {
		return usageError{err}
	}
	c, err := s.load()
	if err != nil {
		return err
	}
	if err := c.NeedClusters(); err != nil {
		return usageError{err}
	}
	a, err := app.New(app.Options{Config: c, Roles: roles, Log: log})
	if err != nil {
		return usageError{err}
	}
	go func() {
		select {
		case <-a.Started():
			log.Info("bridgewatch serves", "version", buildVersion(), "roles", s.Role, "http", a.HTTPAddr(), "cdr", a.CDRAddr(), "clickhouse", a.ClickHouseAddr())
		case <-ctx.Done():
		}
	}()
	return a.Run(ctx)
}

// sqlCmd runs one query.
type sqlCmd struct {
	configFlag
	Query string `arg:"" help:"The query; its answer is tab-separated unless it says FORMAT. - reads it from standard input."`
}

func (s sqlCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	query := s.Query
	if query == "-" {
		var err error
		query, err = answered(ctx, func() (string, error) {
			text, err := io.ReadAll(std.in)
			return string(text), err
		})
		if err != nil {
			return fmt.Errorf("read the query: %w", err)
		}
	}
	c, err := s.load()
	if err != nil {
		return err
	}
	return app.SQL(ctx, c, query, std.out, log)
}

// rulesCmd prints the Prometheus rules.
type rulesCmd struct {
	Set     map[string]string `help:"Override a threshold, NAME=VALUE; may be repeated. --list names them." mapsep:"none"`
	List    bool              `help:"List the thresholds instead."`
	URL     string            `help:"How people reach Bridgewatch, for links to runbooks."`
	Grafana string            `help:"How people reach Grafana, for links to dashboards."`
}

func (r rulesCmd) Run(std streams) error {
	if r.List {
		thresholds, err := alerts.Thresholds()
		if err != nil {
			return err
		}
		for _, t := range thresholds {
			fmt.Fprintf(std.out, "%s=%v\t%s\n", t.Name, t.Value, t.Help)
		}
		return nil
	}
	set := map[string]float64{}
	for name, text := range r.Set {
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return usageError{fmt.Errorf("--set %s: %q is not a number", name, text)}
		}
		set[name] = value
	}
	rules, err := alerts.Rules(alerts.Options{Set: set, BaseURL: r.URL, GrafanaURL: r.Grafana})
	if err != nil {
		return usageError{err}
	}
	_, err = std.out.Write(rules)
	return err
}

// dashboardsCmd writes the Grafana dashboards.
type dashboardsCmd struct {
	Output string `short:"o" required:"" placeholder:"DIR" help:"Folder to write the JSON files to; it is made if need be."`
}

func (d dashboardsCmd) Run(std streams) error {
	boards, err := grafana.Dashboards()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.Output, 0o755); err != nil {
		return err
	}
	for _, board := range boards {
		path := filepath.Join(d.Output, board.Name+".json")
		if err := os.WriteFile(path, board.JSON, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(std.out, "%s\t%s\n", path, board.Title)
	}
	return nil
}

// versionCmd prints what this program is.
type versionCmd struct{}

func (versionCmd) Run(std streams) error {
	fmt.Fprintf(std.out, "bridgewatch %s (%s, %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(std.out, "revision    %s\n", setting("vcs.revision"))
	state, err := engine.FindLibrary()
	if err != nil {
		state = err.Error()
	}
	fmt.Fprintf(std.out, "engine      libchdb %s (%s)\n", engine.LibraryVersion, state)
	for _, module := range []string{"github.com/nats-io/nats-server/v2", "github.com/ClickHouse/clickhouse-go/v2"} {
		fmt.Fprintf(std.out, "%-11s %s\n", strings.TrimSuffix(filepath.Base(strings.TrimSuffix(module, "/v2")), "/v2"), moduleVersion(module))
	}
	return nil
}

func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func setting(key string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == key {
				return s.Value
			}
		}
	}
	return "unknown"
}

func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "unknown"
}

// healthyCmd is a container's health check.
type healthyCmd struct{ configFlag }

func (h healthyCmd) Run(ctx context.Context) error {
	c, err := config.Load(h.Config)
	if err != nil {
		return usageError{err}
	}
	return app.Healthy(ctx, *c)
}

// engineProcessCmd is the child process that holds the embedded engine.
type engineProcessCmd struct{}

func (engineProcessCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return engine.Serve(ctx, engine.ServeOptions{})
}
