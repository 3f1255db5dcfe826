package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"

	"github.com/bridgewatch/bridgewatch/collector/poller"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/engine"
)

// finding is one line of a check.
type finding struct {
	what    string
	works   bool
	details string
}

// ErrCheckFailed means that something of what was checked does not work; the table says what.
var ErrCheckFailed = errors.New("something does not work; the table above says what")

// checkTimeout bounds the questions to one server.
const checkTimeout = 15 * time.Second

// Check reaches every bridge and server of a configuration and writes a table of what works.
func Check(ctx context.Context, c config.Config, out io.Writer, log *slog.Logger) error {
	inv, err := inventory(c)
	if err != nil {
		return err
	}
	receivers := pollerConfig(c).Receivers
	var places [][2]int
	for i, cluster := range inv.Clusters {
		for j := range cluster.Bridges {
			places = append(places, [2]int{i, j})
		}
	}
	lines := make([]finding, len(places)+2)
	var group errgroup.Group
	group.SetLimit(8)
	for n, at := range places {
		group.Go(func() error {
			cluster := inv.Clusters[at[0]]
			bridge := cluster.Bridges[at[1]]
			ctx, cancel := context.WithTimeout(ctx, 4*checkTimeout)
			defer cancel()
			found := poller.Check(ctx, bridge, checkTimeout, receivers[cluster.Name][bridge.Name], time.Now)
			lines[n] = describe("bridge "+cluster.Name+"/"+bridge.Name, found)
			return nil
		})
	}
	group.Go(func() error { lines[len(places)] = checkBus(ctx, c, log); return nil })
	group.Go(func() error { lines[len(places)+1] = checkStore(ctx, c, log); return nil })
	if err := group.Wait(); err != nil {
		return err
	}
	lines = append(lines, checkFiles(c)...)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	failed := false
	for _, line := range lines {
		state := "ok"
		if !line.works {
			state, failed = "FAILED", true
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", line.what, state, line.details)
	}
	for _, w := range c.Warnings {
		fmt.Fprintf(table, "configuration\twarning\t%s\n", w.Error())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if failed {
		return ErrCheckFailed
	}
	return nil
}

// describe makes one line of what a bridge said.
func describe(what string, f poller.Found) finding {
	if f.Problem != "" && (!f.Reachable || !f.Authorized) {
		return finding{what, false, f.Problem}
	}
	details := []string{"release " + f.Version}
	if f.ClockSkew.Abs() >= 2*time.Second {
		details = append(details, "clock off by "+f.ClockSkew.Round(time.Second).String())
	}
	if f.Group != "" {
		details = append(details, "group "+f.Group)
	}
	if f.LoadLimit != nil {
		details = append(details, fmt.Sprintf("load limit %d", *f.LoadLimit))
	} else {
		details = append(details, "no load limit set: the catalogue's is used")
	}
	if !f.EventsPossible {
		details = append(details, "too old for events")
	}
	works := f.Problem == ""
	switch {
	case f.Receivers == nil:
		details = append(details, "CDR receivers could not be read")
	case f.Receivers.Ours == nil:
		details = append(details, fmt.Sprintf("%d CDR receivers; set cdr.public_url to see whether ours is among them", len(f.Receivers.Receivers)))
	case *f.Receivers.Ours:
		details = append(details, "sends its CDRs here")
	default:
		works = false
		details = append(details, "our CDR receiver is NOT in its CDR settings")
	}
	if f.Problem != "" {
		details = append(details, f.Problem)
	}
	return finding{what, works, strings.Join(details, ", ")}
}

// checkBus opens the bus as serve would, or joins a running one.
func checkBus(ctx context.Context, c config.Config, log *slog.Logger) finding {
	what := "bus (embedded)"
	if !c.NATS.URL.IsZero() {
		what = "bus " + c.NATS.URL.String()
	}
	cfg := busConfig(c)
	cfg.Join = true
	b := bus.New(cfg, bus.Deps{Log: log})
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- b.Run(running) }()
	defer stop()
	select {
	case <-b.Ready():
	case err := <-ended:
		return finding{what, false, reason(err)}
	}
	state, how := b.CheckSync(ctx)
	details := fmt.Sprintf("each write synced before it is acknowledged: %s (%s)", state, how)
	stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		return finding{what, false, reason(err)}
	}
	return finding{what, state != bus.SyncOff, details}
}

// checkFiles reads the files of our own listeners, without which serve does not begin.
func checkFiles(c config.Config) (list []finding) {
	if c.HTTP.WebConfig != "" {
		f := finding{"http.web_config", true, c.HTTP.WebConfig}
		if err := web.Validate(c.HTTP.WebConfig); err != nil {
			f.works, f.details = false, reason(fmt.Errorf("%s: %w", c.HTTP.WebConfig, err))
		}
		list = append(list, f)
	}
	if c.CDR.Listen != "" && c.CDR.TLS.CertFile != "" {
		f := finding{"cdr.tls", true, c.CDR.TLS.CertFile}
		if _, err := tls.LoadX509KeyPair(c.CDR.TLS.CertFile, c.CDR.TLS.KeyFile); err != nil {
			f.works, f.details = false, reason(err)
		}
		list = append(list, f)
	}
	return list
}

// checkStore asks the store for its version.
func checkStore(ctx context.Context, c config.Config, log *slog.Logger) finding {
	what := "store (embedded)"
	if !c.ClickHouse.URL.IsZero() {
		what = "store " + c.ClickHouse.URL.String()
	} else if path, err := engine.FindLibrary(); err != nil {
		return finding{what, false, err.Error()}
	} else if _, err := engine.ReadEndpoint(c.DataDir); errors.Is(err, engine.ErrNotRunning) {
		// Starting an engine only to check it would lock the folder under a serve that begins now.
		return finding{what, true, "not running; its library is " + path}
	}
	var version string
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := withStore(ctx, Options{Config: c, Log: log}, func(ctx context.Context, options *clickhouse.Options) error {
		first := *options
		first.Auth.Database = "default"
		conn, err := clickhouse.Open(&first)
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // only read from
		return conn.QueryRow(ctx, "SELECT version()").Scan(&version)
	})
	if err != nil {
		return finding{what, false, reason(err)}
	}
	return finding{what, true, "ClickHouse " + version}
}

// reason is an error on one line.
func reason(err error) string {
	if err == nil {
		return "ended by itself"
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
