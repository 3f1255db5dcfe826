package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/witness"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/stage"
)

// scene is an alert's fault in the simulated cluster. What a bridge can show is a fault of the simulator; what none of them tells (licenses of a pool,
// certificates, counters of rare records) is put into the live state that our exposer shows.
type scene struct {
	// fault in words, and where it is.
	fault string
	live  bool // in the live state, not in the simulator
	sim   cmssim.Config
	// object is what the collector reads the fault in, where that is read more seldom than at each poll.
	object string
	// lead is how long the fault takes to become the one that the alert is for.
	lead time.Duration
	// inject and repair are called once each; during is called each minute that the fault is there, before the poll or, for the live state, after it.
	inject, repair func(*stage.Stage)
	during         func(s *stage.Stage, minute int)
	// always is called each minute, fault or not, for what must be there to be compared with.
	always func(*stage.Stage)
}

const (
	region  = stage.Cluster
	forever = 24 * 365 * time.Hour
)

func first(s *stage.Stage) *cmssim.Bridge { return s.Sim.Bridges()[0] }

// ofFirst is a fault of the first bridge.
func ofFirst(words string, edit func(*cmssim.Faults)) scene {
	return scene{fault: words,
		inject: func(s *stage.Stage) { first(s).Fault(edit) },
		repair: func(s *stage.Stage) { first(s).Fault(func(f *cmssim.Faults) { *f = cmssim.Faults{} }) }}
}

// ofAll is a fault of every bridge.
func ofAll(words string, edit func(*cmssim.Faults)) scene {
	each := func(s *stage.Stage, edit func(*cmssim.Faults)) {
		for _, b := range s.Sim.Bridges() {
			b.Fault(edit)
		}
	}
	return scene{fault: words,
		inject: func(s *stage.Stage) { each(s, edit) },
		repair: func(s *stage.Stage) { each(s, func(f *cmssim.Faults) { *f = cmssim.Faults{} }) }}
}

// told is a fault in what the live state has of every bridge after each poll.
func told(words string, edit func(*collector.BridgeState)) scene {
	return scene{fault: words, live: true, during: func(s *stage.Stage, _ int) { eachState(s, edit) }}
}

func eachState(s *stage.Stage, edit func(*collector.BridgeState)) {
	for _, b := range s.Sim.Bridges() {
		s.Live.Update(region, b.Name, edit)
	}
}

// sampled is a value as if it had just been read.
func sampled[T any](s *stage.Stage, value T) collector.Sample[T] {
	return collector.Sample[T]{Value: value, At: s.Now(), Until: s.Now().Add(forever)}
}

// recorded is so many records of a kind that another session of the first bridge sends each minute; leg is what stands in the <callLeg> of each.
func recorded(words string, aMinute int, kind, leg string) scene {
	index := 0
	return scene{fault: words, during: func(s *stage.Stage, _ int) {
		var body strings.Builder
		body.WriteString(`<?xml version="1.0"?><records session="0f1f3f5a-9a1c-4c52-8a3e-5a1f0d7a0001">`)
		for range aMinute {
			fmt.Fprintf(&body, `<record type="%s" time="%s" recordIndex="%d" correlatorIndex="%d"><callLeg id="%08x-0000-4000-8000-000000000000">%s</callLeg></record>`,
				kind, s.Now().Format(time.RFC3339), index+1, index, index, leg)
			index++
		}
		body.WriteString(`</records>`)
		post(s, body.String())
	}}
}

// load makes every bridge's load a share of its limit.
func load(words string, share float64) scene {
	return told(words, func(b *collector.BridgeState) {
		if limit := b.Config.Value.LoadLimit; limit != nil && b.Load.Value.MediaProcessingLoad != nil {
			b.Load.Value.MediaProcessingLoad = new(int64(share * float64(*limit)))
		}
	})
}

// pool is a fault in the state of the license pool, which is well else.
func pool(words string, edit func(*collector.PoolState)) scene {
	set := func(s *stage.Stage, edit func(*collector.PoolState)) {
		state := collector.PoolState{
			InUse:       map[string]float64{"smp": 10, "pmp": 10, "recording": 2},
			Entitlement: map[string]float64{"smp": 40, "pmp": 50, "recording": 10},
			Assigned:    map[string]float64{"pmp": 40}, OverageDays: new(int64(2)), EnforcementLevel: new(int64(0)),
		}
		edit(&state)
		s.Live.SetPool(stage.Pool, sampled(s, state))
	}
	return scene{fault: words, live: true,
		always: func(s *stage.Stage) { set(s, func(*collector.PoolState) {}) },
		during: func(s *stage.Stage, _ int) { set(s, edit) }}
}

// certificate is a fault in what a probe of a TLS end point found.
func certificate(words string, days int, named bool) scene {
	set := func(s *stage.Stage, days int, named bool) {
		s.Live.SetCertificate(sampled(s, collector.CertificateState{Endpoint: stage.Endpoint, Cluster: region,
			NotAfter: s.Now().AddDate(0, 0, days), NameMatches: &named, ChainValid: new(true)}))
	}
	return scene{fault: words, live: true,
		always: func(s *stage.Stage) { set(s, 200, true) },
		during: func(s *stage.Stage, _ int) { set(s, days, named) }}
}

// scheduler is what a scheduler's status document says.
func scheduler(up bool) func(*stage.Stage) {
	return func(s *stage.Stage) {
		s.Live.UpdateCluster(region, func(c *collector.ClusterState) {
			c.Schedulers = map[string]collector.Sample[collector.SchedulerState]{"s1": sampled(s, collector.SchedulerState{Name: "s1", Up: up})}
		})
	}
}

// events is the state of the events connections, which nothing makes here.
func events(connected bool) func(*stage.Stage) {
	return func(s *stage.Stage) {
		for _, b := range s.Sim.Bridges() {
			s.Live.SetEvents(region, b.Name, connected, s.Now())
		}
	}
}

// witnesses is what holding records, events and API against one another found of every bridge.
func witnesses(found ...witness.Finding) func(*stage.Stage) {
	return func(s *stage.Stage) {
		report := witness.Report{At: s.Now(), Found: map[witness.Finding]bool{}}
		pair := witness.Pair{A: witness.Records, B: witness.Events}
		report.Differences = map[witness.Pair]map[witness.Fact]int64{pair: {witness.Calls: int64(3 * len(found))}}
		for _, f := range found {
			report.Found[f] = true
		}
		for _, b := range s.Sim.Bridges() {
			s.Live.SetWitness(region, b.Name, report, forever)
		}
	}
}

// modules is what syslog said of media modules.
func modules(working int64) func(*stage.Stage) {
	return func(s *stage.Stage) {
		eachState(s, func(b *collector.BridgeState) {
			b.MediaModules = sampled(s, collector.MediaModules{Total: 7, Working: working})
		})
	}
}

// syslogFault is how many ICE failures syslog has open on the first bridge.
func syslogFault(open int) func(*stage.Stage) {
	return func(s *stage.Stage) {
		s.Live.SetFaults(region, first(s).Name, collector.SourceSyslog, map[string]int{collector.ICEFailure: open})
	}
}

// turning makes a scene of a state that is one thing or another.
func turning(words string, well, ill func(*stage.Stage)) scene {
	return scene{fault: words, live: true, always: well, during: func(s *stage.Stage, _ int) { ill(s) }}
}

// post sends a body to the receiver as the first bridge does.
func post(s *stage.Stage, body string) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, stage.ReceiverURL(first(s).Name), strings.NewReader(body))
	if err == nil {
		_, err = s.RoundTrip(r)
	}
	if err != nil {
		panic(fmt.Sprintf("the stage's receiver took no body: %v", err)) // it takes everything
	}
}

// interval is how often an object is read.
func interval(object string) time.Duration {
	for _, o := range collector.Objects() {
		if o.Name == object {
			return o.Every
		}
	}
	return 0
}

// theater is a scene on its stage.
type theater struct {
	scene
	*stage.Stage
	step time.Duration // that the clock moves on by
}

func newTheater(x scene) (*theater, error) {
	cfg := x.sim
	cfg.Bridges, cfg.Seed, cfg.Volume, cfg.Start, cfg.Preroll = 3, 7, 0.3, epoch, 20*time.Minute
	s, err := stage.New(cfg)
	return &theater{x, s, step}, err
}

// minute lets a step pass; broken is the minute of the fault, negative while there is none.
func (x *theater) minute(ctx context.Context, broken int) ([]sample, error) {
	if broken == 0 && x.inject != nil {
		x.inject(x.Stage)
	}
	if broken >= 0 && !x.live && x.during != nil {
		x.during(x.Stage, broken)
	}
	x.Step(ctx, x.step)
	if x.always != nil {
		x.always(x.Stage)
	}
	if broken >= 0 && x.live && x.during != nil {
		x.during(x.Stage, broken)
	}
	return gathered(x.Registry)
}

// end takes the fault away.
func (x *theater) end() {
	if x.repair != nil {
		x.repair(x.Stage)
	}
}

// gathered is what a scrape of a registry would bring, but for histograms, which no rule reads.
func gathered(from prometheus.Gatherer) ([]sample, error) {
	families, err := from.Gather()
	if err != nil {
		return nil, err
	}
	var list []sample
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetGauge() == nil && m.GetCounter() == nil {
				continue
			}
			pairs := []string{"__name__", f.GetName()}
			for _, l := range m.GetLabel() {
				if l.GetValue() != "" { // an empty label is none
					pairs = append(pairs, l.GetName(), l.GetValue())
				}
			}
			list = append(list, sample{labels.FromStrings(pairs...), m.GetGauge().GetValue() + m.GetCounter().GetValue()})
		}
	}
	return list, nil
}
