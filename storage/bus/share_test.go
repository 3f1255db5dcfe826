package bus_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// board notes who holds what and complains of two at once.
type board struct {
	t      *testing.T
	mu     sync.Mutex
	holder map[string]string
}

func (b *board) work(instance string) func(context.Context, string, uint64) error {
	return func(ctx context.Context, key string, _ uint64) error {
		b.mu.Lock()
		if other := b.holder[key]; other != "" {
			b.t.Errorf("%s and %s hold %s at once", other, instance, key)
		}
		b.holder[key] = instance
		b.mu.Unlock()
		<-ctx.Done()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.holder, key)
		return context.Cause(ctx)
	}
}

// eventually waits until every instance holds as many keys as wanted.
func (b *board) eventually(want map[string]int) {
	b.t.Helper()
	var got map[string]int
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		got = map[string]int{}
		b.mu.Lock()
		for _, instance := range b.holder {
			got[instance]++
		}
		b.mu.Unlock()
		if fmt.Sprint(got) == fmt.Sprint(want) {
			return
		}
	}
	b.t.Fatalf("keys held: %v, want %v", got, want)
}

// One instance has all keys, a second that joins gets half of them, and the one that stays gets them all again.
func TestShareIsFair(t *testing.T) {
	b := storagetest.Bus(t)
	keys := []string{"c1", "c2", "c3", "c 4.*", "c5"}
	seen := &board{t: t, holder: map[string]string{}}
	run := func(instance string) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		l, done := leases(t, b, instance), make(chan error, 1)
		go func() { done <- l.Share(ctx, "collect", keys, seen.work(instance)) }()
		return sync.OnceFunc(func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Share of %s: %v", instance, err)
			}
		})
	}
	stopA := run("a")
	defer stopA()
	seen.eventually(map[string]int{"a": 5})
	stopB := run("b")
	defer stopB()
	seen.eventually(map[string]int{"a": 3, "b": 2})
	holders, err := leases(t, b, "c").Holders(t.Context(), bus.ShareKey("collect", "c1"), bus.ShareKey("collect", "c 4.*"), bus.ShareKey("subscribe", "c1"))
	if err != nil || len(holders) != 2 {
		t.Errorf("holders %v, %v; want two", holders, err)
	}
	stopA()
	seen.eventually(map[string]int{"b": 5})
}

// Work that ends by itself ends the sharing with its error, and gives everything back.
func TestShareEndsWithItsWork(t *testing.T) {
	b := storagetest.Bus(t)
	broken := errors.New("broken")
	err := leases(t, b, "a").Share(t.Context(), "g", []string{"x", "y"}, func(ctx context.Context, key string, _ uint64) error {
		if key == "x" {
			return broken
		}
		<-ctx.Done()
		return context.Cause(ctx)
	})
	if !errors.Is(err, broken) {
		t.Errorf("Share: %v; want the work's error", err)
	}
	if holders, err := leases(t, b, "b").Holders(t.Context(), bus.ShareKey("g", "x"), bus.ShareKey("g", "y")); err != nil || len(holders) != 0 {
		t.Errorf("held after the end: %v, %v", holders, err)
	}
}
