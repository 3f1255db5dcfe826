package collector

import (
	"time"

	"github.com/bridgewatch/bridgewatch/collector/capacity"
)

// window counts what happened in the newest slots of time, by kind. Older slots are forgotten.
type window struct {
	slot  time.Duration
	slots int64
	// counts by number of the slot since 1970, then by kind.
	counts map[int64]map[string]int64
}

func newWindow(slot time.Duration, slots int64) *window {
	return &window{slot: slot, slots: slots, counts: make(map[int64]map[string]int64)}
}

func (w *window) number(at time.Time) int64 { return at.UnixNano() / int64(w.slot) }

// add counts one of a kind. What is older than the window, or by its own clock further ahead than the window is long, is left out.
func (w *window) add(now, at time.Time, kind string) {
	current, slot := w.number(now), w.number(at)
	for n := range w.counts {
		if n <= current-w.slots {
			delete(w.counts, n)
		}
	}
	if slot <= current-w.slots || slot > current+w.slots {
		return
	}
	if w.counts[slot] == nil {
		w.counts[slot] = make(map[string]int64)
	}
	w.counts[slot][kind]++
}

// sum returns how many of each kind are in the window, and most the largest number of each in one slot.
func (w *window) sum(now time.Time) (sum, most map[string]int64) {
	sum, most = make(map[string]int64), make(map[string]int64)
	for n, kinds := range w.counts {
		if n <= w.number(now)-w.slots {
			continue
		}
		for kind, count := range kinds {
			sum[kind] += count
			most[kind] = max(most[kind], count)
		}
	}
	return sum, most
}

// SetupClients are the kinds of calls that set-up limits are printed for; lync and unknown ones are SIP to the bridge.
func SetupClients() []string { return []string{"sip", "webapp"} }

const (
	// setupWindow seconds are looked at for the busiest.
	setupWindow = 300
	// mixWindow minutes of ended legs stand for the present mix: what a leg was like is known when it has ended.
	mixWindow = 60
)

// CountLegStart counts one call leg that was set up at a time, by kind of client (one of Clients). Links between bridges are no calls and are not counted.
func (l *Live) CountLegStart(cluster, bridge, client string, at time.Time) {
	now := l.now()
	l.bridge(cluster, bridge, func(b *bridgeEntry) {
		b.counters.legStarts[closed(client, Clients())]++
		class := "sip"
		if client == "webapp" {
			class = client
		}
		l.setups[cluster].add(now, at, class)
	})
}

// CountLegQuality notes the best quality of one call leg that ended at a time.
func (l *Live) CountLegQuality(cluster, bridge string, q capacity.Quality, at time.Time) {
	now := l.now()
	l.bridge(cluster, bridge, func(b *bridgeEntry) { b.counters.mix.add(now, at, string(q)) })
}

// present returns the mix of the legs in the window, or nil where there are none.
func (w *window) present(now time.Time) capacity.Mix {
	sum, _ := w.sum(now)
	if len(sum) == 0 {
		return nil
	}
	mix := make(capacity.Mix, len(sum))
	for kind, n := range sum {
		mix[capacity.Quality(kind)] = n
	}
	return mix
}
