package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Consumer reads one work queue for the writer. What is stored is ended by [Bus.Acknowledge]; for the rest jetstream's own vocabulary serves: NakWithDelay to
// have a message again, InProgress to ask for more time, Term to give it up (after PublishDead).
//
// Nothing is fetched ahead. The client's endless iterator asks for more when it has not been read for a while (a batch that waits for its store), overflows, drops what
// it was sent, and these messages come again only after their acknowledgement time-out: a minute after a store came back its backlog was still not moving.
type Consumer struct {
	stream   Stream
	consumer jetstream.Consumer
}

// fetchMessages bounds one fetch: what comes may be parts of a megabyte each.
const fetchMessages = 64

// firstWait is how long one fetch waits for a first message at the broker.
const firstWait = 5 * time.Second

// Consumer starts reading a work queue. Instances that read the same stream share its messages.
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
	return &Consumer{stream: stream, consumer: c}, nil
}

// Batch waits for a message and returns it with those that follow within linger, at most limit messages and about maxBytes of data. It returns what it has
// when ctx ends; an error only comes without messages: the context's, or ErrUnavailable when the broker does not serve the queue.
func (c *Consumer) Batch(ctx context.Context, limit, maxBytes int, linger time.Duration) ([]jetstream.Msg, error) {
	msg, err := c.first(ctx)
	if err != nil {
		return nil, err
	}
	batch := []jetstream.Msg{msg}
	size := len(msg.Data())
	for lingered := false; len(batch) < limit && size < maxBytes; {
		asked := min(fetchMessages, limit-len(batch))
		got := c.waiting(asked)
		for _, msg := range got {
			size += len(msg.Data())
		}
		batch = append(batch, got...)
		if len(got) == asked {
			continue
		}
		if lingered {
			break
		}
		lingered = true
		timer := time.NewTimer(linger)
		select {
		case <-timer.C:
		case <-ctx.Done(): // what is there by now comes with it
			timer.Stop()
		}
	}
	return batch, nil
}

// first waits for one message.
func (c *Consumer) first(ctx context.Context) (jetstream.Msg, error) {
	for {
		wait := firstWait
		if deadline, ok := ctx.Deadline(); ok {
			wait = max(min(wait, time.Until(deadline)), time.Millisecond)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		fetched, err := c.consumer.Fetch(1, jetstream.FetchMaxWait(wait))
		if err != nil {
			return nil, fmt.Errorf("%w: reading stream %s: %w", ErrUnavailable, c.stream, err)
		}
		select {
		case msg, ok := <-fetched.Messages():
			if ok {
				return msg, nil
			}
			if err := fetched.Error(); err != nil {
				return nil, fmt.Errorf("%w: reading stream %s: %w", ErrUnavailable, c.stream, err)
			}
		case <-ctx.Done():
			go func() { // at most firstWait long: a message that was on its way goes back
				for msg := range fetched.Messages() {
					_ = msg.Nak() // best effort: without it the message returns after ackWait
				}
			}()
			return nil, context.Cause(ctx)
		}
	}
}

// waiting are up to a number of messages that are there. An error is met again by the next first.
func (c *Consumer) waiting(count int) []jetstream.Msg {
	fetched, err := c.consumer.FetchNoWait(count)
	if err != nil {
		return nil
	}
	var list []jetstream.Msg
	for msg := range fetched.Messages() {
		list = append(list, msg)
	}
	return list
}
