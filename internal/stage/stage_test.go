package stage

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
)

// value sums the series of a metric that have a label's value; an empty label: all. ok is false where there is none.
func (s *Stage) value(t *testing.T, name, label, want string) (sum float64, ok bool) {
	t.Helper()
	families, err := s.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			has := label == ""
			for _, l := range m.GetLabel() {
				has = has || l.GetName() == label && l.GetValue() == want
			}
			if has {
				sum, ok = sum+m.GetGauge().GetValue()+m.GetCounter().GetValue(), true
			}
		}
	}
	return sum, ok
}

func TestStage(t *testing.T) {
	s, err := New(cmssim.Config{Bridges: 3, Seed: 7, Start: time.Date(2026, 8, 5, 10, 30, 0, 0, time.UTC), Preroll: 20 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	b := s.Sim.Bridges()[1]
	began := time.Now()
	expect := func(what, name, label, value string, want float64) {
		t.Helper()
		if got, ok := s.value(t, name, label, value); !ok || got != want {
			t.Errorf("%s: %s is %g (there: %v), want %g", what, name, got, ok, want)
		}
	}
	for range 30 {
		s.Step(t.Context(), time.Minute)
	}
	t.Logf("a simulated half hour takes %s", time.Since(began))
	var produced int64
	for _, truth := range s.Sim.Truth().Bridges {
		produced += truth.Produced
	}
	if produced < 100 {
		t.Errorf("only %d records in half an hour", produced)
	}
	recent, _ := s.value(t, "cms_cdr_records_total", "", "") // the pre-roll is history, all but its last ten minutes
	if recent < 100 || recent > float64(produced) {
		t.Errorf("%g records counted of %d", recent, produced)
	}
	expect("at the start", "cms_cdr_records_missing", "", "", 0)
	expect("at the start", "cms_cdr_records_behind", "", "", 0)
	expect("at the start", "cms_call_bridge_up", "", "", 3)
	expect("at the start", "cms_cdr_receiver_registered", "", "", 3)
	if skew, ok := s.value(t, "cms_call_bridge_clock_skew_seconds", "call_bridge", b.Name); !ok || skew < -2 || skew > 2 {
		t.Errorf("the clock of %s is off by %g s", b.Name, skew)
	}
	if people, _ := s.value(t, "cms_participants", "", ""); people < 10 {
		t.Errorf("%g participants", people)
	}
	b.Fault(func(f *cmssim.Faults) { f.Down, f.ReceiversCut, f.RecorderRefuses = true, true, true })
	for range 5 {
		s.Step(t.Context(), time.Minute)
	}
	expect("bridge down", "cms_call_bridge_up", "call_bridge", b.Name, 0)
	b.Fault(func(f *cmssim.Faults) { f.Down = false })
	for range 5 {
		s.Step(t.Context(), time.Minute)
	}
	expect("bridge back", "cms_call_bridge_up", "call_bridge", b.Name, 1)
	if behind, _ := s.value(t, "cms_cdr_records_behind", "call_bridge", b.Name); behind < 10 {
		t.Errorf("%g records behind while the receiver is cut off", behind)
	}
	if unrecorded, ok := s.value(t, "cms_meetings_unrecorded", "", ""); !ok || unrecorded < 1 {
		t.Errorf("%g meetings unrecorded (there: %v)", unrecorded, ok)
	}
	b.Fault(func(f *cmssim.Faults) { *f = cmssim.Faults{} })
	for range 5 {
		s.Step(t.Context(), time.Minute)
	}
	expect("all well again", "cms_cdr_records_behind", "", "", 0)
	if problems, err := testutil.GatherAndLint(s.Registry); err != nil || len(problems) > 1 { // cms_license_overage_days is fixed by the interface page
		t.Errorf("lint: %v %v", problems, err)
	}
}
