package bus_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestAcknowledge: whatever part of its batches a reader acknowledges, while others publish, and with the broker started anew in between: what was acknowledged
// never comes again, all else does, and nothing stays behind.
func TestAcknowledge(t *testing.T) {
	dir := t.TempDir()
	chance := rand.New(rand.NewPCG(7, 11))
	published, ended := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	round := func(parts ...string) { // what to acknowledge of each batch
		cfg := bus.DefaultConfig()
		cfg.DataDir = dir
		b := bus.New(cfg, bus.Deps{})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		defer func() {
			stop()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		}()
		select {
		case <-b.Ready():
		case err := <-done:
			t.Fatalf("Run: %v", err)
		}
		c, err := b.Consumer(ctx, bus.CDR)
		if err != nil {
			t.Fatal(err)
		}
		publish := func(count int) {
			for range count {
				one := body("cb1", "x")
				if err := b.PublishBody(ctx, one); err != nil {
					t.Fatal(err)
				}
				published[one.ID] = true
			}
		}
		for _, part := range parts {
			publish(150)
			wait, cancel := context.WithTimeout(ctx, 20*time.Second)
			batch, err := c.Batch(wait, 120, 1<<20, 50*time.Millisecond)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			publish(20) // what came meanwhile is not touched
			var stored, others []jetstream.Msg
			for i, msg := range batch {
				take := true
				switch part {
				case "all but the first":
					take = i > 0
				case "all but one in the middle":
					take = i != len(batch)/2
				case "some":
					take = chance.IntN(10) > 0
				case "none":
					take = false
				}
				if take {
					stored = append(stored, msg)
				} else {
					others = append(others, msg)
				}
			}
			for _, msg := range stored {
				for _, one := range bodiesOf(t, msg) {
					if ended[one.ID] {
						t.Fatalf("%s: body %s came again after it was acknowledged", part, one.ID)
					}
					ended[one.ID] = true
				}
			}
			for i, j := range chance.Perm(len(stored)) { // in any order
				stored[i], stored[j] = stored[j], stored[i]
			}
			if err := b.Acknowledge(ctx, bus.CDR, stored); err != nil {
				t.Fatalf("%s: %v", part, err)
			}
			for _, msg := range others {
				if err := msg.Nak(); err != nil {
					t.Fatal(err)
				}
			}
			left(t, b, len(published)-len(ended)) // single acknowledgements travel by themselves
		}
	}
	round("all", "all but the first", "all", "none", "all but one in the middle", "all", "some", "some", "all", "all")
	round("all", "some", "none", "all", "all", "all", "all", "all")
	for range 3 {
		round("all", "all", "all", "all")
	}
	for id := range ended {
		delete(published, id)
	}
	cfg := bus.DefaultConfig()
	cfg.DataDir = dir
	b := bus.New(cfg, bus.Deps{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	defer func() { stop(); <-done }()
	<-b.Ready()
	c, err := b.Consumer(ctx, bus.CDR)
	if err != nil {
		t.Fatal(err)
	}
	for len(published) > 0 {
		wait, cancel := context.WithTimeout(ctx, 70*time.Second) // what was not given back comes after the acknowledgement's time
		batch, err := c.Batch(wait, 5000, 16<<20, 50*time.Millisecond)
		cancel()
		if err != nil {
			t.Fatalf("%d bodies did not come: %v", len(published), err)
		}
		for _, msg := range batch {
			for _, one := range bodiesOf(t, msg) {
				if ended[one.ID] {
					t.Fatalf("body %s came again after it was acknowledged", one.ID)
				}
				delete(published, one.ID)
			}
		}
		if err := b.Acknowledge(ctx, bus.CDR, batch); err != nil {
			t.Fatal(err)
		}
	}
	left(t, b, 0)
}

// left waits until the stream has so many messages.
func left(t *testing.T, b *bus.Bus, want int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stats, err := b.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s := stats[bus.CDR]; s.Messages == uint64(want) {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("the stream has %+v, want %d messages", s, want)
		}
	}
}

func bodiesOf(t *testing.T, msg jetstream.Msg) []bus.Body {
	t.Helper()
	bodies, err := bus.Bodies(msg)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clip(bodies)
}

// TestAcknowledgeTogether: the consumer has nothing left of what was removed at once, and goes on behind it.
func TestAcknowledgeTogether(t *testing.T) {
	b := storagetest.Bus(t)
	c, err := b.Consumer(t.Context(), bus.CDR)
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if err := b.PublishBody(t.Context(), body("cb1", "x")); err != nil {
			t.Fatal(err)
		}
	}
	batch, err := c.Batch(t.Context(), 150, 1<<20, 50*time.Millisecond)
	if err != nil || len(batch) != 150 {
		t.Fatalf("%d messages, %v; want 150", len(batch), err)
	}
	if err := b.Acknowledge(t.Context(), bus.CDR, batch); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		stats, err := b.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s := stats[bus.CDR]; s.Messages == 50 && s.Unacked == 0 {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("%+v, want 50 messages and none unacknowledged", s)
		}
	}
}
