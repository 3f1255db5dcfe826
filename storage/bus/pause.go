package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Pause halts what the streams hand to the writers, wherever they run, and returns once all that was handed out is stored: then the store and the streams
// together are all there is, and nothing is half done. Publishing goes on. Delivery begins again with resume, or by itself after atMost.
func (b *Bus) Pause(ctx context.Context, atMost time.Duration) (resume func(), err error) {
	js, _, err := b.conn()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	until := time.Now().Add(atMost)
	again := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // the caller's may be over
		defer cancel()
		for _, s := range workQueues() {
			if _, err := js.ResumeConsumer(ctx, string(s), consumerName); err != nil {
				b.log.Warn("delivery cannot be resumed; it resumes by itself", "stream", s, "at", until, "error", err)
			}
		}
	}
	defer func() {
		if err != nil {
			again()
		}
	}()
	for _, s := range workQueues() {
		if _, err := js.PauseConsumer(ctx, string(s), consumerName, until); err != nil {
			return nil, fmt.Errorf("bus: pausing stream %s: %w", s, err)
		}
	}
	for _, s := range workQueues() {
		if err := settled(ctx, js, s); err != nil {
			return nil, err
		}
	}
	return again, nil
}

func workQueues() []Stream { return []Stream{CDR, Events, Status, Syslog} }

// settled waits until no message of a stream is with a writer.
func settled(ctx context.Context, js jetstream.JetStream, stream Stream) error {
	for {
		c, err := js.Consumer(ctx, string(stream), consumerName)
		if err == nil && c.CachedInfo().NumAckPending == 0 {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("%d messages are still with the writer", c.CachedInfo().NumAckPending)
			}
			return fmt.Errorf("bus: waiting until stream %s is at rest: %w", stream, errors.Join(err, context.Cause(ctx)))
		}
	}
}
