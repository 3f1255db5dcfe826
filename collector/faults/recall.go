package faults

import (
	"context"
	"log/slog"
	"time"

	"github.com/bridgewatch/bridgewatch/storage"
)

// Memory is what was stored before this process began; storage.CollectorMemory is one.
type Memory interface {
	// OpenAlarms returns the alarms of a cluster that were not cleared. It fails while the store cannot be read.
	OpenAlarms(ctx context.Context, cluster string) ([]storage.Alarm, error)
}

// How often a memory that cannot be read is tried again: at first, and once the wait is over.
const (
	recallSoon = 200 * time.Millisecond
	recallLate = 10 * time.Second
)

// Recall gives the open alarms of a cluster to take, which hands them to its books. While the memory cannot be read Recall tries again until wait has passed; then it returns
// what is to be run beside the work, until the alarms were read or ctx ends. It returns nil when nothing is left to do. A nil memory remembers nothing.
func Recall(ctx context.Context, memory Memory, cluster string, wait time.Duration, log *slog.Logger, take func([]storage.Alarm)) (later func()) {
	if memory == nil {
		return nil
	}
	try := func() bool {
		open, err := memory.OpenAlarms(ctx, cluster)
		if err != nil {
			log.Debug("open alarms not recalled yet", "cms_cluster", cluster, "error", err)
			return false
		}
		take(open)
		return true
	}
	again := func(pause time.Duration, until <-chan time.Time) (done bool) {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return true
			case <-until:
				return false
			case <-tick.C:
				if try() {
					return true
				}
			}
		}
	}
	if try() || wait > 0 && again(recallSoon, time.After(wait)) {
		return nil
	}
	log.Warn("the store cannot be read yet: alarms that an earlier run left open are recalled when it can", "cms_cluster", cluster)
	return func() { again(recallLate, nil) }
}
