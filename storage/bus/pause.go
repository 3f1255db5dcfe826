package bus

import (
	"context"
	"fmt"
	"time"
)

// Pause halts what the streams hand to the writers, wherever they run; publishing goes on. What is published from now on reaches no store until resume is
// called, or atMost is over. So a copy of the streams made after Pause, and a copy of the store made after that, belong together: each message is in the streams'
// copy, or wholly in the store's, or in both, which changes nothing as storing is idempotent; and the store's copy knows of nothing that is in neither.
func (b *Bus) Pause(ctx context.Context, atMost time.Duration) (resume func(), err error) {
	js, _, err := b.conn()
	if err != nil {
		return nil, err
	}
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
	for _, s := range workQueues() {
		if _, err := js.PauseConsumer(ctx, string(s), consumerName, until); err != nil {
			again()
			return nil, fmt.Errorf("bus: pausing stream %s: %w", s, err)
		}
	}
	return again, nil
}

func workQueues() []Stream { return []Stream{CDR, Events, Status, Syslog} }
