package bus

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Pause halts what the streams hand to the writers, wherever they run; publishing goes on. What is published from now on reaches no store until resume is
// called. So a copy of the streams made after Pause, and a copy of the store made after that, belong together: each message is in the streams' copy, or wholly in
// the store's, or in both, which changes nothing as storing is idempotent; and the store's copy knows of nothing that is in neither.
//
// The halt is renewed until resume is called or ctx ends; should this process die, delivery begins again by itself within the time to live. Resume may be
// called more than once; its error says that delivery was not halted all the time.
func (b *Bus) Pause(ctx context.Context, ttl time.Duration) (resume func() error, err error) {
	js, _, err := b.conn()
	if err != nil {
		return nil, err
	}
	pause := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, ttl/3)
		defer cancel()
		for _, s := range workQueues() {
			if _, err := js.PauseConsumer(ctx, string(s), consumerName, time.Now().Add(ttl)); err != nil {
				return fmt.Errorf("bus: pausing stream %s: %w", s, err)
			}
		}
		return nil
	}
	again := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // the caller's may be over
		defer cancel()
		for _, s := range workQueues() {
			if _, err := js.ResumeConsumer(ctx, string(s), consumerName); err != nil {
				b.log.Warn("delivery cannot be resumed; it resumes by itself", "stream", s, "within", ttl, "error", err)
			}
		}
	}
	if err := pause(ctx); err != nil {
		again()
		return nil, err
	}
	renewing, stop := context.WithCancel(ctx)
	renewed := make(chan error, 1)
	go func() {
		tick := time.NewTicker(ttl / 3)
		defer tick.Stop()
		for {
			select {
			case <-renewing.Done():
				renewed <- nil
				return
			case <-tick.C:
			}
			if err := pause(renewing); err != nil && renewing.Err() == nil {
				renewed <- err
				return
			}
		}
	}()
	return sync.OnceValue(func() error {
		stop()
		err := <-renewed
		again()
		return err
	}), nil
}

func workQueues() []Stream { return []Stream{CDR, Events, Status, Syslog} }
