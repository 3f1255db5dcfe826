package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// errHandedOver is the cause with which a holder's context ends when the key is given up for an instance that holds fewer.
var errHandedOver = errors.New("handed over to another instance")

// Share divides keys among all instances that call it for the same group: each key has one holder at a time, as with Run, and while several instances live
// none keeps more than its fair part (keys divided by instances, rounded up), so that one which joins later gets work too. It calls do for every key while it
// is held, until ctx ends or one do returns by itself, whose error Share then returns. do must return soon after its context ended.
func (l *Leases) Share(ctx context.Context, group string, keys []string, do func(ctx context.Context, key string, fence uint64) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &sharing{leases: l, do: do, held: map[string]context.CancelCauseFunc{}, fail: cancel}
	defer s.wait.Wait()
	defer cancel(nil)
	s.wait.Go(func() { // known to the others for as long as this lasts
		_ = l.Run(ctx, memberName(group)+rand.Text(), func(ctx context.Context, _ uint64) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
	})
	next := time.NewTicker(l.ttl / 4)
	defer next.Stop()
	for {
		fair := len(keys)
		if members, err := l.members(ctx, group); err == nil {
			fair = (len(keys) + members - 1) / max(1, members)
			s.giveUp(fair)
		}
		s.take(ctx, group, keys, fair)
		select {
		case <-ctx.Done():
			s.wait.Wait()
			return context.Cause(ctx)
		case <-next.C:
		}
	}
}

// ShareKey is under which key Share holds a part of a group's work; Holders understands it.
func ShareKey(group, key string) string { return group + "/" + key }

func memberName(group string) string { return "member/" + group + "/" }

// members counts the instances that share a group's work now, at least one: ourselves.
func (l *Leases) members(ctx context.Context, group string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, l.ttl/4)
	defer cancel()
	entries, err := l.kv.ListKeys(ctx)
	if err != nil {
		return 0, fmt.Errorf("%w: instances that share %s: %w", ErrUnavailable, group, err)
	}
	prefix, n := Token(memberName(group)), 0
	for name := range entries.Keys() {
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			n++
		}
	}
	if err := ctx.Err(); err != nil { // the list may be cut short
		return 0, err
	}
	return max(1, n), nil
}

// sharing is what one call of Share holds.
type sharing struct {
	leases *Leases
	do     func(context.Context, string, uint64) error
	fail   context.CancelCauseFunc
	wait   sync.WaitGroup

	mu    sync.Mutex
	held  map[string]context.CancelCauseFunc
	going int // of held, those that were told to end
}

// giveUp ends what is held beyond the fair part.
func (s *sharing) giveUp(fair int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, end := range s.held {
		if len(s.held)-s.going <= fair {
			return
		}
		if end == nil { // told before
			continue
		}
		end(errHandedOver)
		s.held[key] = nil
		s.going++
	}
}

// take asks for every key that is not held here, as long as there is room.
func (s *sharing) take(ctx context.Context, group string, keys []string, fair int) {
	for _, key := range keys {
		s.mu.Lock()
		_, ours := s.held[key]
		room := len(s.held) < fair
		s.mu.Unlock()
		if ours || !room {
			continue
		}
		name, sent := Token(ShareKey(group, key)), time.Now()
		fence, err := s.leases.create(ctx, name)
		if errors.Is(err, jetstream.ErrKeyExists) {
			continue // somebody else's
		}
		if err != nil {
			s.leases.bus.log.Debug("lease cannot be asked for", "key", key, "error", err)
			return // nor can the others now
		}
		holding, end := context.WithCancelCause(ctx)
		s.mu.Lock()
		s.held[key] = end
		s.mu.Unlock()
		s.wait.Go(func() { s.hold(holding, end, key, name, fence, sent) })
	}
}

func (s *sharing) hold(ctx context.Context, end context.CancelCauseFunc, key, name string, fence uint64, sent time.Time) {
	err := s.leases.hold(ctx, name, fence, sent, func(ctx context.Context, fence uint64) error { return s.do(ctx, key, fence) })
	over := ctx.Err() != nil
	end(nil)
	s.mu.Lock()
	if s.held[key] == nil {
		s.going--
	}
	delete(s.held, key)
	s.mu.Unlock()
	switch {
	case over: // the whole call ends, or the key is handed over
	case errors.Is(err, ErrLeaseLost):
		s.leases.bus.log.Warn("lease lost", "key", key)
	default:
		s.fail(err)
	}
}
