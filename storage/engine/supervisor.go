package engine

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// Config of the embedded engine.
type Config struct {
	// DataDir is the program's data folder; the engine keeps its data below it in "clickhouse" and tells siblings its address in EndpointFile.
	DataDir string
	// Listen is a further address that read-only access is offered on, such as "127.0.0.1:8802"; empty means none.
	Listen string
	// Library is the path of libchdb; empty means FindLibrary.
	Library string
	// Command is the child's command line, which must call Serve; empty means this program with the argument "engine".
	Command []string
	// Connections is how many statements of the owner run at the same time, 1 to 64; more wait.
	Connections int
	// Memory is what the engine may use for all statements and merges together, in bytes.
	Memory uint64
	// Readers limits everyone but the owner.
	Readers ReaderLimits
	// StartTimeout is how long the engine may take to open its data.
	StartTimeout time.Duration
}

// DefaultConfig is right for a machine of 2 cores and 24 GB; DataDir remains to be set.
func DefaultConfig() Config {
	return Config{Connections: 8, Memory: 8 << 30, Readers: DefaultReaderLimits(), StartTimeout: 5 * time.Minute}
}

// Validate tells the first thing that is wrong.
func (c Config) Validate() error {
	switch {
	case c.DataDir == "":
		return errors.New("engine: no data folder is set")
	case c.Connections < 1 || c.Connections > 64:
		return fmt.Errorf("engine: connections is %d, want 1 to 64", c.Connections)
	case c.Memory < 512<<20:
		return fmt.Errorf("engine: memory is %d bytes, want at least 512 MiB", c.Memory)
	case c.StartTimeout <= 0:
		return fmt.Errorf("engine: start timeout is %s, want more than 0", c.StartTimeout)
	}
	if c.Listen != "" {
		if _, _, err := net.SplitHostPort(c.Listen); err != nil {
			return fmt.Errorf("engine: listen address %q: %w", c.Listen, err)
		}
	}
	return c.Readers.Validate()
}

// Deps are what the engine reports to; nil fields mean nowhere.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Engine supervises the child process that holds the embedded ClickHouse.
type Engine struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	ready   chan struct{}
	once    sync.Once // closes ready

	// Set before ready is closed, and never changed after.
	endpoint Endpoint
	public   string
	version  string
}

// New makes an engine that does nothing before Run.
func New(cfg Config, deps Deps) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	return &Engine{cfg: cfg, log: deps.Logger, metrics: m, ready: make(chan struct{})}, nil
}

// Ready is closed once the engine answers.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

// Endpoint is where the owner reaches the engine; valid once Ready is closed. It stays the same when the child is restarted.
func (e *Engine) Endpoint() Endpoint { return e.endpoint }

// Addr is the loopback address of the engine; valid once Ready is closed.
func (e *Engine) Addr() string { return e.endpoint.Address }

// PublicAddr is the address that Config.Listen became, empty without one; valid once Ready is closed.
func (e *Engine) PublicAddr() string { return e.public }

// DSN is the owner's address for clickhouse-go; it holds the secret. Valid once Ready is closed.
func (e *Engine) DSN(database string) string { return e.endpoint.DSN(database) }

// Version of the embedded ClickHouse; valid once Ready is closed.
func (e *Engine) Version() string { return e.version }

// Options are the owner's options for clickhouse-go; valid once Ready is closed.
func (e *Engine) Options(database string) *clickhouse.Options { return e.endpoint.Options(database) }

// Options are the endpoint as clickhouse-go's options.
func (e Endpoint) Options(database string) *clickhouse.Options {
	return &clickhouse.Options{
		Protocol:            clickhouse.HTTP,
		Addr:                []string{e.Address},
		Auth:                clickhouse.Auth{Database: database, Username: e.User, Password: e.Password},
		DialTimeout:         10 * time.Second,
		ReadTimeout:         5 * time.Minute,
		MaxOpenConns:        16,
		MaxIdleConns:        8,
		HttpMaxConnsPerHost: 16,
	}
}

// Run keeps the engine running until the context ends, restarting a child that died. The addresses are kept over a restart: clients
// wait in the socket's queue meanwhile. An error before the engine has answered once is final, unless somebody killed it; so is a folder in use.
func (e *Engine) Run(ctx context.Context) error {
	library := e.cfg.Library
	if library == "" {
		var err error
		if library, err = FindLibrary(); err != nil {
			return err
		}
	} else if err := readable(library); err != nil {
		return err
	}
	if err := os.MkdirAll(e.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	folder, err := filepath.Abs(filepath.Join(e.cfg.DataDir, "clickhouse"))
	if err != nil {
		return err
	}
	sockets, err := e.listen(ctx)
	if err != nil {
		return err
	}
	defer sockets.close()

	e.endpoint = Endpoint{Address: sockets.loopback.Addr().String(), User: OwnerName, Password: rand.Text(), PID: os.Getpid()}
	o := order{Library: library, Folder: folder, Secret: e.endpoint.Password, Public: sockets.public != nil,
		Connections: e.cfg.Connections, Memory: e.cfg.Memory, Readers: e.cfg.Readers}
	defer e.metrics.up.Set(0)
	defer e.forget()
	wait := backoff{least: 100 * time.Millisecond, most: 10 * time.Second}
	for attempt := 1; ; attempt++ {
		started := time.Now()
		err := e.runChild(ctx, o, sockets)
		if ctx.Err() != nil {
			return nil
		}
		select {
		case <-e.ready:
		default:
			if !killed(err) || attempt == mostFirstStarts {
				return err
			}
		}
		e.metrics.up.Set(0)
		e.metrics.restarts.Inc()
		pause := wait.next(time.Since(started))
		e.log.Error("the embedded ClickHouse ended; it is started again", "err", err, "ran", time.Since(started).Round(time.Millisecond), "in", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// mostFirstStarts is how often a child that is killed is started before one has answered. The kernel kills one for which there is no memory, too.
const mostFirstStarts = 5

// killed tells whether a child was killed from outside. What else ends a child at its start would end the next one too.
func killed(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// serving is called each time a child answers.
func (e *Engine) serving(s status) error {
	e.metrics.up.Set(1)
	var err error
	e.once.Do(func() {
		e.version = s.Version
		if err = e.endpoint.write(e.cfg.DataDir); err == nil {
			close(e.ready)
		}
	})
	return err
}

// forget removes the endpoint's file if it is ours.
func (e *Engine) forget() {
	if found, err := ReadEndpoint(e.cfg.DataDir); err == nil && found == e.endpoint {
		_ = os.Remove(filepath.Join(e.cfg.DataDir, EndpointFile))
	}
}

// sockets are listened on by the supervisor and accepted from by its children, one after the other.
type sockets struct{ loopback, public *net.TCPListener }

func (s *sockets) close() {
	s.loopback.Close()
	if s.public != nil {
		s.public.Close()
	}
}

// takenFor is how long a killed predecessor's process may hold on to the address: it lets go of it only after its memory.
const takenFor = 5 * time.Second

// listenSoon listens, and waits a little for an address that is taken.
func listenSoon(ctx context.Context, address string) (net.Listener, error) {
	for began := time.Now(); ; {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if !errors.Is(err, syscall.EADDRINUSE) || time.Since(began) > takenFor {
			return l, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (e *Engine) listen(ctx context.Context) (*sockets, error) {
	loopback, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the engine: %w", err)
	}
	s := &sockets{loopback: loopback.(*net.TCPListener)}
	if e.cfg.Listen != "" {
		public, err := listenSoon(ctx, e.cfg.Listen)
		if err != nil {
			loopback.Close()
			return nil, fmt.Errorf("listen for ClickHouse clients (clickhouse.listen): %w", err)
		}
		s.public = public.(*net.TCPListener)
		e.public = public.Addr().String()
	}
	return s, nil
}

// stopTimeout is how long a child may take to end before it is killed; what it answered is on disk by then.
const stopTimeout = 2500 * time.Millisecond

// runChild runs one child from its start to its end. An error tells why it ended before the context did.
func (e *Engine) runChild(ctx context.Context, o order, s *sockets) error {
	command := e.cfg.Command
	if len(command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		command = []string{self, "engine"}
	}
	orders, err := json.Marshal(o)
	if err != nil {
		return err
	}
	statusRead, statusWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer statusRead.Close()
	files := []*os.File{statusWrite}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, l := range []*net.TCPListener{s.loopback, s.public} {
		if l != nil {
			f, err := l.File()
			if err != nil {
				return fmt.Errorf("hand over a socket: %w", err)
			}
			files = append(files, f)
		}
	}

	cmd := exec.Command(command[0], command[1:]...)
	cmd.ExtraFiles = files
	cmd.SysProcAttr = childAttributes()
	output := &lineLogger{log: e.log}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	begun := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the child dies with the thread that made it: this one, which waits for it
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			begun <- fmt.Errorf("start the embedded ClickHouse: %w", err)
			return
		}
		begun <- nil
		ended <- cmd.Wait()
	}()
	if err := <-begun; err != nil {
		return err
	}
	for _, f := range files { // the child has its own now, and the status pipe must end with it
		f.Close()
	}
	files = nil

	reported := make(chan status, 1)
	go func() {
		var st status
		if err := json.NewDecoder(statusRead).Decode(&st); err != nil {
			return // it died without a word; ended tells
		}
		reported <- st
	}()
	_, err = stdin.Write(append(orders, '\n'))
	defer stdin.Close()

	timeout := time.NewTimer(e.cfg.StartTimeout)
	defer timeout.Stop()
	if err != nil { // it has ended already, or is about to
		select {
		case died := <-ended:
			return startError(died, output)
		case <-time.After(stopTimeout):
			return e.stop(cmd, stdin, ended, fmt.Errorf("give orders to the embedded ClickHouse: %w", err))
		}
	}
	select {
	case st := <-reported:
		if st.Error != "" {
			return e.stop(cmd, stdin, ended, fmt.Errorf("embedded ClickHouse: %s", st.Error))
		}
		if err := e.serving(st); err != nil {
			return e.stop(cmd, stdin, ended, err)
		}
	case err := <-ended:
		return startError(err, output)
	case <-timeout.C:
		return e.stop(cmd, stdin, ended, fmt.Errorf("the embedded ClickHouse did not open its data within %s", e.cfg.StartTimeout))
	case <-ctx.Done():
		return e.stop(cmd, stdin, ended, nil)
	}
	select {
	case err := <-ended:
		return fmt.Errorf("%w%s", exitError(err), output.lastWords())
	case <-ctx.Done():
		return e.stop(cmd, stdin, ended, nil)
	}
}

// stop ends the child, with force if it must be, and returns why.
func (e *Engine) stop(cmd *exec.Cmd, stdin io.Closer, ended <-chan error, why error) error {
	stdin.Close()
	select {
	case <-ended: //nolint:errcheck // why tells more
	case <-time.After(stopTimeout):
		_ = cmd.Process.Kill()
		<-ended //nolint:errcheck // as above
	}
	return why
}

func startError(ended error, output *lineLogger) error {
	return fmt.Errorf("the embedded ClickHouse ended while it started: %w%s", exitError(ended), output.lastWords())
}

func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// lineLogger passes the child's output to the log, line by line, and remembers the last line.
type lineLogger struct {
	log  *slog.Logger
	mu   sync.Mutex
	rest []byte
	last string
}

func (l *lineLogger) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		advance, line, _ := bufio.ScanLines(l.rest, len(l.rest) > 64<<10)
		if advance == 0 {
			return len(p), nil
		}
		if l.rest = l.rest[advance:]; len(line) > 0 {
			l.last = string(line)
			l.log.Warn("embedded ClickHouse says", "line", l.last)
		}
	}
}

func (l *lineLogger) lastWords() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == "" {
		return ""
	}
	return "; its last words: " + l.last
}

// backoff doubles the pause between restarts, and forgets when the child ran well.
type backoff struct{ least, most, pause time.Duration }

func (b *backoff) next(ran time.Duration) time.Duration {
	if b.pause *= 2; b.pause < b.least || ran > time.Minute {
		b.pause = b.least
	}
	b.pause = min(b.pause, b.most)
	return b.pause
}
