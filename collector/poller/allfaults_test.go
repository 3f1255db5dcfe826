package poller

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/certs"
	"github.com/bridgewatch/bridgewatch/collector/syslog"
	"github.com/bridgewatch/bridgewatch/events/subscriber"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/storage"
)

// shows is what must become of a fault.
type shows struct {
	// alarms are the types of the intervals, CMS's and our own.
	alarms []string
	// metrics have the values that say it is bad, besides cms_alarm_active and cms_fault_active of the alarms.
	metrics []bad
	// late: polls are not counted, as others find out first: a bridge when it has a record to send, the subscriber within its second.
	late bool
	// first: all bridges have it, and the first that finds out is looked at.
	first bool
	// not says why it makes no interval.
	not string
}

// bad is a metric of the bridge, or of its cluster, with a value in any of its series, or of those with a label of that value.
type bad struct {
	name  string
	is    func(float64) bool
	label string
}

func is(want float64) func(float64) bool { return func(v float64) bool { return v == want } }

// showsOf returns what must become of a kind of fault; ok is false for one that nobody thought of.
func showsOf(release, kind string) (s shows, ok bool) {
	old := release < "3"
	either := func(two, three string) string {
		if old {
			return two
		}
		return three
	}
	what, variant, _ := strings.Cut(kind, "/")
	down := []bad{{name: "cms_call_bridge_up", is: is(0)}}
	switch what {
	case "Down", "Hang", "Slow", "BadXML", "HalfDocument":
		return shows{alarms: []string{collector.BridgeUnreachable}, metrics: down}, true
	case "stopped":
		return shows{alarms: []string{collector.BridgeUnreachable}, metrics: down}, true
	case "Busy":
		return shows{alarms: []string{collector.BridgeBusy}, metrics: down}, true
	case "Refuses":
		return shows{not: "the bridge is there but for an object: bridgewatch_poll_errors_total counts it (alerts, CMSPollsFail)"}, true
	case "ReceiversCut":
		return shows{alarms: []string{"cdrConnectionFailure", collector.ReceiverUnreachable}, late: true, first: true}, true
	case "ClockSkew":
		off := func(v float64) bool { return v < -30 || v > 30 }
		return shows{alarms: []string{collector.ClockSkew}, metrics: []bad{{name: "cms_call_bridge_clock_skew_seconds", is: off}}}, true
	case "LostModules":
		return shows{alarms: []string{collector.MediaModulesDegraded}, metrics: []bad{{name: "cms_media_modules_working", is: is(0)}}}, true
	case "TURNUnreachable":
		return shows{alarms: []string{"turnServerUnavailable", collector.TurnUnreachable}, metrics: []bad{{name: "cms_turn_server_reachable", is: is(0)}}}, true
	case "WebBridgeFailure":
		return shows{alarms: []string{either("guestAccountConnectionFailure", "c2wConnectionFailure"), collector.WebBridgeUnreachable, collector.WebBridgeLinkFailure},
			metrics: []bad{{name: "cms_web_bridge_reachable", is: is(0)}}}, true
	case "RecorderRefuses":
		return shows{alarms: []string{collector.RecordingFailed}}, true
	case "DatabaseNodeDown":
		return shows{alarms: []string{"databaseClusterNodeOutOfSync", collector.DatabaseNodeDown, collector.DatabaseTrouble}, metrics: []bad{{name: "cms_database_node_up", is: is(0)}}}, true
	case "DatabaseBehind":
		return shows{alarms: []string{"databaseClusterNodeOutOfSync", collector.DatabaseNodeBehind}, metrics: []bad{{name: "cms_database_node_behind_bytes", is: is(50e6)}}}, true
	case "ICEFailure":
		return shows{alarms: []string{collector.ICEFailure}}, true
	case "DeviceStatus":
		if variant == lowDiskSpace {
			return shows{alarms: []string{"recorderLowDiskSpace", collector.RecorderLowDisk}}, true
		}
		return shows{alarms: []string{"recorderUnavailable", collector.RecorderUnreachable, collector.StreamerUnreachable},
			metrics: []bad{{name: "cms_recorder_reachable", is: is(0)}, {name: "cms_streamer_reachable", is: is(0)}}}, true
	case "Alarms":
		return shows{alarms: []string{variant}}, true
	case "License":
		return licenseShows(old, cmssim.LicenseState(variant))
	case "certificate":
		if variant == "expired" {
			return shows{alarms: []string{collector.CertificateExpired, collector.BridgeUnreachable}, metrics: down}, true
		}
		return shows{alarms: []string{collector.CertificateExpiring}}, true
	case "Events.RefuseToken", "Events.OmitToken":
		return shows{late: true, alarms: []string{collector.EventsDisconnected}, metrics: []bad{{name: "cms_events_connected", is: is(0)}}}, true
	case "restarted":
		return shows{not: "a moment, not a state: the fall of cms_call_bridge_uptime_seconds shows it (alerts, CMSBridgeRestarted)"}, true
	case "lost answers":
		return shows{not: "records come twice: counted as duplicates (storage/writer, TestAnyOrderAndRestart)"}, true
	case "dropped events":
		return shows{not: "the subscriber connects again at once"}, true
	}
	if strings.HasPrefix(what, "Events.") {
		return shows{not: "a manner of the events interface that the subscriber puts up with (events/subscriber)"}, true
	}
	return shows{}, false
}

func licenseShows(old bool, state cmssim.LicenseState) (shows, bool) {
	status := bad{name: "cms_license_feature_status", is: is(1)}
	_ = status
	switch state {
	case cmssim.LicenseExpired:
		if old {
			return shows{alarms: []string{collector.LicenseGrace}}, true
		}
		return shows{alarms: []string{collector.LicenseExpired}}, true
	case cmssim.LicenseLongExpired:
		return shows{alarms: []string{collector.LicenseExpired}}, true
	case cmssim.LicenseNone:
		return shows{alarms: []string{collector.LicenseMissing}}, true
	case cmssim.LicenseFrozen:
		if old {
			return shows{not: "a license file has an end of its own, which does not slide"}, true
		}
		return shows{alarms: []string{collector.LicenseExpiring}}, true
	case cmssim.LicenseTrial, cmssim.LicenseOver16:
		return shows{not: "the expiry is still 89 days ahead; ten days later it is licenseExpiring"}, true
	case cmssim.LicenseOver14, cmssim.LicenseOver15:
		return shows{not: "CMS shows a healthy license; the days over are counted by package licensing"}, true
	}
	return shows{}, false
}

// floor is a simulated cluster with everything on it that looks for faults.
type floor struct {
	sim     *cmssim.Sim
	shelf   *shelf
	reg     *prometheus.Registry
	cluster collector.Cluster
	release string
}

const floorPoll = 300 * time.Millisecond

func newFloor(t *testing.T, release string, bridges int) *floor {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait(); goleak.VerifyNone(t, goleak.IgnoreTopFunction("testing.(*T).Run")) })
	run := func(what string, do func(context.Context) error) {
		wg.Go(func() {
			if err := do(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	// The syslog server needs to know the bridges, the bridges where it listens: its port is found out first.
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := reserved.Addr().String()
	reserved.Close()
	sim, err := cmssim.New(cmssim.Config{Seed: 7, Bridges: bridges, Release: release, Volume: 0.3, SyslogTarget: listen, RetryInterval: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	run("simulator", sim.Run)
	<-sim.Ready()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, sim.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	t.Cleanup(receiver.Close)
	f := &floor{sim: sim, shelf: &shelf{rows: make(map[string][]any)}, reg: prometheus.NewRegistry(), release: release}
	f.cluster = collector.Cluster{Name: "emea", LicensePool: "main", PollInterval: floorPoll}
	for _, b := range sim.Bridges() {
		if err := b.AddReceiver(receiver.URL + "/cdr/token"); err != nil {
			t.Fatal(err)
		}
		f.cluster.Bridges = append(f.cluster.Bridges, collector.Bridge{
			Name: b.Name, URL: b.URL(), Username: b.Username, Password: "secret", TLS: collector.TLS{CAFile: ca}, Platform: "cms1000-m5v2",
		})
		f.cluster.Certificates = append(f.cluster.Certificates, strings.TrimPrefix(b.URL(), "https://"))
	}
	live := collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{f.cluster}}, nil)
	f.reg.MustRegister(collector.NewMetrics(live))
	log := slog.New(slog.DiscardHandler)

	cfg := DefaultConfig()
	cfg.Timeout, cfg.Backfill = 3*time.Second, 0 // samples are shown for as long, too: polls may be slow here
	p, err := New(cfg, Deps{Live: live, Publisher: f.shelf, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	// What is due by the minute in service is due with every poll here.
	for name, every := range p.every {
		if every > 0 && name != "profiles" && name != "MPLicenseUsage" {
			p.every[name] = time.Millisecond
		}
	}
	p.reread = time.Millisecond
	run("poller", p.Run)

	lines := syslog.DefaultConfig()
	lines.Listen, lines.Flush, lines.Quiet = listen, 50*time.Millisecond, 2*time.Second
	server, err := syslog.New(lines, syslog.Deps{Live: live, Publisher: f.shelf, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	run("syslog", server.Run)

	following := subscriber.DefaultConfig()
	following.BackoffMin, following.BackoffMax = 50*time.Millisecond, 200*time.Millisecond
	follower, err := subscriber.New(following, subscriber.Deps{Live: live, Publisher: f.shelf, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	run("subscriber", func(ctx context.Context) error { return follower.RunCluster(ctx, f.cluster.Name) })

	probes := certs.DefaultConfig()
	probes.Every, probes.Roots = floorPoll, x509.NewCertPool()
	probes.Roots.AppendCertsFromPEM(sim.CAPEM())
	prober, err := certs.New(probes, certs.Deps{Live: live, Publisher: f.shelf, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	run("prober", prober.Run)
	return f
}

// alarmsOf returns the rows of the intervals of a type about a bridge, "" being the cluster, or about its end point.
func (f *floor) alarmsOf(bridge, endpoint, kind string) []storage.Alarm {
	return slices.DeleteFunc(rowsOf[storage.Alarm](f.shelf, storage.TableAlarms), func(a storage.Alarm) bool {
		cluster := a.CallBridge == "" && (a.Source != collector.SourceCerts || a.Subject == endpoint)
		return a.Type != kind || a.CallBridge != bridge && !cluster
	})
}

// values returns the values of a metric about a bridge, or about its cluster or its end point, in the series that have the label.
func (f *floor) values(bridge, endpoint, name, label string) ([]float64, error) {
	families, err := f.reg.Gather()
	if err != nil {
		return nil, err
	}
	var out []float64
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			about, labeled := true, label == ""
			for _, l := range m.GetLabel() {
				switch l.GetName() {
				case "call_bridge":
					about = about && (l.GetValue() == bridge || l.GetValue() == "")
				case "endpoint":
					about = about && l.GetValue() == endpoint
				}
				labeled = labeled || l.GetValue() == label
			}
			if about && labeled {
				out = append(out, m.GetGauge().GetValue())
			}
		}
	}
	return out, nil
}

// polls counts the polls of a bridge, or the probes of its end point, that began after from and not after to.
func (f *floor) polls(source, bridge, endpoint string, from, to time.Time) int {
	n := 0
	count := func(at time.Time) {
		if at.After(from) && !at.After(to) {
			n++
		}
	}
	if source == collector.SourceCerts {
		for _, c := range rowsOf[storage.Certificate](f.shelf, storage.TableCertificates) {
			if c.Endpoint == endpoint {
				count(c.Time)
			}
		}
		return n
	}
	for _, s := range rowsOf[storage.BridgeSample](f.shelf, storage.TableBridgeSamples) {
		if s.CallBridge == bridge {
			count(s.Time)
		}
	}
	return n
}

// patience is for a machine that has more to do than this; what is asserted is counted in polls.
const patience = time.Minute

func until(what string, ok func() bool) error {
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %s", patience, what)
		}
	}
	return nil
}

// sourceOf says who tells of a type of alarm.
func sourceOf(kind string) string {
	for _, f := range collector.Faults() {
		if f.Type == kind {
			return f.Source
		}
	}
	return collector.SourceCMS
}

// result is how many polls it took.
type result struct{ raised, cleared int }

// try raises a fault on bridges, waits until everything it must show is there on the first of them, lifts it and waits until all of that is gone.
func (f *floor) try(k cmssim.FaultKind, s shows, bridges ...*cmssim.Bridge) (result, error) {
	var took result
	b := bridges[0]
	endpoint := strings.TrimPrefix(b.URL(), "https://")
	// A trouble that no line of syslog ends is over when it was quiet for a while, so it is looked at first.
	kinds := slices.Clone(s.alarms)
	slices.SortStableFunc(kinds, func(a, b string) int { return cmp.Compare(sourceOf(b), sourceOf(a)) })
	metricOf := func(kind string) bad {
		if sourceOf(kind) == collector.SourceCMS {
			return bad{name: "cms_alarm_active", is: is(1), label: kind}
		}
		return bad{name: "cms_fault_active", is: is(1), label: kind}
	}
	metrics := slices.Clone(s.metrics)
	for _, kind := range kinds {
		metrics = append(metrics, metricOf(kind))
	}
	shown := func(want bool, metrics ...bad) error {
		for _, m := range metrics {
			values, err := f.values(b.Name, endpoint, m.name, m.label)
			if err != nil {
				return err
			}
			if got := slices.ContainsFunc(values, m.is); got != want {
				return fmt.Errorf("%s %s: bad %t, want %t (values %v)", m.name, m.label, got, want, values)
			}
		}
		return nil
	}
	if err := until(k.Name+": healthy before", func() bool { return shown(false, metrics...) == nil }); err != nil {
		return took, errors.Join(err, shown(false, metrics...))
	}
	before := make(map[uuid.UUID]bool)
	for _, kind := range kinds {
		for _, a := range rowsOf[storage.Alarm](f.shelf, storage.TableAlarms) {
			if a.Type == kind {
				before[a.AlarmID] = true
			}
		}
	}
	lift := sync.OnceValue(func() error {
		var errs []error
		for _, b := range bridges {
			errs = append(errs, k.Lift(b))
		}
		return errors.Join(errs...)
	})
	defer func() { _ = lift() }() // whatever fails, the next fault finds a healthy bridge
	raised := time.Now().UTC()
	for _, b := range bridges {
		if err := k.Raise(b); err != nil {
			return took, err
		}
	}
	if s.first {
		err := until(k.Name+": any bridge finds out", func() bool {
			for _, candidate := range bridges {
				for _, a := range f.alarmsOf(candidate.Name, "", kinds[0]) {
					if !before[a.AlarmID] {
						b, endpoint = candidate, strings.TrimPrefix(candidate.URL(), "https://")
						return true
					}
				}
			}
			return false
		})
		if err != nil {
			return took, err
		}
	}
	open := make(map[uuid.UUID]storage.Alarm)
	held := slices.Clone(s.metrics)
	for _, kind := range kinds {
		var first storage.Alarm
		err := until(k.Name+": an open interval "+kind, func() bool {
			for _, a := range f.alarmsOf(b.Name, endpoint, kind) {
				if !before[a.AlarmID] {
					first = a
					return a.Cleared == nil
				}
			}
			return false
		})
		if err == nil && first.Source == collector.SourceSyslog {
			err = shown(true, metricOf(kind)) // at once, as quiet ends it
		}
		if err != nil {
			return took, fmt.Errorf("%s: while it holds: %w", k.Name, err)
		}
		if first.Source != collector.SourceSyslog {
			held = append(held, metricOf(kind))
		}
		open[first.AlarmID] = first
		if n := f.polls(first.Source, b.Name, endpoint, raised, first.LastSeen); first.Source != collector.SourceSyslog && !s.late {
			took.raised = max(took.raised, n)
			if n > 2 {
				return took, fmt.Errorf("%s: %s was raised with poll %d, want two at most", k.Name, kind, n)
			}
		}
	}
	// The sample of a poll that took long may just be too old to be shown; the next one brings it again.
	if err := until(k.Name+": all figures while it holds", func() bool { return shown(true, held...) == nil }); err != nil {
		return took, errors.Join(err, shown(true, held...))
	}
	lifted := time.Now().UTC()
	if err := lift(); err != nil {
		return took, err
	}
	for id, a := range open {
		var end storage.Alarm
		err := until(k.Name+": the interval "+a.Type+" is cleared", func() bool {
			rows := f.alarmsOf(b.Name, endpoint, a.Type)
			i := slices.IndexFunc(rows, func(r storage.Alarm) bool { return r.AlarmID == id && r.Cleared != nil })
			if i >= 0 {
				end = rows[i]
			}
			return i >= 0
		})
		if err != nil {
			return took, err
		}
		if n := f.polls(a.Source, b.Name, endpoint, lifted, *end.Cleared); a.Source != collector.SourceSyslog && !s.late {
			took.cleared = max(took.cleared, n)
			if n > 2 {
				return took, fmt.Errorf("%s: %s was cleared with poll %d, want two at most", k.Name, a.Type, n)
			}
		}
		if end.Cleared.Before(end.Raised) {
			return took, fmt.Errorf("%s: %s from %s to %s", k.Name, a.Type, end.Raised, end.Cleared)
		}
	}
	if err := until(k.Name+": all figures after it", func() bool { return shown(false, metrics...) == nil }); err != nil {
		return took, errors.Join(err, shown(false, metrics...))
	}
	return took, nil
}

// TestEventsThatStayAway: a connection that was just made is no fault, one that is away at two polls in a row is; the subscriber tells the live state.
func TestEventsThatStayAway(t *testing.T) {
	l := newLab(t, "3.8", 1, nil)
	name := l.inv.Clusters[0].Bridges[0].Name
	interval := func(open bool) func() bool {
		return func() bool {
			rows := rowsOf[storage.Alarm](l.shelf, storage.TableAlarms)
			i := slices.IndexFunc(rows, func(a storage.Alarm) bool {
				return a.Type == collector.EventsDisconnected && (a.Cleared == nil) == open
			})
			return i >= 0 && l.live.Snapshot().Bridges[0].Faults[collector.EventsDisconnected] > 0 == open
		}
	}
	polled := func() time.Time { return l.bridge(0).Polled.At }
	eventually(t, "a poll without word of events", func() bool { return !polled().IsZero() })
	if _, looked := l.bridge(0).Faults[collector.EventsDisconnected]; looked {
		t.Error("events were judged before anybody told of them")
	}
	l.live.SetEvents("emea", name, false, time.Time{})
	eventually(t, "away: an interval", interval(true))
	l.live.SetEvents("emea", name, true, time.Now())
	eventually(t, "back: over", interval(false))
}

// TestEveryFaultOfTheSimulator raises every fault that the simulator has, one after the other on each bridge: within two polls it is an alarm interval and a metric,
// and within two polls after its end both are over. A new kind of fault fails here until somebody says what becomes of it.
func TestEveryFaultOfTheSimulator(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of polls")
	}
	for _, release := range []string{"2.9", "3.8"} {
		t.Run(release, func(t *testing.T) {
			kinds, err := cmssim.FaultKinds(release)
			if err != nil {
				t.Fatal(err)
			}
			f := newFloor(t, release, 6)
			type trial struct {
				kind  cmssim.FaultKind
				shows shows
			}
			var local, whole []trial
			elsewhere := 0
			for _, k := range kinds {
				s, known := showsOf(release, k.Name)
				switch {
				case !known:
					t.Errorf("nobody said what must become of %s", k.Name)
				case s.not != "":
					elsewhere++
				// What is asked of one bridge for all shows when all have it; a bridge that goes away leaves its mark on the others.
				case k.Whole || s.first || k.Name == "stopped":
					whole = append(whole, trial{k, s})
				default:
					local = append(local, trial{k, s})
				}
			}
			for _, b := range f.cluster.Bridges {
				eventually(t, b.Name+" is read", func() bool { return f.polls(collector.SourcePoller, b.Name, "", time.Time{}, time.Now().UTC()) >= 2 })
			}
			var mu sync.Mutex
			var most result
			note := func(r result, err error) {
				mu.Lock()
				defer mu.Unlock()
				most = result{max(most.raised, r.raised), max(most.cleared, r.cleared)}
				if err != nil {
					t.Error(err)
				}
			}
			began := time.Now()
			next := make(chan trial)
			var wg sync.WaitGroup
			for _, b := range f.sim.Bridges() {
				wg.Go(func() {
					for tr := range next {
						note(f.try(tr.kind, tr.shows, b))
					}
				})
			}
			for _, tr := range local {
				next <- tr
			}
			close(next)
			wg.Wait()
			for _, tr := range whole {
				bridges := f.sim.Bridges()
				if tr.kind.Name == "stopped" {
					bridges = bridges[1:2]
				}
				note(f.try(tr.kind, tr.shows, bridges...))
			}
			t.Logf("release %s: %d faults, each an interval and a metric after at most %d polls, over after at most %d; %d more make no interval; %s",
				release, len(local)+len(whole), most.raised, most.cleared, elsewhere, time.Since(began).Round(time.Second))
		})
	}
}
