package writer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bridgewatch/bridgewatch/storage"
)

// insertOnce sends rows (pointers to the table's row type) as one batch.
func (w *Writer) insertOnce(ctx context.Context, table storage.Table, rows []any) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		// A batch after an outage, an import or a hostile clock may touch many months.
		"throw_on_max_partitions_per_insert_block": 0,
	}))
	batch, err := w.deps.Store.PrepareBatch(ctx, table.Insert())
	if err != nil {
		return fmt.Errorf("insert into %s: %w", table.Name, err)
	}
	defer batch.Close() //nolint:errcheck // after Send there is nothing left to fail
	for _, row := range rows {
		if err := batch.AppendStruct(row); err != nil {
			return unstorable{fmt.Errorf("insert into %s: %w", table.Name, err)}
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert into %s: %w", table.Name, err)
	}
	w.metrics.rows.WithLabelValues(table.Name).Add(float64(len(rows)))
	return nil
}

// insert sends rows until they are stored or ctx ends. Whatever ClickHouse says, the rows stay ours.
func (w *Writer) insert(ctx context.Context, table storage.Table, rows []any) error {
	if len(rows) == 0 {
		return nil
	}
	pause := w.cfg.RetryMin
	for attempt := 1; ; attempt++ {
		err := w.insertOnce(ctx, table, rows)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		w.metrics.failures.WithLabelValues(table.Name).Inc()
		if attempt == 1 || attempt%20 == 0 {
			w.log.Warn("insert failed; it is tried again until it works", "table", table.Name, "rows", len(rows), "attempt", attempt, "error", err)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, w.cfg.RetryMax)
	}
}

// retry runs a query until it works or ctx ends.
func (w *Writer) retry(ctx context.Context, what string, query func(context.Context) error) error {
	pause := w.cfg.RetryMin
	for attempt := 1; ; attempt++ {
		err := query(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		if attempt == 1 || attempt%20 == 0 {
			w.log.Warn("query failed; it is tried again until it works", "query", what, "attempt", attempt, "error", err)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, w.cfg.RetryMax)
	}
}

// sleep waits for d with a quarter of jitter, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d - d/8 + rand.N(d/4+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unstorable marks rows that the client refused to encode: sending them again cannot help.
type unstorable struct{ error }

func (u unstorable) Unwrap() error { return u.error }

// permanent tells whether an insert failed because of the rows themselves. Only errors known to come from data count; all else may pass.
func permanent(err error) bool {
	if errors.As(err, new(unstorable)) {
		return true
	}
	var exception *clickhouse.Exception
	if !errors.As(err, &exception) {
		return false
	}
	switch exception.Code {
	case 6, 26, 27, 38, 41, 53, 69, 70, 72, 117, 321, 349, 407, 691: // cannot parse, type mismatch, out of range, cannot convert, incorrect data
		return true
	}
	return false
}

// holdMessages keeps telling the broker that the messages are being worked on, until the returned function is called.
func (w *Writer) holdMessages(messages []jetstream.Msg) (release func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(20 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				for _, m := range messages {
					if err := m.InProgress(); err != nil {
						w.log.Debug("message cannot be held; it may be delivered again", "error", err)
						break
					}
				}
			}
		}
	}()
	return func() { close(done) }
}
