// Package receiver is the HTTP listener for Call Bridges: it reads a body, has it stored durably, and only then answers 200, because a Call Bridge forgets
// its records on that answer (cms-cdr.md sections 1.3 and 7.1). It looks into nothing: what a body means is found out after the answer.
package receiver

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// Config of the listener.
type Config struct {
	// Listen is the address for Call Bridges.
	Listen string
	// CertFile and KeyFile (PEM) turn on TLS; they are read again when they change.
	CertFile, KeyFile string
	// Sources are the Call Bridges that may post.
	Sources []Source

	// MaxBody is the largest body in bytes. A larger one gets 413, which the bridge will repeat for ever: it is a limit against strangers, not against
	// backlogs, and is set far above the largest backlog.
	MaxBody int64
	// SpoolDir holds large bodies while they arrive; empty is the system's temporary folder. Nothing in it outlives the process.
	SpoolDir string
	// MaxSpool is how many bytes of large bodies may lie there at a time; above it a post gets 503.
	MaxSpool int64
	// MaxMemory is how many bytes of bodies may be in memory while they arrive; above it they go to SpoolDir whatever their size.
	MaxMemory int64

	// HeaderTimeout is how long a connection may take for the TLS handshake and for the header of a request.
	HeaderTimeout time.Duration
	// BodyTimeout is how long a body may take; each MinRate bytes that arrive add a second to it.
	BodyTimeout time.Duration
	// MinRate in bytes per second is the slowest a body may arrive after BodyTimeout.
	MinRate int64
	// IdleTimeout is how long a kept connection may wait for its next request.
	IdleTimeout time.Duration
	// StopTimeout is how long requests under way may take to finish when the receiver stops.
	StopTimeout time.Duration
	// MaxConns and MaxConnsPerAddress limit open connections, altogether and from one address; more are closed as they come.
	MaxConns, MaxConnsPerAddress int
	// RetryAfter is told to a bridge whose body could not be stored.
	RetryAfter time.Duration
}

// Source is a Call Bridge that may post.
type Source struct {
	Name    string         // unique within its cluster
	Cluster string         // name of the cluster
	Token   string         // the last segment of the path it posts to; a secret
	Allowed []netip.Prefix // addresses it may post from; empty is any
}

// DefaultConfig lacks the sources.
func DefaultConfig() Config {
	return Config{
		Listen:             ":8801",
		MaxBody:            256 << 20,
		MaxSpool:           2 << 30,
		MaxMemory:          32 << 20,
		HeaderTimeout:      10 * time.Second,
		BodyTimeout:        30 * time.Second,
		MinRate:            32 << 10,
		IdleTimeout:        5 * time.Minute,
		StopTimeout:        15 * time.Second,
		MaxConns:           1024,
		MaxConnsPerAddress: 64,
		RetryAfter:         5 * time.Second,
	}
}

// Validate names the first setting that cannot work. It never repeats a token.
func (c Config) Validate() error {
	switch {
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("receiver: certificate and key belong together")
	case c.MaxBody < 1<<20:
		return fmt.Errorf("receiver: largest body of %d bytes; want at least 1 MiB", c.MaxBody)
	case c.MaxSpool < c.MaxBody:
		return fmt.Errorf("receiver: spool of %d bytes is smaller than the largest body of %d", c.MaxSpool, c.MaxBody)
	case c.MaxMemory < 1<<20:
		return fmt.Errorf("receiver: memory for bodies of %d bytes; want at least 1 MiB", c.MaxMemory)
	case min(c.HeaderTimeout, c.BodyTimeout, c.IdleTimeout, c.StopTimeout, c.RetryAfter) <= 0 || c.MinRate <= 0:
		return errors.New("receiver: a time-out or the slowest rate is not positive")
	case c.MaxConns < 1 || c.MaxConnsPerAddress < 1:
		return errors.New("receiver: a limit of connections is not positive")
	}
	names, tokens := map[[2]string]bool{}, map[string]string{}
	for _, s := range c.Sources {
		if s.Name == "" {
			return errors.New("receiver: a source has no name")
		}
		if id := [2]string{s.Cluster, s.Name}; names[id] {
			return fmt.Errorf("receiver: source %s of cluster %q appears twice", s.Name, s.Cluster)
		} else {
			names[id] = true
		}
		if !validToken(s.Token) {
			return fmt.Errorf("receiver: the token of %s is not 8 to 200 letters, digits or any of -._~", s.Name)
		}
		if other, taken := tokens[s.Token]; taken {
			return fmt.Errorf("receiver: %s and %s have the same token", other, s.Name)
		}
		tokens[s.Token] = s.Name
	}
	return nil
}

// validToken allows what stands in a path unescaped, long enough not to be guessed by accident.
func validToken(token string) bool {
	for _, c := range token {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return len(token) >= 8 && len(token) <= 200
}

// Publisher is the part of the bus that the receiver needs. Both return after the acknowledgement of a synced write, and neither keeps the data.
type Publisher interface {
	PublishBody(ctx context.Context, body bus.Body) error
	PublishBodyFrom(ctx context.Context, body bus.Body, r io.Reader, size int64) error
}

// Deps are what the receiver is given by the composition root; only Bus is needed.
type Deps struct {
	Bus        Publisher
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
}

// Receiver serves Call Bridges.
type Receiver struct {
	cfg     Config
	bus     Publisher
	log     *slog.Logger
	now     func() time.Time
	metrics *metrics
	sources []*source
	conns   *connLimit

	buffers sync.Pool    // of *[]byte, for bodies in memory
	memory  atomic.Int64 // bytes of bodies in memory beyond the first buffer of each
	spooled atomic.Int64 // bytes of bodies in SpoolDir
	refused sampledLog
	failed  sampledLog

	ready chan struct{} // closed once addr is set
	addr  net.Addr
}

// source is a Source with what belongs to it while running.
type source struct {
	Source
	digest   [sha256.Size]byte // of the token
	counters sourceCounters
	lastPost atomic.Int64 // Unix nanoseconds of the last body that was stored; 0 is none yet
}

// New returns a receiver that does nothing until Run. The configuration must be valid.
func New(cfg Config, deps Deps) *Receiver {
	now := deps.Now
	if now == nil {
		now = time.Now
	}
	r := &Receiver{
		cfg:     cfg,
		bus:     deps.Bus,
		log:     cmp.Or(deps.Log, slog.New(slog.DiscardHandler)).With("component", "receiver"),
		now:     now,
		metrics: newMetrics(deps.Registerer),
		ready:   make(chan struct{}),
	}
	r.buffers.New = func() any { b := make([]byte, firstBuffer); return &b }
	for _, s := range cfg.Sources {
		r.sources = append(r.sources, &source{Source: s, digest: sha256.Sum256([]byte(s.Token)), counters: r.metrics.of(s)})
	}
	r.conns = newConnLimit(cfg, r.metrics)
	return r
}

// Ready is closed once the listener is open; then Addr is known.
func (r *Receiver) Ready() <-chan struct{} { return r.ready }

// Addr is where the receiver listens. Call it after Ready.
func (r *Receiver) Addr() net.Addr { return r.addr }

// LastPosts tells when each source last had a body stored, by cluster and name; a source that has not posted since the start is absent.
func (r *Receiver) LastPosts() map[[2]string]time.Time {
	last := map[[2]string]time.Time{}
	for _, s := range r.sources {
		if t := s.lastPost.Load(); t != 0 {
			last[[2]string{s.Cluster, s.Name}] = time.Unix(0, t).UTC()
		}
	}
	return last
}

// Run serves until ctx ends, then lets the requests under way finish. Open the bus before it: until then posts get 503.
func (r *Receiver) Run(ctx context.Context) error {
	if err := r.cfg.Validate(); err != nil {
		return err
	}
	if r.cfg.SpoolDir != "" {
		if err := os.MkdirAll(r.cfg.SpoolDir, 0o700); err != nil {
			return fmt.Errorf("receiver: spool folder: %w", err)
		}
	}
	var tlsConfig *tls.Config
	if r.cfg.CertFile != "" {
		certs, err := loadCertificate(r.cfg.CertFile, r.cfg.KeyFile, r.log)
		if err != nil {
			return err
		}
		tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certs.get, NextProtos: []string{"http/1.1"}}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", r.cfg.Listen)
	if err != nil {
		return fmt.Errorf("receiver: %w", err)
	}
	r.addr = listener.Addr()
	listener = r.conns.limit(listener)
	if tlsConfig != nil {
		listener = tls.NewListener(listener, tlsConfig)
	}

	// Requests outlive ctx: those under way when it ends are answered. HTTP/1.1 only, which is what a Call Bridge speaks: streams of HTTP/2 would evade the
	// limits of connections.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler:           r,
		Protocols:         protocols,
		ReadHeaderTimeout: r.cfg.HeaderTimeout,
		IdleTimeout:       r.cfg.IdleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	close(r.ready)
	r.log.Info("receiving", "address", r.addr.String(), "tls", tlsConfig != nil, "sources", len(r.sources))

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("receiver: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.StopTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		server.Close() // unanswered bodies stay with their bridges
	}
	<-served //nolint:errcheck // it ends because it was closed
	return nil
}
