package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Stream names one of the streams.
type Stream string

// The streams. A stream holds what the writer has not stored yet: CDR, EVENTS, STATUS and SYSLOG are work queues, a message leaves when the writer
// acknowledges it. None has an age limit, which would delete unread messages, and all refuse (ErrFull) rather than discard, so what was once
// acknowledged to a publisher is always delivered, and what was refused is known to the one who can count it.
const (
	CDR    Stream = "CDR"    // bodies from Call Bridges: cms.cdr.<source>
	Events Stream = "EVENTS" // rows from event subscriptions: cms.events.<bridge>.<kind>
	Status Stream = "STATUS" // rows from polls and probes: cms.status.<bridge>.<object>
	Syslog Stream = "SYSLOG" // rows from syslog: cms.syslog.<bridge>
	Dead   Stream = "DEAD"   // messages that cannot be stored, kept for a person: cms.dead.<kind>
)

// Streams lists all of them.
func Streams() []Stream { return []Stream{CDR, Events, Status, Syslog, Dead} }

// consumerName is the durable that the writers of all instances share. It is made before anything can publish, so nothing is ever stored unread.
const consumerName = "writer"

// ackWait is how long a delivered message may stay unacknowledged before it is delivered again. A batch insert takes seconds; a writer that needs
// longer says so with InProgress.
const ackWait = 60 * time.Second

// maxUnacked bounds the messages that are out with writers at one time.
const maxUnacked = 32768

func streamConfigs(cfg Config) []jetstream.StreamConfig {
	queue := func(s Stream, subject string, budget int64) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name:       string(s),
			Subjects:   []string{subject},
			Retention:  jetstream.WorkQueuePolicy,
			Discard:    jetstream.DiscardNew,
			MaxBytes:   budget,
			Storage:    jetstream.FileStorage,
			Replicas:   cfg.Replicas,
			Duplicates: time.Minute, // no publisher sends a message id: a body is new each time, and the record's identity decides
		}
	}
	dead := queue(Dead, "cms.dead.>", cfg.Budgets.Dead)
	dead.Retention = jetstream.LimitsPolicy
	return []jetstream.StreamConfig{
		queue(CDR, "cms.cdr.>", cfg.Budgets.CDR),
		queue(Events, "cms.events.>", cfg.Budgets.Events),
		queue(Status, "cms.status.>", cfg.Budgets.Status),
		queue(Syslog, "cms.syslog.>", cfg.Budgets.Syslog),
		dead,
	}
}

// ensureStreams makes or updates the streams and the durable consumers of the work queues.
func ensureStreams(ctx context.Context, js jetstream.JetStream, cfg Config) error {
	for _, sc := range streamConfigs(cfg) {
		if err := ensureStream(ctx, js, sc); err != nil {
			return err
		}
	}
	return nil
}

func ensureStream(ctx context.Context, js jetstream.JetStream, sc jetstream.StreamConfig) error {
	// A cluster without a leader does not answer at all; asking again is cheap.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	stream, err := js.CreateOrUpdateStream(ctx, sc)
	if err != nil {
		return fmt.Errorf("bus: stream %s: %w", sc.Name, err)
	}
	if sc.Retention != jetstream.WorkQueuePolicy {
		return nil
	}
	_, err = stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:       consumerName,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxAckPending: maxUnacked,
		MaxDeliver:    -1, // giving up is the writer's decision, never the broker's
	})
	if err != nil {
		return fmt.Errorf("bus: consumer of stream %s: %w", sc.Name, err)
	}
	return nil
}
