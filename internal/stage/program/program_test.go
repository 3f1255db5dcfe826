package program

import (
	"slices"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

// TestFaults: each fault moves the figure that it is for, and only while it is there.
func TestFaults(t *testing.T) {
	p, err := Start(t.Context(), t.TempDir(), storagetest.ChildCommand(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	step := func() {
		t.Helper()
		if err := p.Step(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	quiet := func() {
		t.Helper()
		step()
		if lag := p.gauge(t, "bridgewatch_pipeline_lag_seconds"); lag != 0 {
			t.Errorf("without a fault a heartbeat is %g s old", lag)
		}
		if pending := p.gauge(t, "bridgewatch_bus_pending_bytes"); pending != 0 {
			t.Errorf("without a fault %g bytes wait", pending)
		}
	}
	quiet()

	p.StopWriter()
	must(p.FillBus(t.Context(), 0.6))
	step()
	step()
	if lag := p.gauge(t, "bridgewatch_pipeline_lag_seconds"); lag != 120 {
		t.Errorf("two minutes without the writer the oldest heartbeat is %g s old", lag)
	}
	if pending := p.gauge(t, "bridgewatch_bus_pending_bytes"); pending < 0.6*busBudget || pending > 0.7*busBudget {
		t.Errorf("%g bytes wait", pending)
	}
	p.StartWriter(t.Context())
	quiet()

	for _, c := range []struct {
		counter      string
		fault, after func() error
	}{
		{"bridgewatch_writer_insert_failures_total", func() error { return p.HideTable(t.Context()) }, func() error { return p.ShowTable(t.Context()) }},
		{"bridgewatch_writer_dead_letters_total", func() error { return p.Unstorable(t.Context()) }, nil},
		{"bridgewatch_engine_restarts_total", func() error { return p.KillEngine(t.Context()) }, nil},
		{"bridgewatch_receiver_refused_requests_total", func() error { return p.Probe(t.Context(), 3) }, nil},
	} {
		before, err := p.counter(c.counter)
		must(err)
		must(c.fault())
		step()
		during, err := p.counter(c.counter)
		must(err)
		if during <= before {
			t.Errorf("%s was %g and is %g with its fault", c.counter, before, during)
		}
		if c.after != nil {
			must(c.after())
		}
		quiet()
		settled, err := p.counter(c.counter)
		must(err)
		quiet()
		if after, err := p.counter(c.counter); err != nil || after != settled {
			t.Errorf("%s grows from %g to %g after its fault, %v", c.counter, settled, after, err)
		}
	}
	p.SetDiskFree(0.04)
	if free := p.gauge(t, "bridgewatch_data_disk_free_bytes"); free != 4.096e9 {
		t.Errorf("%g bytes are free", free)
	}
}

// gauge is the largest value of a gauge's series, but for that of the stream of dead letters, which keeps what it has.
func (p *Program) gauge(t *testing.T, name string) (most float64) {
	t.Helper()
	families, err := p.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetValue() == string(bus.Dead) }) {
				most = max(most, m.GetGauge().GetValue())
			}
		}
	}
	return most
}
