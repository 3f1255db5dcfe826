package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// fill puts bodies on the bus, of which a reader takes the first away.
func fill(t *testing.T, b *bus.Bus) {
	t.Helper()
	for i := range 40 {
		if err := b.PublishBody(t.Context(), body("cb1", strings.Repeat(fmt.Sprintf("body %d ", i), 1+i*700))); err != nil {
			t.Fatal(err)
		}
	}
	c, err := b.Consumer(t.Context(), bus.CDR)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range take(t, c, 7) {
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// take reads n messages.
func take(t *testing.T, c *bus.Consumer, n int) []jetstream.Msg {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []jetstream.Msg
	for len(got) < n {
		batch, err := c.Batch(ctx, n-len(got), 1<<30, time.Second)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(got), n, err)
		}
		got = append(got, batch...)
	}
	return got
}

// lying is what a stream holds, by sequence.
func lying(t *testing.T, b *bus.Bus, stream bus.Stream) map[uint64]string {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), string(stream))
	if err != nil {
		t.Fatal(err)
	}
	state := s.CachedInfo().State
	out := map[uint64]string{}
	for seq := state.FirstSeq; seq <= state.LastSeq; seq++ {
		if m, err := s.GetMsg(t.Context(), seq); err == nil {
			out[seq] = m.Time.String() + m.Subject + fmt.Sprint(m.Header) + string(m.Data)
		}
	}
	return out
}

// A snapshot, restored on another server, has every message with its sequence and time; a reader gets them all; a full stream is not overwritten.
func TestSnapshotRestored(t *testing.T) {
	from, to := storagetest.Bus(t), storagetest.Bus(t)
	fill(t, from)
	for _, stream := range bus.Streams() {
		var data bytes.Buffer
		state, err := from.Snapshot(t.Context(), stream, &data)
		if err != nil {
			t.Fatal(err)
		}
		if err := to.Restore(t.Context(), stream, state, bytes.NewReader(data.Bytes())); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(lying(t, from, stream), lying(t, to, stream)); diff != "" {
			t.Errorf("stream %s (-before +after):\n%s", stream, diff)
		}
		if stream != bus.CDR {
			continue
		}
		if state.Messages != 33 || len(lying(t, to, stream)) != 33 {
			t.Errorf("%d messages in the snapshot, %d restored; want 33", state.Messages, len(lying(t, to, stream)))
		}
		if err := to.Restore(t.Context(), stream, state, bytes.NewReader(data.Bytes())); !errors.Is(err, bus.ErrNotEmpty) {
			t.Errorf("restoring over messages: %v; want ErrNotEmpty", err)
		}
		torn := storagetest.Bus(t)
		if err := torn.Restore(t.Context(), stream, state, bytes.NewReader(data.Bytes()[:data.Len()/2])); err == nil {
			t.Error("half a snapshot was restored without an error")
		}
	}
	c, err := to.Consumer(t.Context(), bus.CDR)
	if err != nil {
		t.Fatal(err)
	}
	take(t, c, 33)
}

// firstWrite calls then once, when the first piece arrives.
type firstWrite struct {
	bytes.Buffer
	then func()
}

func (w *firstWrite) Write(p []byte) (int, error) {
	if w.Len() == 0 {
		w.then()
	}
	return w.Buffer.Write(p)
}

// Messages whose content is stored while a snapshot is taken, and those published meanwhile, do not make it one that cannot be restored.
func TestSnapshotBesideReader(t *testing.T) {
	from, to := storagetest.Bus(t), storagetest.Bus(t)
	random := rand.New(rand.NewPCG(1, 2))
	const bodies, read = 24, 20 // more than the broker sends ahead
	for range bodies {
		data := make([]byte, 1<<20)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		if err := from.PublishBody(t.Context(), body("cb1", string(data))); err != nil {
			t.Fatal(err)
		}
	}
	c, err := from.Consumer(t.Context(), bus.CDR)
	if err != nil {
		t.Fatal(err)
	}
	taken := take(t, c, bodies)
	var data firstWrite
	data.then = func() {
		for _, m := range taken[bodies-read:] {
			if err := m.DoubleAck(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := from.PublishBody(t.Context(), body("cb1", "later")); err != nil {
			t.Error(err)
		}
	}
	state, err := from.Snapshot(t.Context(), bus.CDR, &data)
	if err != nil {
		t.Fatal(err)
	}
	if state.Messages != bodies || state.Least != bodies-read || state.Last != bodies {
		t.Errorf("%d to %d messages up to %d, want %d to %d up to %d", state.Least, state.Messages, state.Last, bodies-read, bodies, bodies)
	}
	if err := to.Restore(t.Context(), bus.CDR, state, bytes.NewReader(data.Bytes())); err != nil {
		t.Fatal(err)
	}
	got := lying(t, to, bus.CDR)
	for seq, m := range lying(t, from, bus.CDR) {
		if seq <= state.Last && got[seq] != m {
			t.Errorf("message %d, not acknowledged before the snapshot was ready, is not as it was", seq)
		}
	}
	if len(got) == bodies {
		t.Error("every message was in the snapshot: none was acknowledged while it was taken, and nothing is proven")
	}
	state.Least = uint64(len(got)) + 1
	again := storagetest.Bus(t)
	if err := again.Restore(t.Context(), bus.CDR, state, bytes.NewReader(data.Bytes())); err == nil {
		t.Error("a snapshot that lacks messages it must hold was restored without an error")
	}
}

// While paused nothing is handed out, however long it lasts, and publishing goes on; afterwards everything comes, and also when who paused went away.
func TestPause(t *testing.T) {
	b := storagetest.Bus(t)
	c, err := b.Consumer(t.Context(), bus.CDR)
	if err != nil {
		t.Fatal(err)
	}
	publish := func() {
		t.Helper()
		if err := b.PublishBody(t.Context(), body("cb1", "x")); err != nil {
			t.Fatal(err)
		}
	}
	publish()
	take(t, c, 1)
	const ttl = 6 * time.Second
	resume, err := b.Pause(t.Context(), ttl)
	if err != nil {
		t.Fatal(err)
	}
	publish()
	ctx, cancel := context.WithTimeout(t.Context(), 2*ttl)
	defer cancel()
	if got, err := c.Batch(ctx, 1, 1, time.Millisecond); err == nil {
		t.Errorf("%d messages were handed out during the pause", len(got))
	}
	if err := errors.Join(resume(), resume()); err != nil {
		t.Error(err)
	}
	take(t, c, 1)
	gone, leave := context.WithCancel(t.Context())
	if _, err := b.Pause(gone, ttl); err != nil {
		t.Fatal(err)
	}
	leave()
	publish()
	take(t, c, 1)
}
