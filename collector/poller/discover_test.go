package poller

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
)

func simulator(t *testing.T, bridges int) (*cmssim.Sim, collector.Bridge) {
	t.Helper()
	sim, err := cmssim.New(cmssim.Config{Seed: 3, Bridges: bridges})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	wg.Go(func() { _ = sim.Run(ctx) })
	<-sim.Ready()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, sim.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	b := sim.Bridges()[0]
	return sim, collector.Bridge{URL: b.URL(), Username: b.Username, Password: "secret", TLS: collector.TLS{CAFile: ca}}
}

func TestDiscoverWalksTheCluster(t *testing.T) {
	sim, start := simulator(t, 3)
	sim.Bridges()[2].Fault(func(f *cmssim.Faults) { f.Down = true })
	d, err := Discover(t.Context(), start, 2*time.Second, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Bridges) != 3 || !d.Clustered || d.ClusterID == "" {
		t.Fatalf("discovered %+v, want a cluster of three", d)
	}
	for i, f := range d.Bridges {
		if want := sim.Bridges()[i].Name; f.Name != want {
			t.Errorf("bridge %d is %q, want %q", i, f.Name, want)
		}
		if dead := i == 2; f.Proven == dead || f.Reachable == dead || (f.Problem != "") != dead {
			t.Errorf("bridge %d: %+v, want problem = %t", i, f, dead)
		}
	}
}

func TestDiscoverSaysWhatIsWrong(t *testing.T) {
	_, start := simulator(t, 1)
	wrong := start
	wrong.Password = "wrong"
	if _, err := Discover(t.Context(), wrong, 2*time.Second, time.Now); err == nil || !strings.Contains(err.Error(), "password refused") {
		t.Errorf("wrong password: %v", err)
	}
	untrusted := start
	untrusted.TLS.CAFile = ""
	if _, err := Discover(t.Context(), untrusted, 2*time.Second, time.Now); err == nil || !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("unknown CA: %v", err)
	}
	pinned := start
	pinned.TLS = collector.TLS{Fingerprint: strings.Repeat("00", 32)}
	if _, err := Discover(t.Context(), pinned, 2*time.Second, time.Now); !strings.Contains(err.Error(), "fingerprint") {
		t.Errorf("other fingerprint: %v", err)
	}
}

func TestRegisterReceiverAddsOnceAndNeverTouchesOthers(t *testing.T) {
	sim, start := simulator(t, 1)
	const ours = collector.Secret("http://127.0.0.1:9/cdr/0123456789abcdef")
	for i, want := range []bool{true, false} {
		added, err := RegisterReceiver(t.Context(), start, ours, 2*time.Second)
		if err != nil || added != want {
			t.Fatalf("time %d: added = %t, %v, want %t", i+1, added, err, want)
		}
	}
	f := Check(t.Context(), start, 2*time.Second, ours, time.Now)
	if f.Receivers == nil || f.Receivers.Ours == nil || !*f.Receivers.Ours || f.Problem != "" {
		t.Fatalf("check: %+v, want our receiver present", f)
	}
	for i := 0; ; i++ {
		if i > 20 {
			t.Fatal("the simulator's table never fills")
		}
		if err := sim.Bridges()[0].AddReceiver("http://other.example.org/secret-token/" + strings.Repeat("x", i)); err != nil {
			break
		}
	}
	_, err := RegisterReceiver(t.Context(), start, ours+"1", 2*time.Second)
	if !errors.Is(err, ErrReceiversFull) || !strings.Contains(err.Error(), "other.example.org") || strings.Contains(err.Error(), "secret-token") {
		t.Errorf("full table: %v, want an error that names hosts and no tokens", err)
	}
}
