package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrLeaseLost is the cause with which a holder's context ends when the lease could not be kept.
var ErrLeaseLost = errors.New("the lease is lost")

// Leases share work among instances: a key, such as the name of a bridge, is held by one instance at a time. The broker forgets a lease that was not renewed
// for the time to live, by its own clock, so instances need no common time. A holder that cannot renew gives up after three quarters of that time, counted
// from when it sent the last renewal that succeeded: it has stopped before anybody else can begin.
type Leases struct {
	bus   *Bus
	kv    jetstream.KeyValue
	owner string // name of the instance, a space, and a text that is this process's alone
	ttl   time.Duration
}

const leaseBucket = "LEASES"

// DefaultLeaseTTL has a dead holder's work taken over within 16 seconds: the time to live and a quarter.
const DefaultLeaseTTL = 12 * time.Second

// Leases opens the leases of an instance; all instances must use the same time to live. The instance's name is shown to people by Holders.
func (b *Bus) Leases(ctx context.Context, instance string, ttl time.Duration) (*Leases, error) {
	js, _, err := b.conn()
	if err != nil {
		return nil, err
	}
	l := &Leases{bus: b, owner: instance + " " + rand.Text(), ttl: ttl}
	err = b.patiently(ctx, func() (err error) {
		l.kv, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: leaseBucket, TTL: ttl, History: 1, Storage: jetstream.FileStorage, Replicas: b.cfg.Replicas, MaxBytes: 16 << 20,
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: leases: %w", ErrUnavailable, err)
	}
	return l, nil
}

// Run waits for the lease of a key and calls do while it is held, and again after a loss, until ctx ends or do returns by itself, whose error it then
// returns. The context of do ends with ErrLeaseLost when the lease is lost; do must return soon then. The fence rises with every holder of
// the key: what is written with a lower one was written by an earlier holder.
func (l *Leases) Run(ctx context.Context, key string, do func(ctx context.Context, fence uint64) error) error {
	name := Token(key)
	for {
		sent := time.Now()
		fence, err := l.create(ctx, name)
		switch {
		case err == nil:
			if err := l.hold(ctx, name, fence, sent, do); !errors.Is(err, ErrLeaseLost) {
				return err
			}
			l.bus.log.Warn("lease lost", "key", key)
		case errors.Is(err, jetstream.ErrKeyExists): // somebody else's
		case ctx.Err() == nil:
			l.bus.log.Debug("lease cannot be asked for", "key", key, "error", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(l.ttl / 4):
		}
	}
}

func (l *Leases) create(ctx context.Context, name string) (fence uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.ttl/4)
	defer cancel()
	return l.kv.Create(ctx, name, []byte(l.owner))
}

// hold runs do and renews the lease until do returns or the lease is lost. sent is when the request that got the lease was sent.
func (l *Leases) hold(ctx context.Context, name string, fence uint64, sent time.Time, do func(context.Context, uint64) error) error {
	held, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	done := make(chan error, 1)
	go func() { done <- do(held, fence) }()

	revision, safe := fence, sent.Add(l.ttl*3/4)
	renew := time.NewTicker(l.ttl / 4)
	defer renew.Stop()
	expired := time.NewTimer(time.Until(safe))
	defer expired.Stop()
	for {
		select {
		case err := <-done:
			l.release(name, revision)
			return err
		case <-expired.C:
			lose(ErrLeaseLost)
			<-done //nolint:errcheck // ErrLeaseLost tells more
			return ErrLeaseLost
		case <-renew.C:
			sent = time.Now()
			next, err := l.renew(ctx, name, revision, safe)
			switch {
			case err == nil:
				revision, safe = next, sent.Add(l.ttl*3/4)
				expired.Reset(time.Until(safe))
			case errors.Is(err, ErrLeaseLost):
				expired.Reset(0)
			}
		}
	}
}

// renew returns the new revision, or ErrLeaseLost when the lease is gone or somebody else's; another error means that it is worth trying again.
func (l *Leases) renew(ctx context.Context, name string, revision uint64, until time.Time) (uint64, error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	ctx, cancelTry := context.WithTimeout(ctx, l.ttl/4)
	defer cancelTry()
	next, err := l.kv.Update(ctx, name, []byte(l.owner), revision)
	var api *jetstream.APIError
	if err == nil || !errors.As(err, &api) || passing(err) {
		return next, err
	}
	// The revision is not the one we know. It may still be ours: a renewal was stored whose answer did not arrive.
	entry, err := l.kv.Get(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return 0, ErrLeaseLost
	case err != nil:
		return 0, err
	case string(entry.Value()) != l.owner:
		return 0, ErrLeaseLost
	}
	// Its age is not known, so it does not lengthen the lease; renewing it at once does.
	return l.kv.Update(ctx, name, []byte(l.owner), entry.Revision())
}

// release gives the lease back so that another instance need not wait for its end.
func (l *Leases) release(name string, revision uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), l.ttl/4)
	defer cancel()
	if err := l.kv.Delete(ctx, name, jetstream.LastRevision(revision)); err != nil {
		l.bus.log.Debug("lease not given back; it ends by itself", "error", err)
	}
}

// Holders tells which instance holds each of the keys; a key that nobody holds is absent.
func (l *Leases) Holders(ctx context.Context, keys ...string) (map[string]string, error) {
	holders := map[string]string{}
	for _, key := range keys {
		entry, err := l.kv.Get(ctx, Token(key))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%w: lease of %s: %w", ErrUnavailable, key, err)
		}
		instance, _, _ := strings.Cut(string(entry.Value()), " ")
		holders[key] = instance
	}
	return holders, nil
}
