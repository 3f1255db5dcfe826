package app

import (
	"context"

	"github.com/bridgewatch/bridgewatch/api"
	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/poller"
	"github.com/bridgewatch/bridgewatch/events"
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

// liveCalls is the picture of the events that are followed here, for the API.
type liveCalls struct{ app *App }

// States implements api.Live.
func (l liveCalls) States(wanted func(api.LiveBridge) bool) (calls []api.LiveCall, bridges []api.LiveBridge, all bool) {
	s := l.app.subscriber.Load()
	if s == nil {
		return nil, nil, false
	}
	for _, b := range s.Live(func(cluster, bridge string) bool { return wanted(api.LiveBridge{Cluster: cluster, Bridge: bridge}) }) {
		bridge := api.LiveBridge{Cluster: b.Cluster, Bridge: b.Bridge}
		bridges = append(bridges, bridge)
		for _, c := range b.Calls {
			calls = append(calls, api.LiveCall{LiveBridge: bridge, Call: c})
		}
	}
	configured := 0
	for _, c := range l.app.live.Inventory().Clusters {
		configured += len(c.Bridges)
	}
	return calls, bridges, len(bridges) == configured
}

// View implements api.Live.
func (l liveCalls) View(c api.LiveCall) (events.CallView, []string, bool) {
	s := l.app.subscriber.Load()
	if s == nil {
		return events.CallView{}, nil, false
	}
	return s.Call(c.Cluster, c.Bridge, c.Call.ID)
}

// Mentions implements api.Live.
func (l liveCalls) Mentions(c api.LiveCall, text string) bool {
	s := l.app.subscriber.Load()
	return s != nil && s.Mentions(c.Cluster, c.Bridge, c.Call.ID, text)
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
