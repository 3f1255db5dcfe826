package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// What the supervisor hands to the child beside its standard streams.
const (
	statusFile     = 3 // the child writes one line of JSON when it serves, or why it cannot
	loopbackSocket = 4
	publicSocket   = 5 // only with order.Public
)

// order is what the supervisor tells its child, as one line of JSON on standard input; the secret is seen by nobody else there.
// Standard input stays open: its end tells the child to end.
type order struct {
	Library     string       `json:"library"`
	Folder      string       `json:"folder"` // of the engine's own data
	Secret      string       `json:"secret"`
	Public      bool         `json:"public"` // a second socket is handed over
	Connections int          `json:"connections"`
	Memory      uint64       `json:"memory"`
	Readers     ReaderLimits `json:"readers"`
}

// status is the child's answer.
type status struct {
	Version string `json:"version,omitempty"`
	Error   string `json:"error,omitempty"`
	Locked  bool   `json:"locked,omitempty"` // the folder belongs to another process
}

// ServeOptions are the child's ends of what its supervisor made. The zero value is what a real child uses.
type ServeOptions struct {
	// Orders is where the supervisor's order comes from, and whose end ends the child; nil means standard input.
	Orders io.Reader
}

// Serve is the child process: it opens the engine and answers ClickHouse's HTTP interface on the sockets it was given, until its
// supervisor goes away or the context ends. It is called by a hidden subcommand and nowhere else.
func Serve(ctx context.Context, opts ServeOptions) error {
	signal.Ignore(syscall.SIGINT) // Ctrl-C is meant for the supervisor, which ends the engine last
	if opts.Orders == nil {
		opts.Orders = os.Stdin
	}
	report := os.NewFile(statusFile, "status")
	if report == nil {
		return errors.New("the engine's child process is started by bridgewatch itself, not by hand")
	}
	defer report.Close()
	version, err := serveChild(ctx, opts.Orders, report)
	if err != nil && version == "" { // it never served: the supervisor wants to know why
		_ = json.NewEncoder(report).Encode(status{Error: err.Error(), Locked: errors.Is(err, errLocked)})
	}
	return err
}

func serveChild(ctx context.Context, orders io.Reader, report io.Writer) (version string, err error) {
	lines := bufio.NewReader(orders)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return "", errors.New("the engine's child process is started by bridgewatch itself, not by hand")
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return "", fmt.Errorf("read the supervisor's order: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, lines)
		stop()
	}()

	listeners, err := inherited(o.Public)
	if err != nil {
		return "", err
	}
	unlock, err := lock(o.Folder)
	if err != nil {
		return "", err
	}
	defer unlock()
	args, err := arguments(o)
	if err != nil {
		return "", err
	}
	lib, err := load(o.Library)
	if err != nil {
		return "", err
	}
	keep, err := lib.open(args...)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", o.Folder, err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	srv, err := newServer(keep, args, o.Secret, o.Connections, o.Readers, log)
	if err != nil {
		return "", err
	}
	server := &http.Server{
		Handler:           srv,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    2 << 20, // parameters come in the URL
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	requests, abandon := context.WithCancel(context.Background())
	defer abandon()
	server.BaseContext = func(net.Listener) context.Context { return requests }
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- server.Serve(l) }()
	}
	if err := json.NewEncoder(report).Encode(status{Version: srv.version}); err != nil {
		return "", fmt.Errorf("tell the supervisor: %w", err)
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	return srv.version, errors.Join(err, end(server, srv, abandon, keep))
}

// endPatience is how long running statements may still take when the child ends; whatever was answered is on disk by then.
const endPatience = time.Second

// end lets running statements end, kills those that last, and closes the engine if nothing runs in it any more.
func end(server *http.Server, srv *server, abandon func(), keep *connection) error {
	patience, cancel := context.WithTimeout(context.Background(), endPatience)
	defer cancel()
	if err := server.Shutdown(patience); err != nil {
		abandon()
		server.Close()
	}
	idle := make(chan struct{})
	go func() {
		srv.running.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		keep.close()
	case <-time.After(endPatience): // the process ends under the statement, as after a kill
	}
	return nil
}

// inherited takes over the sockets that the supervisor listens on.
func inherited(public bool) ([]net.Listener, error) {
	sockets := []uintptr{loopbackSocket}
	if public {
		sockets = append(sockets, publicSocket)
	}
	var listeners []net.Listener
	for _, fd := range sockets {
		f := os.NewFile(fd, "listener")
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("take over socket %d: %w", fd, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// serverConfig is the engine's configuration file: what cannot be set by a session.
type serverConfig struct {
	XMLName       xml.Name `xml:"clickhouse"`
	LogLevel      string   `xml:"logger>level"`
	Memory        uint64   `xml:"max_server_memory_usage"`
	FsyncInsert   int      `xml:"merge_tree>fsync_after_insert"`
	FsyncFolder   int      `xml:"merge_tree>fsync_part_directory"`
	MarkCache     uint64   `xml:"mark_cache_size"`
	Uncompressed  uint64   `xml:"uncompressed_cache_size"`
	BackgroundMin int      `xml:"background_schedule_pool_size"`
	Backups       string   `xml:"backups>allowed_path"` // where BACKUP may write, which only the owner may run
}

// arguments writes the engine's configuration file and returns the command line that opens a session.
func arguments(o order) ([]string, error) {
	config := serverConfig{LogLevel: "none", Memory: o.Memory, FsyncInsert: 1, FsyncFolder: 1, MarkCache: 256 << 20, Uncompressed: 0,
		BackgroundMin: max(4, 2*runtime.NumCPU()), Backups: "/"}
	text, err := xml.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(o.Folder, "config.xml")
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("write the engine's configuration: %w", err)
	}
	return []string{"clickhouse", "--path=" + filepath.Join(o.Folder, "store"), "--config-file=" + path}, nil
}
