// Package writer moves what lies on the bus into ClickHouse: bodies and the facts they add up to, and the rows of the other feeds.
//
// A message is acknowledged only after everything it led to is stored, so a crash at any moment means that it is delivered again; every
// insert is idempotent (the tables collapse equal keys), so delivering again changes nothing. One writer owns the facts of the sessions
// it is fed: facts are recomputed from records, never patched from what another writer may have stored.
package writer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// HeartbeatSource is the source of bodies that Bridgewatch sends to itself to measure its own pipeline. They reach none of the CDR tables.
const HeartbeatSource = "_heartbeat"

// Config of the writer.
type Config struct {
	// Linger is how long a batch waits for more messages after its first; it bounds how stale a query is.
	Linger time.Duration
	// BatchMessages and BatchBytes bound a batch.
	BatchMessages int
	BatchBytes    int
	// ChunkRecords bounds the records that are decoded and held at one time, so that a body of any size takes bounded memory.
	ChunkRecords int
	// RetryMin and RetryMax bound the pause between two attempts to insert while ClickHouse is away.
	RetryMin, RetryMax time.Duration
	// Facts are the settings that facts depend on.
	Facts cdr.Settings
}

// DefaultConfig suits one machine: queryable within about half a second, a few parts a second.
func DefaultConfig() Config {
	return Config{
		Linger:        300 * time.Millisecond,
		BatchMessages: 16000,
		BatchBytes:    16 << 20,
		ChunkRecords:  16000,
		RetryMin:      100 * time.Millisecond,
		RetryMax:      5 * time.Second,
		Facts:         cdr.DefaultSettings(),
	}
}

// Validate names the first setting that cannot work.
func (c Config) Validate() error {
	switch {
	case c.Linger <= 0 || c.BatchMessages <= 0 || c.BatchBytes <= 0 || c.ChunkRecords <= 0:
		return errors.New("writer: linger and batch limits must be positive")
	case c.RetryMin <= 0 || c.RetryMax < c.RetryMin:
		return errors.New("writer: retry pauses must be positive and in order")
	}
	return nil
}

// Observer hears of what was stored, after it was stored. Its methods are called from one goroutine and must not block.
type Observer interface {
	// RecordStored: isNew is false for a duplicate; replayed records are history, not news.
	RecordStored(r cdr.SourcedRecord, isNew, replayed bool)
	// FactsStored are the rows that changed.
	FactsStored(f cdr.Facts)
	// BodyQuarantined: a body of the source was not, or not wholly, understood.
	BodyQuarantined(cluster, source string, replayed bool)
	// HeartbeatStored: a heartbeat of the pipeline, sent at that time, is in the store.
	HeartbeatStored(sent time.Time)
}

// Deps are what the composition root gives the writer.
type Deps struct {
	Bus      *bus.Bus
	Store    driver.Conn
	Observer Observer // nil: nobody listens
	// Bridges names the configured bridges by callBridge GUID, as far as they are known at the moment; nil: none ever is.
	Bridges    func() map[uuid.UUID]cdr.Bridge
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
}

// Writer moves messages into tables. One Run at a time.
type Writer struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	now     func() time.Time
	metrics *metrics
}

// New makes a writer that does nothing before Run.
func New(cfg Config, deps Deps) *Writer {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Observer == nil {
		deps.Observer = silent{}
	}
	log := cmp.Or(deps.Log, slog.New(slog.DiscardHandler)).With("component", "writer")
	return &Writer{cfg: cfg, deps: deps, log: log, now: deps.Now, metrics: newMetrics(deps.Registerer)}
}

// Run writes until ctx ends; what was begun is finished or will be delivered again.
func (w *Writer) Run(ctx context.Context) error {
	if err := w.cfg.Validate(); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.runCDR(ctx) })
	for _, stream := range []bus.Stream{bus.Status, bus.Events, bus.Syslog} {
		group.Go(func() error { return w.runRows(ctx, stream) })
	}
	return group.Wait()
}

type silent struct{}

func (silent) RecordStored(cdr.SourcedRecord, bool, bool) {}
func (silent) FactsStored(cdr.Facts)                      {}
func (silent) HeartbeatStored(time.Time)                  {}
func (silent) BodyQuarantined(string, string, bool)       {}

// metrics of the writer itself.
type metrics struct {
	rows     *prometheus.CounterVec
	failures *prometheus.CounterVec
	dead     *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	held     prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridgewatch_writer_rows_total", Help: "Rows inserted, by physical table."}, []string{"table"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridgewatch_writer_insert_failures_total", Help: "Inserts that failed and were tried again, by physical table."}, []string{"table"}),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridgewatch_writer_dead_letters_total", Help: "Messages that can never be stored and were put aside, by stream."}, []string{"stream"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bridgewatch_writer_batch_seconds", Help: "Seconds from the first message of a batch to its acknowledgement, by stream.",
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60}}, []string{"stream"}),
		held: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bridgewatch_writer_facts_in_memory", Help: "Calls, legs, recordings and streams that are open or not yet settled."}),
	}
	// Series that are there from the start let increase() see their first event.
	facts := []storage.Table{storage.Bodies, storage.Records, storage.Quarantine, storage.Heartbeats, storage.CallFacts, storage.LegFacts, storage.RecordingFacts,
		storage.StreamFacts, storage.SessionFacts}
	for _, t := range slices.Concat(facts, storage.Tables()) {
		m.rows.WithLabelValues(t.Name)
		m.failures.WithLabelValues(t.Name)
	}
	for _, s := range bus.Streams() {
		if s != bus.Dead {
			m.dead.WithLabelValues(string(s))
			m.seconds.WithLabelValues(string(s))
		}
	}
	if reg != nil {
		reg.MustRegister(m.rows, m.failures, m.dead, m.seconds, m.held)
	}
	return m
}

// wrapStream names the stream in an error that ends the writer.
func wrapStream(stream bus.Stream, err error) error {
	return fmt.Errorf("stream %s: %w", stream, err)
}
