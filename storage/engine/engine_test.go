package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/storage/engine"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

func TestConformance(t *testing.T) { storagetest.Conformance(t, storagetest.Engine(t)) }

// TestConformanceOfServer runs the same suite over a real server, where one is given.
func TestConformanceOfServer(t *testing.T) {
	options, ok := storagetest.Server(t)
	if !ok {
		t.Skipf("%s is not set", storagetest.ServerVariable)
	}
	storagetest.Conformance(t, options)
}

// start runs an engine of its own in a folder.
func start(t *testing.T, dir string) (e *engine.Engine, stop func() error) {
	t.Helper()
	cfg := engine.DefaultConfig()
	cfg.DataDir, cfg.Command, cfg.Listen = dir, storagetest.ChildCommand(t), "127.0.0.1:0"
	e, err := engine.New(cfg, engine.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(cancel)
	select {
	case <-e.Ready():
	case err := <-done:
		t.Fatalf("Run: %v", err)
	case <-time.After(2 * time.Minute):
		t.Fatal("the engine is not ready after two minutes")
	}
	return e, func() error { cancel(); return <-done }
}

// childOf finds the engine's process by the folder it locks.
func childOf(t *testing.T) []int {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var children []int
	for _, path := range entries {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		var pid, parent int
		var state string
		if _, err := fmt.Sscanf(string(text[strings.LastIndexByte(string(text), ')')+1:]), "%s %d", &state, &parent); err != nil {
			continue
		}
		if _, err := fmt.Sscanf(string(text), "%d", &pid); err == nil && parent == os.Getpid() {
			children = append(children, pid)
		}
	}
	return children
}

// TestKilledChild: after SIGKILL every acknowledged insert is there, at the same address.
func TestKilledChild(t *testing.T) {
	before := childOf(t)
	e, stop := start(t, t.TempDir())
	conn := storagetest.Open(t, e.Options("default"))
	ctx := t.Context()
	if err := conn.Exec(ctx, "CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n"); err != nil {
		t.Fatal(err)
	}
	acknowledged := uint64(0)
	for round := range 3 {
		for range 20 {
			if err := conn.Exec(ctx, fmt.Sprintf("INSERT INTO kept VALUES (%d)", acknowledged)); err != nil {
				t.Fatal(err)
			}
			acknowledged++
		}
		killed := false
		for _, pid := range childOf(t) {
			if !contains(before, pid) {
				killed = syscall.Kill(pid, syscall.SIGKILL) == nil || killed
			}
		}
		if !killed {
			t.Fatal("no child to kill was found")
		}
		deadline := time.Now().Add(time.Minute)
		for {
			var n uint64
			err := conn.QueryRow(ctx, "SELECT uniqExact(n) FROM kept").Scan(&n)
			if err == nil {
				if n != acknowledged {
					t.Fatalf("round %d: %d rows after SIGKILL, %d were acknowledged", round, n, acknowledged)
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the engine does not answer a minute after its child was killed: %v", err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	began := time.Now()
	if err := stop(); err != nil {
		t.Errorf("Run = %v after a clean stop", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
}

func contains(list []int, n int) bool {
	for _, x := range list {
		if x == n {
			return true
		}
	}
	return false
}

// TestFolderInUse: a second engine on a folder is refused with a line a person understands.
func TestFolderInUse(t *testing.T) {
	dir := t.TempDir()
	_, stop := start(t, dir)
	cfg := engine.DefaultConfig()
	cfg.DataDir, cfg.Command = dir, storagetest.ChildCommand(t)
	second, err := engine.New(cfg, engine.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
		t.Errorf("second engine on %s: %v; want one line that names the folder", dir, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestKilledAtItsFirstStart: a child that is killed before one has answered is started again; one that ends by itself is an error at once.
func TestKilledAtItsFirstStart(t *testing.T) {
	for script, want := range map[string]string{
		`mkdir "$0" && kill -KILL $$; exec "$@"`: "",
		`kill -KILL $$`:                          "signal: killed",
		`mkdir "$0" && exit 3; exec "$@"`:        "exit status 3",
	} {
		t.Run(script, func(t *testing.T) {
			cfg := engine.DefaultConfig()
			cfg.DataDir = t.TempDir()
			cfg.Command = append([]string{"/bin/sh", "-c", script, filepath.Join(t.TempDir(), "once")}, storagetest.ChildCommand(t)...)
			e, err := engine.New(cfg, engine.Deps{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- e.Run(ctx) }()
			select {
			case <-e.Ready():
				if want != "" {
					t.Error("it is ready")
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			case err := <-done:
				if want == "" || err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Run: %v; want %q", err, want)
				}
			case <-time.After(2 * time.Minute):
				t.Fatal("neither ready nor ended after two minutes")
			}
		})
	}
}

func TestMissingLibrary(t *testing.T) {
	cfg := engine.DefaultConfig()
	cfg.DataDir, cfg.Library = t.TempDir(), filepath.Join(t.TempDir(), "libchdb.so")
	e, err := engine.New(cfg, engine.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	err = e.Run(t.Context())
	if !errors.Is(err, engine.ErrNoLibrary) || !strings.Contains(err.Error(), "make engine") || !strings.Contains(err.Error(), "clickhouse.url") {
		t.Errorf("Run without the library: %v; want a line that names make engine and clickhouse.url", err)
	}
}

// TestReadersOnlyRead: whoever has no secret cannot change anything, reach files or other hosts, or lift limits.
func TestReadersOnlyRead(t *testing.T) {
	e, stop := start(t, t.TempDir())
	owner := storagetest.Open(t, e.Options("default"))
	for _, query := range []string{"CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n", "INSERT INTO t VALUES (1)"} {
		if err := owner.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(query string, settings url.Values) (int, string) {
		t.Helper()
		address := "http://" + e.PublicAddr() + "/?" + settings.Encode()
		response, err := http.Post(address, "text/plain", strings.NewReader(query))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, strings.TrimSpace(string(text))
	}
	for query, want := range map[string]string{"SELECT sum(n) FROM t": "1", "SELECT count() FROM t WHERE n = 1 FORMAT TSV": "1", "WITH 1 AS x SELECT x + n FROM t": "2", "EXISTS TABLE t": "1"} {
		if status, text := ask(query, nil); status != http.StatusOK || text != want {
			t.Errorf("%s = %d %s, want %s", query, status, text, want)
		}
	}
	for _, query := range []string{
		"INSERT INTO t VALUES (2)", "insert/**/into t select 2", "DROP TABLE t", "dRoP\ntable t", "/* SELECT */ DROP TABLE t", "-- SELECT\nDROP TABLE t", "TRUNCATE t",
		"CREATE TABLE u (n UInt64) ENGINE = Memory", "CREATE VIEW v AS SELECT 1", "CREATE DATABASE d", "CREATE FUNCTION f AS (x) -> x", "ALTER TABLE t DELETE WHERE 1", "ALTER TABLE t ADD COLUMN x UInt8",
		"OPTIMIZE TABLE t FINAL", "RENAME TABLE t TO u", "DETACH TABLE t", "SYSTEM SHUTDOWN", "SYSTEM FLUSH LOGS", "KILL QUERY WHERE 1", "BACKUP TABLE t TO File('x')", "GRANT ALL ON *.* TO default",
		"SELECT 1; DROP TABLE t", "SELECT 1;;INSERT INTO t VALUES (3)", "SET readonly = 0", "SELECT 1 SETTINGS readonly = 0", "SELECT 1 SETTINGS max_memory_usage = 0", "SELECT 1 SETTINGS max_execution_time = 0",
		"SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT * FROM `file`('/etc/passwd', LineAsString)", "SELECT (SELECT count() FROM file('/etc/passwd', LineAsString))",
		"WITH x AS (SELECT * FROM file('/etc/passwd', LineAsString)) SELECT * FROM x", "SELECT 1 WHERE 1 IN (SELECT 1 FROM FILE('/etc/passwd', LineAsString))", "SELECT * FROM url('http://127.0.0.1/', LineAsString)",
		"SELECT * FROM remote('127.0.0.1', system.one)", "SELECT * FROM s3('http://127.0.0.1/x', 'CSV')", "SELECT * FROM executable('id', TSV, 'x String')", "SELECT * FROM input('x String')", "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
		"SELECT 1 INTO OUTFILE '/tmp/bridgewatch-x'", "SELECT * FROM t INTO/**/OUTFILE '/tmp/bridgewatch-x'", "DESCRIBE TABLE file('/etc/passwd')", "EXPLAIN SELECT * FROM file('/etc/passwd', LineAsString)",
		"SELECT file('/etc/passwd')", "SELECT * FROM merge('system', '.*') WHERE 0 UNION ALL SELECT * FROM url('http://127.0.0.1/', CSV)", "USE system; SELECT 1", "ATTACH TABLE x FROM '/tmp'",
	} {
		if status, text := ask(query, nil); status == http.StatusOK {
			t.Errorf("a reader may run %q: %s", query, text)
		}
	}
	for name, value := range map[string]string{"readonly": "0", "max_memory_usage": "0", "max_execution_time": "0", "max_result_bytes": "0", "allow_ddl": "1", "max_threads": "64"} {
		query := "SELECT getSetting('" + name + "')"
		_, want := ask(query, nil)
		if status, text := ask(query, url.Values{name: {value}}); status == http.StatusOK && text != want && text == value {
			t.Errorf("a reader lifted %s from %s to %s", name, want, text)
		}
	}
	if status, text := ask("SELECT 1", url.Values{"readonly": {"0"}, "max_memory_usage": {"0"}}); status == http.StatusOK {
		t.Errorf("a reader may lift readonly in the address: %s", text)
	}
	var synced string
	if err := owner.QueryRow(t.Context(), "SELECT value FROM system.merge_tree_settings WHERE name = 'fsync_after_insert'").Scan(&synced); err != nil || synced != "1" {
		t.Errorf("fsync_after_insert = %q, %v; an acknowledged insert must be on the disk", synced, err)
	}
	var n uint64
	if err := owner.QueryRow(t.Context(), "SELECT count() FROM t").Scan(&n); err != nil || n != 1 {
		t.Errorf("afterwards the table has %d rows, %v; want 1", n, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
