package poller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/faults"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// Publisher puts rows on the bus; the writer stores them in the table they name.
type Publisher interface {
	PublishRows(ctx context.Context, subject, table string, rows any) error
}

// Memory is what was stored before this process began; storage.CollectorMemory is one. Nil means nothing was.
type Memory interface {
	faults.Memory
	// UsageKnown returns, by host, the first and last license snapshot stored.
	UsageKnown(ctx context.Context, cluster string) (map[uuid.UUID]storage.UsageRange, error)
}

// Config of a Poller.
type Config struct {
	// Timeout of one request.
	Timeout time.Duration
	// Backfill is how far back license history is read that the servers still keep; 0 turns it off.
	Backfill time.Duration
	// Pace is the least time between two background requests (back-fill, owners) to a bridge.
	Pace time.Duration
	// CallDetails and LegDetails are the most calls and degraded legs whose detail is read in one poll of a bridge.
	CallDetails, LegDetails int
	// ClockSkew is how far a bridge's clock may be off before it is a fault.
	ClockSkew time.Duration
	// DatabaseBehind is how many bytes a database node may be behind before it is a fault.
	DatabaseBehind int64
	// LicenseAhead is how far ahead a licensed feature's expiry must be. CMS keeps it 90 days ahead while all is well.
	LicenseAhead time.Duration
	// Receivers are the addresses of our CDR receiver by cluster and bridge, with their tokens, to find out whether a bridge has them.
	Receivers map[string]map[string]collector.Secret
}

// DefaultConfig returns the configuration that suits most: 10 s, 90 days, 5 background requests a second, 50 calls, 10 legs; faults at 5 s, 1 MB and 80 days.
func DefaultConfig() Config {
	const day = 24 * time.Hour
	return Config{
		Timeout: DefaultTimeout, Backfill: 90 * day, Pace: 200 * time.Millisecond, CallDetails: 50, LegDetails: 10,
		ClockSkew: 5 * time.Second, DatabaseBehind: 1_000_000, LicenseAhead: 80 * day,
	}
}

// Validate says what is wrong, or nil.
func (c Config) Validate() error {
	var errs []error
	if c.Timeout <= 0 || c.Timeout > time.Minute {
		errs = append(errs, fmt.Errorf("poll timeout %s: want more than 0 and at most 1m", c.Timeout))
	}
	if c.Backfill < 0 || c.Pace < 0 || c.CallDetails < 0 || c.LegDetails < 0 {
		errs = append(errs, errors.New("backfill, pace and budgets of details cannot be negative"))
	}
	if c.ClockSkew < 2*skewMargin || c.DatabaseBehind < 0 || c.LicenseAhead < 0 {
		errs = append(errs, errors.New("a clock cannot be held to less than 2 s; the other limits of faults cannot be negative"))
	}
	return errors.Join(errs...)
}

// Deps are what a Poller works with. Live and Publisher are needed, the rest may be nil.
type Deps struct {
	Live      *collector.Live
	Publisher Publisher
	Memory    Memory
	Logger    *slog.Logger
	// Registerer takes the poller's own metrics.
	Registerer prometheus.Registerer
	// Lanes let other clients of the same bridges share the one request in flight; nil: there are none.
	Lanes *Lanes
	// Clock stamps samples and says which objects are due; polls follow each other on real time.
	Clock func() time.Time
	// Transport is how a bridge is reached; nil: by the network.
	Transport func(collector.Bridge) http.RoundTripper
}

// Poller asks every bridge of an inventory on the schedule of collector.Objects: one goroutine a bridge, so that one which hangs delays no other.
type Poller struct {
	cfg     Config
	deps    Deps
	errors  *prometheus.CounterVec
	dropped prometheus.Counter
	every   map[string]time.Duration
	// reread is how often the detail of a call that goes on is read again.
	reread time.Duration

	mu       sync.Mutex
	clusters []*cluster // those that are polled now
}

// New returns a poller of the live state's inventory. It tries the CA files and connects to nothing.
func New(cfg Config, deps Deps) (*Poller, error) {
	if err := errors.Join(cfg.Validate(), deps.Live.Inventory().Validate()); err != nil {
		return nil, err
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	p := &Poller{
		cfg: cfg, deps: deps, every: make(map[string]time.Duration), reread: 5 * time.Minute,
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridgewatch_poll_errors_total", Help: "Requests to Call Bridges that brought no answer, by reason.",
		}, []string{"cms_cluster", "call_bridge", "reason"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bridgewatch_poll_rows_dropped_total", Help: "Rows that the bus did not take and that are not sent again.",
		}),
	}
	for _, o := range collector.Objects() {
		p.every[o.Name] = o.Every
	}
	for _, c := range deps.Live.Inventory().Clusters {
		if _, err := p.newRun(c); err != nil {
			return nil, err
		}
		for _, b := range c.Bridges {
			for _, reason := range Reasons() {
				p.errors.WithLabelValues(c.Name, b.Name, reason)
			}
		}
	}
	if deps.Registerer != nil {
		if err := errors.Join(deps.Registerer.Register(p.errors), deps.Registerer.Register(p.dropped)); err != nil {
			return nil, fmt.Errorf("register the poller's metrics: %w", err)
		}
	}
	return p, nil
}

// newRun makes the workers of a cluster; they know nothing yet.
func (p *Poller) newRun(inv collector.Cluster) (*cluster, error) {
	c := newCluster(p, inv)
	for _, b := range inv.Bridges {
		client, err := NewClient(b, p.cfg.Timeout)
		if err != nil {
			return nil, fmt.Errorf("cluster %q: %w", inv.Name, err)
		}
		if p.deps.Transport != nil {
			client.http.Transport = p.deps.Transport(b)
		}
		if p.deps.Lanes != nil {
			p.deps.Lanes.Join(client)
		}
		c.workers = append(c.workers, newWorker(c, b, client))
	}
	return c, nil
}

// Run polls all clusters until ctx ends.
func (p *Poller) Run(ctx context.Context) error {
	var group errgroup.Group
	for _, inv := range p.deps.Live.Inventory().Clusters {
		group.Go(func() error { return p.RunCluster(ctx, inv.Name) })
	}
	return group.Wait()
}

// RunCluster polls the bridges of one cluster until ctx ends, then returns nil. It begins with what was stored, not with what an earlier run of this process
// knew: another instance may have polled meanwhile.
func (p *Poller) RunCluster(ctx context.Context, name string) error {
	clusters := p.deps.Live.Inventory().Clusters
	i := slices.IndexFunc(clusters, func(c collector.Cluster) bool { return c.Name == name })
	if i < 0 {
		return fmt.Errorf("no cluster %q to poll", name)
	}
	c, err := p.newRun(clusters[i])
	if err != nil {
		return err
	}
	later := c.recall(ctx)
	p.mu.Lock()
	p.clusters = append(p.clusters, c)
	p.mu.Unlock()
	var wg sync.WaitGroup
	if later != nil {
		wg.Go(later)
	}
	for _, w := range c.workers {
		wg.Go(func() {
			defer w.client.Close()
			w.run(ctx)
		})
	}
	wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clusters = slices.DeleteFunc(p.clusters, func(other *cluster) bool { return other == c })
	return nil
}

// Rounds returns what polls all bridges once and does what is due for their clusters, all by Deps.Clock: for simulations, in which real time means nothing.
// It must not be called concurrently. The owners of spaces are not looked up, and license history is not read back.
func (p *Poller) Rounds() (poll func(ctx context.Context), err error) {
	var clusters []*cluster
	for _, inv := range p.deps.Live.Inventory().Clusters {
		c, err := p.newRun(inv)
		if err != nil {
			return nil, err
		}
		clusters = append(clusters, c)
	}
	return func(ctx context.Context) {
		for _, c := range clusters {
			for _, w := range c.workers {
				w.poll(ctx, c.inv.Interval())
			}
			for _, w := range c.workers {
				if c.leads(w) {
					c.workDue(ctx, w)
				}
			}
		}
	}, nil
}

// WantSpace asks for the owner of a space, for instance one that a call record named. It returns at once, and does nothing for a cluster that is not polled here.
func (p *Poller) WantSpace(clusterName string, space uuid.UUID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clusters {
		if c.inv.Name == clusterName {
			c.owners.want(space, time.Now())
		}
	}
}

// book is an empty book of alarms that come by the poller; an empty bridge stands for the cluster.
func (p *Poller) book(cluster, bridge, source string, log *slog.Logger) *faults.Book {
	return faults.NewBook(cluster, bridge, source, p.deps.Live, log, func(ctx context.Context, rows []storage.Alarm) bool {
		return p.publish(ctx, log, cmp.Or(bridge, cluster), "alarms", storage.TableAlarms, rows)
	})
}

// publish hands rows to the bus and reports whether it took them.
func (p *Poller) publish(ctx context.Context, log *slog.Logger, source, object, table string, rows any) bool {
	err := p.deps.Publisher.PublishRows(ctx, bus.Subject("status", source, object), table, rows)
	if err != nil && ctx.Err() == nil {
		log.Warn("rows not published", "object", object, "error", err)
	}
	return err == nil
}

// worker polls one bridge. Only its own goroutine touches it.
type worker struct {
	poller  *Poller
	cluster *cluster
	bridge  collector.Bridge
	client  *Client
	log     *slog.Logger

	// version is the software version last seen; absent holds the objects that this version does not have.
	version string
	absent  map[string]bool
	due     map[string]time.Time
	// alarms are those of CMS, faults our own.
	alarms  *faults.Book
	faults  *faults.Book
	calls   map[string]*knownCall
	turn    map[string]knownTurn
	config  settings
	lastErr string
	// eventsDown: at the last poll the events connection was known to be down.
	eventsDown bool
	// spent: the bridge was busy, silent or gone in this round, so that nothing more is asked of it before the next poll.
	spent bool
	// stuck is how often in a row each object has spent the round.
	stuck stuck
}

// stuck counts rounds by the object that spent them. An object that did so in its last round is asked after all others, and says nothing of the bridge if it does
// so again: one node that never answers, or refuses, would else keep all behind it from being asked.
type stuck map[string]int

// last puts the objects that spent rounds behind the others, those that did so most often last.
func last[S any](steps []S, object func(S) string, s stuck) []S {
	slices.SortStableFunc(steps, func(a, b S) int { return s[object(a)] - s[object(b)] })
	return steps
}

// asked notes how a step of the round went, and reports whether the round goes on with the next one.
func (s stuck) asked(object string, w *worker) (goesOn bool) {
	if !w.spent {
		delete(s, object)
		return true
	}
	s[object]++
	w.spent = s[object] == 1
	return false
}

// step is what is asked for an object in a round.
type step struct {
	object string
	do     func(context.Context, *storage.BridgeSample)
}

func newWorker(c *cluster, b collector.Bridge, client *Client) *worker {
	log := c.poller.deps.Logger.With("cms_cluster", c.inv.Name, "call_bridge", b.Name)
	return &worker{
		poller: c.poller, cluster: c, bridge: b, client: client, log: log,
		absent: make(map[string]bool), due: make(map[string]time.Time), calls: make(map[string]*knownCall), config: make(settings), stuck: make(stuck),
		alarms: c.poller.book(c.inv.Name, b.Name, collector.SourceCMS, log), faults: c.poller.book(c.inv.Name, b.Name, collector.SourcePoller, log),
	}
}

// run polls at a fixed phase of the interval, the same for all bridges of a cluster but for a jitter below a second, so that sums over bridges are of one moment.
// Between polls the cluster's leader does the cluster's work.
func (w *worker) run(ctx context.Context) {
	interval := w.cluster.inv.Interval()
	jitter := time.Duration(hash(w.cluster.inv.Name, w.bridge.Name)) % min(time.Second, interval/10+1)
	phase := time.Duration(hash(w.cluster.inv.Name)) % interval
	// The first poll is at once: who starts the program wants to see something.
	if !sleep(ctx, jitter) {
		return
	}
	for {
		w.poll(ctx, interval)
		now := time.Now()
		next := now.Add(-phase).Truncate(interval).Add(phase + interval + jitter)
		for next.Sub(now) > interval {
			next = next.Add(-interval)
		}
		w.cluster.work(ctx, w, next)
		if !sleep(ctx, time.Until(next)) {
			return
		}
	}
}

func hash(names ...string) uint32 {
	h := fnv.New32a()
	for _, n := range names {
		h.Write([]byte(n))
		h.Write([]byte{0})
	}
	return h.Sum32()
}

// validFor is how long a sample of an object may be shown: two polls may fail before it is missing.
func (w *worker) validFor(object string) time.Duration {
	every := max(w.poller.every[object], w.cluster.inv.Interval())
	return every*5/2 + w.poller.cfg.Timeout
}

func sampled[T any](w *worker, object string, at time.Time, v T) collector.Sample[T] {
	return collector.Sample[T]{Value: v, At: at, Until: w.poller.deps.Clock().Add(w.validFor(object))}
}

func (w *worker) update(change func(*collector.BridgeState)) {
	w.poller.deps.Live.Update(w.cluster.inv.Name, w.bridge.Name, change)
}

// ask runs one request or walk for an object unless this release does not have it, and counts what goes wrong. It reports whether the answer is there.
func (w *worker) ask(ctx context.Context, object string, request func() error) bool {
	if w.absent[object] || w.spent {
		return false
	}
	err := request()
	if err == nil {
		return true
	}
	reason := ReasonOf(err)
	switch reason {
	case ReasonBusy, ReasonTimeout, ReasonConnect, ReasonTLS, ReasonAuth:
		w.spent = true
	}
	switch {
	case reason == ReasonCanceled || ctx.Err() != nil:
		return false
	case reason == ReasonAbsent:
		w.absent[object] = true
		w.log.Debug("this release does not have it", "object", object, "version", w.version)
		return false
	}
	w.poller.errors.WithLabelValues(w.cluster.inv.Name, w.bridge.Name, reason).Inc()
	// The same trouble again is counted, not logged.
	if text := object + reason; text != w.lastErr {
		w.lastErr = text
		w.log.Warn("poll failed", "object", object, "error", err)
	}
	return false
}

// isDue reports whether an object is due in this poll and sets its next time. Polls come at the interval, so half of it is allowed either way.
func (w *worker) isDue(object string, now time.Time) bool {
	if now.Add(w.cluster.inv.Interval() / 2).Before(w.due[object]) {
		return false
	}
	w.due[object] = now.Add(w.poller.every[object])
	return true
}

// poll asks everything that is due once.
func (w *worker) poll(ctx context.Context, interval time.Duration) {
	w.spent = false
	at := w.poller.deps.Clock().UTC()
	row := storage.BridgeSample{Time: at, CMSCluster: w.cluster.inv.Name, CallBridge: w.bridge.Name}
	if w.pollStatus(ctx, &row) {
		now := w.poller.deps.Clock()
		for _, step := range last([]step{
			{"load", w.pollLoad},
			{"multipartyLicensing", w.pollLicensing},
			{"cluster", w.pollConfig},
			{"alarms", w.pollAlarms},
			{"callLegs", w.pollLegs},
			{"calls", w.pollCalls},
			{"activePersonalLicenses", w.pollPersonal},
			{"database", w.pollDatabase},
			{"turnServers", w.pollTurn},
			{"webBridges", w.pollDevices("webBridges", "webBridge", "web_bridge", func(s *collector.BridgeState, v collector.Sample[[]collector.DeviceState]) { s.WebBridges = v })},
			{"recorders", w.pollDevices("recorders", "recorder", "recorder", func(s *collector.BridgeState, v collector.Sample[[]collector.DeviceState]) { s.Recorders = v })},
			{"streamers", w.pollDevices("streamers", "streamer", "streamer", func(s *collector.BridgeState, v collector.Sample[[]collector.DeviceState]) { s.Streamers = v })},
			{"licensing", w.pollLicenseFile},
			{"cdrReceivers", w.pollReceivers},
		}, func(s step) string { return s.object }, w.stuck) {
			if ctx.Err() == nil && !w.spent && !w.absent[step.object] && w.isDue(step.object, now) {
				step.do(ctx, &row)
				if w.absent[step.object] {
					w.faults.Forget(ctx, at, deviceFaults(step.object))
				}
				if !w.stuck.asked(step.object, w) {
					// It may not have been answered: do not wait for its next turn, which may be an hour away.
					delete(w.due, step.object)
					break
				}
			}
		}
		w.fillLimits(&row)
	}
	if ctx.Err() != nil {
		return
	}
	if !w.poller.publish(ctx, w.log, w.bridge.Name, "sample", storage.TableBridgeSamples, []storage.BridgeSample{row}) {
		w.poller.dropped.Inc()
	}
}

func (w *worker) pollStatus(ctx context.Context, row *storage.BridgeSample) bool {
	var s collector.Status
	began := time.Now()
	var failed error
	ok := w.ask(ctx, "status", func() error {
		failed = w.client.status(ctx, &s)
		return failed
	})
	// Whether the status node exists is never remembered: it does in every release.
	delete(w.absent, "status")
	if ctx.Err() != nil {
		return false
	}
	took := time.Since(began)
	row.PollSeconds = took.Seconds()
	w.update(func(b *collector.BridgeState) { b.Polled = sampled(w, "status", row.Time, ok) })
	w.cluster.report(w, ok)
	w.reachable(ctx, row.Time, failed)
	if !ok {
		row.Error = ReasonOf(failed)
		return false
	}
	row.Up = 1
	if v := deref(s.SoftwareVersion); v != w.version {
		if w.version != "" {
			w.log.Info("software version changed", "from", w.version, "to", v)
		}
		w.version = v
		clear(w.absent)
	}
	row.SoftwareVersion = w.version
	row.HostID, row.ClusterID = parseID(s.HostID), parseID(s.ClusterID)
	row.UptimeSeconds, row.CDRCorrelatorIndex = s.UptimeSeconds, s.CDRCorrelatorIndex
	row.CallLegsActive, row.CallLegsMaxActive, row.CallLegsCompleted = s.CallLegsActive, s.CallLegsMaxActive, s.CallLegsCompleted
	row.AudioBitRateTx, row.AudioBitRateRx = s.AudioBitRateOutgoing, s.AudioBitRateIncoming
	row.VideoBitRateTx, row.VideoBitRateRx = s.VideoBitRateOutgoing, s.VideoBitRateIncoming
	w.update(func(b *collector.BridgeState) {
		b.Status = sampled(w, "status", row.Time, s)
		if s.CDRTime != nil {
			// The answer was made about half-way through the exchange, and its time is cut to the second: half a second lies between on average.
			skew := s.CDRTime.Add(time.Second / 2).Sub(row.Time.Add(took / 2))
			seconds := math.Round(skew.Seconds()*1000) / 1000
			row.ClockSkewSeconds = &seconds
			b.ClockSkew = sampled(w, "status", row.Time, skew)
		}
	})
	if row.ClockSkewSeconds != nil {
		w.judgeClock(ctx, row.Time, time.Duration(*row.ClockSkewSeconds*float64(time.Second)))
	}
	w.judgeEvents(ctx, row.Time)
	w.cluster.hostSeen(row.HostID, w.bridge.Name)
	w.config.publish(ctx, w, w.bridge.Name, "status", "", &s)
	return true
}

func (w *worker) pollLoad(ctx context.Context, row *storage.BridgeSample) {
	var l collector.Load
	if w.ask(ctx, "load", func() error { return w.client.one(ctx, "/system/load", &l) }) {
		row.MediaProcessingLoad = l.MediaProcessingLoad
		w.update(func(b *collector.BridgeState) { b.Load = sampled(w, "load", row.Time, l) })
	}
}

func (w *worker) pollLicensing(ctx context.Context, row *storage.BridgeSample) {
	var m collector.MultipartyLicensing
	if !w.ask(ctx, "multipartyLicensing", func() error { return w.client.one(ctx, "/system/multipartyLicensing", &m) }) {
		return
	}
	row.LicenseReportTime = deref(m.Timestamp)
	row.Users, row.PersonalAssigned, row.PersonalLimit, row.SharedLimit = m.Users, m.PersonalLicenses, m.PersonalLicenseLimit, m.SharedLicenseLimit
	row.ParticipantsActive, row.CallsActive, row.CallsWithoutPMP = m.ParticipantsActive, m.CallsActive, m.CallsWithoutPersonalLicense
	row.WeightedCallsActive, row.WeightedWithoutPMP = whole(m.WeightedCallsActive), whole(m.WeightedWithoutPersonalLicense)
	row.CapacityUnits, row.CapacityUnitsWithout = whole(m.CapacityUnitUsage), whole(m.CapacityUnitUsageWithoutPersonalPM)
	w.update(func(b *collector.BridgeState) {
		b.MultipartyLicensing = sampled(w, "multipartyLicensing", row.Time, m)
	})
}

// fillLimits completes the row with the limit in force, which may stand from an earlier poll.
func (w *worker) fillLimits(row *storage.BridgeSample) {
	for _, b := range w.poller.deps.Live.Snapshot().Bridges {
		if b.Cluster != w.cluster.inv.Name || b.Bridge != w.bridge.Name {
			continue
		}
		row.ParticipantLimit = b.Config.Value.ParticipantLimit
		if limit, newAt, existingAt, source, ok := b.Limits(); ok {
			row.LoadLimit, row.LoadLimitSource, row.NewThreshold, row.ExistingThreshold = &limit, string(source), &newAt, &existingAt
		}
	}
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

func whole(t *collector.Thousandths) *int64 {
	if t == nil {
		return nil
	}
	n := int64(*t)
	return &n
}

func bit(b *bool) *uint8 {
	if b == nil {
		return nil
	}
	var n uint8
	if *b {
		n = 1
	}
	return &n
}

// idSpace is the name space of ids that are not GUIDs (docs/design.md §2).
var idSpace = uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")

// parseID reads a GUID; other text becomes a name-based one, and nothing the zero UUID.
func parseID(s *string) uuid.UUID {
	if s == nil || *s == "" {
		return uuid.UUID{}
	}
	if id, err := uuid.Parse(*s); err == nil && len(*s) == 36 {
		return id
	}
	return uuid.NewSHA1(idSpace, []byte(*s))
}
