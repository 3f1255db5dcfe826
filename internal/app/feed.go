package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/writer"
)

// Feeding counts what a command fed.
type Feeding struct {
	Bodies, Records, Faulty int64
	Left                    uint64 // messages that the writer has still to store, once all is fed
}

// feeder publishes bodies that were received before.
type feeder struct {
	bus      *bus.Bus
	bodies   atomic.Int64
	records  atomic.Int64
	faulty   atomic.Int64
	mu       sync.Mutex // of progress
	progress func(Feeding)
}

func (f *feeder) counts() Feeding {
	return Feeding{Bodies: f.bodies.Load(), Records: f.records.Load(), Faulty: f.faulty.Load()}
}

func (f *feeder) tell(left uint64) {
	if f.progress == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.counts()
	c.Left = left
	f.progress(c)
}

// feed publishes one body. While the bus is full or away it waits: the writer is emptying it.
func (f *feeder) feed(ctx context.Context, body bus.Body) error {
	body.Replayed = true
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := f.bus.PublishBody(ctx, body)
		switch {
		case err == nil:
			records, faulty := writer.Understood(bytes.NewReader(body.Data))
			f.bodies.Add(1)
			f.records.Add(records)
			if faulty {
				f.faulty.Add(1)
			}
			f.tell(0)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, bus.ErrFull) && !errors.Is(err, bus.ErrUnavailable):
			return fmt.Errorf("feed body %s: %w", body.ID, err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("feed body %s: %w", body.ID, err)
		}
	}
}

// stored waits until the writer has stored all that was fed.
func (f *feeder) stored(ctx context.Context) error {
	return f.bus.WaitStored(ctx, bus.CDR, f.tell)
}

// feedersAtOnce share one synced write to the bus.
const feedersAtOnce = 16

// Change is a row that a replay changes.
type Change = writer.Change

// Replay makes the facts of the bodies received in a period anew. It reports each row that differs, then, with apply, feeds the bodies again so that the
// writer stores the difference, and waits until it has.
func Replay(ctx context.Context, o Options, period storage.Period, apply bool, report func(Change) error, progress func(Feeding)) (writer.Recomputed, error) {
	var done writer.Recomputed
	err := withPipeline(ctx, o, func(ctx context.Context, p pipeline) error {
		var err error
		if done, err = writer.Recompute(ctx, p.conn, writerConfig(o.Config).Facts, period, time.Now(), report); err != nil || !apply || done.Changed+done.NewRecords == 0 {
			return err
		}
		f := &feeder{bus: p.bus, progress: progress}
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(feedersAtOnce)
		err = storage.EachBody(groupCtx, p.conn, period, func(head storage.KeptBody, data io.Reader) error {
			body, err := bodyOf(head, data)
			if err == nil {
				group.Go(func() error { return f.feed(groupCtx, body) })
			}
			return err
		})
		if err := errors.Join(group.Wait(), err); err != nil {
			return err
		}
		return f.stored(ctx)
	})
	return done, err
}

// bodyOf is a kept body as it came, to be fed again.
func bodyOf(head storage.KeptBody, data io.Reader) (bus.Body, error) {
	text, err := io.ReadAll(data)
	if err != nil {
		return bus.Body{}, fmt.Errorf("read body %s: %w", head.ID, err)
	}
	return bus.Body{ID: head.ID, Source: head.Source, Cluster: head.Cluster, Received: head.Received, Remote: head.Remote,
		ContentType: head.ContentType, Part: 1, Parts: 1, Data: text}, nil
}

// clusterOf finds the cluster of a configured bridge; bridge names are unique. An empty name is the only bridge.
func clusterOf(c config.Config, name string) (cluster, bridge string, err error) {
	var all []string
	for _, k := range c.Clusters {
		for _, b := range k.Bridges {
			all = append(all, b.Name)
			if name == b.Name {
				return k.Name, b.Name, nil
			}
			cluster, bridge = k.Name, b.Name
		}
	}
	if name == "" && len(all) == 1 {
		return cluster, bridge, nil
	}
	if name == "" {
		return "", "", fmt.Errorf("which bridge sent it is not known; say --source NAME, or put it into a folder of that name: %s", strings.Join(all, ", "))
	}
	return "", "", fmt.Errorf("no bridge %q is configured; there are %s", name, strings.Join(all, ", "))
}
