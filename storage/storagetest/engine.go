// Package storagetest gives tests the real parts: the embedded ClickHouse and the embedded broker.
package storagetest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/storage/engine"
	"github.com/bridgewatch/bridgewatch/storage/migrations"
)

// childVariable makes a test binary act as the engine's child process.
const childVariable = "BRIDGEWATCH_TEST_ENGINE_CHILD"

// Main runs a package's tests; a package that uses Engine calls it from TestMain. It ends the engine that the tests shared.
func Main(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		if err := engine.Serve(context.Background(), engine.ServeOptions{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	shared.stop()
	os.Exit(code)
}

// ChildCommand is the command line by which a supervisor starts this test binary as the engine's child. The variable it sets is inherited.
func ChildCommand(t testing.TB) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{"/usr/bin/env", childVariable + "=1", self}
}

// sharedEngine is the one engine of a test binary: opening one takes half a second and 280 MB.
type sharedEngine struct {
	once   sync.Once
	engine *engine.Engine
	err    error
	cancel context.CancelFunc
	done   chan error
	dir    string
}

var shared sharedEngine

func (s *sharedEngine) start(command []string) {
	if s.dir, s.err = os.MkdirTemp("", "bridgewatch-engine-"); s.err != nil {
		return
	}
	cfg := engine.DefaultConfig()
	cfg.DataDir, cfg.Command = s.dir, command
	if s.engine, s.err = engine.New(cfg, engine.Deps{Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}); s.err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan error, 1)
	go func() { s.done <- s.engine.Run(ctx) }()
	select {
	case <-s.engine.Ready():
	case s.err = <-s.done:
		s.done <- s.err
	}
}

func (s *sharedEngine) stop() {
	if s.cancel != nil {
		s.cancel()
		<-s.done //nolint:errcheck // the tests are over
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// serverVariable names a ClickHouse server that the tests use in the place of the embedded engine: clickhouse://user:pass@host:9000, or http://….
const serverVariable = "BRIDGEWATCH_TEST_CLICKHOUSE_URL"

// server gives the options of the server that the tests use, on a database.
func server(t testing.TB) func(database string) *clickhouse.Options {
	t.Helper()
	if url := os.Getenv(serverVariable); url != "" {
		return func(database string) *clickhouse.Options {
			o, err := clickhouse.ParseDSN(url)
			if err != nil {
				t.Fatalf("%s: not an address such as clickhouse://user:pass@host:9000", serverVariable)
			}
			o.Auth.Database = database
			return o
		}
	}
	command := ChildCommand(t)
	shared.once.Do(func() { shared.start(command) })
	if shared.err != nil {
		t.Fatalf("embedded engine: %v", shared.err)
	}
	return shared.engine.Options
}

// Engine gives the options of a fresh database on the embedded engine that the test binary shares, or on the server of BRIDGEWATCH_TEST_CLICKHOUSE_URL. A missing
// library fails the test: run make engine.
func Engine(t testing.TB) *clickhouse.Options {
	t.Helper()
	options := server(t)
	name := "test_" + uuid.NewString()[:8]
	admin := Open(t, options("default"))
	if err := admin.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		conn, err := clickhouse.Open(options("default"))
		if err == nil {
			err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name)
			_ = conn.Close()
		}
		if err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return options(name)
}

// Open opens a connection that ends with the test.
func Open(t testing.TB, options *clickhouse.Options) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatalf("open ClickHouse: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Store is a fresh database with the schema of the migrations.
func Store(t testing.TB) driver.Conn {
	t.Helper()
	options := Engine(t)
	db := clickhouse.OpenDB(options)
	defer db.Close()
	if _, err := migrations.Up(t.Context(), db); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return Open(t, options)
}
