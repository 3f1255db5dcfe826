// Command cmssim runs a simulated Cisco Meeting Server deployment as a program of its own: Call Bridges with CDR senders,
// HTTPS API, events and syslog, all driven by one seeded story. Faults are switched over a loopback HTTP endpoint.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
)

type options struct {
	Clusters    int           `default:"1" help:"Number of clusters."`
	Bridges     int           `default:"3" help:"Call Bridges per cluster, at most 24."`
	Seed        int64         `default:"1" help:"Same seed, same story."`
	Volume      float64       `default:"1" help:"Meetings, relative to about 100 started per bridge and hour at the daily peak."`
	Crowd       float64       `default:"1" help:"People in a conference, relative to five on average."`
	Speed       float64       `default:"1" help:"Simulated seconds per second."`
	Release     string        `default:"3.8" help:"CMS release: 2.0 to 2.9, or 3.0 and later."`
	Backfill    string        `default:"0" help:"History told as CDRs before the live part, such as 90d or 36h."`
	Preroll     time.Duration `default:"2h" help:"Story told at the start where there is no backfill."`
	StopAfter   time.Duration `help:"End the story at this story time; the API stays."`
	Receiver    []string      `help:"CDR receiver URL for every bridge; {bridge} is replaced by its name. Up to four."`
	Syslog      string        `help:"host:port to send syslog to, over TCP."`
	Listen      string        `default:"127.0.0.1:0" help:"Where the first bridge's API listens; the next ones take the ports after it. Port 0: any."`
	Control     string        `default:"127.0.0.1:0" help:"Loopback address of the control endpoint (GET / explains it)."`
	Username    string        `default:"bridgewatch" help:"API account."`
	Password    string        `default:"secret" env:"CMSSIM_PASSWORD" help:"Its password."`
	CDRListen   string        `name:"cdr-listen" default:"127.0.0.1:8801" help:"Where the configuration written receives CDRs."`
	WriteConfig string        `type:"path" placeholder:"FILE" help:"Write a ready-to-use Bridgewatch configuration, with the CA and password files beside it. Without --receiver, the bridges post to its cdr listener."`
}

func main() {
	var o options
	parser := kong.Must(&o, kong.Name("cmssim"), kong.Description("A simulated Cisco Meeting Server deployment."), kong.UsageOnError())
	if _, err := parser.Parse(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cmssim:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// days reads a duration that may also be given in days.
func days(s string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		v, err := strconv.ParseFloat(n, 64)
		if err != nil {
			return 0, fmt.Errorf("cmssim: backfill %q: %w", s, err)
		}
		return time.Duration(v * 24 * float64(time.Hour)), nil
	}
	if s == "0" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("cmssim: backfill: %w", err)
	}
	return d, nil
}

func run(ctx context.Context, o options) error {
	backfill, err := days(o.Backfill)
	if err != nil {
		return err
	}
	host, portText, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("cmssim: --listen: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return fmt.Errorf("cmssim: --listen: port: %w", err)
	}
	sim, err := cmssim.New(cmssim.Config{
		Clusters: o.Clusters, Bridges: o.Bridges, Seed: o.Seed, Volume: o.Volume, Crowd: o.Crowd, Speed: o.Speed, Release: o.Release,
		Backfill: backfill, Preroll: o.Preroll, StopAfter: o.StopAfter, Hold: true, SyslogTarget: o.Syslog,
		ListenHost: host, BasePort: port, Username: o.Username, Password: o.Password,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	control, err := listenLoopback(ctx, o.Control)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: sim.Control(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(control); err != nil && !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "cmssim: control endpoint:", err)
		}
	}()
	defer server.Close() //nolint:errcheck // the program ends

	ended := make(chan error, 1)
	go func() { ended <- sim.Run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-sim.Ready():
	}
	receivers := o.Receiver
	if o.WriteConfig != "" {
		if err := writeConfig(o.WriteConfig, sim, o); err != nil {
			return err
		}
		if len(receivers) == 0 {
			receivers = []string{"http://" + o.CDRListen + "/cdr/" + cmssim.TokenPattern}
		}
	}
	for _, b := range sim.Bridges() {
		for _, r := range receivers {
			r = strings.ReplaceAll(r, cmssim.TokenPattern, b.Token())
			if err := b.AddReceiver(strings.ReplaceAll(r, "{bridge}", b.Name)); err != nil {
				return err
			}
		}
		fmt.Printf("%s\t%s\t%s\n", b.Cluster, b.Name, b.URL())
	}
	fmt.Printf("control\thttp://%s/\n", control.Addr())
	sim.StartStory()
	return <-ended
}

// listenLoopback listens for the control endpoint, which has no password and therefore never leaves the machine.
func listenLoopback(ctx context.Context, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cmssim: --control: %w", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		_ = l.Close() // it is the wrong one anyway
		return nil, fmt.Errorf("cmssim: --control: %s is not a loopback address", address)
	}
	return l, nil
}

// writeConfig writes the configuration, and the CA and password files it refers to.
func writeConfig(path string, sim *cmssim.Sim, o options) error {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("cmssim: --write-config: %w", err)
	}
	base := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	ca, password := filepath.Join(dir, base+"-ca.pem"), filepath.Join(dir, base+".password")
	files := []struct {
		path string
		data []byte
	}{
		{ca, sim.CAPEM()},
		{password, []byte(o.Password + "\n")},
		{path, sim.BridgewatchConfig(cmssim.ConfigFiles{DataDir: filepath.Join(dir, base+"-data"), CAFile: ca, PasswordFile: password, CDRListen: o.CDRListen, SyslogListen: o.Syslog})},
	}
	for _, f := range files {
		if err := os.WriteFile(f.path, f.data, 0o600); err != nil {
			return fmt.Errorf("cmssim: --write-config: %w", err)
		}
	}
	return nil
}
