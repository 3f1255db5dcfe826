// Package syslog takes the lines that Call Bridges, and the servers beside them, send over TCP, keeps every one, and makes facts of those it understands:
// media modules, STATS, CDR receivers, ICE failures, web bridge links, database cluster. Facts: reference page cms-api.md §11.1.
package syslog

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/faults"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// Publisher puts rows on the bus.
type Publisher interface {
	PublishRows(ctx context.Context, subject, table string, rows any) error
}

// Config of a Server.
type Config struct {
	// Listen is the TCP address.
	Listen string
	// MaxLine is the longest line kept, in bytes; the rest of a longer one is cut off.
	MaxLine int
	// MaxConnections at once, of all senders.
	MaxConnections int
	// Idle ends a connection over which nothing came for so long. Bridges are silent for at most minutes.
	Idle time.Duration
	// Flush is the longest time a line waits for others before it is published.
	Flush time.Duration
	// Quiet is how long after its last line a trouble that no line ends is taken to be over.
	Quiet time.Duration
}

// DefaultConfig returns 8 KiB lines, 256 connections, an hour, a second and 15 minutes.
func DefaultConfig() Config {
	return Config{MaxLine: 8 << 10, MaxConnections: 256, Idle: time.Hour, Flush: time.Second, Quiet: 15 * time.Minute}
}

// Validate says what is wrong, or nil.
func (c Config) Validate() error {
	if c.Listen == "" {
		return errors.New("syslog listen: empty")
	}
	if c.MaxLine < 256 || c.MaxConnections < 1 || c.Idle <= 0 || c.Flush <= 0 || c.Quiet <= 0 {
		return errors.New("syslog: want lines of at least 256 bytes, at least one connection, and times above 0")
	}
	return nil
}

// Deps are what a Server works with. Live and Publisher are needed.
type Deps struct {
	Live       *collector.Live
	Publisher  Publisher
	Memory     faults.Memory // nil: nothing is remembered
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Clock      func() time.Time
}

// source is the bridge whose lines they are; the zero source is none that we know.
type source struct{ cluster, bridge string }

// network is where the lines of a source come from.
type network struct {
	prefix netip.Prefix
	source source
}

// loopback are the networks of a bridge for which none is configured.
func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// Server is the listener. Senders outside the bridges' SyslogSources are refused; a bridge without any has the loopback.
type Server struct {
	cfg      Config
	deps     Deps
	networks []network
	sequence atomic.Uint64
	ready    chan struct{}
	addr     atomic.Pointer[net.TCPAddr]
	rows     chan storage.SyslogLine
	// books by cluster and bridge.
	books map[source]*faults.Book

	mu      sync.Mutex
	stamped map[source]time.Time // the last row of figures

	lines, refused, cut, dropped prometheus.Counter
}

// New returns an inert server.
func New(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	s := &Server{
		cfg: cfg, deps: deps, ready: make(chan struct{}), rows: make(chan storage.SyslogLine, 4096), books: make(map[source]*faults.Book), stamped: make(map[source]time.Time),
		lines:   counter("bridgewatch_syslog_lines_total", "Syslog lines received from allowed senders."),
		refused: counter("bridgewatch_syslog_connections_refused_total", "Syslog connections refused: sender not allowed, or too many."),
		cut:     counter("bridgewatch_syslog_lines_cut_total", "Syslog lines longer than the limit, of which only the beginning is kept."),
		dropped: counter("bridgewatch_syslog_lines_dropped_total", "Syslog lines that could not be published."),
	}
	for _, c := range deps.Live.Inventory().Clusters {
		for _, b := range c.Bridges {
			from := source{c.Name, b.Name}
			allowed := b.SyslogSources
			if len(allowed) == 0 {
				allowed = loopback()
			}
			for _, p := range allowed {
				s.networks = append(s.networks, network{p, from})
			}
			s.books[from] = faults.NewBook(c.Name, b.Name, collector.SourceSyslog, deps.Live, deps.Logger.With("cms_cluster", c.Name, "call_bridge", b.Name),
				func(ctx context.Context, rows []storage.Alarm) bool {
					return s.send(ctx, from, storage.TableAlarms, rows)
				})
		}
	}
	if deps.Registerer != nil {
		for _, m := range []prometheus.Collector{s.lines, s.refused, s.cut, s.dropped} {
			if err := deps.Registerer.Register(m); err != nil {
				return nil, fmt.Errorf("register syslog metrics: %w", err)
			}
		}
	}
	return s, nil
}

// Ready is closed once the server listens; Addr is known then.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addr is the address listened on; nil before Ready.
func (s *Server) Addr() *net.TCPAddr { return s.addr.Load() }

// Run listens until ctx ends. When it returns, lines that were read are published.
func (s *Server) Run(ctx context.Context) error {
	listener, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("syslog: %w", err)
	}
	s.addr.Store(listener.Addr().(*net.TCPAddr))
	close(s.ready)
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	var connections sync.WaitGroup
	s.recall(ctx, &connections)
	published := make(chan struct{})
	go func() { defer close(published); s.publish(ctx) }()
	slots := make(chan struct{}, s.cfg.MaxConnections)
	for {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			// Out of descriptors, most likely: wait, do not spin.
			s.deps.Logger.Warn("syslog: accept failed", "error", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		from, allowed := s.identify(conn.RemoteAddr())
		if allowed {
			select {
			case slots <- struct{}{}:
			default:
				allowed = false
			}
		}
		if !allowed {
			s.refused.Inc()
			conn.Close()
			continue
		}
		connections.Go(func() {
			defer func() { <-slots }()
			s.serve(ctx, conn, from)
		})
	}
	connections.Wait()
	close(s.rows)
	<-published
	return nil
}

// identify finds the bridges whose network an address is in; of networks that contain each other the smallest counts. Several bridges may share one: behind a relay, say.
func (s *Server) identify(addr net.Addr) (from []source, allowed bool) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return nil, false
	}
	ip := tcp.AddrPort().Addr().Unmap()
	bits := -1
	for _, n := range s.networks {
		switch {
		case !n.prefix.Contains(ip) || n.prefix.Bits() < bits:
		case n.prefix.Bits() > bits:
			from, bits = []source{n.source}, n.prefix.Bits()
		default:
			from = append(from, n.source)
		}
	}
	return from, bits >= 0
}

// senderOf tells whose line it is: where several bridges send from one network, the one whose name is the line's host; none if no name is or two are.
func senderOf(candidates []source, host string) source {
	if len(candidates) == 1 {
		return candidates[0]
	}
	var found source
	for _, c := range candidates {
		if !strings.EqualFold(c.bridge, host) {
			continue
		}
		if found != (source{}) {
			return source{}
		}
		found = c
	}
	return found
}

func (s *Server) serve(ctx context.Context, conn net.Conn, candidates []source) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	remote := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().String()
	r := bufio.NewReaderSize(&deadlined{conn, s.cfg.Idle}, 16<<10)
	for {
		raw, cut, err := readFrame(r, s.cfg.MaxLine)
		if len(bytes.TrimSpace(raw)) > 0 {
			if cut {
				s.cut.Inc()
			}
			s.take(ctx, string(raw), candidates, remote)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				s.deps.Logger.Debug("syslog connection ended", "remote", remote, "error", err)
			}
			return
		}
	}
}

// deadlined renews the read deadline with every read.
type deadlined struct {
	net.Conn
	idle time.Duration
}

func (d *deadlined) Read(p []byte) (int, error) {
	if err := d.SetReadDeadline(time.Now().Add(d.idle)); err != nil {
		return 0, err
	}
	return d.Conn.Read(p)
}

// maxCount bounds the length an octet count may claim.
const maxCount = 1 << 20

// readFrame reads one frame of RFC 6587: with an octet count ("123 <…") or up to a newline, whichever it begins with; a connection may change over.
// At most limit bytes are returned, the rest of a longer frame is read and thrown away. With an error the frame may be the last, unterminated one.
func readFrame(r *bufio.Reader, limit int) (frame []byte, cut bool, err error) {
	head, err := r.Peek(1)
	if err != nil {
		return nil, false, err
	}
	if head[0] >= '1' && head[0] <= '9' {
		if n, size, ok := octetCount(r); ok {
			if _, err := r.Discard(size); err != nil {
				return nil, false, err
			}
			frame = make([]byte, min(n, limit))
			got, err := io.ReadFull(r, frame)
			if err == nil && n > limit {
				_, err = io.CopyN(io.Discard, r, int64(n-limit))
			}
			return frame[:got], n > limit, err
		}
	}
	for {
		part, err := r.ReadSlice('\n')
		room := limit - len(frame)
		if len(bytes.TrimRight(part, "\r\n")) > room {
			cut = true
			part = part[:room]
		}
		frame = append(frame, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return frame, cut, err
		}
	}
}

// octetCount looks for digits and a space; a line that begins with a year has a hyphen after its digits.
func octetCount(r *bufio.Reader) (n, size int, ok bool) {
	for size = 1; size <= 8; size++ {
		head, err := r.Peek(size + 1)
		if err != nil {
			return 0, 0, false
		}
		switch c := head[size]; {
		case c == ' ':
			n, err := strconv.Atoi(string(head[:size]))
			return n, size + 1, err == nil && n <= maxCount
		case c < '0' || c > '9':
			return 0, 0, false
		}
	}
	return 0, 0, false
}

// take parses a line, applies its fact and queues its row. When the queue is full the sender waits: TCP holds the lines.
func (s *Server) take(ctx context.Context, raw string, candidates []source, remote string) {
	s.lines.Inc()
	now := s.deps.Clock().UTC()
	line := Parse(Mask(raw), now) // masked whole: of a line that is laid out in another way a secret may be taken for the host
	from := senderOf(candidates, line.Host)
	fact := Understand(line)
	row := storage.SyslogLine{
		Received: now, Sequence: s.sequence.Add(1), CMSCluster: from.cluster, CallBridge: from.bridge, Remote: remote,
		Facility: line.Facility, Severity: line.Severity, Host: line.Host, Process: line.Process, Level: line.Level, Fact: string(fact.Kind), Message: line.Message,
	}
	if !line.Time.IsZero() {
		row.Time = &line.Time
	}
	if from.bridge != "" {
		s.apply(ctx, now, from, fact, row.Message)
	}
	select {
	case s.rows <- row:
	case <-ctx.Done():
		// Run still drains the queue; it is closed only when all connections have ended.
		s.rows <- row
	}
}

// publish sends rows in batches until the queue is closed and empty. A batch that the bus does not take is sent again, and nothing is taken from the queue meanwhile:
// when that is full the senders wait. What is refused for good, or once ctx has ended, is dropped and counted.
func (s *Server) publish(ctx context.Context) {
	const most = 500
	publishing := context.WithoutCancel(ctx)
	var batch []storage.SyslogLine
	refused, away := false, false // away: for good, as ctx has ended
	flush := func() {
		if len(batch) == 0 {
			return
		}
		if away { // each try may take as long as a time-out, and the queue may be full
			s.dropped.Add(float64(len(batch)))
			batch = nil
			return
		}
		err := s.deps.Publisher.PublishRows(publishing, bus.Subject("syslog", cmp.Or(batch[0].CallBridge, "unknown")), storage.TableSyslog, batch)
		passes := errors.Is(err, bus.ErrUnavailable) || errors.Is(err, bus.ErrFull)
		switch {
		case passes && ctx.Err() == nil:
			if !refused {
				s.deps.Logger.Warn("syslog lines not published; they wait", "lines", len(batch), "error", err)
			}
			refused = true
			return
		case err != nil:
			away = passes
			s.dropped.Add(float64(len(batch)))
			s.deps.Logger.Warn("syslog lines not published", "lines", len(batch), "error", err)
		}
		batch, refused = nil, false
	}
	tick := time.NewTicker(s.cfg.Flush)
	defer tick.Stop()
	ended := ctx.Done()
	for {
		queue := s.rows
		if refused {
			queue = nil
		}
		select {
		case row, open := <-queue:
			if !open {
				flush()
				return
			}
			if len(batch) > 0 && batch[0].CallBridge != row.CallBridge {
				flush() // if it is refused, the row goes along with it
			}
			if batch = append(batch, row); len(batch) >= most {
				flush()
			}
		case <-tick.C:
			flush()
			for _, book := range s.books {
				book.Quiet(publishing, s.deps.Clock().UTC(), s.cfg.Quiet, collector.ICEFailure, collector.WebBridgeLinkFailure, collector.DatabaseTrouble)
			}
		case <-ended:
			ended = nil
			flush()
		}
	}
}

// How long facts hold: a media module line comes every 15 minutes and is missing after 20; STATS every 5 minutes.
const (
	modulesValid = 20 * time.Minute
	statsValid   = 11 * time.Minute
)

// stamp is the time of a row of figures: a bridge logs several at the same moment, and rows of one bridge and millisecond would replace each other.
func (s *Server) stamp(from source, now time.Time) time.Time {
	const tick = time.Millisecond
	s.mu.Lock()
	defer s.mu.Unlock()
	at, last := now.Truncate(tick), s.stamped[from]
	if !at.After(last) && last.Sub(at) < time.Second { // further back our clock has been set
		at = last.Add(tick)
	}
	s.stamped[from] = at
	return at
}

func (s *Server) apply(ctx context.Context, now time.Time, from source, f Fact, message string) {
	book := s.books[from]
	alarm := func(kind, subject string) {
		if f.Bad {
			book.Raise(ctx, now, faults.Fault{Type: kind, Subject: subject, Detail: message})
		} else {
			book.Clear(ctx, now, kind, subject)
		}
	}
	valid := func(d time.Duration) time.Time { return time.Now().Add(d) }
	stats := storage.SyslogStats{CMSCluster: from.cluster, CallBridge: from.bridge}
	if f.Kind == MediaModules || f.Kind == Stats {
		stats.Time = s.stamp(from, now)
	}
	switch f.Kind {
	case MediaModules:
		s.deps.Live.Update(from.cluster, from.bridge, func(b *collector.BridgeState) {
			b.MediaModules = collector.Sample[collector.MediaModules]{Value: collector.MediaModules{Total: f.Modules, Working: f.Working}, At: now, Until: valid(modulesValid)}
		})
		stats.Modules, stats.ModulesWork, stats.ModulesState = &f.Modules, &f.Working, f.Text
		s.send(ctx, from, storage.TableSyslogStats, []storage.SyslogStats{stats})
		alarm(collector.MediaModulesDegraded, "")
	case Stats:
		s.deps.Live.Update(from.cluster, from.bridge, func(b *collector.BridgeState) {
			b.SyslogStats = collector.Sample[collector.SyslogStats]{
				Value: collector.SyslogStats{DistributionLegs: f.Peer, SIPLegs: f.SIP, AppSessions: f.Apps, LegsPerSecond: f.LegsPerSecond}, At: now, Until: valid(statsValid),
			}
		})
		stats.LegsPerSec, stats.Legs, stats.LegsPeak, stats.Apps, stats.AppsPeak = f.LegsPerSecond, f.Legs, f.LegsPeak, f.Apps, f.AppsPeak
		stats.SIP, stats.SIPPeak, stats.Peer, stats.PeerPeak = f.SIP, f.SIPPeak, f.Peer, f.PeerPeak
		s.send(ctx, from, storage.TableSyslogStats, []storage.SyslogStats{stats})
	case CDRConnected, CDRFailed:
		alarm(collector.ReceiverUnreachable, f.Subject)
	case ICEFailure:
		alarm(collector.ICEFailure, "")
	case WebBridge:
		alarm(collector.WebBridgeLinkFailure, "")
	case Database:
		if f.Bad { // Good news of one node is not the end of another's trouble.
			alarm(collector.DatabaseTrouble, "")
		}
	}
}

func (s *Server) send(ctx context.Context, from source, table string, rows any) bool {
	// A fact that arrives while the server ends is still published.
	err := s.deps.Publisher.PublishRows(context.WithoutCancel(ctx), bus.Subject("syslog", from.bridge), table, rows)
	if err != nil {
		s.deps.Logger.Warn("syslog fact not published", "table", table, "error", err)
	}
	return err == nil
}

// recall loads the alarms that lines opened before this process began; without it they would stay open. Lines do not wait for it.
func (s *Server) recall(ctx context.Context, beside *sync.WaitGroup) {
	for _, c := range s.deps.Live.Inventory().Clusters {
		later := faults.Recall(ctx, s.deps.Memory, c.Name, 0, s.deps.Logger, func(open []storage.Alarm) {
			for _, b := range c.Bridges {
				s.books[source{c.Name, b.Name}].Recall(open)
			}
		})
		if later != nil {
			beside.Go(later)
		}
	}
}
