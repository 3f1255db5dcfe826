package app

import (
	"context"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/poller"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// Instances that share the work know different halves: who polls a bridge learns its names and how far its records are, who writes learns how far they came
// and which spaces are in use. They tell each other over the bus, all of it every few seconds, so that nothing depends on a message that got lost.
const (
	topicNext   = "next"   // by who writes: the indexes expected next
	topicNames  = "names"  // by who polls: how a bridge is recognized in records
	topicSpaces = "spaces" // by who writes: a space whose owner is to be looked up

	tellEvery = 10 * time.Second // a sixth of how long collector.Live believes it
)

type nextTold struct {
	Cluster string           `json:"cluster"`
	Next    map[string]int64 `json:"next"`
}

type namesTold struct {
	Cluster string          `json:"cluster"`
	Names   collector.Names `json:"names"`
}

type spaceTold struct {
	Cluster string    `json:"cluster"`
	Space   uuid.UUID `json:"space"`
}

// runTalk tells what this instance knows and hears what others know, until ctx ends.
func (a *App) runTalk(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return bus.Listen(ctx, a.bus, topicNext, a.hearNext) })
	group.Go(func() error {
		return bus.Listen(ctx, a.bus, topicNames, func(told namesTold) {
			if !a.holdings.has(Collect, told.Cluster) { // who polls knows better
				a.live.HearNames(told.Cluster, told.Names)
			}
		})
	})
	group.Go(func() error {
		return bus.Listen(ctx, a.bus, topicSpaces, func(told spaceTold) {
			if p := a.poller.Load(); p != nil {
				p.WantSpace(told.Cluster, told.Space)
			}
		})
	})
	group.Go(func() error {
		tick := time.NewTicker(tellEvery)
		defer tick.Stop()
		for {
			a.tellAll()
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return group.Wait()
}

func (a *App) tellAll() {
	writes := a.holdings.has(Store, storeLease)
	for _, c := range a.live.Inventory().Clusters {
		if writes {
			a.tell(topicNext, nextTold{c.Name, a.live.NextIndexes(c.Name)})
		}
		if a.holdings.has(Collect, c.Name) {
			a.tell(topicNames, namesTold{c.Name, a.live.Names(c.Name)})
		}
	}
}

func (a *App) tell(topic string, what any) {
	if err := a.bus.Tell(topic, what); err != nil {
		a.log.Debug("other instances not told", "topic", topic, "error", err)
	}
}

func (a *App) hearNext(told nextTold) {
	for _, c := range a.live.Inventory().Clusters {
		for _, b := range c.Bridges {
			if c.Name != told.Cluster {
				continue
			}
			var next *int64
			if n, known := told.Next[b.Name]; known {
				next = &n
			}
			a.live.HearNextIndex(c.Name, b.Name, next)
		}
	}
}

// spaces passes on which spaces are in use: to our own poller, or to whoever polls the cluster.
type spaces struct {
	app    *App
	poller *poller.Poller // nil where this instance does not poll
}

// WantSpace implements spaceOwners.
func (s spaces) WantSpace(cluster string, space uuid.UUID) {
	if s.poller != nil {
		s.poller.WantSpace(cluster, space)
	}
	if s.app.shared() && !s.app.holdings.has(Collect, cluster) {
		s.app.tell(topicSpaces, spaceTold{cluster, space})
	}
}
