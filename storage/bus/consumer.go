package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Consumer reads one work queue for the writer. Messages are acknowledged with jetstream's own vocabulary: Ack or DoubleAck once stored, NakWithDelay to
// have it again, InProgress to ask for more time, Term to give it up (after PublishDead).
type Consumer struct {
	stream   Stream
	messages jetstream.MessagesContext
}

// prefetch bounds what is fetched ahead, in messages and bytes, so that a backlog of large parts does not become memory.
const (
	prefetchMessages = 1024
	prefetchBytes    = 32 << 20
)

// Consumer starts reading a work queue. Instances that read the same stream share its messages. Close it, or messages fetched ahead wait for their
// acknowledgement time-out before another reader gets them.
func (b *Bus) Consumer(ctx context.Context, stream Stream) (*Consumer, error) {
	js, _, err := b.conn()
	if err != nil {
		return nil, err
	}
	var c jetstream.Consumer
	err = b.patiently(ctx, func() (err error) {
		c, err = js.Consumer(ctx, string(stream), consumerName)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: consumer of stream %s: %w", ErrUnavailable, stream, err)
	}
	m, err := c.Messages(jetstream.PullMaxMessagesWithBytesLimit(prefetchMessages, prefetchBytes), jetstream.PullHeartbeat(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("bus: reading stream %s: %w", stream, err)
	}
	return &Consumer{stream: stream, messages: m}, nil
}

// Batch waits for a message and returns it with those that follow within linger, at most limit messages and about maxBytes of data. It returns what it has
// when ctx ends; an error only comes without messages: the context's, or ErrUnavailable when the connection is gone for good.
func (c *Consumer) Batch(ctx context.Context, limit, maxBytes int, linger time.Duration) ([]jetstream.Msg, error) {
	msg, err := c.next(ctx)
	if err != nil {
		return nil, err
	}
	batch := []jetstream.Msg{msg}
	size := len(msg.Data())
	wait, cancel := context.WithTimeout(ctx, linger)
	defer cancel()
	for len(batch) < limit && size < maxBytes {
		if msg, err = c.next(wait); err != nil {
			break // what came before it is good; a lasting error is met again by the next call
		}
		batch = append(batch, msg)
		size += len(msg.Data())
	}
	return batch, nil
}

func (c *Consumer) next(ctx context.Context) (jetstream.Msg, error) {
	for {
		msg, err := c.messages.Next(jetstream.NextContext(ctx))
		switch {
		case err == nil:
			return msg, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, jetstream.ErrNoHeartbeat):
			// The broker is away; the client reconnects and asks again by itself.
		default:
			return nil, fmt.Errorf("%w: reading stream %s: %w", ErrUnavailable, c.stream, err)
		}
	}
}

// Close ends reading. Messages that were fetched ahead but not handed out go back to the stream.
func (c *Consumer) Close() {
	c.messages.Drain()
	for {
		msg, err := c.messages.Next(jetstream.NextMaxWait(100 * time.Millisecond))
		if err != nil {
			break
		}
		_ = msg.Nak() // best effort: without it the message returns after ackWait
	}
	c.messages.Stop()
}
