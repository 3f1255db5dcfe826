package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/internal/stage"
	"github.com/bridgewatch/bridgewatch/internal/stage/program"
)

// ordinaryDays lets the simulated cluster live through days without a fault: meetings by the daily curve of its story, records on their way, bad lines, a few
// scanners. It is scraped every so often, and the rules are evaluated as often. The figures of Bridgewatch itself are those of the real program, as far as it is
// given: its heartbeats take their time in truth. It returns the alerts of any severity that fired.
func ordinaryDays(ctx context.Context, itself *program.Program, days int, every time.Duration) (fired []string, evaluated int, err error) {
	w, err := newWorld(ctx, every)
	if err != nil {
		return nil, 0, err
	}
	defer w.close()
	actors, err := newTheater(scene{})
	if err != nil {
		return nil, 0, err
	}
	actors.step = every
	noise := &noise{every: every, random: rand.New(rand.NewPCG(7, 11)), counters: map[string]float64{}} //nolint:gosec // the same days every time
	actors.always = noise.live
	for n := range days * int(24*time.Hour/every) {
		at := epoch.Add(time.Duration(n+1) * every)
		list, err := actors.minute(ctx, -1)
		if err != nil {
			return nil, evaluated, err
		}
		more, err := noise.program(ctx, itself)
		if err != nil {
			return nil, evaluated, err
		}
		if err := w.tick(ctx, at, append(list, more...)); err != nil {
			return nil, evaluated, err
		}
		evaluated++
		for _, name := range w.firing() {
			if !slices.Contains(fired, name) {
				fired = append(fired, name)
				fmt.Fprintf(os.Stderr, "%s fires at %s\n", name, at)
			}
		}
		if at.Sub(epoch)%(24*time.Hour) == 0 {
			fmt.Fprintf(os.Stderr, "%.0f ordinary days, a scrape every %s\n", at.Sub(epoch).Hours()/24, every)
		}
	}
	return fired, evaluated, nil
}

// noise is what a well deployment shows beyond what the stage plays.
type noise struct {
	every    time.Duration // between two scrapes
	random   *rand.Rand
	counters map[string]float64
}

// happens says whether something that happens so often on average does now.
func (n *noise) happens(often time.Duration) bool { return n.random.IntN(int(often/n.every)) == 0 }

// live sets what no simulated bridge tells.
func (n *noise) live(s *stage.Stage) {
	for _, well := range []func(*stage.Stage){modules(7), scheduler(true), events(true), witnesses()} {
		well(s)
	}
	s.Live.SetCertificate(sampled(s, collector.CertificateState{Endpoint: stage.Endpoint, Cluster: region, NotAfter: epoch.AddDate(0, 0, 200), NameMatches: new(true), ChainValid: new(true)}))
	for _, b := range s.Sim.Bridges() {
		if n.happens(4 * time.Minute) {
			s.Live.CountLegEnd(region, b.Name, "unknownDestination")
		}
		if n.happens(200 * time.Minute) {
			s.Live.CountLegEnd(region, b.Name, "incorrectPasscode")
		}
	}
	in := map[string]float64{}
	for _, c := range s.Live.Snapshot().Clusters {
		u := c.Usage.Value // our own count is of this minute, that of CMS five minutes old
		in["smp"] = math.Round(6*(float64(u.SMP6000)/6000+n.random.Float64())) / 6
		in["pmp"], in["recording"] = math.Round(u.PMP.Float()+n.random.Float64()), math.Round((u.Recording + u.Streaming).Float())
	}
	s.Live.SetPool(stage.Pool, sampled(s, collector.PoolState{
		InUse: in, Entitlement: map[string]float64{"smp": 40, "pmp": 200, "recording": 20},
		Assigned: map[string]float64{"pmp": 150}, OverageDays: new(int64(2)), EnforcementLevel: new(int64(0)),
	}))
}

// program is what Bridgewatch tells of itself: all of it by the real program, or, without that, the figures of a program that is well.
func (n *noise) program(ctx context.Context, itself *program.Program) ([]sample, error) {
	stranger := n.happens(5 * time.Minute)
	if itself != nil {
		itself.SetDiskFree(0.4 - 0.001*n.random.Float64())
		if stranger {
			if err := itself.Probe(ctx, 1); err != nil {
				return nil, err
			}
		}
		if err := itself.Step(ctx, n.every); err != nil {
			return nil, err
		}
		return gathered(itself.Registry)
	}
	var samples []sample
	put := func(value float64, name string, pairs ...string) {
		samples = append(samples, sample{labels.FromStrings(append([]string{"__name__", name}, pairs...)...), value})
	}
	count := func(by float64, name string, pairs ...string) {
		key := fmt.Sprint(name, pairs)
		n.counters[key] += by
		put(n.counters[key], name, pairs...)
	}
	put(5+float64(n.random.IntN(20)), "bridgewatch_pipeline_lag_seconds", "stage", "query")
	put(1e5*n.random.Float64(), "bridgewatch_bus_pending_bytes", "stream", "CDR")
	put(1e10, "bridgewatch_bus_budget_bytes", "stream", "CDR")
	put(4e11-1e9*n.random.Float64(), "bridgewatch_data_disk_free_bytes")
	put(1e12, "bridgewatch_data_disk_size_bytes")
	count(0, "bridgewatch_writer_insert_failures_total", "table", "calls_data")
	count(0, "bridgewatch_writer_dead_letters_total", "stream", "CDR")
	count(0, "bridgewatch_engine_restarts_total")
	probes := 0.0
	if stranger {
		probes = 1
	}
	count(probes, "bridgewatch_receiver_refused_requests_total", "reason", "path")
	return samples, nil
}
