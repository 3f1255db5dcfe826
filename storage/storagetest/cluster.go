package storagetest

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/bridgewatch/bridgewatch/storage/engine"
	"github.com/bridgewatch/bridgewatch/storage/migrations"
)

// oneShard makes the engine itself the only server of a cluster. (Shards with databases of their own would be reached over TCP, which the engine does not speak.)
const oneShard = `<clickhouse><tcp_port>9000</tcp_port><remote_servers><bridgewatch>
  <shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard>
</bridgewatch></remote_servers></clickhouse>`

// ClusterStore is a store with the tables that the migrations make on a cluster: _local ones with Distributed ones over them. What only several servers with
// Keeper can do is left out, that is ON CLUSTER and the replication. Its settings are those of a connection to a cluster.
func ClusterStore(t testing.TB) driver.Conn {
	t.Helper()
	dir := t.TempDir()
	extra := filepath.Join(dir, "clickhouse", "config.d")
	if err := os.MkdirAll(extra, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(extra, "cluster.xml"), []byte(oneShard), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := engine.DefaultConfig()
	cfg.DataDir, cfg.Command = dir, ChildCommand(t)
	e, err := engine.New(cfg, engine.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done }) //nolint:errcheck // the test is over
	select {
	case <-e.Ready():
	case err := <-done:
		done <- nil
		t.Fatalf("embedded engine: %v", err)
	}
	admin := Open(t, e.Options("default"))
	if err := admin.Exec(t.Context(), "CREATE DATABASE bridgewatch"); err != nil {
		t.Fatal(err)
	}
	cluster := migrations.Cluster{Name: "bridgewatch", Database: "bridgewatch"}
	here := strings.NewReplacer(" ON CLUSTER 'bridgewatch'", "", "ENGINE = Replicated", "ENGINE = ")
	names, err := fs.Glob(migrations.Files(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		rendered, err := cluster.Render(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range migrations.Statements(here.Replace(rendered)) {
			if err := admin.Exec(t.Context(), s); err != nil {
				t.Fatalf("%s: %.200s: %v", name, s, err)
			}
		}
	}
	options := e.Options("bridgewatch")
	options.Settings = migrations.ClusterSettings()
	return Open(t, options)
}
