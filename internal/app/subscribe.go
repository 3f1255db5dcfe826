package app

import (
	"context"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/poller"
	"github.com/bridgewatch/bridgewatch/events/subscriber"
)

// runSubscribers follows the events of every cluster that is ours until ctx ends.
func (a *App) runSubscribers(ctx context.Context) error {
	s, err := subscriber.New(subscriberConfig(a.options.Config), subscriber.Deps{
		Live: a.live, Publisher: a.bus, REST: a.rest, Logger: a.log, Registerer: a.registry,
	})
	if err != nil {
		return err
	}
	a.subscriber.Store(s)
	return a.shareClusters(ctx, Subscribe, func(ctx context.Context, cluster string) error {
		if err := s.RunCluster(ctx, cluster); err != nil {
			return err
		}
		<-ctx.Done() // a cluster without bridges
		return context.Cause(ctx)
	})
}

// rest is a client that shares the bridge's one request in flight with the poller.
func (a *App) rest(b collector.Bridge) (subscriber.REST, error) {
	c, err := poller.NewClient(b, 0)
	if err != nil {
		return nil, err
	}
	a.lanes.Join(c)
	return c, nil
}
