package syslog

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/storage"
)

// keeper keeps all rows.
type keeper struct {
	mu     sync.Mutex
	lines  []storage.SyslogLine
	stats  []storage.SyslogStats
	alarms []storage.Alarm
}

func (k *keeper) PublishRows(_ context.Context, _, _ string, rows any) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch r := rows.(type) {
	case []storage.SyslogLine:
		k.lines = append(k.lines, r...)
	case []storage.SyslogStats:
		k.stats = append(k.stats, r...)
	case []storage.Alarm:
		k.alarms = append(k.alarms, r...)
	}
	return nil
}

func (k *keeper) alarm(bridge, kind string, cleared bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.alarms, func(a storage.Alarm) bool {
		return a.CallBridge == bridge && a.Type == kind && (a.Cleared != nil) == cleared
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// TestSimulatedBridgesInEveryStyle: two simulated bridges send from one address, in both framings, with both stamps, with and without priority. Each line is kept with its
// bridge, what it says becomes figures and intervals of that bridge and of no other.
func TestSimulatedBridgesInEveryStyle(t *testing.T) {
	for i := range 8 {
		style := cmssim.SyslogStyle{OctetCounting: i&1 != 0, Traditional: i&2 != 0, Priority: i&4 != 0}
		t.Run(fmt.Sprintf("%+v", style), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			defer func() { cancel(); wg.Wait() }()
			run := func(do func(context.Context) error) {
				wg.Go(func() {
					if err := do(ctx); err != nil {
						t.Error(err)
					}
				})
			}
			reserved, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			listen := reserved.Addr().String()
			reserved.Close()
			// 900 story seconds a second: three STATS lines a second, and one about the modules.
			sim, err := cmssim.New(cmssim.Config{Seed: 5, Bridges: 2, Preroll: time.Hour, Speed: 900, SyslogTarget: listen, Syslog: style})
			if err != nil {
				t.Fatal(err)
			}
			bridges := sim.Bridges()
			inv := collector.Inventory{Clusters: []collector.Cluster{{Name: "emea"}}}
			for _, b := range bridges {
				inv.Clusters[0].Bridges = append(inv.Clusters[0].Bridges, collector.Bridge{Name: b.Name, URL: "https://cb"})
			}
			live, out := collector.NewLive(inv, nil), &keeper{}
			cfg := DefaultConfig()
			cfg.Listen, cfg.Flush, cfg.Quiet = listen, 10*time.Millisecond, 200*time.Millisecond
			server, err := New(cfg, Deps{Live: live, Publisher: out})
			if err != nil {
				t.Fatal(err)
			}
			run(server.Run)
			<-server.Ready()
			run(sim.Run)
			<-sim.Ready()
			first, second := bridges[0], bridges[1]
			state := func(i int) collector.BridgeSnapshot { return live.Snapshot().Bridges[i] }
			eventually(t, "modules and STATS of both", func() bool {
				for i := range bridges {
					s := state(i)
					if s.MediaModules.Value != (collector.MediaModules{Total: 1, Working: 1}) || s.SyslogStats.Value.DistributionLegs == nil || s.SyslogStats.Value.LegsPerSecond == nil {
						return false
					}
				}
				return true
			})
			if _, looked := state(0).Faults[collector.ICEFailure]; looked || state(0).Faults[collector.MediaModulesDegraded] != 0 {
				t.Errorf("faults %v before there is one", state(0).Faults)
			}
			first.Fault(func(f *cmssim.Faults) {
				f.LostModules, f.ICEFailure, f.WebBridgeFailure, f.DatabaseNodeDown = 1, true, true, true
			})
			kinds := []string{collector.MediaModulesDegraded, collector.ICEFailure, collector.WebBridgeLinkFailure, collector.DatabaseTrouble}
			for _, kind := range kinds {
				eventually(t, kind+" is raised", func() bool { return out.alarm(first.Name, kind, false) })
			}
			eventually(t, "a module is lost", func() bool { return state(0).MediaModules.Value.Working == 0 })
			// ICE failures, links and database have no line that ends them: quiet does, whatever the fault.
			for _, kind := range kinds[1:] {
				eventually(t, kind+" is cleared by quiet", func() bool { return out.alarm(first.Name, kind, true) && state(0).Faults[kind] == 0 })
			}
			if out.alarm(first.Name, collector.MediaModulesDegraded, true) {
				t.Error("quiet cleared the media modules, which have a line that does")
			}
			first.Fault(func(f *cmssim.Faults) { *f = cmssim.Faults{} })
			eventually(t, "modules work again", func() bool {
				return out.alarm(first.Name, collector.MediaModulesDegraded, true) && state(0).MediaModules.Value.Working == 1
			})
			for _, kind := range kinds {
				if out.alarm(second.Name, kind, false) {
					t.Errorf("%s of the other bridge as well", kind)
				}
			}
			cancel()
			wg.Wait()
			stamped := 0
			for _, l := range out.lines {
				if l.CallBridge != first.Name && l.CallBridge != second.Name || l.CMSCluster != "emea" || l.Host != l.CallBridge {
					t.Fatalf("line of %q from host %q: %q", l.CallBridge, l.Host, l.Message)
				}
				if l.Time != nil {
					stamped++
				}
				if l.Severity == "" || l.Process != "host:server" && l.Process != "sfpool" || l.Message == "" {
					t.Fatalf("taken apart as %+v", l)
				}
			}
			// What was taken is published, to the last line, when Run returns.
			if taken := int(testutil.ToFloat64(server.lines)); len(out.lines) != taken || len(out.lines) < 8 || stamped != len(out.lines) || len(out.stats) == 0 {
				t.Errorf("%d lines of %d kept, %d with a time, %d figures", len(out.lines), taken, stamped, len(out.stats))
			}
		})
	}
}

type remembered []storage.Alarm

func (r remembered) OpenAlarms(context.Context, string) ([]storage.Alarm, error) { return r, nil }

// An alarm that a line opened before a restart is cleared by the line that ends it, or by quiet, as if there had been no restart.
func TestAlarmsOfAnEarlierRunAreCleared(t *testing.T) {
	inv := collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{{Name: "cb1", URL: "https://cb1"}}}}}
	began := time.Now().Add(-time.Hour).UTC()
	old := func(kind, subject string) storage.Alarm {
		return storage.Alarm{CMSCluster: "emea", CallBridge: "cb1", Source: collector.SourceSyslog, Type: kind, Subject: subject, Raised: began, LastSeen: began}
	}
	out := &keeper{}
	cfg := DefaultConfig()
	cfg.Listen, cfg.Flush = "127.0.0.1:0", 10*time.Millisecond
	s, err := New(cfg, Deps{Live: collector.NewLive(inv, nil), Publisher: out, Memory: remembered{old(collector.ReceiverUnreachable, "2"), old(collector.ICEFailure, "")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	eventually(t, "what was quiet for an hour is cleared", func() bool { return out.alarm("cb1", collector.ICEFailure, true) })
	if out.alarm("cb1", collector.ReceiverUnreachable, true) {
		t.Error("cleared without a line")
	}
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "Jan  1 00:00:00 user.info cb1 host:server:  INFO : successfully connected to CDR receiver 2\n")
	conn.Close()
	eventually(t, "the receiver is reached", func() bool { return out.alarm("cb1", collector.ReceiverUnreachable, true) })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
