package writer

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// runRows writes the rows of one stream into the tables they name, until ctx ends.
func (w *Writer) runRows(ctx context.Context, stream bus.Stream) error {
	tables := map[string]storage.Table{}
	for _, t := range storage.Tables() {
		tables[t.Name] = t
	}
	return w.consume(ctx, stream, func(ctx context.Context, messages []jetstream.Msg) error {
		return w.writeRows(ctx, stream, tables, messages)
	})
}

// rowMessage is one message and the rows in it.
type rowMessage struct {
	msg  jetstream.Msg
	rows []any
}

// writeRows stores a batch. A message that can never be stored is put aside as a dead letter; the others are stored without it.
func (w *Writer) writeRows(ctx context.Context, stream bus.Stream, tables map[string]storage.Table, messages []jetstream.Msg) error {
	release := w.holdMessages(messages)
	defer release()
	byTable := map[string][]rowMessage{}
	for _, msg := range messages {
		name, raw, err := bus.Rows(msg)
		table, known := tables[name]
		if err == nil && !known {
			err = fmt.Errorf("no table %q takes rows from the bus", name)
		}
		var rows []any
		if err == nil {
			rows, err = table.Decode(raw)
		}
		if err != nil {
			if err := w.bury(ctx, stream, msg, err); err != nil {
				return err
			}
			continue
		}
		byTable[name] = append(byTable[name], rowMessage{msg, rows})
	}
	var stored []jetstream.Msg
	for name, batch := range byTable {
		ended, err := w.writeTable(ctx, stream, tables[name], batch)
		if err != nil {
			return err
		}
		stored = append(stored, ended...)
	}
	w.acknowledge(ctx, stream, stored)
	return nil
}

// writeTable stores the messages of one table and returns those that are stored; where the rows themselves are refused it halves the batch until the message
// at fault is alone.
func (w *Writer) writeTable(ctx context.Context, stream bus.Stream, table storage.Table, batch []rowMessage) (stored []jetstream.Msg, err error) {
	var rows []any
	for _, m := range batch {
		rows = append(rows, m.rows...)
		stored = append(stored, m.msg)
	}
	if len(rows) == 0 {
		return stored, nil
	}
	err = w.insertOnce(ctx, table, rows)
	switch {
	case err == nil:
		return stored, nil
	case permanent(err) && len(batch) == 1:
		return nil, w.bury(ctx, stream, batch[0].msg, err)
	case permanent(err):
		first, err := w.writeTable(ctx, stream, table, batch[:len(batch)/2])
		if err != nil {
			return nil, err
		}
		second, err := w.writeTable(ctx, stream, table, batch[len(batch)/2:])
		return append(first, second...), err
	default:
		return stored, w.insert(ctx, table, rows)
	}
}

// acknowledge ends messages that are stored. Where the broker does not hear it they come again, which changes nothing.
func (w *Writer) acknowledge(ctx context.Context, stream bus.Stream, messages []jetstream.Msg) {
	if err := w.deps.Bus.Acknowledge(ctx, stream, messages); err != nil {
		w.log.Debug("acknowledgement failed; the messages will come again", "error", err)
	}
}

// bury puts a message that can never be stored aside, where a person can look at it.
func (w *Writer) bury(ctx context.Context, stream bus.Stream, msg jetstream.Msg, reason error) error {
	w.log.Error("message cannot be stored; it is kept as a dead letter", "subject", msg.Subject(), "error", reason)
	w.metrics.dead.WithLabelValues(string(stream)).Inc()
	err := w.retry(ctx, "dead letter", func(ctx context.Context) error {
		return w.deps.Bus.PublishDead(ctx, string(stream), reason.Error(), msg)
	})
	if err != nil {
		return err
	}
	if err := msg.TermWithReason("dead letter"); err != nil {
		w.log.Debug("message cannot be ended; it will come again", "subject", msg.Subject(), "error", err)
	}
	return nil
}
