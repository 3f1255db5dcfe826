package bus

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Tell says something to the other instances that listen at this moment. It is not kept, and nobody need have heard it: what matters is told again and again.
func (b *Bus) Tell(topic string, what any) error {
	_, nc, err := b.conn()
	if err != nil {
		return err
	}
	data, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("bus: telling %s: %w", topic, err)
	}
	if err := nc.Publish(Subject("now", topic), data); err != nil {
		return fmt.Errorf("%w: telling %s: %w", ErrUnavailable, topic, err)
	}
	return nil
}

// Listen hears what other instances tell about a topic until ctx ends. Each message is decoded into a new T; one that cannot be is dropped.
func Listen[T any](ctx context.Context, b *Bus, topic string, hear func(T)) error {
	_, nc, err := b.conn()
	if err != nil {
		return err
	}
	subscription, err := nc.Subscribe(Subject("now", topic), func(m *nats.Msg) {
		var what T
		if err := json.Unmarshal(m.Data, &what); err != nil {
			b.log.Warn("another instance told what cannot be understood", "topic", topic, "error", err)
			return
		}
		hear(what)
	})
	if err != nil {
		return fmt.Errorf("%w: listening to %s: %w", ErrUnavailable, topic, err)
	}
	<-ctx.Done()
	_ = subscription.Unsubscribe() // the connection is closing, too
	return ctx.Err()
}
