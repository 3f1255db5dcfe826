package storagetest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// Bus runs a bus on an embedded server in a folder of the test and ends it with the test. Each change may alter its configuration first.
func Bus(t testing.TB, change ...func(*bus.Config)) *bus.Bus {
	t.Helper()
	cfg := bus.DefaultConfig()
	cfg.DataDir = t.TempDir()
	cfg.MinFreeDisk = 0
	for _, c := range change {
		c(&cfg)
	}
	b := bus.New(cfg, bus.Deps{Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run of the bus: %v", err)
		}
	})
	select {
	case <-b.Ready():
	case err := <-done:
		done <- nil // reported here
		t.Fatalf("Run of the bus: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the bus is not ready after a minute")
	}
	return b
}
