package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/engine"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// rolesVariable names the roles that such a process takes, separated by commas; empty: all.
const rolesVariable = "BRIDGEWATCH_TEST_ROLES"

// debugVariable makes serve log everything.
const debugVariable = "BRIDGEWATCH_TEST_DEBUG"

// serveVariable makes the test binary act as `bridgewatch serve` with the configuration it names.
const serveVariable = "BRIDGEWATCH_TEST_SERVE"

func TestMain(m *testing.M) {
	if path := os.Getenv(serveVariable); path != "" && os.Getenv("BRIDGEWATCH_TEST_ENGINE_CHILD") == "" {
		if err := serveForTest(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(brokerVariable); dir != "" {
		if err := brokerForTest(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if text := os.Getenv(loadVariable); text != "" {
		if err := loadForTest(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	storagetest.Main(m)
}

// brokerVariable makes the test binary act as a NATS server with its data in the folder that it names and on the port in the file "port" there.
const brokerVariable = "BRIDGEWATCH_TEST_BROKER"

func brokerForTest(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "port"))
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(string(text))
	if err != nil {
		return err
	}
	broker, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: filepath.Join(dir, "js"), SyncAlways: true})
	if err != nil {
		return err
	}
	broker.Start()
	broker.WaitForShutdown()
	return nil
}

func serveForTest(path string) error {
	c, err := config.Load(path)
	if err != nil {
		return err
	}
	if err := c.ReadBridgeSecrets(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if profile := os.Getenv(profileVariable); profile != "" {
		go profileOnSignal(profile)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var roles []Role
	for _, r := range strings.FieldsFunc(os.Getenv(rolesVariable), func(c rune) bool { return c == ',' }) {
		roles = append(roles, Role(r))
	}
	level := slog.LevelWarn
	if os.Getenv(debugVariable) != "" {
		level = slog.LevelDebug
	}
	a, err := New(Options{Config: *c, Roles: roles, EngineCommand: []string{"/usr/bin/env", "BRIDGEWATCH_TEST_ENGINE_CHILD=1", self},
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// deployment is a simulated cluster and a serve process that may be killed.
type deployment struct {
	t    *testing.T
	dir  string
	path string // of the configuration
	// roles of the process, separated by commas; empty: all.
	roles string
	sim   *cmssim.Sim
	cmd   *exec.Cmd
	// log takes everything the process logs, debugging included; nil: its warnings go to the test's own.
	log io.Writer
}

func newDeployment(t *testing.T, simulated cmssim.Config) *deployment {
	t.Helper()
	d := &deployment{t: t, dir: t.TempDir()}
	simulated.Hold, simulated.KeepTruth = true, true
	sim, err := cmssim.New(simulated)
	if err != nil {
		t.Fatal(err)
	}
	d.sim = sim
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("simulator: %v", err)
		}
	})
	<-sim.Ready()
	if d.path, err = writeDemoConfig(d.dir, sim); err != nil {
		t.Fatal(err)
	}
	d.takeOtherPorts()
	c, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	sim.SetSyslogTarget(c.Syslog.Listen)
	for _, b := range sim.Bridges() {
		if err := b.AddReceiver("http://" + c.CDR.Listen + "/cdr/" + b.Token()); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// takeOtherPorts keeps away from the ports that a demo on the same machine takes.
func (d *deployment) takeOtherPorts() {
	d.t.Helper()
	text, err := os.ReadFile(d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	config := string(text)
	for _, port := range []string{"8800", "8801", "8802", "8803"} {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			d.t.Fatal(err)
		}
		defer free.Close()
		config = strings.ReplaceAll(config, "127.0.0.1:"+port, free.Addr().String())
	}
	if err := os.WriteFile(d.path, []byte(config), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// serve starts the process; it is not waited for, as bridges would not either.
func (d *deployment) serve() {
	d.t.Helper()
	self, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	d.cmd = exec.Command(self)
	d.cmd.Env = append(os.Environ(), serveVariable+"="+d.path, rolesVariable+"="+d.roles)
	d.cmd.Stderr = os.Stderr
	if d.log != nil {
		d.cmd.Stderr = d.log
		d.cmd.Env = append(d.cmd.Env, debugVariable+"=1")
	}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(d.kill)
}

// kill ends the whole process group with SIGKILL, the engine's child included.
func (d *deployment) kill() {
	if d.cmd == nil {
		return
	}
	_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
	_ = d.cmd.Wait()
	d.cmd = nil
}

// drain waits until every record is acknowledged and nothing lies on the bus, then opens the store.
func (d *deployment) drain(timeout time.Duration) driver.Conn {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), timeout)
	defer cancel()
	if err := d.sim.Drain(ctx); err != nil {
		d.t.Fatalf("drain the simulator: %v", err)
	}
	endpoint, err := engine.ReadEndpoint(filepath.Join(d.dir, "data"))
	if err != nil {
		d.t.Fatal(err)
	}
	conn := storagetest.Open(d.t, endpoint.Options(databaseName))
	var produced int64
	for _, b := range d.sim.Truth().Bridges {
		produced += b.Produced
	}
	for {
		var stored uint64
		err := conn.QueryRow(ctx, "SELECT toUInt64(sum(records)) FROM cdr_sessions").Scan(&stored)
		var unexpected *clickhouse.Exception
		if err == nil && int64(stored) >= produced {
			return conn
		}
		if errors.As(err, &unexpected) && unexpected.Code != 60 {
			d.t.Fatalf("count records: %v", err)
		}
		select {
		case <-ctx.Done():
			d.t.Fatalf("%d of %d records are stored after %s (%v)", stored, produced, timeout, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// compare holds what is stored against what really happened.
func (d *deployment) compare(conn driver.Conn) {
	d.t.Helper()
	truth := d.sim.Truth()
	ctx := d.t.Context()
	one := func(query string) (n uint64) {
		d.t.Helper()
		if err := conn.QueryRow(ctx, query).Scan(&n); err != nil {
			d.t.Fatalf("%s: %v", query, err)
		}
		return n
	}
	var produced int64
	for _, b := range truth.Bridges {
		produced += b.Produced
	}
	if n := one("SELECT count() FROM cdr_records"); int64(n) != produced {
		d.t.Errorf("%d records are stored, %d were made", n, produced)
	}
	if n := one("SELECT uniqExact(session, correlator_index) FROM cdr_records_data"); int64(n) != produced {
		d.t.Errorf("%d identities are stored, %d were made", n, produced)
	}
	if n := one("SELECT toUInt64(sum(missing)) FROM cdr_sessions"); n != 0 {
		d.t.Errorf("%d records are missing, none may be", n)
	}
	if n := one("SELECT count() FROM cdr_quarantine"); n != 0 {
		d.t.Errorf("%d bodies are in quarantine", n)
	}
	type leg struct {
		Call, Reason string
		Seconds      int64
		Person       bool
	}
	rows, err := conn.Query(ctx, "SELECT toString(id), toString(call_id), end_reason, dateDiff('second', start, end), counts_as_person FROM call_legs WHERE end_how = 'record'")
	if err != nil {
		d.t.Fatal(err)
	}
	stored := map[string]leg{}
	for rows.Next() {
		var id string
		var l leg
		if err := rows.Scan(&id, &l.Call, &l.Reason, &l.Seconds, &l.Person); err != nil {
			d.t.Fatal(err)
		}
		if _, twice := stored[id]; twice {
			d.t.Errorf("leg %s is there twice", id)
		}
		stored[id] = l
	}
	if err := rows.Close(); err != nil {
		d.t.Fatal(err)
	}
	if len(stored) != len(truth.Legs) {
		d.t.Errorf("%d ended legs are stored, %d ended", len(stored), len(truth.Legs))
	}
	const none = "00000000-0000-0000-0000-000000000000"
	wrong := 0
	for _, want := range truth.Legs {
		got, ok := stored[want.ID]
		call := want.Call
		if call == "" {
			call = none
		}
		if !ok || got.Reason != want.Reason || got.Seconds != want.End-want.Start || got.Call != call {
			if wrong++; wrong <= 5 {
				d.t.Errorf("leg %s: stored %+v, want %+v", want.ID, got, want)
			}
		}
	}
	type call struct{ completed, active int64 }
	calls := map[string]call{}
	rows, err = conn.Query(ctx, "SELECT toString(id), legs_completed, legs_max_active FROM calls WHERE end_how = 'record'")
	if err != nil {
		d.t.Fatal(err)
	}
	for rows.Next() {
		var id string
		var completed, active *int64
		if err := rows.Scan(&id, &completed, &active); err != nil {
			d.t.Fatal(err)
		}
		calls[id] = call{*completed, *active}
	}
	if err := rows.Close(); err != nil {
		d.t.Fatal(err)
	}
	if len(calls) != len(truth.Calls) {
		d.t.Errorf("%d ended calls are stored, %d ended", len(calls), len(truth.Calls))
	}
	for _, want := range truth.Calls {
		if got := calls[want.ID]; got != (call{int64(want.LegsCompleted), int64(want.LegsMaxActive)}) {
			d.t.Errorf("call %s: stored %+v, want %+v", want.ID, got, want)
			break
		}
	}
}

// TestKilledAndRestarted kills the whole program with SIGKILL again and again while bridges send, and finds every record once.
// BRIDGEWATCH_SOAK_ROUNDS sets how often (make soak: 50).
func TestKilledAndRestarted(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills whole processes")
	}
	rounds := kills(t, 5)
	const perRound = 4 * time.Second
	const speed = 60
	d := newDeployment(t, cmssim.Config{Bridges: 3, Seed: 3, Speed: speed, RetryInterval: 100 * time.Millisecond,
		StopAfter: time.Duration(rounds) * perRound * speed})
	d.serve()
	d.sim.StartStory()
	for round := range rounds {
		// A different moment each round: during start, pre-roll, steady load.
		time.Sleep(perRound/2 + time.Duration(round*617%int(perRound/time.Millisecond))*time.Millisecond/2)
		d.kill()
		d.serve()
	}
	d.compare(d.drain(3 * time.Minute))
}

// kills is how often something is killed: BRIDGEWATCH_SOAK_ROUNDS times (make soak), else as often as given.
func kills(t *testing.T, otherwise int) int {
	t.Helper()
	text := os.Getenv("BRIDGEWATCH_SOAK_ROUNDS")
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("BRIDGEWATCH_SOAK_ROUNDS: %v", err)
	}
	return n
}

// TestEngineKilled kills the engine's process alone, under load: the program goes on, and every record is there once.
func TestEngineKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills whole processes")
	}
	rounds := kills(t, 2)
	const speed, run = 60, 4 * time.Second
	// The pause before a restart doubles to ten seconds, and the story must go on through all of them.
	var story time.Duration
	for round := range rounds {
		story += min(10*time.Second, 100*time.Millisecond<<min(round, 10)) + run
	}
	d := newDeployment(t, cmssim.Config{Bridges: 2, Seed: 6, Speed: speed, RetryInterval: 100 * time.Millisecond, StopAfter: story * speed})
	d.serve()
	d.sim.StartStory()
	killed := 0
	for round := range rounds {
		var engine int
		waitFor(t, time.Minute, func() error {
			if engine = engineProcess(t, d.cmd.Process.Pid); engine == killed {
				return fmt.Errorf("process %d was killed and is still there", killed)
			}
			return nil
		})
		// Counted from its start, so that it is hit while it opens its data, while it takes the backlog and under steady load.
		time.Sleep(time.Duration((1300+round*617)%int(run/time.Millisecond)) * time.Millisecond)
		if err := syscall.Kill(engine, syscall.SIGKILL); err != nil {
			t.Fatalf("kill of the engine, process %d, in round %d: %v", engine, round, err)
		}
		killed = engine
	}
	d.compare(d.drain(3 * time.Minute))
}

// ownBroker configures a NATS server of its own for the deployment and returns what starts it, and its URL.
func (d *deployment) ownBroker() (start func() *exec.Cmd, url string) {
	t := d.t
	t.Helper()
	dir := t.TempDir()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	if err := os.WriteFile(filepath.Join(dir, "port"), []byte(strconv.Itoa(port)), 0o600); err != nil {
		t.Fatal(err)
	}
	url = fmt.Sprintf("nats://127.0.0.1:%d", port)
	text, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.path, append(text, fmt.Sprintf("\nnats: {url: %q}\n", url)...), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return func() *exec.Cmd {
		broker := exec.Command(self)
		broker.Env = append(os.Environ(), brokerVariable+"="+dir)
		broker.Stderr = os.Stderr
		if err := broker.Start(); err != nil {
			t.Fatal(err)
		}
		return broker
	}, url
}

// TestBrokerKilled kills a NATS server of its own, under load, and starts it again: bridges get 503 meanwhile, and every record is there once.
func TestBrokerKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills whole processes")
	}
	rounds := kills(t, 2)
	const speed, perRound = 60, 5 * time.Second
	d := newDeployment(t, cmssim.Config{Bridges: 2, Seed: 7, Speed: speed, RetryInterval: 100 * time.Millisecond, StopAfter: time.Duration(rounds) * perRound * speed})
	start, _ := d.ownBroker()
	broker := start()
	t.Cleanup(func() {
		_ = broker.Process.Kill()
		_ = broker.Wait()
	})
	d.serve()
	d.sim.StartStory()
	for round := range rounds {
		time.Sleep(perRound/2 + time.Duration(round*617%2000)*time.Millisecond)
		_ = broker.Process.Kill()
		_ = broker.Wait()
		time.Sleep(time.Duration(round%3) * 300 * time.Millisecond)
		broker = start()
	}
	d.compare(d.drain(3 * time.Minute))
}

// TestPortInUse: a taken port is one clear error, not a hang.
func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := config.Default()
	c.DataDir = t.TempDir()
	c.HTTP.Listen = taken.Addr().String()
	a, err := New(Options{Config: c, EngineCommand: storagetest.ChildCommand(t), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); err == nil || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Run on a taken port: %v, want address in use", err)
	}
}
