// Package program runs what Bridgewatch tells of itself, by a clock that is moved: the real receiver, bus, writer, store and heartbeats, and the disk, with
// their own metrics. Faults come the way they do in life: a writer that stands still, a table that is gone, rows that nobody can store, an engine that dies.
package program

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/cdr/receiver"
	"github.com/bridgewatch/bridgewatch/internal/disk"
	"github.com/bridgewatch/bridgewatch/internal/heartbeat"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/engine"
	"github.com/bridgewatch/bridgewatch/storage/migrations"
	"github.com/bridgewatch/bridgewatch/storage/writer"
)

const (
	database   = "bridgewatch"
	heartbeats = "heartbeats_data"
	beatToken  = "heartbeats-of-the-stage"
	bodyToken  = "bodies-of-the-stage"
	busBudget  = 4 << 20         // bytes of the CDR stream, few enough to be filled at once
	diskBlocks = 25_000_000      // of blockSize bytes: a disk of 100 GB
	blockSize  = 4096            // bytes
	patience   = 2 * time.Minute // in which a heartbeat passes a pipeline without a fault, however loaded the machine is
	retries    = 20 * time.Millisecond
)

// Program is the pipeline. It is not safe for concurrent use.
type Program struct {
	// Registry has the metrics of all parts.
	Registry *prometheus.Registry

	bus      *bus.Bus
	receiver *receiver.Receiver
	writer   *writer.Writer
	store    driver.Conn
	beats    *heartbeat.Monitor
	client   *http.Client

	clock atomic.Int64 // Unix milliseconds
	free  atomic.Int64 // blocks of the disk
	held  string       // what keeps heartbeats from arriving at present: "writer" or the table that is gone

	stopWriter func()
	stops      []func() // of all other parts, in the order of their start
}

// Start starts everything in an empty folder; command is the command line of the engine's child process (engine.Config). Close ends it.
func Start(ctx context.Context, folder string, command []string) (*Program, error) {
	p := &Program{Registry: prometheus.NewRegistry(), client: &http.Client{Timeout: time.Minute}}
	p.clock.Store(time.Now().UnixMilli())
	p.SetDiskFree(0.8)
	if err := p.start(ctx, folder, command); err != nil {
		p.Close()
		return nil, fmt.Errorf("stage of the program: %w", err)
	}
	return p, nil
}

func (p *Program) start(ctx context.Context, folder string, command []string) error {
	p.Registry.MustRegister(disk.New(folder, func(_ string, st *syscall.Statfs_t) error {
		st.Blocks, st.Bavail, st.Bsize = diskBlocks, uint64(p.free.Load()), blockSize
		return nil
	}))
	engines := engine.DefaultConfig()
	engines.DataDir, engines.Command = folder, command
	e, err := engine.New(engines, engine.Deps{Registerer: p.Registry})
	if err != nil {
		return err
	}
	if err := p.begin(ctx, e.Run, e.Ready()); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if p.store, err = openStore(ctx, e); err != nil {
		return err
	}
	buses := bus.DefaultConfig()
	buses.DataDir, buses.MinFreeDisk, buses.Budgets.CDR = folder, 0, busBudget
	p.bus = bus.New(buses, bus.Deps{Registerer: p.Registry})
	if err := p.begin(ctx, p.bus.Run, p.bus.Ready()); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	receivers := receiver.DefaultConfig()
	receivers.Listen = "127.0.0.1:0"
	receivers.Sources = []receiver.Source{{Name: writer.HeartbeatSource, Token: beatToken}, {Name: "cb1", Cluster: "emea", Token: bodyToken}}
	p.receiver = receiver.New(receivers, receiver.Deps{Bus: p.bus, Registerer: p.Registry, Now: p.now})
	if err := p.begin(ctx, p.receiver.Run, p.receiver.Ready()); err != nil {
		return fmt.Errorf("receiver: %w", err)
	}
	p.beats = heartbeat.New(heartbeat.Deps{URL: func() string { return p.url() + "/cdr/" + beatToken }, Client: p.client, Newest: storage.NewQueries(p.store).NewestHeartbeat,
		Log: slog.New(slog.DiscardHandler), Now: p.now}, heartbeat.StageBus, heartbeat.StageStore, heartbeat.StageQuery)
	p.Registry.MustRegister(p.beats)
	writers := writer.DefaultConfig()
	writers.Linger, writers.RetryMin, writers.RetryMax = time.Millisecond, retries/4, retries
	p.writer = writer.New(writers, writer.Deps{Bus: p.bus, Store: p.store, Observer: stored{p.beats}, Registerer: p.Registry, Now: p.now})
	p.StartWriter(ctx)
	return nil
}

// begin runs a part until Close and waits until it is ready.
func (p *Program) begin(ctx context.Context, run func(context.Context) error, ready <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	select {
	case <-ready:
		p.stops = append(p.stops, func() { cancel(); <-done }) //nolint:errcheck // it was told to end
		return nil
	case err := <-done:
		cancel()
		return errors.Join(errors.New("ended before it was ready"), err)
	}
}

// openStore makes the database and its tables.
func openStore(ctx context.Context, e *engine.Engine) (driver.Conn, error) {
	server, err := clickhouse.Open(e.Options("default"))
	if err != nil {
		return nil, err
	}
	defer server.Close() //nolint:errcheck // nothing is pending on it
	if err := server.Exec(ctx, "CREATE DATABASE "+database); err != nil {
		return nil, fmt.Errorf("create database: %w", err)
	}
	var db *sql.DB = clickhouse.OpenDB(e.Options(database))
	defer db.Close() //nolint:errcheck // nothing is pending on it
	if _, err := migrations.Up(ctx, db); err != nil {
		return nil, err
	}
	return clickhouse.Open(e.Options(database))
}

// Close ends all parts.
func (p *Program) Close() {
	if p.stopWriter != nil {
		p.StopWriter()
	}
	for i := len(p.stops) - 1; i >= 0; i-- {
		if i == 0 && p.store != nil {
			_ = p.store.Close()
		}
		p.stops[i]()
	}
	p.stops = nil
}

func (p *Program) now() time.Time { return time.UnixMilli(p.clock.Load()) }

func (p *Program) url() string { return "http://" + p.receiver.Addr().String() }

// stored tells the heartbeats' monitor what the writer stored.
type stored struct{ beats *heartbeat.Monitor }

func (stored) RecordStored(cdr.SourcedRecord, bool, bool) {}
func (stored) FactsStored(cdr.Facts)                      {}
func (stored) BodyQuarantined(string, string, bool)       {}
func (s stored) HeartbeatStored(sent time.Time)           { s.beats.Reached(heartbeat.StageStore, sent) }
