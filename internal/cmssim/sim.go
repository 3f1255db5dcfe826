// Package cmssim is a simulated Cisco Meeting Server deployment: one seeded story of meetings drives the CDR senders, the
// HTTPS API, the events WebSocket and the syslog of every Call Bridge alike. It is written from the reference pages and
// shares no code with what it is there to test.
//
// # Time
//
// The story has a clock of its own: offset 0 is Config.Start, the instant at which the live part begins, and passes at
// Config.Speed story seconds a second. What lies before offset 0 is told at once when the story starts:
//
//   - Without backfill, the bridges booted two hours of story ago (Config.Preroll); those two hours are the pre-roll. Their
//     records go out as fast as receivers take them, so that finished calls exist within a second.
//   - With backfill, an earlier session of each bridge tells the history: it ends, with everybody sent home, in the maintenance
//     window of the last night before the live part (7 h 30 min before offset 0), where the live session begins. History is sent
//     first, in large bodies, without ever overflowing a queue; live records wait behind it. The API shows the live present
//     all along; MPLicenseUsage knows its hosts once history is told.
//
// The daily curve follows the offset, not the calendar: offset 0 is the middle of a Wednesday morning. So the same seed
// tells the same story, id by id and second by second, at whatever hour it is started.
package cmssim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// Config says what is simulated. Zero fields have the defaults named.
type Config struct {
	Clusters int     // 1
	Bridges  int     // per cluster: 3
	Seed     int64   // 0 is a seed like any other
	Volume   float64 // 1: about 100 meetings started per bridge and hour at the daily peak
	Crowd    float64 // scales the number of people in a conference: 1
	Speed    float64 // story seconds a second: 1
	// Start is the instant that the story calls offset 0, cut to the second: the wall clock when the story starts.
	Start time.Time
	// Hold leaves the story untold until StartStory is called, so that receivers can be added first. The API serves at once.
	Hold bool
	// Backfill is how much history is told before the live part; none if 0. At least 8 h where set.
	Backfill time.Duration
	// Preroll is how long before offset 0 the bridges booted where there is no backfill: 2 h.
	Preroll time.Duration
	// StopAfter is the offset at which the story ends: nothing later happens, and the clock stands still. 0: never.
	StopAfter time.Duration
	Release   string // 3.8; 2.0 to 2.9 and 3.0 and later are known
	// Unclustered leaves out the callBridge attribute, as lone bridges do.
	Unclustered bool
	// ListenHost is where the bridges' API listens: 127.0.0.1. BasePort 0 takes any free port, else bridge i gets BasePort+i.
	ListenHost         string
	BasePort           int
	Username, Password string        // bridgewatch, secret
	MoreUsers          []string      // further accounts with the same password, so that APIStats.Turns can tell those who ask apart
	ContentType        string        // of CDR bodies: text/xml
	QueueRecords       int           // unsent records that a bridge keeps for one receiver: 50000
	MaxBatch           int           // most records in one body: 500
	RetryInterval      time.Duration // before the first retry, doubled up to eight times as long: 1 s
	PostTimeout        time.Duration // 30 s
	// KeepTruth keeps every finished call and leg for Truth. Memory grows with the story.
	KeepTruth bool
	// SyslogTarget is the host:port that every bridge sends syslog to over TCP; none if empty.
	SyslogTarget string
	Syslog       SyslogStyle
	// Spoke, where set, is told of every activeSpeaker update right after it was written to a connection: for measurements.
	Spoke  func(Spoken)
	Logger *slog.Logger // discards
}

// Spoken is an activeSpeaker update that an events client was sent.
type Spoken struct {
	Bridge, Call, Participant, Name string
	Roster                          int // people in it
	Speaking                        bool
	At                              time.Time
}

func (c Config) withDefaults() Config {
	def(&c.Clusters, 1)
	def(&c.Bridges, 3)
	def(&c.Volume, 1)
	def(&c.Crowd, 1)
	def(&c.Speed, 1)
	def(&c.Preroll, 2*time.Hour)
	def(&c.Release, "3.8")
	def(&c.ListenHost, "127.0.0.1")
	def(&c.Username, "bridgewatch")
	def(&c.Password, "secret")
	def(&c.ContentType, "text/xml")
	def(&c.QueueRecords, 50000)
	def(&c.MaxBatch, 500)
	def(&c.RetryInterval, time.Second)
	def(&c.PostTimeout, 30*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) story() story.Config {
	return story.Config{Seed: c.Seed, Clusters: c.Clusters, Bridges: c.Bridges, Volume: c.Volume, Crowd: c.Crowd}
}

// Validate reports the first setting that makes no sense.
func (c Config) Validate() error {
	c = c.withDefaults()
	if err := c.story().Validate(); err != nil {
		return err
	}
	if _, err := parseRelease(c.Release); err != nil {
		return err
	}
	switch {
	case c.Speed < 0 || math.IsNaN(c.Speed) || c.Speed > 1e6:
		return fmt.Errorf("speed: %v is not between 0 and 1000000", c.Speed)
	case c.Backfill < 0 || c.Backfill > 0 && c.Backfill < 8*time.Hour:
		return fmt.Errorf("backfill: %v: want none, or 8h and more", c.Backfill)
	case c.Preroll < 0 || c.StopAfter < 0:
		return errors.New("preroll and stop-after cannot be negative")
	case c.QueueRecords < 1 || c.MaxBatch < 1:
		return errors.New("queue and batch hold at least one record")
	}
	return nil
}

// Sim is the simulated deployment.
type Sim struct {
	cfg      Config
	release  release
	world    *story.World
	clusters []*clusterSim
	bridges  []*Bridge
	tls      *authority

	ready chan struct{}
	begin chan struct{}
	begun sync.Once
	told  chan struct{} // closed when all history is acknowledged
	group sync.WaitGroup
	clock clock
	truth truthLog
}

// clusterSim is one cluster: what stands still, and its present.
type clusterSim struct {
	*story.Cluster
	sim     *Sim
	state   *clusterState // the live part
	usage   *usageStore
	bridges []*Bridge
	stopped chan struct{} // closed when the story has ended
}

// clock relates the wall to the story. It stands at the boot of the bridges until it is set.
type clock struct {
	mu     sync.Mutex
	set    bool
	start  time.Time // story instant of offset 0
	anchor time.Time // wall instant of offset 0
	speed  float64
	stop   int64 // offset at which it stands still
	// A stepped clock stands at moved.
	stepped bool
	moved   int64
}

// offset returns the story seconds passed since offset 0.
func (c *clock) offset() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.set {
		return 0
	}
	if c.stepped {
		return float64(c.moved)
	}
	return min(time.Since(c.anchor).Seconds()*c.speed, float64(c.stop))
}

// until returns how long the wall takes to reach an offset.
func (c *clock) until(offset int64) time.Duration {
	behind := float64(offset) - c.offset()
	return max(0, time.Duration(behind/c.speed*float64(time.Second)))
}

// at is the instant of an offset.
func (c *clock) at(offset int64) time.Time { return c.start.Add(time.Duration(offset) * time.Second) }

// offsetOf is the offset of an instant, cut to the second.
func (c *clock) offsetOf(t time.Time) int64 {
	return int64(math.Floor(t.Sub(c.start).Seconds()))
}

// New prepares a deployment. It opens nothing; Run does.
func New(cfg Config) (*Sim, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cmssim: %w", err)
	}
	cfg = cfg.withDefaults()
	rel, _ := parseRelease(cfg.Release) // Validate saw it
	ca, err := newAuthority(time.Now())
	if err != nil {
		return nil, fmt.Errorf("cmssim: making certificates: %w", err)
	}
	s := &Sim{
		cfg: cfg, release: rel, world: story.NewWorld(cfg.story()), tls: ca,
		ready: make(chan struct{}), begin: make(chan struct{}), told: make(chan struct{}),
		truth: truthLog{keep: cfg.KeepTruth},
	}
	s.clock.speed, s.clock.stop = cfg.Speed, math.MaxInt64
	if cfg.StopAfter > 0 {
		s.clock.stop = int64(cfg.StopAfter / time.Second)
	}
	for _, c := range s.world.Clusters {
		cs := &clusterSim{Cluster: c, sim: s, usage: newUsageStore(len(c.Bridges)), stopped: make(chan struct{})}
		cs.usage.telling.Store(cfg.Backfill > 0)
		cs.state = s.newState(c, s.boot(), 1)
		cs.state.usage = cs.usage
		cs.state.emit = func(b *bridgeState, r record) { cs.bridges[b.Index].feed.put(b.session, r) }
		for i := range c.Bridges {
			b := newBridge(cs, cs.state.bridges[i], len(s.bridges))
			cs.bridges = append(cs.bridges, b)
			s.bridges = append(s.bridges, b)
		}
		s.clusters = append(s.clusters, cs)
	}
	return s, nil
}

// boot is the offset at which the live session of the bridges began.
func (s *Sim) boot() int64 {
	if s.cfg.Backfill > 0 {
		return story.NightBefore
	}
	return -int64(s.cfg.Preroll / time.Second)
}

// partSession seeds the ids of sessions.
const partSession = 100

func (s *Sim) newState(c *story.Cluster, booted int64, session uint64) *clusterState {
	st := newClusterState(c, s.release, booted, func(b *story.Bridge) story.GUID { return s.sessionID(b, session) })
	st.at = s.clock.at
	st.ended = s.truth.note
	return st
}

func (s *Sim) sessionID(b *story.Bridge, n uint64) story.GUID {
	return story.NewChooser(s.cfg.Seed, partSession, uint64(b.Cluster.Index), uint64(b.Index), n).GUID()
}

// Bridges returns all bridges, cluster by cluster. Their URLs are known once Ready.
func (s *Sim) Bridges() []*Bridge { return s.bridges }

// Ready is closed when every bridge listens.
func (s *Sim) Ready() <-chan struct{} { return s.ready }

// BackfillDone is closed when every receiver has acknowledged all history; at once where there is none.
func (s *Sim) BackfillDone() <-chan struct{} { return s.told }

// CAPEM is the certificate that signed those of the bridges.
func (s *Sim) CAPEM() []byte { return s.tls.pem }

// Now is the present of the story.
func (s *Sim) Now() time.Time {
	return s.clock.start.Add(time.Duration(s.clock.offset() * float64(time.Second)))
}

// Offset is the present of the story as time since its start.
func (s *Sim) Offset() time.Duration {
	return time.Duration(s.clock.offset() * float64(time.Second))
}

// StartStory begins a held story. Receivers added before it get all of it.
func (s *Sim) StartStory() {
	s.begun.Do(func() {
		s.clock.mu.Lock()
		s.clock.anchor = time.Now()
		s.clock.start = s.cfg.Start
		if s.clock.start.IsZero() {
			s.clock.start = s.clock.anchor
		}
		// Story times are whole seconds: cut the start, and the anchor with it where it is the wall's.
		cut := s.clock.start.Truncate(time.Second)
		if s.cfg.Start.IsZero() {
			s.clock.anchor = s.clock.anchor.Add(-s.clock.start.Sub(cut))
		}
		s.clock.start = cut.UTC()
		s.clock.set = true
		s.clock.mu.Unlock()
		close(s.begin)
	})
}

// SetSyslogTarget is Config.SyslogTarget for an address that is known late: before StartStory.
func (s *Sim) SetSyslogTarget(target string) { s.cfg.SyslogTarget = target }

// Run serves until ctx ends, and returns nil then.
func (s *Sim) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		s.group.Wait()
	}()
	for _, b := range s.bridges {
		if err := b.listen(); err != nil {
			for _, opened := range s.bridges {
				opened.close()
			}
			return fmt.Errorf("cmssim: %s: %w", b.Name, err)
		}
	}
	for _, b := range s.bridges {
		s.group.Go(func() { b.serve(ctx) })
	}
	close(s.ready)
	if !s.cfg.Hold {
		s.StartStory()
	}
	select {
	case <-ctx.Done():
		return nil
	case <-s.begin:
	}
	for _, b := range s.bridges {
		b.feed.run(ctx)
		s.group.Go(func() { b.sendSyslog(ctx) })
	}
	for _, c := range s.clusters {
		s.group.Go(func() { c.live(ctx) })
		if s.cfg.Backfill > 0 {
			s.group.Go(func() { c.tellHistory(ctx) })
		}
	}
	s.group.Go(func() {
		for _, b := range s.bridges {
			if !b.feed.wait(ctx, func() bool { return !b.feed.history && b.feed.oldGone() }) {
				return
			}
		}
		close(s.told)
	})
	<-ctx.Done()
	return nil
}

// live tells the live part of the story as its clock reaches it.
func (c *clusterSim) live(ctx context.Context) {
	tale := story.New(c.Cluster, c.sim.cfg.story(), c.state.now, 0)
	clock := &c.sim.clock
	for {
		at, _ := tale.Peek()
		next := min(at, c.nextSnapshot())
		if next > clock.stop {
			c.advance(clock.stop)
			close(c.stopped)
			return
		}
		if wait := clock.until(next); wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		} else if ctx.Err() != nil {
			return
		}
		c.tell(tale, int64(clock.offset()))
	}
}

// stretch is how much is told before the lock is let go, so that the API stays alive during a long catch-up.
const stretch = 500

// tell lets happen what is due by now, up to a stretch of it.
func (c *clusterSim) tell(tale *story.Story, now int64) {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	for range stretch {
		at, ok := tale.Peek()
		if !ok || at > now {
			c.state.sample(now, false)
			c.state.now = max(c.state.now, now)
			return
		}
		c.state.sample(at-1, false)
		step, _ := tale.Next()
		c.state.apply(step)
	}
}

func (c *clusterSim) advance(now int64) {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	c.state.sample(now, false)
	c.state.now = max(c.state.now, now)
}

// nextSnapshot is the offset of the next license snapshot of any bridge.
func (c *clusterSim) nextSnapshot() int64 {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	next := int64(math.MaxInt64)
	for _, b := range c.state.bridges {
		if !b.stopped {
			next = min(next, b.nextSnapshot)
		}
	}
	return next
}

// sample takes the license snapshots due by now. mu must be held.
func (s *clusterState) sample(now int64, history bool) {
	for _, b := range s.bridges {
		for b.nextSnapshot <= now && !b.stopped {
			s.now = b.nextSnapshot
			s.usage.add(history, b.Index, b.snapshot())
			b.nextSnapshot += snapshotSeconds + drift(b.nextSnapshot)
		}
	}
}

// drift is the second by which a host's cadence is off now and then.
func drift(at int64) int64 {
	switch at / snapshotSeconds % 50 {
	case 7:
		return 1
	case 31, -31:
		return -1
	}
	return 0
}

// historyAhead is how many records of history may wait for a receiver.
const historyAhead = 20000

// tellHistory tells what happened before the live session, as fast as receivers take it.
func (c *clusterSim) tellHistory(ctx context.Context) {
	emit := func(b *bridgeState, r record) { c.bridges[b.Index].feed.putHistory(b.session, r) }
	room := func() bool {
		for _, b := range c.bridges {
			if !b.feed.waitRoom(ctx, historyAhead) {
				return false
			}
		}
		return ctx.Err() == nil
	}
	if !c.recount(emit, room) {
		return
	}
	c.usage.telling.Store(false)
	for _, b := range c.bridges {
		b.feed.endHistory()
	}
}

// recount tells the history of the cluster to emit, asking more now and then whether to go on.
func (c *clusterSim) recount(emit func(*bridgeState, record), more func() bool) bool {
	from := -int64(c.sim.cfg.Backfill / time.Second)
	past := c.sim.newState(c.Cluster, from, 0)
	past.usage, past.emit = c.usage, emit
	for i, b := range c.bridges {
		past.bridges[i].release = b.release()
	}
	tale := story.New(c.Cluster, c.sim.cfg.story(), from, story.NightBefore)
	for n := 0; ; n++ {
		if n%1000 == 0 && !more() {
			return false
		}
		step, ok := tale.Next()
		if !ok {
			past.sample(story.NightBefore, true)
			return true
		}
		past.sample(step.At-1, true)
		past.apply(step)
	}
}

// Drain waits until the story has ended, where it is to end, and every receiver has acknowledged every record due.
func (s *Sim) Drain(ctx context.Context) error {
	if s.cfg.StopAfter > 0 {
		for _, c := range s.clusters {
			select {
			case <-c.stopped:
			case <-ctx.Done():
				return fmt.Errorf("cmssim: the story has not ended yet: %w", context.Cause(ctx))
			}
		}
	}
	var left []string
	for _, b := range s.bridges {
		if !b.feed.wait(ctx, b.feed.idle) {
			for _, r := range b.feed.stats() {
				left = append(left, fmt.Sprintf("%s has %d records left for %s", b.Name, r.Queued, redactURL(r.URL)))
			}
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("cmssim: not drained: %s: %w", strings.Join(left, "; "), context.Cause(ctx))
	}
	return nil
}
