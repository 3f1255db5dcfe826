package poller

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/storage"
)

// shelf keeps what is published, as JSON decoded again by the writer's own rules.
type shelf struct {
	mu   sync.Mutex
	rows map[string][]any
	text bytes.Buffer
}

func (s *shelf) PublishRows(_ context.Context, subject, table string, rows any) error {
	data, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(storage.Tables(), func(t storage.Table) bool { return t.Name == table })
	if i < 0 {
		return fmt.Errorf("no table %s", table)
	}
	decoded, err := storage.Tables()[i].Decode(data)
	if err != nil {
		return err
	}
	s.rows[table] = append(s.rows[table], decoded...)
	s.text.Write(data)
	s.text.WriteString(subject)
	return nil
}

func (s *shelf) count(table string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows[table])
}

func rowsOf[T any](s *shelf, table string) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []T
	for _, r := range s.rows[table] {
		out = append(out, *r.(*T))
	}
	return out
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 40 s: %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// lab is a simulated cluster with a poller on it.
type lab struct {
	sim   *cmssim.Sim
	live  *collector.Live
	shelf *shelf
	log   *lockedBuffer
	reg   *prometheus.Registry
	inv   collector.Inventory
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lab) bridge(i int) collector.BridgeSnapshot { return l.live.Snapshot().Bridges[i] }

func newLab(t *testing.T, release string, bridges int, edit func(*cmssim.Sim)) *lab {
	t.Helper()
	sim, err := cmssim.New(cmssim.Config{Seed: 7, Bridges: bridges, Release: release})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait(); goleak.VerifyNone(t, goleak.IgnoreTopFunction("testing.(*T).Run")) })
	wg.Go(func() {
		if err := sim.Run(ctx); err != nil {
			t.Errorf("simulator: %v", err)
		}
	})
	<-sim.Ready()
	if edit != nil {
		edit(sim)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, sim.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	cluster := collector.Cluster{Name: "emea", LicensePool: "main", PollInterval: time.Second}
	for _, b := range sim.Bridges() {
		cluster.Bridges = append(cluster.Bridges, collector.Bridge{
			Name: b.Name, URL: b.URL(), Username: b.Username, Password: collector.Secret("secret"), TLS: collector.TLS{CAFile: ca}, Platform: "cms1000-m5v2",
		})
	}
	l := &lab{sim: sim, shelf: &shelf{rows: make(map[string][]any)}, log: &lockedBuffer{}, reg: prometheus.NewRegistry()}
	l.inv = collector.Inventory{Clusters: []collector.Cluster{cluster}}
	l.live = collector.NewLive(l.inv, nil)
	cfg := DefaultConfig()
	cfg.Timeout = 2 * time.Second
	cfg.Backfill = time.Hour
	cfg.Pace = 10 * time.Millisecond
	p, err := New(cfg, Deps{Live: l.live, Publisher: l.shelf, Logger: slog.New(slog.NewTextHandler(l.log, nil)), Registerer: l.reg})
	if err != nil {
		t.Fatal(err)
	}
	// The tests cannot wait for minutes: what is due by the minute is due with every poll.
	for name, every := range p.every {
		if every > 0 {
			p.every[name] = time.Millisecond
		}
	}
	l.reg.MustRegister(collector.NewMetrics(l.live))
	wg.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Errorf("poller: %v", err)
		}
	})
	return l
}

func TestReadsEveryObjectOfEachRelease(t *testing.T) {
	for _, release := range []string{"2.9", "3.0", "3.8"} {
		t.Run(release, func(t *testing.T) {
			l := newLab(t, release, 2, nil)
			eventually(t, "both bridges fully read", func() bool {
				snap := l.live.Snapshot()
				for _, b := range snap.Bridges {
					if !b.Polled.Value || b.Load.Value.MediaProcessingLoad == nil || b.Config.At.IsZero() || b.Calls.Value.ByType == nil ||
						b.MultipartyLicensing.At.IsZero() || b.Alarms.At.IsZero() || b.CDRReceivers.At.IsZero() || b.Database.At.IsZero() {
						return false
					}
				}
				return !snap.Clusters[0].Groups.At.IsZero() && !snap.Clusters[0].Usage.At.IsZero() &&
					len(rowsOf[storage.Owner](l.shelf, storage.TableOwners)) > 0
			})
			if got := l.bridge(0).Status.Value.SoftwareVersion; got == nil || !strings.HasPrefix(*got, release) {
				t.Errorf("softwareVersion = %q, want release %s", deref(got), release)
			}
			features := l.live.Snapshot().Clusters[0].Features
			if has := len(features.Value) > 0; has != (release != "2.9") {
				t.Errorf("clusterLicensing read = %t on %s", has, release)
			}
			if has := len(l.bridge(0).LicenseFile.Value) > 0; has != (release == "2.9") {
				t.Errorf("license file read = %t on %s", has, release)
			}
			if has := len(l.bridge(0).Recorders.Value) > 0; has != (release == "2.9") {
				t.Errorf("recorders read = %t on %s", has, release)
			}
			for _, r := range rowsOf[storage.LicenseSample](l.shelf, storage.TableLicenseSamples) {
				if known := r.PMPAssigned != nil; known != (release != "2.9") {
					t.Fatalf("pmp_assigned known = %t on %s", known, release)
				}
			}
			for _, table := range []string{storage.TableBridgeSamples, storage.TableLicenseSamples, storage.TableCallSamples, storage.TableDeviceSamples, storage.TableSettings, storage.TableLicenseFeatures} {
				if l.shelf.count(table) == 0 {
					t.Errorf("no rows for %s", table)
				}
			}
			for _, b := range l.sim.Bridges() {
				if n := b.APIStats().MaxInFlight; n != 1 {
					t.Errorf("%s: %d requests in flight, want never more than 1", b.Name, n)
				}
			}
			if problems, err := testutil.GatherAndLint(l.reg); err != nil || len(problems) > 0 {
				t.Errorf("metrics: %v %v", problems, err)
			}
		})
	}
}

func TestFaultyBridgeIsDownAndDelaysNoOther(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of waiting")
	}
	faults := map[string]func(*cmssim.Faults){
		"down": func(f *cmssim.Faults) { f.Down = true },
		"hang": func(f *cmssim.Faults) { f.Hang = true },
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "3.8", 2, nil)
			eventually(t, "both up", func() bool { return l.bridge(0).Polled.Value && l.bridge(1).Polled.Value })
			// The first bridge leads the cluster: losing it must also hand over the cluster's work.
			l.sim.Bridges()[0].Fault(fault)
			eventually(t, "the first is down", func() bool { return !l.bridge(0).Polled.Value })
			since := time.Now()
			eventually(t, "the second goes on", func() bool { return l.bridge(1).Polled.At.After(since) && l.bridge(1).Polled.Value })
			open := func() bool {
				return slices.ContainsFunc(rowsOf[storage.Alarm](l.shelf, storage.TableAlarms), func(a storage.Alarm) bool {
					return a.Type == collector.BridgeUnreachable && a.CallBridge == l.inv.Clusters[0].Bridges[0].Name && a.Cleared == nil
				})
			}
			eventually(t, "an interval is open", open)
			eventually(t, "the cluster's work goes on", func() bool { return l.live.Snapshot().Clusters[0].Groups.At.After(since) })
			l.sim.Bridges()[0].Fault(func(f *cmssim.Faults) { *f = cmssim.Faults{} })
			eventually(t, "the first is up again", func() bool { return l.bridge(0).Polled.Value })
			eventually(t, "the interval is closed", func() bool {
				return slices.ContainsFunc(rowsOf[storage.Alarm](l.shelf, storage.TableAlarms), func(a storage.Alarm) bool {
					return a.Type == collector.BridgeUnreachable && a.Cleared != nil && a.Cleared.After(a.Raised)
				})
			})
		})
	}
}

func TestDialectsGiveTheSameValues(t *testing.T) {
	for name, d := range map[string]cmssim.Dialect{
		"pretty": {Pretty: true}, "no declaration": {NoDeclaration: true}, "self-closing": {SelfClosing: true}, "british": {British: true},
		"all": {Pretty: true, NoDeclaration: true, SelfClosing: true, British: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "3.8", 1, func(s *cmssim.Sim) { s.Bridges()[0].Fault(func(f *cmssim.Faults) { f.Dialect = d }) })
			eventually(t, "status, config, groups and calls read", func() bool {
				b := l.bridge(0)
				return b.Status.Value.HostID != nil && b.Config.Value.UniqueName != nil && b.Calls.Value.ByType != nil && !l.live.Snapshot().Clusters[0].Groups.At.IsZero()
			})
			if err := testutil.CollectAndCompare(collector.NewMetrics(l.live), strings.NewReader("")); err == nil {
				t.Error("no metrics at all")
			}
			if strings.Contains(l.log.String(), "poll failed") {
				t.Errorf("log:\n%s", l.log.String())
			}
		})
	}
}

func TestSecretsAppearNowhere(t *testing.T) {
	const token = "f00dfeedf00dfeed"
	l := newLab(t, "2.9", 1, func(s *cmssim.Sim) {
		if err := s.Bridges()[0].AddReceiver("http://127.0.0.1:9/cdr/" + token); err != nil {
			t.Fatal(err)
		}
	})
	eventually(t, "receivers and owners read", func() bool {
		return len(l.bridge(0).CDRReceivers.Value.Receivers) > 0 && len(rowsOf[storage.Owner](l.shelf, storage.TableOwners)) > 0 && len(l.bridge(0).TurnServers.Value) > 0
	})
	if _, err := NewClient(l.inv.Clusters[0].Bridges[0], 0); err != nil {
		t.Fatal(err)
	}
	families, err := l.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var metrics strings.Builder
	for _, f := range families {
		metrics.WriteString(f.String())
	}
	l.shelf.mu.Lock()
	defer l.shelf.mu.Unlock()
	for where, text := range map[string]string{"log": l.log.String(), "rows": l.shelf.text.String(), "metrics": metrics.String(), "inventory": fmt.Sprintf("%+v %#v", l.inv, l.inv)} {
		for _, secret := range []string{token, "passcode", "streamUrl", "password=", `"secret"`} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %q", where, secret)
			}
		}
	}
}
