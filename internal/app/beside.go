package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// pipeline is the way in (bus) and the way out (store) of an installation, for commands that feed it.
type pipeline struct {
	bus  *bus.Bus
	conn driver.Conn
}

// withPipeline gives use the pipeline of a configuration: that of a running instance, or, where none runs on the data folder, one of its own for as long
// as use takes. With servers of the user's own, an instance that stores must run somewhere.
func withPipeline(ctx context.Context, o Options, use func(context.Context, pipeline) error) error {
	embedded := o.Config.NATS.URL.IsZero()
	if embedded && !bus.Served(o.Config.DataDir) {
		return withOwnPipeline(ctx, o, use)
	}
	cfg := busConfig(o.Config)
	cfg.Join = true
	b := bus.New(cfg, bus.Deps{Log: o.Log})
	return beside(ctx, b.Run, b.Ready(), func(ctx context.Context) error {
		return withStore(ctx, o, func(ctx context.Context, options *clickhouse.Options) error {
			conn, err := clickhouse.Open(options)
			if err != nil {
				return fmt.Errorf("open ClickHouse: %w", err)
			}
			defer conn.Close() //nolint:errcheck // nothing is pending on it
			return use(ctx, pipeline{b, conn})
		})
	})
}

// withOwnPipeline runs an instance that only stores.
func withOwnPipeline(ctx context.Context, o Options, use func(context.Context, pipeline) error) error {
	o.Roles = []Role{Store}
	o.Config.ClickHouse.Listen, o.Config.HTTP.Listen = "", "" // nobody else is to use it meanwhile
	a, err := New(o)
	if err != nil {
		return err
	}
	return beside(ctx, a.Run, a.Started(), func(ctx context.Context) error {
		select {
		case <-a.stored:
		case <-ctx.Done():
			return ctx.Err()
		}
		return use(ctx, pipeline{a.Bus(), a.Conn()})
	})
}

// beside runs a component for as long as use takes. The error is that of use, or the component's own where it ended by itself.
func beside(ctx context.Context, run func(context.Context) error, ready <-chan struct{}, use func(context.Context) error) error {
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	useCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() {
		err := run(runCtx)
		if runCtx.Err() == nil {
			cancel(errors.Join(errors.New("the pipeline ended"), err))
		}
		ended <- err
	}()
	var err error
	select {
	case <-ready:
		err = use(useCtx)
	case <-useCtx.Done():
		err = useCtx.Err()
	}
	if cause := context.Cause(useCtx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	stop()
	if last := <-ended; err == nil && last != nil && !errors.Is(last, context.Canceled) {
		err = last
	}
	return err
}
