package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

const (
	youngLag = 25.0 // seconds that no heartbeat is older than while all runs: two intervals less some, and a look
	oldLag   = 35.0 // seconds that tell that something stands still
)

// TestHeartbeatOfStages stops each stage of the pipeline in turn, a receiver, a broker, the writer and the engine each on its own, and looks how the ages of the
// heartbeat tell (make prove-heartbeat). Within a minute the age at its end is beyond any that a working pipeline shows, and the stage where ages part is the one that stands.
func TestHeartbeatOfStages(t *testing.T) {
	if os.Getenv("BRIDGEWATCH_PROVE_HEARTBEAT") == "" {
		t.Skip("minutes long; make prove-heartbeat")
	}
	d := newDeployment(t, cmssim.Config{Bridges: 2, Seed: 7})
	start, url := d.ownBroker()
	broker := start()
	t.Cleanup(func() {
		_ = broker.Process.Kill()
		_ = broker.Wait()
	})
	front := d.second("receive")
	d.roles = "collect,store,expose"
	d.serve()
	front.serve()
	d.sim.StartStory()
	var listens [2]string
	for i, path := range []string{d.path, front.path} {
		c, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		listens[i] = c.HTTP.Listen
	}
	lag := func(stage string) (float64, error) {
		listen := listens[0]
		if stage == "bus" {
			listen = listens[1]
		}
		metrics, err := scrape(listen)
		if err != nil {
			return 0, err
		}
		return metrics.value("bridgewatch_pipeline_lag_seconds", "stage", stage)
	}
	young := func(stages ...string) func() error {
		return func() (err error) {
			for _, s := range stages {
				if seconds, problem := lag(s); problem != nil || seconds > youngLag {
					err = errors.Join(err, fmt.Errorf("stage %s: %.0f s: %w", s, seconds, problem))
				}
			}
			return err
		}
	}
	signal := func(pid int, s syscall.Signal) func() {
		return func() {
			if err := syscall.Kill(pid, s); err != nil {
				t.Error(err)
			}
		}
	}
	client, err := nats.Connect(url, nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	js, err := jetstream.New(client)
	if err != nil {
		t.Fatal(err)
	}
	pause := func(until time.Time) func() {
		return func() {
			if _, err := js.PauseConsumer(t.Context(), string(bus.CDR), "writer", until); err != nil {
				t.Error(err)
			}
		}
	}
	engine := engineProcess(t, d.cmd.Process.Pid)
	for _, stop := range []struct {
		name           string
		halt, let      func()
		fresh, lagging []string
	}{
		{"receiver", signal(front.cmd.Process.Pid, syscall.SIGSTOP), signal(front.cmd.Process.Pid, syscall.SIGCONT), nil, []string{"store", "query"}},
		// Without the broker nobody can tell who the writer is, so the stage "store" has no age then.
		{"broker", signal(broker.Process.Pid, syscall.SIGSTOP), signal(broker.Process.Pid, syscall.SIGCONT), nil, []string{"bus", "query"}},
		{"writer", pause(time.Now().Add(time.Hour)), pause(time.Now().Add(-time.Hour)), []string{"bus"}, []string{"store", "query"}},
		{"engine", signal(engine, syscall.SIGSTOP), signal(engine, syscall.SIGCONT), []string{"bus"}, []string{"store", "query"}},
	} {
		waitFor(t, 3*time.Minute, young("bus", "store", "query"))
		stop.halt()
		began := time.Now()
		waitFor(t, time.Minute, func() error {
			for _, stage := range stop.lagging {
				if seconds, err := lag(stage); err != nil || seconds < oldLag {
					return fmt.Errorf("%s stopped: stage %s has the age of %.0f s: %w", stop.name, stage, seconds, err)
				}
			}
			return nil
		})
		told := time.Since(began)
		if err := young(stop.fresh...)(); err != nil {
			t.Errorf("%s stopped: %v", stop.name, err)
		}
		stop.let()
		t.Logf("%s stopped: %s older than %.0f s after %.0f s", stop.name, strings.Join(stop.lagging, ", "), oldLag, told.Seconds())
	}
	waitFor(t, 3*time.Minute, young("bus", "store", "query"))
}

// second is another instance of the deployment, with some roles, a folder and addresses of its own, and the CDR listener.
func (d *deployment) second(roles string) *deployment {
	d.t.Helper()
	other := &deployment{t: d.t, dir: d.t.TempDir(), sim: d.sim, roles: roles}
	text, err := os.ReadFile(d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	c, err := config.Load(d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(text), c.DataDir, filepath.Join(other.dir, "data"))
	for _, address := range []string{c.HTTP.Listen, c.ClickHouse.Listen, c.Syslog.Listen} {
		free, err := freeAddress("127.0.0.1:0")
		if err != nil {
			d.t.Fatal(err)
		}
		changed = strings.ReplaceAll(changed, address, free)
	}
	other.path = filepath.Join(other.dir, "bridgewatch.yml")
	if err := os.WriteFile(other.path, []byte(changed), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return other
}
