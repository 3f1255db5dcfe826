package app

import (
	"maps"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/licensing"
)

// TestInUse: what is not known is left out, and nothing in use is zero only where no bridge says otherwise.
func TestInUse(t *testing.T) {
	quiet := licensing.Peaks{}
	busy := licensing.Peaks{SMP: licensing.Peak{Value: 9}, Recording: licensing.Peak{Value: 2}}
	personal := licensing.Peaks{PMP: licensing.Peak{Value: 1}}
	for _, c := range []struct {
		name  string
		use   licensing.Peaks
		calls int64
		want  map[string]float64
	}{
		{"nothing goes on", quiet, 0, map[string]float64{"smp": 0, "pmp": 0, "recording": 0}},
		{"the records of the calls are not stored yet", quiet, 3, nil},
		{"9 sixths", busy, 3, map[string]float64{"smp": 1.5, "pmp": 0, "recording": 2}},
		{"bridges have not told of the calls yet", busy, 0, map[string]float64{"smp": 1.5, "pmp": 0, "recording": 2}},
		{"personal licenses alone", personal, 1, map[string]float64{"smp": 0, "pmp": 1, "recording": 0}},
	} {
		if got := inUse(c.use, c.calls); !maps.Equal(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	bridge := func(cluster string, calls int64) collector.BridgeSnapshot {
		b := collector.BridgeSnapshot{BridgeState: collector.BridgeState{Cluster: cluster}}
		b.Calls = collector.Sample[collector.CallSummary]{Value: collector.CallSummary{Total: calls}, At: time.Now()}
		return b
	}
	snap := collector.Snapshot{Bridges: []collector.BridgeSnapshot{bridge("emea", 2), bridge("emea", 1), bridge("apac", 40)}}
	if got := callsNow(snap, []string{"emea"}); got != 3 {
		t.Errorf("%d calls, want 3", got)
	}
}
