// Package bus is the way into the store: NATS JetStream, embedded or external.
//
// Everything that Bridgewatch takes from a network passes through here before anybody looks into it. A publish returns after the broker has
// acknowledged a *synced* write, which is what lets the CDR receiver answer 200 to a Call Bridge that forgets the record at that moment.
//
// The streams and their limits stand in streams.go, the envelope of a body in body.go, the grouping of concurrent publishers in publish.go.
package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
)

// Errors a publisher branches on. Both mean: not stored, the sender must keep what it has and try again.
var (
	// ErrUnavailable: the broker is away, too slow, or refused the write.
	ErrUnavailable = errors.New("the bus is unavailable")
	// ErrFull: the stream's byte budget or the disk is used up; nothing was thrown away to make room.
	ErrFull = errors.New("the bus is full")
)

// Config of the bus.
type Config struct {
	// DataDir is the folder of the installation; the embedded server keeps its streams in <DataDir>/bus. Needed unless URL is set.
	DataDir string
	// Listen is the loopback address on which the embedded server serves sibling commands. Port 0 takes any free one.
	Listen string
	// Join lets a sibling command (import, replay) use the server of a running `serve` on the same DataDir, where there is one.
	Join bool

	// URL of an external server or a comma-separated list of a cluster's; empty means embedded.
	URL string
	// CredsFile, TokenFile, or User with PasswordFile authenticate at the external server. The files are read again at each connect.
	CredsFile    string
	TokenFile    string
	User         string
	PasswordFile string
	// TLS of the connection to an external server.
	TLS TLS
	// MonitorURL is the HTTP monitoring address of an external server (http://host:8222); only CheckSync uses it.
	MonitorURL string

	// Replicas of each stream: 1, 3 or 5. More than 1 needs an external cluster.
	Replicas int
	// MaxPayload is the largest message of the embedded server in bytes, at most 8 MiB; an external server names its own.
	MaxPayload int
	// Budgets bound what may lie unread.
	Budgets Budgets
	// MinFreeDisk: below this many free bytes under DataDir bodies are refused with ErrFull, so that the disk never fills to the brim. 0 is no check.
	MinFreeDisk int64
	// AckTimeout is how long a publish waits for the broker's acknowledgement before it returns ErrUnavailable.
	AckTimeout time.Duration
}

// TLS settings towards an external server.
type TLS struct {
	CAFile     string // bundle of certificate authorities in PEM; empty takes the system's
	CertFile   string // client certificate in PEM; needs KeyFile
	KeyFile    string
	ServerName string // name expected in the server's certificate where it differs from the URL's
	Insecure   bool   // accept any certificate
}

// Budgets are the sizes in bytes at which a stream refuses more.
type Budgets struct {
	CDR, Events, Status, Syslog, Dead int64
}

// DefaultConfig is an embedded server that still lacks its DataDir.
func DefaultConfig() Config {
	const gib = 1 << 30
	return Config{
		Listen:      "127.0.0.1:0",
		Replicas:    1,
		MaxPayload:  8 << 20,
		Budgets:     Budgets{CDR: 16 * gib, Events: 2 * gib, Status: 2 * gib, Syslog: 1 * gib, Dead: 1 * gib},
		MinFreeDisk: 512 << 20,
		AckTimeout:  10 * time.Second,
	}
}

// Validate names the first setting that cannot work.
func (c Config) Validate() error {
	b := c.Budgets
	switch {
	case c.URL == "" && c.DataDir == "":
		return errors.New("bus: neither data_dir nor nats.url is set")
	case c.URL == "" && c.Replicas > 1:
		return fmt.Errorf("bus: %d replicas need nats.url: the embedded server is one server", c.Replicas)
	case c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5:
		return fmt.Errorf("bus: %d replicas; want 1, 3 or 5", c.Replicas)
	case c.URL == "" && (c.MaxPayload < 64<<10 || c.MaxPayload > 8<<20):
		return fmt.Errorf("bus: max payload of %d bytes; want 64 KiB to 8 MiB", c.MaxPayload)
	case min(b.CDR, b.Events, b.Status, b.Syslog, b.Dead) < 1<<20:
		return errors.New("bus: a stream's budget is below 1 MiB")
	case c.AckTimeout <= 0:
		return fmt.Errorf("bus: acknowledgement time-out of %v", c.AckTimeout)
	case c.CredsFile != "" && c.TokenFile != "", c.CredsFile != "" && c.User != "", c.TokenFile != "" && c.User != "":
		return errors.New("bus: more than one of creds file, token file and user is set")
	case (c.User == "") != (c.PasswordFile == ""):
		return errors.New("bus: user and password file belong together")
	case (c.TLS.CertFile == "") != (c.TLS.KeyFile == ""):
		return errors.New("bus: client certificate and key belong together")
	}
	if c.URL == "" {
		host, _, err := net.SplitHostPort(c.Listen)
		if err != nil {
			return fmt.Errorf("bus: listen %q: %w", c.Listen, err)
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("bus: listen %q is not a loopback address: the embedded server is for this machine only", c.Listen)
		}
	}
	for one := range strings.SplitSeq(c.URL, ",") {
		// The parser's error repeats its input, which may hold a password.
		if u, err := url.Parse(strings.TrimSpace(one)); c.URL != "" && (err != nil || u.Host == "") {
			return errors.New("bus: nats.url is not an address such as nats://host:4222")
		}
	}
	return nil
}

// Deps are what the bus is given by the composition root. Each may be zero.
type Deps struct {
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
}

// Bus publishes to and reads from the streams. Its methods may be called from many goroutines; before Ready they return ErrUnavailable.
type Bus struct {
	cfg     Config
	log     *slog.Logger
	now     func() time.Time
	metrics *metrics

	ready   chan struct{} // closed once streams and consumers exist
	stopped chan struct{} // closed once no publish can succeed any more
	queue   chan *pending // bodies waiting for the next synced write

	mu    sync.RWMutex
	js    jetstream.JetStream // nil until connected
	nc    *nats.Conn
	embed *embedded // nil when external or joined
	stats map[Stream]Stats
	room  diskRoom
}

// New returns a bus that does nothing until Run.
func New(cfg Config, deps Deps) *Bus {
	log := cmp.Or(deps.Log, slog.New(slog.DiscardHandler))
	now := deps.Now
	if now == nil {
		now = time.Now
	}
	return &Bus{
		cfg:     cfg,
		log:     log.With("component", "bus"),
		now:     now,
		metrics: newMetrics(deps.Registerer),
		ready:   make(chan struct{}),
		stopped: make(chan struct{}),
		queue:   make(chan *pending, 1024),
		stats:   map[Stream]Stats{},
	}
}

// Ready is closed once the streams and their durable consumers exist and publishing works.
func (b *Bus) Ready() <-chan struct{} { return b.ready }

// Run serves until ctx ends, then stores what publishers are still waiting for and stops the embedded server.
// End the publishers and the consumers before it.
func (b *Bus) Run(ctx context.Context) error {
	defer close(b.stopped)
	if err := b.cfg.Validate(); err != nil {
		return err
	}
	target, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer target.close()
	if err := b.prepare(ctx, target.js); err != nil {
		return err
	}
	b.mu.Lock()
	b.js, b.nc, b.embed = target.js, target.nc, target.server
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.js, b.nc, b.embed = nil, nil, nil
		b.mu.Unlock()
	}()
	b.refreshStats(ctx)
	close(b.ready)

	var background sync.WaitGroup
	background.Go(func() { b.watchStats(ctx) })
	b.groupBodies(ctx, target.js, target.nc) // until ctx ends and the queue is empty
	background.Wait()
	return nil
}

// prepare makes the streams. An external cluster may still be choosing its leaders: that is waited for, as an absent server is.
func (b *Bus) prepare(ctx context.Context, js jetstream.JetStream) error {
	return b.patiently(ctx, func() error { return ensureStreams(ctx, js, b.cfg) })
}

// patiently repeats what the broker did not do only because it is away, choosing a leader or very busy just now.
func (b *Bus) patiently(ctx context.Context, do func() error) error {
	for told := false; ; told = true {
		err := do()
		if err == nil || ctx.Err() != nil || !passing(err) {
			return err
		}
		if !told {
			b.log.Warn("broker is not ready; it is tried again until it is", "error", err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// passing tells errors of the broker that pass by themselves.
func passing(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code == 503 && api.ErrorCode != jetstream.JSErrCodeJetStreamNotEnabled && api.ErrorCode != jetstream.JSErrCodeJetStreamNotEnabledForAccount
	}
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) ||
		// The connection is lost, and being made again: without a buffer for what is published meanwhile this is how publishing fails.
		errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrDisconnected) || errors.As(err, &network)
}

// conn returns the connection in use, or ErrUnavailable before Ready and after Run.
func (b *Bus) conn() (jetstream.JetStream, *nats.Conn, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.js == nil {
		return nil, nil, fmt.Errorf("%w: not running", ErrUnavailable)
	}
	return b.js, b.nc, nil
}

// JetStream gives the connection for what this package has no word for; nil before Ready.
func (b *Bus) JetStream() jetstream.JetStream {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.js
}

// target is an open connection and, where it is ours, the server behind it.
type target struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	server *embedded
}

func (t *target) close() {
	t.nc.Close()
	if t.server != nil {
		t.server.stop()
	}
}

// open connects to the server that the configuration asks for, starting it where it is ours.
func (b *Bus) open(ctx context.Context) (*target, error) {
	var t target
	var err error
	if b.cfg.URL != "" {
		t.nc, err = b.dialExternal(ctx)
	} else {
		t.server, err = startEmbedded(b.cfg, b.log)
		switch {
		case err == nil:
			t.nc, err = t.server.dial(b.connOptions()...)
		case b.cfg.Join && errors.Is(err, errInUse):
			t.nc, err = b.dialSibling()
		}
	}
	if err == nil {
		t.js, err = jetstream.New(t.nc)
	}
	if err != nil {
		if t.nc != nil {
			t.nc.Close()
		}
		if t.server != nil {
			t.server.stop()
		}
		return nil, err
	}
	return &t, nil
}

// storeDir is where the embedded server keeps its streams.
func (c Config) storeDir() string { return filepath.Join(c.DataDir, "bus") }
