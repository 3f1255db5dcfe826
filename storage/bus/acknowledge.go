package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// fewAcknowledged is the number of messages up to which single acknowledgements are as fast as removing them together.
const fewAcknowledged = 16

// Acknowledge ends messages of a work queue whose content is stored. A message whose end the broker does not hear of comes again.
//
// The broker writes and syncs each removal by itself, as it does each message: a backlog of bodies with a record each was written no faster than the disk
// syncs. So what lies without a gap at the head of the queue is removed together, by sequence. Its last message is acknowledged like the others: the queue is
// never emptied by force, for which the broker would make a new store.
func (b *Bus) Acknowledge(ctx context.Context, stream Stream, messages []jetstream.Msg) error {
	var failed error
	if len(messages) > fewAcknowledged {
		left, err := b.removeHead(ctx, stream, messages)
		if err != nil {
			failed = fmt.Errorf("remove what is stored from stream %s: %w", stream, err)
		}
		messages = left
	}
	for _, msg := range messages {
		if err := msg.Ack(); err != nil {
			return errors.Join(failed, fmt.Errorf("acknowledge a message of stream %s: %w", stream, err))
		}
	}
	return failed
}

// removeHead removes those messages that lie without a gap at the head of the stream, all but the last of them, and returns what is left to be acknowledged.
// A gap is a message that another instance has, or had when it died, or that is to come again: nothing behind it is touched.
func (b *Bus) removeHead(ctx context.Context, stream Stream, messages []jetstream.Msg) (left []jetstream.Msg, err error) {
	sequences := make(map[jetstream.Msg]uint64, len(messages))
	for _, msg := range messages {
		meta, err := msg.Metadata()
		if err != nil {
			return messages, err
		}
		sequences[msg] = meta.Sequence.Stream
	}
	sorted := slices.SortedFunc(slices.Values(messages), func(a, b jetstream.Msg) int { return cmp.Compare(sequences[a], sequences[b]) })
	js, _, err := b.conn()
	if err != nil {
		return messages, err
	}
	queue, err := js.Stream(ctx, string(stream)) // asks for its state
	if err != nil {
		return messages, err
	}
	head := queue.CachedInfo().State.FirstSeq
	last := -1
	for i, msg := range sorted {
		if sequences[msg] != head+uint64(i) {
			break
		}
		last = i
	}
	if last < fewAcknowledged {
		return messages, nil
	}
	if err := queue.Purge(ctx, jetstream.WithPurgeSequence(sequences[sorted[last]])); err != nil {
		return messages, err
	}
	return sorted[last:], nil
}
