package bus_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

const shortTTL = 2 * time.Second

func leases(t *testing.T, b *bus.Bus, instance string) *bus.Leases {
	t.Helper()
	l, err := b.Leases(t.Context(), instance, shortTTL)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Two instances want the same bridge: never do both have it, the second gets it when the first gives it up, and its fence is higher.
func TestLeaseHasOneHolder(t *testing.T) {
	b := storagetest.Bus(t)
	var holders atomic.Int32
	fences := make(chan uint64, 10)
	do := func(ctx context.Context, fence uint64) error {
		if n := holders.Add(1); n != 1 {
			t.Errorf("%d holders at once", n)
		}
		defer holders.Add(-1)
		fences <- fence
		<-ctx.Done()
		return context.Cause(ctx)
	}
	run := func(instance string) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		l, done := leases(t, b, instance), make(chan error, 1)
		go func() { done <- l.Run(ctx, "cb 1.*", do) }()
		return func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Run of %s: %v", instance, err)
			}
		}
	}
	stopA := run("a")
	first := <-fences
	stopB := run("b")
	defer stopB()
	time.Sleep(3 * shortTTL / 2) // longer than a lease lives unless it is renewed
	if got, err := leases(t, b, "c").Holders(t.Context(), "cb 1.*", "other"); err != nil || len(got) != 1 || got["cb 1.*"] != "a" {
		t.Errorf("holders %v, %v; want a", got, err)
	}
	select {
	case <-fences:
		t.Fatal("the lease changed hands while it was renewed")
	default:
	}
	stopA()
	select {
	case second := <-fences:
		if second <= first {
			t.Errorf("fence %d after %d", second, first)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody took the lease that was given back")
	}
}

// A holder that can no longer reach the broker stops by itself, before the broker gives the lease to another; the other gets it after the time to live.
func TestLeaseOfALostInstance(t *testing.T) {
	var dir string
	b := storagetest.Bus(t, func(c *bus.Config) { dir = c.DataDir })
	// The instance that is lost is joined over the network; its connection is cut.
	lost := storagetest.Bus(t, func(c *bus.Config) { c.DataDir, c.Join = dir, true })
	held, ended := make(chan struct{}), make(chan time.Time, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l := leases(t, lost, "lost")
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		l.Run(ctx, "cb1", func(ctx context.Context, _ uint64) error {
			close(held)
			<-ctx.Done()
			if cause := context.Cause(ctx); !errors.Is(cause, bus.ErrLeaseLost) {
				t.Errorf("the holder's context ended with %v", cause)
			}
			ended <- time.Now()
			return nil
		})
	}()
	<-held
	lost.JetStream().Conn().Close()
	cut := time.Now()
	taken := make(chan time.Time, 1)
	go leases(t, b, "other").Run(ctx, "cb1", func(ctx context.Context, _ uint64) error {
		taken <- time.Now()
		<-ctx.Done()
		return nil
	})
	select {
	case at := <-taken:
		if stopped := <-ended; stopped.After(at) {
			t.Errorf("the lost holder stopped %v after another began", stopped.Sub(at))
		}
		t.Logf("taken over after %v with a time to live of %v", at.Sub(cut).Round(time.Millisecond), shortTTL)
	case <-time.After(30 * time.Second):
		t.Fatal("nobody took over within 30 s")
	}
	cancel()
	<-finished
}
