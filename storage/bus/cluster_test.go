package bus_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// cluster is three NATS servers in this process, each of which can be stopped and started again on its data.
type cluster struct {
	t       *testing.T
	options [3]server.Options
	servers [3]*server.Server
}

const clusterPassword = "secret-of-the-cluster"

func startCluster(t *testing.T) *cluster {
	t.Helper()
	var ports [6]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	c := &cluster{t: t}
	for i := range c.options {
		o := server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: ports[i], NoSigs: true, NoLog: true,
			Username: "bridgewatch", Password: clusterPassword,
			JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[3+i]},
		}
		for j := range c.options {
			o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", ports[3+j])})
		}
		c.options[i] = o
		c.start(i)
	}
	t.Cleanup(func() {
		for i := range c.servers {
			c.stop(i)
		}
	})
	return c
}

func (c *cluster) start(i int) {
	c.t.Helper()
	s, err := server.NewServer(c.options[i].Clone())
	if err != nil {
		c.t.Fatal(err)
	}
	s.Start()
	c.servers[i] = s
}

func (c *cluster) stop(i int) {
	c.servers[i].Shutdown()
	c.servers[i].WaitForShutdown()
}

func (c *cluster) url() string {
	var all []string
	for _, o := range c.options {
		all = append(all, fmt.Sprintf("nats://127.0.0.1:%d", o.Port))
	}
	return strings.Join(all, ",")
}

// Three replicas: with one server gone bodies are stored; with two gone they are refused; with all back nothing that was acknowledged is missing.
func TestClusterLosesServers(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for elections")
	}
	c := startCluster(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(clusterPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := storagetest.Bus(t, func(cfg *bus.Config) {
		cfg.URL, cfg.Replicas, cfg.User, cfg.PasswordFile = c.url(), 3, "bridgewatch", password
		cfg.AckTimeout = 2 * time.Second
		cfg.Budgets = bus.Budgets{CDR: 64 << 20, Events: 8 << 20, Status: 8 << 20, Syslog: 8 << 20, Dead: 8 << 20}
	})
	if state, how := b.CheckSync(t.Context()); state != bus.SyncUnknown || !strings.Contains(how, "sync_interval") {
		t.Errorf("CheckSync of a server that does not tell: %s (%s)", state, how)
	}

	stored := map[uuid.UUID]bool{}
	publish := func() error {
		one := body("cb1", "x")
		err := b.PublishBody(t.Context(), one)
		if err == nil {
			stored[one.ID] = true
		} else if !errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("PublishBody: %v; want ErrUnavailable or nothing", err)
		}
		return err
	}
	// until publishes, as a bridge would, until it works or not, and then some more.
	until := func(when string, works bool) {
		t.Helper()
		began := time.Now()
		for deadline := began.Add(time.Minute); (publish() == nil) != works; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: publishing works %v after a minute; want %v", when, !works, works)
			}
		}
		t.Logf("%s: after %v", when, time.Since(began).Round(time.Millisecond))
		for range 20 {
			if works {
				publish()
			}
		}
	}
	until("all three", true)
	c.stop(1)
	until("one gone", true)
	c.stop(2)
	until("two gone", false)
	c.start(1)
	c.start(2)
	until("all back", true)

	bodies, _ := read(t, b, len(stored))
	for _, one := range bodies {
		delete(stored, one.ID)
	}
	if len(stored) > 0 {
		t.Errorf("%d bodies that were acknowledged are gone", len(stored))
	}
}

// TestBrokerAwayIsWaitedFor: what begins while the broker is away waits for it, instead of ending the program.
func TestBrokerAwayIsWaitedFor(t *testing.T) {
	options := &server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true}
	start := func() *server.Server {
		s, err := server.NewServer(options.Clone())
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		if !s.ReadyForConnections(20 * time.Second) {
			t.Fatal("the server is not ready")
		}
		return s
	}
	s := start()
	options.Port = s.Addr().(*net.TCPAddr).Port
	b := storagetest.Bus(t, func(cfg *bus.Config) { cfg.URL = "nats://" + s.Addr().String() })
	s.Shutdown()
	s.WaitForShutdown()
	for publishing := true; publishing; time.Sleep(10 * time.Millisecond) { // until the client has noticed
		publishing = b.Tell("test", 1) == nil
	}

	began := map[string]func() error{
		"leases":   func() error { _, err := b.Leases(t.Context(), "test", bus.DefaultLeaseTTL); return err },
		"consumer": func() error { _, err := b.Consumer(t.Context(), bus.CDR); return err },
	}
	type end struct {
		what string
		err  error
	}
	ends := make(chan end, len(began))
	for what, begin := range began {
		go func() { ends <- end{what, begin()} }()
	}
	select {
	case e := <-ends:
		t.Errorf("%s while the broker is away: %v; want it to wait", e.what, e.err)
	case <-time.After(time.Second):
	}
	s = start()
	t.Cleanup(s.Shutdown)
	for range began {
		select {
		case e := <-ends:
			if e.err != nil {
				t.Errorf("%s: %v", e.what, e.err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("still waiting 30 s after the broker came back")
		}
	}
}

func TestWrongPasswordIsOneLine(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, Username: "bridgewatch", Password: clusterPassword})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server is not ready")
	}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("not-the-password"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := bus.DefaultConfig()
	cfg.URL, cfg.User, cfg.PasswordFile = "nats://someone:inline-password@"+s.Addr().String(), "bridgewatch", file
	err = bus.New(cfg, bus.Deps{}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "check the nats credentials") || strings.Contains(err.Error(), "\n") {
		t.Errorf("Run: %v; want one line about the credentials", err)
	}
	// Words, not digits: the server's port is any number.
	for _, secret := range []string{"not-the-password", "inline-password"} {
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("Run: %v; that shows %q", err, secret)
		}
	}
	cfg.PasswordFile = file + ".nosuch"
	if err := bus.New(cfg, bus.Deps{}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("Run without the password's file: %v", err)
	}
}
