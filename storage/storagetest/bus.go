package storagetest

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// brokerVariable names a NATS server that the tests use in the place of an embedded one: nats://user:pass@host:4222. Its streams are deleted at each use, and one
// test at a time may use it (go test -p 1).
const brokerVariable = "BRIDGEWATCH_TEST_NATS_URL"

// Bus runs a bus on an embedded server in a folder of the test, or on that of BRIDGEWATCH_TEST_NATS_URL, and ends it with the test. Each change may alter its
// configuration first.
func Bus(t testing.TB, change ...func(*bus.Config)) *bus.Bus {
	t.Helper()
	cfg := bus.DefaultConfig()
	cfg.DataDir = t.TempDir()
	cfg.MinFreeDisk = 0
	if url := os.Getenv(brokerVariable); url != "" {
		cfg.URL, cfg.DataDir = url, ""
		forget(t, url)
	}
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

// forget deletes the streams that another test left on a server.
func forget(t testing.TB, url string) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatalf("%s: %v", brokerVariable, err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	names := js.StreamNames(t.Context())
	for name := range names.Name() {
		if err := js.DeleteStream(t.Context(), name); err != nil {
			t.Fatalf("delete stream %s: %v", name, err)
		}
	}
	if err := names.Err(); err != nil {
		t.Fatalf("%s: %v", brokerVariable, err)
	}
}
