// Package app is the composition root: it makes the components from the configuration, starts them in the order in which they need one another,
// and ends them in the reverse order.
package app

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bridgewatch/bridgewatch/alerts"
	"github.com/bridgewatch/bridgewatch/api"
	"github.com/bridgewatch/bridgewatch/cdr/receiver"
	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/certs"
	"github.com/bridgewatch/bridgewatch/collector/poller"
	"github.com/bridgewatch/bridgewatch/collector/syslog"
	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/events/subscriber"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/internal/disk"
	"github.com/bridgewatch/bridgewatch/internal/heartbeat"
	"github.com/bridgewatch/bridgewatch/internal/observer"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/engine"
	"github.com/bridgewatch/bridgewatch/storage/writer"
)

// Role is a part of the work that an instance can do.
type Role string

// The roles; an instance has one or more.
const (
	Receive   Role = "receive"   // takes CDRs from Call Bridges
	Subscribe Role = "subscribe" // follows the events of Call Bridges
	Collect   Role = "collect"   // polls Call Bridges, takes syslog, probes certificates
	Store     Role = "store"     // writes what lies on the bus into the store
	Expose    Role = "expose"    // serves metrics, the API and runbooks
)

// Roles are all roles, in the order of the data's way.
func Roles() []Role { return []Role{Receive, Subscribe, Collect, Store, Expose} }

// ParseRoles reads a comma-separated list of roles.
func ParseRoles(text string) ([]Role, error) {
	var roles []Role
	for name := range strings.SplitSeq(text, ",") {
		role := Role(strings.TrimSpace(name))
		if !slices.Contains(Roles(), role) {
			return nil, fmt.Errorf("no role %q; there are receive, subscribe, collect, store, expose", role)
		}
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles, nil
}

// Options are what an App is made from.
type Options struct {
	Config config.Config
	// Roles of this instance; none means all.
	Roles []Role
	// EngineCommand is the command line of the engine's child process; empty means this program's hidden subcommand.
	EngineCommand []string
	Log           *slog.Logger
}

// App is the whole program, made and not yet running.
type App struct {
	options  Options
	log      *slog.Logger
	registry *prometheus.Registry
	live     *collector.Live
	observer *storedFacts
	holdings *holdings
	pools    []report.Pool

	beats     *heartbeat.Monitor
	beatToken string // by which our own heartbeats enter; made anew at each start

	engine   *engine.Engine // nil with an external ClickHouse
	bus      *bus.Bus
	receiver *receiver.Receiver // nil without the role
	http     net.Listener       // open from the start of Run; nil without an address

	lanes      poller.Lanes                          // of the requests of pollers and subscribers
	poller     atomic.Pointer[poller.Poller]         // nil where this instance does not poll
	subscriber atomic.Pointer[subscriber.Subscriber] // nil where this instance does not follow events
	store      atomic.Pointer[storage.Queries]
	stored     chan struct{} // closed once the store can be used
	started    chan struct{} // closed once everything runs

	mu   sync.Mutex
	conn driver.Conn
}

// New makes the components; nothing runs, listens or is written before Run.
func New(o Options) (*App, error) {
	if len(o.Roles) == 0 {
		o.Roles = Roles()
	}
	inv, err := inventory(o.Config)
	if err != nil {
		return nil, err
	}
	a := &App{options: o, log: o.Log, registry: prometheus.NewRegistry(), live: collector.NewLive(inv, nil), holdings: newHoldings(),
		stored: make(chan struct{}), started: make(chan struct{})}
	if a.pools, err = pools(o.Config); err != nil {
		return nil, err
	}
	a.observer = &storedFacts{observer.New(a.live, time.Now), newOpenFacts(), time.Now}
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		disk.New(o.Config.DataDir, nil), collector.NewMetrics(a.live))
	a.observer.Follow(spaces{app: a})
	if a.shared() { // nothing is ours before we have its lease
		for _, c := range inv.Clusters {
			for _, feed := range collector.Feeds() {
				a.live.HoldCluster(feed, c.Name, false)
			}
		}
	}
	a.bus = bus.New(busConfig(o.Config), bus.Deps{Log: o.Log, Registerer: a.registry})
	if o.Config.ClickHouse.URL.IsZero() && (a.has(Store) || a.has(Expose)) {
		if a.engine, err = engine.New(engineConfig(o.Config, o.EngineCommand), engine.Deps{Logger: o.Log, Registerer: a.registry}); err != nil {
			return nil, err
		}
	}
	if a.has(Receive) && o.Config.CDR.Listen != "" {
		cfg := receiverConfig(o.Config)
		a.beatToken = rand.Text()
		cfg.Sources = append(cfg.Sources, receiver.Source{Name: writer.HeartbeatSource, Token: a.beatToken})
		a.receiver = receiver.New(cfg, receiver.Deps{Bus: a.bus, Log: o.Log, Registerer: a.registry})
	}
	a.beats = a.heartbeats()
	a.observer.Beats = a.beats
	a.registry.MustRegister(a.beats)
	return a, nil
}

func (a *App) has(r Role) bool { return slices.Contains(a.options.Roles, r) }

// Started is closed once everything of this instance runs.
func (a *App) Started() <-chan struct{} { return a.started }

// HTTPAddr, CDRAddr and ClickHouseAddr are where the program answers, once Started; nil or empty where it does not.
func (a *App) HTTPAddr() net.Addr {
	if a.http == nil {
		return nil
	}
	return a.http.Addr()
}

// CDRAddr is the address of the CDR listener, once Started.
func (a *App) CDRAddr() net.Addr {
	if a.receiver == nil { // an instance without the role
		return nil
	}
	return a.receiver.Addr()
}

// ClickHouseAddr is the read-only address of the embedded engine, once Started.
func (a *App) ClickHouseAddr() string {
	if a.engine == nil {
		return ""
	}
	return a.engine.PublicAddr()
}

// Store answers queries once Started.
func (a *App) Store() *storage.Queries { return a.store.Load() }

// Conn is the connection to the store once Started.
func (a *App) Conn() driver.Conn {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.conn
}

// Live is what is known of this moment.
func (a *App) Live() *collector.Live { return a.live }

// Bus is the message bus of this instance.
func (a *App) Bus() *bus.Bus { return a.bus }

// Run runs everything until ctx ends or a component fails.
func (a *App) Run(ctx context.Context) error {
	if err := refuseUnfinished(a.options.Config); err != nil {
		return err
	}
	if err := os.MkdirAll(a.options.Config.DataDir, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	if a.options.Config.HTTP.Listen != "" { // every instance shows its metrics and its health; the API's answers need the role
		var err error
		if a.http, err = new(net.ListenConfig).Listen(ctx, "tcp", a.options.Config.HTTP.Listen); err != nil {
			return fmt.Errorf("http.listen: %w", err)
		}
		defer a.http.Close() //nolint:errcheck // served and closed by the server, if it came so far
	}
	err := runStages(ctx, a.log, a.stages(), func() { close(a.started) })
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn != nil {
		err = errors.Join(err, a.conn.Close())
	}
	return err
}

// stages is the order of starting; ending is the reverse: receivers, subscribers and pollers, then writers, then the servers, HTTP last.
func (a *App) stages() []stage {
	var web, servers, stores, sources stage
	web = stage{name: "http", grace: 3 * time.Second}
	if a.http != nil {
		server := a.apiServer()
		web.components = append(web.components, component{"http", server.Run, server.Ready()})
	}
	servers = stage{name: "servers", grace: 10 * time.Second}
	if a.engine != nil {
		servers.components = append(servers.components, component{"engine", a.engine.Run, a.engine.Ready()})
	}
	servers.components = append(servers.components, component{"bus", a.bus.Run, a.bus.Ready()})

	// The writers do not hold up the receiver: records are taken and kept on the bus while the store is away.
	stores = stage{name: "store", grace: 15 * time.Second}
	if a.has(Store) || a.has(Expose) {
		stores.components = append(stores.components, component{"store", a.runStore, a.storeReady()})
	}
	sources = stage{name: "sources", grace: 10 * time.Second}
	if a.receiver != nil {
		sources.components = append(sources.components, component{"cdr", a.receiver.Run, a.receiver.Ready()})
	}
	sources.components = append(sources.components, component{name: "heartbeat", run: a.beats.Run})
	if a.shared() {
		sources.components = append(sources.components, component{name: "talk", run: a.runTalk})
	}
	if a.has(Collect) {
		sources.components = append(sources.components, component{name: "poller", run: a.runPollers}, component{name: "pools", run: a.runPools})
		if a.options.Config.Syslog.Listen != "" {
			sources.components = append(sources.components, component{name: "syslog", run: a.runSyslog})
		}
	}
	if a.has(Subscribe) && a.options.Config.Events.Enabled {
		sources.components = append(sources.components, component{name: "events", run: a.runSubscribers})
	}
	sources.components = append(sources.components, component{name: "witnesses", run: a.runWitnesses})
	return []stage{web, servers, stores, sources}
}

// storeReady is what the stages after the store wait for: with the embedded engine its tables, with an external server nothing.
func (a *App) storeReady() <-chan struct{} {
	if a.engine != nil {
		return a.stored
	}
	return nil
}

// runStore opens the store, brings it up to date and, with the role, writes until ctx ends.
func (a *App) runStore(ctx context.Context) error {
	conn, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.conn = conn
	a.mu.Unlock()
	a.store.Store(storage.NewQueries(conn))
	close(a.stored)
	if !a.has(Store) {
		<-ctx.Done()
		return ctx.Err()
	}
	w := writer.New(writerConfig(a.options.Config), writer.Deps{
		Bus: a.bus, Store: conn, Observer: a.observer, Bridges: a.live.BridgesByGUID, Log: a.log, Registerer: a.registry,
	})
	var all []string
	for _, c := range a.live.Inventory().Clusters {
		all = append(all, c.Name)
	}
	return a.leased(ctx, storeLease, func(ctx context.Context) error {
		a.observer.Forget() // another instance may have written meanwhile
		calls, legs, recordings, err := storage.NewQueries(conn).OpenFacts(ctx, time.Now().Add(-openWindow))
		switch {
		case err == nil:
			a.observer.open.begin(calls, legs, recordings)
		case ctx.Err() == nil: // the witnesses do without the records; the writer has its own troubles with such a store
			a.log.Warn("what is going on by the records is not known", "error", err)
		}
		a.beats.Measure(heartbeat.StageStore, true)
		defer a.beats.Measure(heartbeat.StageStore, false)
		a.hold(ctx, Store, storeLease, all...)
		defer a.letGo(Store, storeLease, all...)
		var keeping sync.WaitGroup
		defer keeping.Wait()
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		keeping.Go(func() {
			if err := a.runLicenses(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("license use is not computed", "error", err)
			}
		})
		return w.Run(ctx)
	})
}

// openStore connects and prepares the database. A store that is away is waited for, as bodies are safe on the bus meanwhile: an external server may come
// later than we do, and the embedded engine is started again where it dies.
func (a *App) openStore(ctx context.Context) (driver.Conn, error) {
	options := func() (*clickhouse.Options, error) { return externalStore(a.options.Config.ClickHouse) }
	fatal := []int32{192, 193, 194, 497, 516} // unknown user, wrong password, access denied
	if a.engine != nil {
		options = func() (*clickhouse.Options, error) { return a.engine.Options(databaseName), nil }
		fatal = nil
	}
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		o, err := options()
		if err != nil {
			return nil, err
		}
		var conn driver.Conn
		err = a.leased(ctx, schemaLease, func(ctx context.Context) (err error) {
			conn, err = prepareStore(ctx, o, a.options.Config.ClickHouse.Cluster, a.options.Config.Retention, a.log)
			return err
		})
		if err == nil || ctx.Err() != nil {
			return conn, err
		}
		var exception *clickhouse.Exception
		if errors.As(err, &exception) && (a.engine != nil || slices.Contains(fatal, exception.Code)) {
			return nil, fmt.Errorf("store: %w", err) // it answers, and will answer the same
		}
		a.log.Warn("the store cannot be used yet; it is tried again", "error", err, "in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// runPollers polls the bridges of every cluster that is ours until ctx ends. Where this instance has the store, what an earlier run stored is remembered.
func (a *App) runPollers(ctx context.Context) error {
	p, err := poller.New(pollerConfig(a.options.Config), poller.Deps{
		Live: a.live, Publisher: a.bus, Memory: memory{a}, Logger: a.log, Registerer: a.registry, Lanes: &a.lanes})
	if err != nil {
		return err
	}
	probes, err := certs.New(probeConfig(a.options.Config), certs.Deps{Live: a.live, Publisher: a.bus, Memory: memory{a}, Logger: a.log})
	if err != nil {
		return err
	}
	a.poller.Store(p)
	a.observer.Follow(spaces{a, p})
	return a.shareClusters(ctx, Collect, func(ctx context.Context, cluster string) error {
		var probing sync.WaitGroup
		defer probing.Wait()
		probing.Go(func() { probes.RunCluster(ctx, cluster) })
		if err := p.RunCluster(ctx, cluster); err != nil {
			return err
		}
		<-ctx.Done() // a cluster without bridges
		return context.Cause(ctx)
	})
}

// memory is what the store remembers, once it is open; an instance without a store remembers nothing.
type memory struct{ app *App }

var errStoreNotOpen = errors.New("the store is not open yet")

// OpenAlarms implements faults.Memory.
func (m memory) OpenAlarms(ctx context.Context, cluster string) ([]storage.Alarm, error) {
	conn := m.app.Conn()
	switch {
	case conn != nil:
		return storage.CollectorMemory{Conn: conn}.OpenAlarms(ctx, cluster)
	case m.app.has(Store) || m.app.has(Expose):
		return nil, errStoreNotOpen
	}
	return nil, nil
}

// UsageKnown implements poller.Memory.
func (m memory) UsageKnown(ctx context.Context, cluster string) (map[uuid.UUID]storage.UsageRange, error) {
	conn := m.app.Conn()
	if conn == nil {
		return nil, nil
	}
	return storage.CollectorMemory{Conn: conn}.UsageKnown(ctx, cluster)
}

// heartbeats measures the stages that this instance has a part in.
func (a *App) heartbeats() *heartbeat.Monitor {
	deps := heartbeat.Deps{Log: a.log}
	var stages []string
	if a.receiver != nil {
		stages = append(stages, heartbeat.StageBus)
		scheme := "http"
		if a.options.Config.CDR.TLS.CertFile != "" {
			scheme = "https"                                                                                                                         // to ourselves: the certificate names the public address
			deps.Client = &http.Client{Timeout: heartbeat.Every, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // see above
		}
		deps.URL = func() string {
			select {
			case <-a.receiver.Ready():
				return scheme + "://" + toOurselves(a.receiver.Addr()) + "/cdr/" + a.beatToken
			default:
				return "" // not listening yet
			}
		}
	}
	if a.has(Expose) {
		stages = append(stages, heartbeat.StageQuery)
		deps.Newest = func(ctx context.Context) (time.Time, error) {
			q := a.store.Load()
			if q == nil {
				return time.Time{}, errStoreNotOpen
			}
			return q.NewestHeartbeat(ctx)
		}
	}
	return heartbeat.New(deps, stages...)
}

// toOurselves is an address at which this machine reaches a listener that may listen on all addresses.
func toOurselves(address net.Addr) string {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// runSyslog takes syslog lines until ctx ends.
func (a *App) runSyslog(ctx context.Context) error {
	cfg := syslog.DefaultConfig()
	cfg.Listen, cfg.Quiet = a.options.Config.Syslog.Listen, a.options.Config.Faults.SyslogQuiet.Std()
	s, err := syslog.New(cfg, syslog.Deps{Live: a.live, Publisher: a.bus, Memory: memory{a}, Logger: a.log, Registerer: a.registry})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// apiServer is the listener for people and Prometheus.
func (a *App) apiServer() *api.Server {
	var bridges []api.BridgeName
	for _, c := range a.live.Inventory().Clusters {
		for _, b := range c.Bridges {
			bridges = append(bridges, api.BridgeName{Cluster: c.Name, Bridge: b.Name})
		}
	}
	return api.New(api.Config{Listen: a.options.Config.HTTP.Listen, WebConfig: a.options.Config.HTTP.WebConfig}, api.Deps{
		Store: func() api.Store {
			if q := a.store.Load(); q != nil {
				return q
			}
			return nil
		},
		Live:      liveCalls{a},
		Metrics:   promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{Registry: a.registry, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError}),
		Runbooks:  alerts.RunbookHandler(),
		Pools:     a.pools,
		Bridges:   bridges,
		Readiness: a.readiness,
		Listener:  a.http,
		Log:       a.log,
	})
}

// readiness says what of this instance does not work yet, and what it holds.
func (a *App) readiness() (missing []string, holds map[string][]string) {
	for _, part := range []struct {
		name  string
		ready <-chan struct{}
	}{{"bus", a.bus.Ready()}, {"store", a.storeIfWanted()}, {"started", a.started}} {
		select {
		case <-part.ready:
		default:
			missing = append(missing, part.name)
		}
	}
	holds = map[string][]string{"roles": {}, "bridges": {}, "events": {}, "store": a.holdings.of(Store)}
	for _, r := range a.options.Roles {
		holds["roles"] = append(holds["roles"], string(r))
	}
	for _, c := range a.live.Inventory().Clusters {
		for _, b := range c.Bridges {
			if a.holdings.has(Collect, c.Name) {
				holds["bridges"] = append(holds["bridges"], c.Name+"/"+b.Name)
			}
			if a.holdings.has(Subscribe, c.Name) {
				holds["events"] = append(holds["events"], c.Name+"/"+b.Name)
			}
		}
	}
	return missing, holds
}

// storeIfWanted is closed at once where this instance needs no store.
func (a *App) storeIfWanted() <-chan struct{} {
	if a.has(Store) || a.has(Expose) {
		return a.stored
	}
	open := make(chan struct{})
	close(open)
	return open
}
