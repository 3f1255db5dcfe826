package bus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// read takes bodies from the CDR stream until n are there, acknowledges their messages and returns them with the number of messages.
func read(t *testing.T, b *bus.Bus, n int) (bodies []bus.Body, messages int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := b.Consumer(ctx, bus.CDR)
	if err != nil {
		t.Fatalf("Consumer: %v", err)
	}
	for len(bodies) < n {
		batch, err := c.Batch(ctx, 1000, 64<<20, 10*time.Millisecond)
		if err != nil {
			t.Fatalf("Batch after %d of %d bodies: %v", len(bodies), n, err)
		}
		for _, msg := range batch {
			some, err := bus.Bodies(msg)
			if err != nil {
				t.Fatalf("Bodies: %v", err)
			}
			bodies = append(bodies, some...)
			messages++
			if err := msg.DoubleAck(ctx); err != nil {
				t.Fatalf("DoubleAck: %v", err)
			}
		}
	}
	return bodies, messages
}

func body(source, data string) bus.Body {
	return bus.Body{
		ID: uuid.Must(uuid.NewV7()), Source: source, Cluster: "emea", Received: time.Date(2026, 8, 3, 10, 0, 0, 123456789, time.UTC),
		Remote: "192.0.2.7", ContentType: "text/xml", Part: 1, Parts: 1, Data: []byte(data),
	}
}

func TestBodyComesBackAsItWasSent(t *testing.T) {
	b := storagetest.Bus(t)
	want := body("cb1.Düsseldorf *>", "<records>\x00\xff not even XML\r\n")
	want.Replayed = true
	if err := b.PublishBody(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, _ := read(t, b, 1)
	if diff := cmp.Diff([]bus.Body{want}, got); diff != "" {
		t.Errorf("(-sent +read)\n%s", diff)
	}
}

func TestConcurrentBodiesShareMessages(t *testing.T) {
	b := storagetest.Bus(t)
	const senders, each = 24, 40
	sent := sync.Map{}
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				one := body(fmt.Sprintf("cb%d", s), fmt.Sprintf("body %d of %d", i, s))
				sent.Store(one.ID, string(one.Data))
				if err := b.PublishBody(t.Context(), one); err != nil {
					t.Errorf("PublishBody: %v", err)
				}
			}
		})
	}
	wg.Wait()
	bodies, messages := read(t, b, senders*each)
	for _, one := range bodies {
		if data, ok := sent.LoadAndDelete(one.ID); !ok || data != string(one.Data) {
			t.Errorf("body %s: read %q, sent %v (%v)", one.ID, one.Data, data, ok)
		}
	}
	if len(bodies) != senders*each {
		t.Errorf("%d bodies for %d sent", len(bodies), senders*each)
	}
	if messages >= len(bodies)/2 {
		t.Errorf("%d bodies took %d messages; want them grouped", len(bodies), messages)
	}
}

func TestLargeBodyTravelsInParts(t *testing.T) {
	b := storagetest.Bus(t, func(c *bus.Config) { c.MaxPayload = 128 << 10 })
	data := make([]byte, 3<<20+17)
	rand.NewChaCha8([32]byte{}).Read(data)
	one := body("cb1", string(data))
	if err := b.PublishBody(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	parts := len(data)/(128<<10-8<<10-64) + 1
	got, _ := read(t, b, parts)
	var whole []byte
	for i, p := range got {
		if p.ID != one.ID || p.Part != i+1 || p.Parts != parts {
			t.Fatalf("part %d: id %s part %d of %d; want %s part %d of %d", i, p.ID, p.Part, p.Parts, one.ID, i+1, parts)
		}
		whole = append(whole, p.Data...)
	}
	if !bytes.Equal(whole, data) {
		t.Errorf("the parts put together differ from the %d bytes sent", len(data))
	}
}

// A reader that breaks off has its parts taken back, so that nothing half stays behind.
func TestBrokenBodyIsWithdrawn(t *testing.T) {
	b := storagetest.Bus(t, func(c *bus.Config) { c.MaxPayload = 128 << 10 })
	err := b.PublishBodyFrom(t.Context(), body("cb1", ""), bytes.NewReader(make([]byte, 500<<10)), 600<<10)
	if err == nil {
		t.Fatal("PublishBodyFrom of a short reader succeeded")
	}
	stats, err := b.Stats(t.Context())
	if err != nil || stats[bus.CDR].Messages != 0 {
		t.Errorf("after a broken body: %d messages, %v; want none", stats[bus.CDR].Messages, err)
	}
}

type row struct {
	Bridge string `json:"bridge"`
	Load   int    `json:"load"`
}

func TestRows(t *testing.T) {
	b := storagetest.Bus(t, func(c *bus.Config) { c.MaxPayload = 64 << 10 })
	want := make([]row, 5000) // far above one message
	for i := range want {
		want[i] = row{Bridge: "cb1", Load: i}
	}
	subject := bus.Subject("status", "cb 1", "load")
	if subject != "cms.status.cb=201.load" {
		t.Errorf("subject %q", subject)
	}
	if err := b.PublishRows(t.Context(), subject, "bridge_samples_raw", want); err != nil {
		t.Fatal(err)
	}
	if err := b.PublishRows(t.Context(), subject, "bridge_samples_raw", []row{}); err != nil {
		t.Errorf("no rows: %v", err)
	}
	c, err := b.Consumer(t.Context(), bus.Status)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []row
	for len(got) < len(want) {
		batch, err := c.Batch(ctx, 100, 1<<20, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, msg := range batch {
			table, data, err := bus.Rows(msg)
			var some []row
			if err != nil || table != "bridge_samples_raw" || json.Unmarshal(data, &some) != nil {
				t.Fatalf("Rows: table %q, %v", table, err)
			}
			got = append(got, some...)
			msg.Ack()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-sent +read)\n%s", diff)
	}
}

func TestRowsRefused(t *testing.T) {
	b := storagetest.Bus(t, func(c *bus.Config) { c.MaxPayload = 64 << 10 })
	for name, publish := range map[string]func() error{
		"not a slice":     func() error { return b.PublishRows(t.Context(), "cms.status.a.b", "t", row{}) },
		"foreign subject": func() error { return b.PublishRows(t.Context(), "cms.cdr.a", "t", []row{{}}) },
		"row over payload": func() error {
			return b.PublishRows(t.Context(), "cms.status.a.b", "t", []row{{Bridge: strings.Repeat("x", 70<<10)}})
		},
	} {
		if err := publish(); err == nil || errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("%s: %v; want an error that says what is wrong", name, err)
		}
	}
}

// A full stream refuses, keeps what it has, and goes on once the writer has made room.
func TestFullAndRoomAgain(t *testing.T) {
	b := storagetest.Bus(t, func(c *bus.Config) { c.Budgets.CDR = 2 << 20 })
	n := 0
	var err error
	for ; n < 100; n++ {
		if err = b.PublishBody(t.Context(), body("cb1", strings.Repeat("x", 100<<10))); err != nil {
			break
		}
	}
	if !errors.Is(err, bus.ErrFull) || n < 10 {
		t.Fatalf("after %d bodies: %v; want ErrFull after about 20", n, err)
	}
	// A body in parts that fits only in part leaves nothing behind.
	if err := b.PublishBody(t.Context(), body("cb1", strings.Repeat("y", 3<<20))); !errors.Is(err, bus.ErrFull) {
		t.Errorf("large body: %v; want ErrFull", err)
	}
	if bodies, _ := read(t, b, n); len(bodies) != n {
		t.Errorf("%d bodies in the full stream; want %d", len(bodies), n)
	}
	if err := b.PublishBody(t.Context(), body("cb1", "after room was made")); err != nil {
		t.Errorf("after room was made: %v", err)
	}
	if bodies, _ := read(t, b, 1); string(bodies[0].Data) != "after room was made" {
		t.Errorf("read %q", bodies[0].Data)
	}
}

func TestDiskWithoutRoomRefusesBodies(t *testing.T) {
	b := storagetest.Bus(t, func(c *bus.Config) { c.MinFreeDisk = 1 << 62 })
	if err := b.PublishBody(t.Context(), body("cb1", "x")); !errors.Is(err, bus.ErrFull) {
		t.Errorf("PublishBody: %v; want ErrFull", err)
	}
}

func TestNakedMessageComesAgain(t *testing.T) {
	b := storagetest.Bus(t)
	if err := b.PublishBody(t.Context(), body("cb1", "x")); err != nil {
		t.Fatal(err)
	}
	c, err := b.Consumer(t.Context(), bus.CDR)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		batch, err := c.Batch(t.Context(), 10, 1<<20, time.Millisecond)
		if err != nil || len(batch) != 1 {
			t.Fatalf("delivery %d: %d messages, %v", i, len(batch), err)
		}
		meta, err := batch[0].Metadata()
		if err != nil || meta.NumDelivered != uint64(i+1) {
			t.Errorf("delivery %d says it is number %d, %v", i, meta.NumDelivered, err)
		}
		batch[0].Nak()
	}
}

// TestHaltedReader: a reader that took a batch and does nothing for longer than the broker's heartbeats holds up and loses nothing: all that came meanwhile is there at once, each once.
func TestHaltedReader(t *testing.T) {
	b := storagetest.Bus(t)
	c, err := b.Consumer(t.Context(), bus.CDR)
	if err != nil {
		t.Fatal(err)
	}
	const n = 6000
	publish := func(count int) {
		t.Helper()
		for range count {
			if err := b.PublishBody(t.Context(), body("cb1", "x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(100)
	batch, err := c.Batch(t.Context(), 10, 1<<20, time.Millisecond)
	if err != nil || len(batch) != 10 {
		t.Fatalf("%d messages, %v; want 10", len(batch), err)
	}
	publish(n - 100)
	time.Sleep(12 * time.Second)
	start := time.Now()
	seen := len(batch)
	for _, msg := range batch {
		if err := msg.Ack(); err != nil {
			t.Fatal(err)
		}
	}
	for seen < n {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		batch, err := c.Batch(ctx, 5000, 16<<20, time.Millisecond)
		cancel()
		if err != nil {
			t.Fatalf("after %d of %d: %v", seen, n, err)
		}
		for _, msg := range batch {
			if meta, err := msg.Metadata(); err != nil || meta.NumDelivered != 1 {
				t.Fatalf("delivered for the %d. time (%v)", meta.NumDelivered, err)
			}
			if err := msg.Ack(); err != nil {
				t.Fatal(err)
			}
		}
		seen += len(batch)
	}
	if took := time.Since(start); seen != n || took > 15*time.Second {
		t.Errorf("%d messages in %s, want %d at once", seen, took, n)
	}
}

func TestDeadLetter(t *testing.T) {
	b := storagetest.Bus(t)
	if err := b.PublishRows(t.Context(), bus.Subject("syslog", "cb1"), "nosuch", []row{{}}); err != nil {
		t.Fatal(err)
	}
	c, err := b.Consumer(t.Context(), bus.Syslog)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Batch(t.Context(), 1, 1<<20, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.PublishDead(t.Context(), "rows", "no table\r\nof that name", batch[0]); err != nil {
		t.Fatal(err)
	}
	batch[0].Term()
	stream, err := b.JetStream().Stream(t.Context(), string(bus.Dead))
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), "cms.dead.rows")
	if err != nil {
		t.Fatal(err)
	}
	if got := msg.Header.Get("Bridgewatch-Reason"); got != "no table  of that name" || msg.Header.Get("Bridgewatch-Subject") != "cms.syslog.cb1" {
		t.Errorf("headers %v", msg.Header)
	}
}

func TestNotRunningIsUnavailable(t *testing.T) {
	cfg := bus.DefaultConfig()
	cfg.DataDir = t.TempDir()
	b := bus.New(cfg, bus.Deps{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := b.PublishRows(ctx, "cms.status.a.b", "t", []row{{}}); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("PublishRows: %v; want ErrUnavailable", err)
	}
	if err := b.PublishBody(ctx, body("cb1", "x")); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("PublishBody: %v; want ErrUnavailable", err)
	}
	if _, err := b.Consumer(ctx, bus.CDR); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("Consumer: %v; want ErrUnavailable", err)
	}
}

// What was acknowledged before a stop is there after the next start, and the stop stores what callers still wait for.
func TestStopAndStartAgain(t *testing.T) {
	dir := t.TempDir()
	run := func() (*bus.Bus, func()) {
		cfg := bus.DefaultConfig()
		cfg.DataDir = dir
		b := bus.New(cfg, bus.Deps{})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		select {
		case <-b.Ready():
		case err := <-done:
			t.Fatalf("Run: %v", err)
		}
		return b, func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		}
	}
	b, stop := run()
	var mu sync.Mutex
	stored := map[uuid.UUID]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				one := body("cb1", "x")
				if err := b.PublishBody(context.Background(), one); err != nil {
					if !errors.Is(err, bus.ErrUnavailable) {
						t.Errorf("PublishBody while stopping: %v", err)
					}
					return
				}
				mu.Lock()
				stored[one.ID] = true
				mu.Unlock()
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	stop()
	wg.Wait()
	if _, err := os.Stat(filepath.Join(dir, "bus.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("bus.json after the stop: %v; want it gone", err)
	}
	b, stop = run()
	defer stop()
	bodies, _ := read(t, b, len(stored))
	for _, one := range bodies {
		delete(stored, one.ID)
	}
	if len(stored) > 0 {
		t.Errorf("%d bodies that were acknowledged are gone", len(stored))
	}
}

func TestSecondServerOnOneFolder(t *testing.T) {
	var dir string
	first := storagetest.Bus(t, func(c *bus.Config) { dir = c.DataDir })
	cfg := bus.DefaultConfig()
	cfg.DataDir = dir
	err := bus.New(cfg, bus.Deps{}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d serves", os.Getpid())) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Run on a folder in use: %v; want one line that names the process", err)
	}
	info, err := os.Stat(filepath.Join(dir, "bus.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("bus.json: %v, %v; want mode 0600", info.Mode(), err)
	}

	sibling := storagetest.Bus(t, func(c *bus.Config) { c.DataDir, c.Join = dir, true })
	if err := sibling.PublishBody(t.Context(), body("imported", "x")); err != nil {
		t.Fatalf("PublishBody of a sibling: %v", err)
	}
	if bodies, _ := read(t, first, 1); bodies[0].Source != "imported" {
		t.Errorf("read %+v", bodies[0])
	}
	if state, how := sibling.CheckSync(t.Context()); state != bus.SyncOn {
		t.Errorf("CheckSync of a sibling: %s (%s)", state, how)
	}
}

func TestErrorsAtStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var taken string
	other := storagetest.Bus(t, func(c *bus.Config) { taken = c.DataDir })
	_ = other
	site, err := os.ReadFile(filepath.Join(taken, "bus.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s struct{ URL string }
	if err := json.Unmarshal(site, &s); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*bus.Config)
		want   string
	}{
		"unwritable":   {func(c *bus.Config) { c.DataDir = filepath.Join(file, "x") }, "data folder"},
		"port in use":  {func(c *bus.Config) { c.Listen = strings.TrimPrefix(s.URL, "nats://") }, "address already in use"},
		"not loopback": {func(c *bus.Config) { c.Listen = "0.0.0.0:0" }, "loopback"},
		"no folder":    {func(c *bus.Config) { c.DataDir = "" }, "data_dir"},
	} {
		cfg := bus.DefaultConfig()
		cfg.DataDir = t.TempDir()
		c.change(&cfg)
		err := bus.New(cfg, bus.Deps{}).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want one line with %q", name, err, c.want)
		}
	}
}

func TestSyncIsOn(t *testing.T) {
	b := storagetest.Bus(t)
	if state, how := b.CheckSync(t.Context()); state != bus.SyncOn {
		t.Errorf("CheckSync: %s (%s); want on", state, how)
	}
}

func TestStreamsRefuseAndNeverAge(t *testing.T) {
	b := storagetest.Bus(t)
	for _, name := range bus.Streams() {
		stream, err := b.JetStream().Stream(t.Context(), string(name))
		if err != nil {
			t.Fatal(err)
		}
		c := stream.CachedInfo().Config
		if c.Discard != jetstream.DiscardNew || c.MaxAge != 0 || c.MaxBytes <= 0 || c.Storage != jetstream.FileStorage {
			t.Errorf("stream %s: discard %v, max age %v, max bytes %d, storage %v", name, c.Discard, c.MaxAge, c.MaxBytes, c.Storage)
		}
	}
}
