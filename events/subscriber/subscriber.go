// Package subscriber follows the events of Call Bridges: a token and a WebSocket for each, whose frames feed the state machine of package events. What comes of
// it goes to the live state, to the bus as rows, and to whoever asks for the calls of now. Protocol facts: reference page cms-events.md.
package subscriber

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/events"
)

// Config of a Subscriber.
type Config struct {
	// Protocol is how each bridge is followed.
	Protocol events.Config
	// Timeout of asking for a token, of the upgrade and of one write.
	Timeout time.Duration
	// BackoffMin is the first pause after a connection that ended or was refused; it grows by half each time up to BackoffMax, with jitter, and begins anew
	// once a connection has settled.
	BackoffMin, BackoffMax time.Duration
	// Unsupported is the pause after a bridge said that its release has no events: it may be upgraded.
	Unsupported time.Duration
	// Reconcile is how often everything is read over REST. What events do not bring is read each RESTEvery, what is in doubt at most each RESTDoubt.
	Reconcile, RESTEvery, RESTDoubt time.Duration
	// MaxFrame is the largest message taken, in bytes. A snapshot of the calls is one message, of some 330 bytes a call.
	MaxFrame int64
	// MaxQueue is how many bytes of frames may wait to be looked at. Beyond that the connection is given up: a new one brings everything again.
	MaxQueue int
	// Publish is how often rows go to the bus, Renew how often the row of a stay that lasts is written again with the time it was last seen.
	Publish, Renew time.Duration
	// MaxRows is how many rows wait for a bus that does not take them; beyond that the oldest are dropped and counted.
	MaxRows int
}

// DefaultConfig returns what suits most.
func DefaultConfig() Config {
	return Config{
		Protocol: events.DefaultConfig(), Timeout: 10 * time.Second, BackoffMin: time.Second, BackoffMax: 30 * time.Second, Unsupported: 10 * time.Minute,
		Reconcile: 5 * time.Minute, RESTEvery: 30 * time.Second, RESTDoubt: 5 * time.Second, MaxFrame: 16 << 20, MaxQueue: 64 << 20,
		Publish: time.Second, Renew: 5 * time.Minute, MaxRows: 200_000,
	}
}

// Validate says what is wrong, or nil.
func (c Config) Validate() error {
	errs := []error{c.Protocol.Validate()}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"timeout", c.Timeout}, {"shortest back-off", c.BackoffMin}, {"pause of unsupported bridges", c.Unsupported}, {"reconciliation", c.Reconcile},
		{"REST interval", c.RESTEvery}, {"REST interval in doubt", c.RESTDoubt}, {"publishing", c.Publish}, {"renewal", c.Renew},
	} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("%s %s: want more than 0", d.name, d.value))
		}
	}
	if c.BackoffMax < c.BackoffMin {
		errs = append(errs, fmt.Errorf("longest back-off %s is below the shortest, %s", c.BackoffMax, c.BackoffMin))
	}
	if c.MaxFrame < 1<<20 || c.MaxQueue < 1 || c.MaxRows < 1 {
		errs = append(errs, errors.New("limits: a frame of at least 1 MiB, and some queue and rows"))
	}
	return errors.Join(errs...)
}

// Publisher puts rows on the bus; the writer stores them in the table they name.
type Publisher interface {
	PublishRows(ctx context.Context, subject, table string, rows any) error
}

// REST reads what events do not tell from one bridge; *poller.Client does. A list is complete, or there is an error.
type REST interface {
	ListCalls(ctx context.Context) ([]events.ListedCall, error)
	// ListParticipants lists those of one call, or of all calls where call is empty, by call. One call that is over is not in the answer.
	ListParticipants(ctx context.Context, call string) (map[string][]events.ListedParticipant, error)
	// Alone runs do while no other request to the bridge is under way, for the request for a token.
	Alone(ctx context.Context, do func() error) error
	Close()
}

// Deps are what a Subscriber works with. Live is needed; without a Publisher nothing is stored, without REST nothing is reconciled.
type Deps struct {
	Live      *collector.Live
	Publisher Publisher
	REST      func(collector.Bridge) (REST, error)
	Logger    *slog.Logger
	// Registerer takes the subscriber's own metrics.
	Registerer prometheus.Registerer
	// Clock stamps what happens; time-outs run on real time.
	Clock func() time.Time
}

// Subscriber follows the bridges of clusters, each by itself, so that one which hangs holds up no other.
type Subscriber struct {
	cfg     Config
	deps    Deps
	metrics metrics

	mu       sync.Mutex
	sessions []*session // of the bridges that are followed now
}

// New returns a subscriber to the bridges of the live state's inventory. It reads CA files and connects to nothing.
func New(cfg Config, deps Deps) (*Subscriber, error) {
	if err := errors.Join(cfg.Validate(), deps.Live.Inventory().Validate()); err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	s := &Subscriber{cfg: cfg, deps: deps, metrics: newMetrics()}
	for _, c := range deps.Live.Inventory().Clusters {
		for _, b := range c.Bridges {
			if _, err := newDialer(b, cfg); err != nil {
				return nil, fmt.Errorf("cluster %q: %w", c.Name, err)
			}
			s.metrics.prepare(c.Name, b.Name)
		}
	}
	if deps.Registerer != nil {
		if err := s.metrics.register(deps.Registerer); err != nil {
			return nil, fmt.Errorf("register the subscriber's metrics: %w", err)
		}
	}
	return s, nil
}

// RunCluster follows the bridges of one cluster until ctx ends, then returns nil. It begins knowing nothing.
func (s *Subscriber) RunCluster(ctx context.Context, name string) error {
	clusters := s.deps.Live.Inventory().Clusters
	i := slices.IndexFunc(clusters, func(c collector.Cluster) bool { return c.Name == name })
	if i < 0 {
		return fmt.Errorf("events: no cluster %q", name)
	}
	var ours []*session
	for _, b := range clusters[i].Bridges {
		session, err := s.newSession(clusters[i], b)
		if err != nil {
			return fmt.Errorf("events: cluster %q: %w", name, err)
		}
		ours = append(ours, session)
	}
	s.mu.Lock()
	s.sessions = append(s.sessions, ours...)
	s.mu.Unlock()
	var running sync.WaitGroup
	for _, session := range ours {
		running.Go(func() { session.run(ctx) })
	}
	running.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions = slices.DeleteFunc(s.sessions, func(other *session) bool { return slices.Contains(ours, other) })
	return nil
}

// of lists the sessions of a cluster, all of them where the name is empty.
func (s *Subscriber) of(cluster string) []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*session
	for _, session := range s.sessions {
		if cluster == "" || session.cluster == cluster {
			found = append(found, session)
		}
	}
	return found
}
