package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

// Stats of a stream at an instant.
type Stats struct {
	Messages uint64    // stored and not yet acknowledged by the writer
	Bytes    uint64    // on disk for them
	Budget   int64     // bytes at which the stream refuses more
	Oldest   time.Time // when the oldest message was stored; zero if there is none
	Unacked  int       // delivered to a writer and not yet acknowledged
	At       time.Time // when this was read
}

// statsEvery is how often the figures behind the metrics are read.
const statsEvery = 5 * time.Second

// Stats asks the broker for the backlog of each stream, and brings the metrics up to it.
func (b *Bus) Stats(ctx context.Context) (map[Stream]Stats, error) {
	js, _, err := b.conn()
	if err != nil {
		return nil, err
	}
	all := map[Stream]Stats{}
	for _, name := range Streams() {
		stream, err := js.Stream(ctx, string(name))
		if err != nil {
			return nil, fmt.Errorf("%w: stream %s: %w", ErrUnavailable, name, err)
		}
		info := stream.CachedInfo()
		s := Stats{Messages: info.State.Msgs, Bytes: info.State.Bytes, Budget: info.Config.MaxBytes, At: b.now().UTC()}
		if s.Messages > 0 {
			s.Oldest = info.State.FirstTime.UTC()
		}
		if name != Dead {
			c, err := stream.Consumer(ctx, consumerName)
			if err != nil {
				return nil, fmt.Errorf("%w: consumer of stream %s: %w", ErrUnavailable, name, err)
			}
			s.Unacked = c.CachedInfo().NumAckPending
		}
		all[name] = s
	}
	b.metrics.backlog(all)
	return all, nil
}

// LastStats are the newest figures that were read, a few seconds old; empty before the first. It does not ask the broker.
func (b *Bus) LastStats() map[Stream]Stats {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return maps.Clone(b.stats)
}

func (b *Bus) watchStats(ctx context.Context) {
	tick := time.NewTicker(statsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.refreshStats(ctx)
		}
	}
}

func (b *Bus) refreshStats(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, statsEvery)
	defer cancel()
	all, err := b.Stats(ctx)
	if err != nil {
		b.log.Debug("stream figures cannot be read", "error", err)
		return
	}
	b.mu.Lock()
	b.stats = all
	b.mu.Unlock()
}

// SyncState tells whether the broker syncs each write before it acknowledges it.
type SyncState string

// The answers of CheckSync.
const (
	SyncOn      SyncState = "on"
	SyncOff     SyncState = "off"     // a power cut loses what was answered with 200
	SyncUnknown SyncState = "unknown" // the broker does not tell us
)

// CheckSync asks the broker itself whether `sync_interval: always` is in force, and says how it knows or why it cannot. An external server tells only over its
// system account or its monitoring address.
func (b *Bus) CheckSync(ctx context.Context) (SyncState, string) {
	_, nc, err := b.conn()
	if err != nil {
		return SyncUnknown, err.Error()
	}
	b.mu.RLock()
	embed := b.embed
	b.mu.RUnlock()
	if embed != nil {
		if c := embed.server.JetStreamConfig(); c != nil && c.SyncAlways {
			return SyncOn, "embedded server"
		}
		return SyncOff, "embedded server"
	}
	if b.cfg.URL == "" {
		return SyncOn, "the running instance's embedded server" // started by serverOptions, which know nothing else
	}
	if state, ok := syncBySystemAccount(ctx, nc); ok {
		return state, "server's answer over the system account"
	}
	if b.cfg.MonitorURL == "" {
		return SyncUnknown, "the account may not ask the server; set the monitoring address, or see that jetstream.sync_interval is always"
	}
	state, err := syncByMonitor(ctx, b.cfg.MonitorURL)
	if err != nil {
		return SyncUnknown, err.Error()
	}
	return state, "server's monitoring address"
}

// jsz is the part of the server's JetStream report that matters here.
type jsz struct {
	Config *struct {
		SyncAlways bool `json:"sync_always"`
	} `json:"config"`
}

func (j jsz) state() (SyncState, bool) {
	switch {
	case j.Config == nil:
		return SyncUnknown, false
	case j.Config.SyncAlways:
		return SyncOn, true
	default:
		return SyncOff, true
	}
}

func syncBySystemAccount(ctx context.Context, nc *nats.Conn) (SyncState, bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	reply, err := nc.RequestWithContext(ctx, "$SYS.REQ.SERVER.PING.JSZ", []byte(`{"config":true}`))
	if err != nil {
		return SyncUnknown, false
	}
	var answer struct{ Data jsz }
	if json.Unmarshal(reply.Data, &answer) != nil {
		return SyncUnknown, false
	}
	return answer.Data.state()
}

func syncByMonitor(ctx context.Context, address string) (SyncState, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(address, "/")+"/jsz?config=1", nil)
	if err != nil {
		return SyncUnknown, fmt.Errorf("bus: monitoring address: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return SyncUnknown, fmt.Errorf("bus: asking the monitoring address: %w", err)
	}
	defer resp.Body.Close()
	var answer jsz
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil {
		return SyncUnknown, fmt.Errorf("bus: answer of the monitoring address: %w", err)
	}
	state, ok := answer.state()
	if !ok {
		return SyncUnknown, errors.New("bus: the monitoring address does not report JetStream's configuration")
	}
	return state, nil
}

// diskRoom remembers for a moment how much of the disk is free: asking at each body would cost a system call under load.
type diskRoom struct {
	mu   sync.Mutex
	at   time.Time
	free int64
}

// hasRoom returns ErrFull when the disk under the embedded server has less than MinFreeDisk left. A disk that fills to the brim makes the server
// give up the stream until a restart; refusing a little earlier makes it go on by itself once room is made.
func (b *Bus) hasRoom() error {
	if b.cfg.MinFreeDisk <= 0 || b.cfg.URL != "" {
		return nil
	}
	const fresh = 200 * time.Millisecond
	r := &b.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.at) > fresh {
		var st syscall.Statfs_t
		if err := syscall.Statfs(b.cfg.DataDir, &st); err != nil {
			return nil // not known is not full; the write itself will tell
		}
		r.at, r.free = now, int64(st.Bavail)*int64(st.Bsize)
	}
	if r.free < b.cfg.MinFreeDisk {
		return fmt.Errorf("%w: %d bytes are free on the disk of %s and %d shall stay so", ErrFull, r.free, b.cfg.DataDir, b.cfg.MinFreeDisk)
	}
	return nil
}

// WaitStored waits until everything that lies in a stream at this moment was stored by a writer. progress, where given, is told how many messages are left.
func (b *Bus) WaitStored(ctx context.Context, name Stream, progress func(left uint64)) error {
	js, _, err := b.conn()
	if err != nil {
		return err
	}
	var last uint64
	for first := true; ; first = false {
		stream, err := js.Stream(ctx, string(name))
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%w: stream %s: %w", ErrUnavailable, name, err)
		}
		state := stream.CachedInfo().State
		if first {
			last = state.LastSeq
		}
		if state.Msgs == 0 || state.FirstSeq > last {
			return nil
		}
		if progress != nil {
			progress(last - state.FirstSeq + 1)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
