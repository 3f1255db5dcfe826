// Package stage plays a simulated cluster into our own exposer, by a clock that is moved: the simulator is polled by the real poller, its CDRs go through the
// real decoder and ledger, and what Prometheus would scrape is gathered. There is no network, no bus and no store, so simulated weeks pass in minutes.
package stage

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/capacity"
	"github.com/bridgewatch/bridgewatch/collector/poller"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/observer"
)

// Cluster is the name of the simulated cluster in the metrics, Pool that of its license pool.
const (
	Cluster = "emea"
	Pool    = "main"
)

// Endpoint is a TLS end point of the cluster that nothing probes.
const Endpoint = "join.example.org:443"

// ReceiverURL is where a bridge sends its CDRs.
func ReceiverURL(bridge string) string { return receiverBase + bridge }

// receiverBase is where the simulated bridges believe our receiver is.
const receiverBase = "http://bridgewatch/cdr/"

// Stage is the simulator and what watches it. It is not safe for concurrent use.
type Stage struct {
	// Sim is the simulated deployment, for its faults.
	Sim *cmssim.Stepped
	// Live is the state that is exposed, for what no simulated bridge tells.
	Live *collector.Live
	// Registry has everything that is exposed.
	Registry *prometheus.Registry

	start  time.Time
	now    time.Time
	poll   func(context.Context)
	ledger *cdr.Ledger
	seen   *observer.Observer
	facts  bool // records came since the facts were last made
}

// New prepares a cluster at cfg.Start, which must be set; the bridges have been up for cfg.Preroll by then.
func New(cfg cmssim.Config) (*Stage, error) {
	s := &Stage{start: cfg.Start, now: cfg.Start, ledger: cdr.NewLedger(cdr.DefaultSettings()), Registry: prometheus.NewRegistry()}
	var err error
	if s.Sim, err = cmssim.NewStepped(cfg, s); err != nil {
		return nil, err
	}
	clock := func() time.Time { return s.now }
	inv := collector.Cluster{Name: Cluster, LicensePool: Pool, PollInterval: 30 * time.Second, Certificates: []string{Endpoint},
		Recorders: []capacity.Recorder{{Name: "rec1", VCPUs: 8, Memory: 16 * capacity.GB, Resolution: capacity.Res720, Disk: 8000 * capacity.GB}},
		Streamers: []capacity.Streamer{{Name: "str1", VCPUs: 8, Memory: 8 * capacity.GB, Resolution: capacity.Res720}}}
	receivers := map[string]collector.Secret{}
	bridges := map[string]http.RoundTripper{}
	for _, b := range s.Sim.Bridges() {
		inv.Bridges = append(inv.Bridges, collector.Bridge{Name: b.Name, URL: b.URL(), Username: "bridgewatch", Password: "secret", Platform: "cms1000-m6"})
		receivers[b.Name], bridges[b.Name] = collector.Secret(receiverBase+b.Name), b
		if err := b.AddReceiver(receiverBase + b.Name); err != nil {
			return nil, err
		}
	}
	s.Live = collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{inv}}, clock)
	s.seen = observer.New(s.Live, clock)
	polls := poller.DefaultConfig()
	polls.Receivers = map[string]map[string]collector.Secret{Cluster: receivers}
	p, err := poller.New(polls, poller.Deps{Live: s.Live, Publisher: nowhere{}, Clock: clock, Registerer: s.Registry,
		Transport: func(b collector.Bridge) http.RoundTripper { return bridges[b.Name] }})
	if err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	if s.poll, err = p.Rounds(); err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	s.Registry.MustRegister(collector.NewMetrics(s.Live))
	return s, nil
}

// Now is the time of the stage.
func (s *Stage) Now() time.Time { return s.now }

// Step moves the clock on, lets the bridges send what happened meanwhile, and polls them once.
func (s *Stage) Step(ctx context.Context, by time.Duration) {
	s.now = s.now.Add(by)
	s.Sim.Advance(ctx, s.now.Sub(s.start))
	if s.facts {
		s.seen.FactsStored(s.ledger.Changed(s.now))
		s.ledger.Forget(s.now)
		s.facts = false
	}
	s.poll(ctx)
}

// RoundTrip is the receiver of CDRs.
func (s *Stage) RoundTrip(r *http.Request) (*http.Response, error) {
	bridge := strings.TrimPrefix(r.URL.String(), receiverBase)
	bad := false
	for raw, err := range cdr.Scan(r.Body, cdr.Limits{}) {
		if err != nil {
			bad = true
			continue
		}
		record, err := cdr.Decode(raw)
		if err != nil {
			bad = true
			continue
		}
		sourced := cdr.SourcedRecord{Record: record, Source: bridge, Cluster: Cluster, Received: s.now}
		s.seen.RecordStored(sourced, s.ledger.Add(sourced), false)
		s.facts = true
	}
	if bad {
		s.seen.BodyQuarantined(Cluster, bridge, false)
	}
	return &http.Response{Status: "200 OK", StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// nowhere takes the rows of samples; there is no store here.
type nowhere struct{}

func (nowhere) PublishRows(context.Context, string, string, any) error { return nil }
