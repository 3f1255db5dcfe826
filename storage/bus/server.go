package bus

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// errInUse: another process serves the same data folder.
var errInUse = errors.New("the data folder is in use")

// embedded is the NATS server inside this process.
type embedded struct {
	server *server.Server
	log    *serverLog
	token  string
	lock   *os.File // held for as long as the server lives
	site   string   // path of bus.json
}

// site is what bus.json tells sibling commands. The file is readable by its owner only: the token gives full access to the streams.
type site struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	PID   int    `json:"pid"`
}

func sitePath(dataDir string) string { return filepath.Join(dataDir, "bus.json") }

func startEmbedded(cfg Config, log *slog.Logger) (*embedded, error) {
	if err := os.MkdirAll(cfg.storeDir(), 0o750); err != nil {
		return nil, fmt.Errorf("bus: data folder: %w", err)
	}
	lock, err := lockDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	e := &embedded{log: &serverLog{log: log}, token: rand.Text(), lock: lock, site: sitePath(cfg.DataDir)}
	if err := e.start(cfg); err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

// serverOptions are the settings of the embedded server that matter for what it promises.
func serverOptions(cfg Config, token, host string, port int) *server.Options {
	b := cfg.Budgets
	return &server.Options{
		ServerName:    "bridgewatch",
		Host:          host,
		Port:          port,
		Authorization: token,
		NoSigs:        true,
		MaxPayload:    int32(cfg.MaxPayload),
		MaxPending:    64 << 20,

		JetStream: true,
		StoreDir:  cfg.storeDir(),
		// The promise behind a 200: each write is on the disk before it is acknowledged.
		SyncAlways: true,
		// Budgets are the limit, not a share of what happens to be free at the start.
		JetStreamMaxStore:  b.CDR + b.Events + b.Status + b.Syslog + b.Dead + 1<<30,
		JetStreamMaxMemory: 64 << 20,
	}
}

func (e *embedded) start(cfg Config) error {
	host, portText, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return fmt.Errorf("bus: listen %q: %w", cfg.Listen, err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return fmt.Errorf("bus: listen %q: the port is not a number", cfg.Listen)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	e.server, err = server.NewServer(serverOptions(cfg, e.token, host, port))
	if err != nil {
		return fmt.Errorf("bus: embedded server: %w", err)
	}
	e.server.SetLoggerV2(e.log, false, false, false)
	e.server.Start()
	// Recovery of a large backlog reads it once; the server accepts connections only afterwards.
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if fatal := e.log.fatal.Load(); fatal != nil {
			return fmt.Errorf("bus: embedded server: %s", *fatal)
		}
		if e.server.ReadyForConnections(100 * time.Millisecond) {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("bus: embedded server on %s is not ready after 2 minutes", cfg.Listen)
		}
	}
	if fatal := e.log.fatal.Load(); fatal != nil {
		return fmt.Errorf("bus: embedded server: %s", *fatal)
	}
	return writeSite(e.site, site{URL: "nats://" + e.server.Addr().String(), Token: e.token, PID: os.Getpid()})
}

// dial connects in process, without a socket.
func (e *embedded) dial(options ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect("", append(options, nats.InProcessServer(e.server), nats.Token(e.token))...)
	if err != nil {
		return nil, fmt.Errorf("bus: connecting to the embedded server: %w", err)
	}
	return nc, nil
}

// stop ends the server, after which the folder is free for another process.
func (e *embedded) stop() {
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
		os.Remove(e.site) // names a server that is gone
	}
	e.lock.Close()
}

// lockDir takes the lock that keeps two processes from serving one folder. The kernel drops it with the process, however that ends.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "bus.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("bus: data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("bus: locking %s: %w", path, err)
		}
		if s, err := readSite(sitePath(dir)); err == nil {
			return nil, fmt.Errorf("bus: %w: process %d serves %s", errInUse, s.PID, dir)
		}
		return nil, fmt.Errorf("bus: %w: another process serves %s", errInUse, dir)
	}
	return f, nil
}

// Served tells whether a process serves the embedded bus of a data folder at this moment.
func Served(dataDir string) bool {
	if _, err := os.Stat(dataDir); err != nil {
		return false
	}
	lock, err := lockDir(dataDir)
	if err != nil {
		return errors.Is(err, errInUse)
	}
	lock.Close()
	return false
}

func writeSite(path string, s site) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	// A fresh file, so that its mode is ours whatever lay there before; renamed, so that a reader never sees half of it.
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("bus: %w", err)
	}
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	return nil
}

func readSite(path string) (site, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return site{}, err
	}
	var s site
	if err := json.Unmarshal(data, &s); err != nil {
		return site{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// serverLog passes the server's lines on. Its notices are details to us, and a fatal line is the error that start returns.
type serverLog struct {
	log   *slog.Logger
	fatal atomic.Pointer[string]
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(line(format, v)) }
func (l *serverLog) Debugf(format string, v ...any)  { l.log.Debug(line(format, v)) }
func (l *serverLog) Tracef(format string, v ...any)  { l.log.Debug(line(format, v)) }
func (l *serverLog) Warnf(format string, v ...any)   { l.log.Warn(line(format, v)) }
func (l *serverLog) Errorf(format string, v ...any)  { l.log.Error(line(format, v)) }

func (l *serverLog) Fatalf(format string, v ...any) {
	s := line(format, v)
	l.fatal.CompareAndSwap(nil, &s)
}

func line(format string, v []any) string {
	return strings.Join(strings.Fields(fmt.Sprintf(format, v...)), " ")
}
