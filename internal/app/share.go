package app

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// storeLease is the one lease of the role store: the facts of a session are made by one writer, which must see all its records, and the bus groups bodies of
// several bridges in one message. So the writer as a whole has one holder, and the other instances stand by.
const storeLease = "store"

// schemaLease lets one instance at a time bring the database up to date.
const schemaLease = "schema"

// feed is what an instance has in hand of a bridge while it does the role's work.
func (r Role) feed() collector.Feed {
	switch r {
	case Subscribe:
		return collector.Events
	case Store:
		return collector.Records
	default:
		return collector.Polls
	}
}

// shared tells whether other instances may do the same work: on external servers.
func (a *App) shared() bool { return !a.options.Config.NATS.URL.IsZero() }

// shareClusters runs the work of a role for every cluster that this instance is to care for, until ctx ends or one of them fails. On external servers the
// clusters are shared by leases with the other instances of that role: each is in the hands of one of them, and run's context ends when it is no longer ours.
//
// A whole cluster is the unit, not a bridge: what is computed over the bridges of a cluster (fail-over, distinct meetings, its licenses) needs all of them
// in one place. Where an instance both collects and subscribes, it subscribes to the clusters that it polls, so that both views of a bridge meet there too.
func (a *App) shareClusters(ctx context.Context, role Role, run func(ctx context.Context, cluster string) error) error {
	do := func(ctx context.Context, cluster string) error {
		a.hold(ctx, role, cluster, cluster)
		defer a.letGo(role, cluster, cluster)
		return run(ctx, cluster)
	}
	var names []string
	for _, c := range a.live.Inventory().Clusters {
		names = append(names, c.Name)
	}
	leases, err := a.leases(ctx)
	if err != nil {
		return err
	}
	if leases != nil && (role != Subscribe || !a.has(Collect)) {
		return leases.Share(ctx, string(role), names, func(ctx context.Context, cluster string, _ uint64) error { return do(ctx, cluster) })
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, cluster := range names {
		group.Go(func() error {
			if leases == nil {
				return do(ctx, cluster)
			}
			return a.holdings.during(ctx, Collect, cluster, func(ctx context.Context) error {
				return leases.Run(ctx, bus.ShareKey(string(role), cluster), func(ctx context.Context, _ uint64) error { return do(ctx, cluster) })
			})
		})
	}
	return group.Wait()
}

// hold notes that a role's work is ours until ctx ends, and exposes what it brings of the clusters.
func (a *App) hold(ctx context.Context, role Role, key string, clusters ...string) {
	for _, cluster := range clusters {
		a.live.HoldCluster(role.feed(), cluster, true)
		if role == Collect && !a.eventsApart() {
			a.live.HoldCluster(collector.Events, cluster, true)
		}
	}
	a.holdings.begin(ctx, role, key)
}

// letGo undoes hold.
func (a *App) letGo(role Role, key string, clusters ...string) {
	a.holdings.end(role, key)
	for _, cluster := range clusters {
		a.live.HoldCluster(role.feed(), cluster, false)
		if role == Collect && !a.eventsApart() {
			a.live.HoldCluster(collector.Events, cluster, false)
		}
	}
}

// eventsApart tells whether the participants of a bridge are told by an instance that has the role subscribe, which may be another than the one that polls.
func (a *App) eventsApart() bool { return a.options.Config.Events.Enabled && !a.has(Subscribe) }

// leased runs work that one instance at a time may do, here while this one has the lease; until ctx ends or run returns by itself.
func (a *App) leased(ctx context.Context, name string, run func(context.Context) error) error {
	leases, err := a.leases(ctx)
	switch {
	case err != nil:
		return err
	case leases == nil:
		return run(ctx)
	}
	return leases.Run(ctx, name, func(ctx context.Context, _ uint64) error { return run(ctx) })
}

// leases of this instance; nil where it is alone, as on embedded servers.
func (a *App) leases(ctx context.Context) (*bus.Leases, error) {
	if !a.shared() {
		return nil, nil
	}
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	return a.bus.Leases(ctx, fmt.Sprintf("%s:%d", name, os.Getpid()), bus.DefaultLeaseTTL)
}

// holdings are what this instance has in hand now: by role, the keys.
type holdings struct {
	mu      sync.Mutex
	held    map[Role]map[string]context.Context
	changed chan struct{} // closed and replaced at each change
}

func newHoldings() *holdings {
	return &holdings{held: map[Role]map[string]context.Context{}, changed: make(chan struct{})}
}

func (h *holdings) change(do func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do()
	close(h.changed)
	h.changed = make(chan struct{})
}

// begin notes that a key is held until ctx ends.
func (h *holdings) begin(ctx context.Context, role Role, key string) {
	h.change(func() {
		if h.held[role] == nil {
			h.held[role] = map[string]context.Context{}
		}
		h.held[role][key] = ctx
	})
}

func (h *holdings) end(role Role, key string) {
	h.change(func() { delete(h.held[role], key) })
}

// has tells whether a key is held.
func (h *holdings) has(role Role, key string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	ctx := h.held[role][key]
	return ctx != nil && ctx.Err() == nil
}

// of lists the keys held for a role, in order.
func (h *holdings) of(role Role) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	keys := make([]string, 0, len(h.held[role]))
	for key := range h.held[role] {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// during calls do whenever a key is held, with a context that ends with the holding, until ctx ends or do fails by itself.
func (h *holdings) during(ctx context.Context, role Role, key string, do func(context.Context) error) error {
	for ctx.Err() == nil {
		h.mu.Lock()
		held, changed := h.held[role][key], h.changed
		h.mu.Unlock()
		if held == nil || held.Err() != nil {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		both, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(held, cancel)
		err := do(both)
		over := both.Err() != nil
		stop()
		cancel()
		if !over {
			return err
		}
	}
	return ctx.Err()
}
