package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// component is one blocking part of the program under a name that errors and logs use.
type component struct {
	name string
	// run blocks until ctx ends or the component fails; it has flushed what it holds when it returns.
	run func(ctx context.Context) error
	// ready is closed once others may use the component; nil means at once.
	ready <-chan struct{}
}

// stage is a group of components that start together, after those of earlier stages are ready, and that end together,
// before those of earlier stages are told to.
type stage struct {
	name       string
	components []component
	// prepare runs once when the earlier stages are ready, before the components start; nil means nothing to do.
	prepare func(ctx context.Context) error
	// grace is how long the stage's components may take to end before the program goes on without them.
	grace time.Duration
}

// running is a started stage.
type running struct {
	stage  stage
	cancel context.CancelFunc
	done   chan struct{}
}

// runStages starts the stages in order, blocks until ctx ends or a component fails, and ends the stages in reverse order.
// It calls started once all are ready. The errors of all components are joined; one that only reports that its own context ended is none.
func runStages(ctx context.Context, log *slog.Logger, stages []stage, started func()) error {
	failed := make(chan struct{})
	var once sync.Once
	var mu sync.Mutex
	var errs []error
	fail := func(err error) {
		mu.Lock()
		errs = append(errs, err)
		mu.Unlock()
		once.Do(func() { close(failed) })
	}

	var up []running
	launch := func(s stage) bool {
		if s.prepare != nil {
			if err := prepareUntilFailure(ctx, failed, s.prepare); err != nil {
				if ctx.Err() == nil {
					fail(err)
				}
				return false
			}
		}
		stageCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		var wg sync.WaitGroup
		for _, c := range s.components {
			wg.Go(func() {
				err := c.run(stageCtx)
				switch {
				case stageCtx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
				case err == nil:
					fail(fmt.Errorf("%s: ended by itself", c.name))
				default:
					fail(fmt.Errorf("%s: %w", c.name, err))
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		up = append(up, running{s, cancel, done})
		for _, c := range s.components {
			if c.ready == nil {
				continue
			}
			select {
			case <-c.ready:
			case <-failed:
				return false
			case <-ctx.Done():
				return false
			}
		}
		return true
	}

	all := true
	for _, s := range stages {
		if !launch(s) {
			all = false
			break
		}
	}
	if all {
		if started != nil {
			started()
		}
		select {
		case <-ctx.Done():
		case <-failed:
		}
	}
	for i := len(up) - 1; i >= 0; i-- {
		r := up[i]
		r.cancel()
		select {
		case <-r.done:
		case <-time.After(r.stage.grace):
			log.Warn("stage did not end in time; going on without it", "stage", r.stage.name, "waited", r.stage.grace)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	return errors.Join(errs...)
}

// prepareUntilFailure runs prepare under a context that also ends when a started component fails.
func prepareUntilFailure(ctx context.Context, failed <-chan struct{}, prepare func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-failed:
			cancel()
		case <-stop:
		}
	}()
	return prepare(ctx)
}
