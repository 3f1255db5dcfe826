package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/storage/engine"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// built makes a program from its source, as users get it.
func built(t *testing.T, name, pkg string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, args...), pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return path
}

// process is a program that can be killed and started again.
type process struct {
	t    *testing.T
	log  string // file of its standard error
	make func() *exec.Cmd
	cmd  *exec.Cmd
}

func (p *process) start() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	p.cmd = p.make()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// program runs a program until the test is over; what it logged is shown when the test failed.
func program(t *testing.T, name string, command func() *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, log: filepath.Join(t.TempDir(), name+".log"), make: command}
	p.start()
	t.Cleanup(func() {
		p.kill()
		if text, err := os.ReadFile(p.log); err == nil && t.Failed() {
			t.Logf("%s logged last:\n%s", name, text[max(0, len(text)-3000):])
		}
	})
	return p
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// external is a simulated deployment watched by several instances of the slim program, on a NATS server and a ClickHouse of their own.
type external struct {
	*deployment
	program string // path
	store   *clickhouse.Options
	natsURL string
	natsKey string // file with the password
	nodes   []*process
}

// instance is one of the programs.
type instance struct {
	*process
	name, http, cdr string
}

// natsServers runs nats-server, from its module, with the compose project's configuration: one alone, or several as a cluster. The passwords are those that its
// init.sh made.
func (e *external) natsServers(count int) {
	t := e.t
	t.Helper()
	binary := built(t, "nats-server", "github.com/nats-io/nats-server/v2")
	project, err := filepath.Abs("../../packaging/compose")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(project, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := filepath.Join(e.dir, "secrets")
	for _, folder := range []string{secrets, filepath.Join(e.dir, "users")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	first := exec.Command("sh", filepath.Join(project, "init.sh"))
	first.Env = append(os.Environ(), "SECRETS="+secrets, "USERS="+filepath.Join(e.dir, "users"), "DATA="+filepath.Join(e.dir, "volumes"))
	if out, err := first.CombinedOutput(); err != nil {
		t.Fatalf("init.sh: %v\n%s", err, out)
	}
	e.natsKey = filepath.Join(secrets, "nats")
	var clients, routes []string
	for range count {
		clients, routes = append(clients, freePort(t)), append(routes, freePort(t))
	}
	for i := range count {
		conf := strings.NewReplacer("listen: 0.0.0.0:4222", "listen: "+clients[i], "127.0.0.1:8222", freePort(t), "server_name: bridgewatch", fmt.Sprintf("server_name: n%d", i),
			"store_dir: /data", "store_dir: "+filepath.Join(e.dir, fmt.Sprintf("nats%d", i))).Replace(string(text))
		if count > 1 {
			conf += fmt.Sprintf("cluster { name: bridgewatch, listen: %q, routes: [\"nats://%s\"] }\n", routes[i], strings.Join(routes, "\", \"nats://"))
		}
		path := filepath.Join(e.dir, fmt.Sprintf("nats%d.conf", i)) // beside the folder "secrets", which it includes
		if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		e.nodes = append(e.nodes, program(t, fmt.Sprintf("nats%d", i), func() *exec.Cmd { return exec.Command(binary, "--config", path) }))
	}
	e.natsURL = "nats://" + strings.Join(clients, ",nats://")
}

// clickhouse runs the engine as a server by itself, which the instances know by its address only.
func (e *external) clickhouse() {
	t := e.t
	t.Helper()
	cfg := engine.DefaultConfig()
	cfg.DataDir, cfg.Command = filepath.Join(e.dir, "clickhouse"), storagetest.ChildCommand(t)
	server, err := engine.New(cfg, engine.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	select {
	case <-server.Ready():
	case err := <-done:
		done <- nil
		t.Fatal(err)
	}
	e.store = server.Options(databaseName)
}

// instance writes the configuration of one, which asks the bridges as a user of its name, and starts it.
func (e *external) instance(name string, replicas int) *instance {
	t := e.t
	t.Helper()
	i := &instance{name: name, http: freePort(t), cdr: freePort(t)}
	dir := filepath.Join(e.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ca, password, path := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "password"), filepath.Join(dir, "bridgewatch.yml")
	text := string(e.sim.BridgewatchConfig(cmssim.ConfigFiles{DataDir: filepath.Join(dir, "data"), CAFile: ca, PasswordFile: password, CDRListen: i.cdr, HTTPListen: i.http, PollInterval: "5s"}))
	text = strings.ReplaceAll(text, `username: "bridgewatch"`, "username: "+name)
	text += fmt.Sprintf("nats: {url: %q, username: bridgewatch, password_file: %q, replicas: %d}\n", e.natsURL, e.natsKey, replicas)
	text += fmt.Sprintf("clickhouse: {url: \"http://%s:%s@%s/%s\"}\n", e.store.Auth.Username, e.store.Auth.Password, e.store.Addr[0], databaseName)
	for path, data := range map[string]string{ca: string(e.sim.CAPEM()), password: e.sim.Bridges()[0].Password + "\n", path: text} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary := e.program
	if old := os.Getenv("BRIDGEWATCH_E2E_OLD"); old != "" && name == "one" { // an earlier version beside this one, as during an upgrade
		binary = old
	}
	i.process = program(t, name, func() *exec.Cmd { return exec.Command(binary, "serve", "-c", path) })
	return i
}

// holds is what /-/ready says.
func (i *instance) holds() (held map[string][]string, err error) {
	answer, err := (&http.Client{Timeout: 2 * time.Second}).Get("http://" + i.http + "/-/ready")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var said struct {
		Holds map[string][]string `json:"holds"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		return nil, err
	}
	return said.Holds, nil
}

// connection is one to the store, once there are tables.
func (e *external) connection() driver.Conn { return storagetest.Open(e.t, e.store) }

// newExternal makes everything but the instances.
func newExternal(t *testing.T, simulated cmssim.Config, natsServers int) *external {
	t.Helper()
	simulated.Hold, simulated.KeepTruth = true, true
	sim, err := cmssim.New(simulated)
	if err != nil {
		t.Fatal(err)
	}
	e := &external{deployment: &deployment{t: t, dir: t.TempDir(), sim: sim}}
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
	e.program = built(t, "bridgewatch-slim", "../../cmd/bridgewatch", "-tags", "slim")
	e.clickhouse()
	e.natsServers(natsServers)
	return e
}

// settled waits until every record was acknowledged by every receiver and is stored.
func (e *external) settled(limit time.Duration) driver.Conn {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), limit)
	defer cancel()
	if err := e.sim.Drain(ctx); err != nil {
		e.t.Fatalf("drain the simulator: %v", err)
	}
	var produced int64
	for _, b := range e.sim.Truth().Bridges {
		produced += b.Produced
	}
	conn := e.connection()
	waitFor(e.t, limit, func() error {
		var stored int64
		if err := conn.QueryRow(ctx, "SELECT sum(records) FROM cdr_sessions").Scan(&stored); err != nil || stored < produced {
			return fmt.Errorf("%d of %d records are stored: %v", stored, produced, err)
		}
		return nil
	})
	return conn
}

// externalRounds is how often an instance is killed; make e2e-external says ten times.
func externalRounds(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("BRIDGEWATCH_E2E_ROUNDS"))
	if err != nil || n < 1 {
		t.Skip("takes minutes: set BRIDGEWATCH_E2E_ROUNDS to a number, or run make e2e-external")
	}
	return n
}

// TestInstanceKilled: two instances share two clusters on one NATS server and one ClickHouse. One after the other is killed with SIGKILL under load: the other asks
// its bridges within 30 s, no record is lost or stored twice, and no bridge is ever polled, or subscribed to, by both.
func TestInstanceKilled(t *testing.T) {
	rounds := externalRounds(t)
	const speed, takeover, perRound = 20, 30 * time.Second, 50 * time.Second
	story := time.Duration(rounds) * perRound * speed
	e := newExternal(t, cmssim.Config{Clusters: 2, Bridges: 2, Seed: 9, Speed: speed, Volume: 3, StopAfter: story, RetryInterval: 200 * time.Millisecond,
		Username: "bridgewatch", MoreUsers: []string{"one", "two"}}, 1)
	both := []*instance{e.instance("one", 1), e.instance("two", 1)}
	for _, b := range e.sim.Bridges() {
		for _, i := range both { // every instance takes records; what comes twice is one
			if err := b.AddReceiver("http://" + i.cdr + "/cdr/" + b.Token()); err != nil {
				t.Fatal(err)
			}
		}
	}
	shared := func() error { // each has one cluster
		for _, i := range both {
			if held, err := i.holds(); err != nil || len(held["bridges"]) != 2 {
				return fmt.Errorf("%s holds %v: %v", i.name, held, err)
			}
		}
		return nil
	}
	waitFor(t, 2*time.Minute, shared)
	e.sim.StartStory()
	ask := e.prometheus(both)
	whole := func(when string) { // every bridge is shown by one instance, so that sums are right
		t.Helper()
		if ask == nil {
			return
		}
		waitFor(t, 2*time.Minute, func() error {
			for query, want := range map[string]float64{"count(up{job=\"bridgewatch\"} == 1)": 2, "count(cms_call_bridge_up == 1)": 4,
				"max(count by (cms_cluster, call_bridge) (cms_call_bridge_up))": 1, `count(bridgewatch_pipeline_lag_seconds{stage="store"})`: 1,
				"max(prometheus_notifications_alertmanagers_discovered)": 1} {
				if got, err := ask(query); err != nil || got != want {
					return errors.Join(fmt.Errorf("%s: %s = %v, want %v", when, query, got, want), err)
				}
			}
			return nil
		})
	}
	whole("before")
	var longest time.Duration
	for round := range rounds {
		victim, survivor := both[round%2], both[(round+1)%2]
		held, err := victim.holds()
		if err != nil {
			t.Fatal(err)
		}
		if e.sim.Offset() >= story {
			t.Errorf("round %d: the story is over, so nothing is under load", round)
		}
		killed := time.Now()
		victim.kill()
		waitFor(t, takeover+10*time.Second, func() error {
			for _, b := range e.sim.Bridges() {
				if !b.APIStats().LastBy[survivor.name].After(killed) {
					return fmt.Errorf("round %d: %s does not ask %s", round, survivor.name, b.Name)
				}
			}
			if now, err := survivor.holds(); err != nil || len(now["bridges"]) != 4 || len(now["store"]) != 1 {
				return fmt.Errorf("round %d: %s holds %v: %v", round, survivor.name, now, err)
			}
			return nil
		})
		took := time.Since(killed)
		longest = max(longest, took)
		t.Logf("round %d: %s had %v; all of it taken over after %s", round, victim.name, held, took.Round(100*time.Millisecond))
		if took > takeover {
			t.Errorf("round %d: taken over after %s, want less than %s", round, took, takeover)
		}
		victim.start()
		waitFor(t, time.Minute, shared)
		time.Sleep(time.Duration(round*617%3000) * time.Millisecond)
	}
	whole("after")
	conn := e.settled(time.Duration(rounds)*perRound + 3*time.Minute)
	e.compare(conn)
	for _, b := range e.sim.Bridges() {
		// A bridge changes hands at most twice a round: to the survivor, and to the instance that came back.
		s := b.APIStats()
		if s.MaxUsers != 1 || s.Turns > 2*rounds {
			t.Errorf("%s: %d instances asked at once, %d times another one than before; want 1 and at most %d", b.Name, s.MaxUsers, s.Turns, 2*rounds)
		}
		t.Logf("%s: asked by turns %d times; most requests at once: %v", b.Name, s.Turns, s.AtMost)
		if s := b.EventStats(); s.MostOpen > 1 {
			t.Errorf("%s: %d subscribers at once", b.Name, s.MostOpen)
		}
	}
	var twice, samples uint64
	if err := conn.QueryRow(t.Context(), "SELECT countIf(n > 1), count() FROM (SELECT count() AS n FROM bridge_samples GROUP BY cms_cluster, call_bridge, time)").Scan(&twice, &samples); err != nil || twice > 0 || samples == 0 {
		t.Errorf("%d of %d samples are there twice: %v", twice, samples, err)
	}
	t.Logf("%d rounds, the longest takeover %s", rounds, longest.Round(100*time.Millisecond))
}

// prometheus runs Prometheus and Alertmanager with the compose project's files, scraping the instances, and returns a function that answers a query with one
// number. Nil where they are not installed.
func (e *external) prometheus(instances []*instance) func(query string) (float64, error) {
	t := e.t
	t.Helper()
	for _, name := range []string{"prometheus", "prometheus-alertmanager"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Logf("%s is not installed: metrics are not looked at", name)
			return nil
		}
	}
	address, manager, dir := freePort(t), freePort(t), filepath.Join(e.dir, "prometheus")
	project, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(project, "packaging", "compose", "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, i := range instances {
		targets = append(targets, strconv.Quote(i.http))
	}
	conf := strings.NewReplacer(`"bridgewatch:8800"`, strings.Join(targets, ", "), "alertmanager:9093", manager, "localhost:9090", address,
		"scrape_interval: 15s", "scrape_interval: 2s", "evaluation_interval: 15s", "evaluation_interval: 2s").Replace(string(text))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(project, "alerts", "rules"), filepath.Join(dir, "rules")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	e.beside("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=error")
	e.beside("prometheus-alertmanager", "--config.file="+filepath.Join(project, "packaging", "compose", "alertmanager.yml"), "--storage.path="+filepath.Join(dir, "alertmanager"),
		"--web.listen-address="+manager, "--cluster.listen-address=", "--log.level=error")
	for _, a := range []string{address, manager} {
		waitFor(t, time.Minute, func() error { return ready("http://" + a + "/-/ready") })
	}
	return func(query string) (float64, error) {
		answer, err := http.Get("http://" + address + "/api/v1/query?query=" + url.QueryEscape(query))
		if err != nil {
			return 0, err
		}
		defer answer.Body.Close()
		var said struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
			Error string
		}
		if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || len(said.Data.Result) != 1 {
			return 0, errors.Join(fmt.Errorf("%s: %d answers, not one: %s", query, len(said.Data.Result), said.Error), err)
		}
		return strconv.ParseFloat(fmt.Sprint(said.Data.Result[0].Value[1]), 64)
	}
}
