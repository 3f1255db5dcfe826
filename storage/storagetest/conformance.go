package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/storage/migrations"
)

// ServerVariable names a real ClickHouse server, as clickhouse://user:pass@host:9000/database, that the conformance suite is run against as well.
const ServerVariable = "BRIDGEWATCH_TEST_CLICKHOUSE_URL"

// Server gives the options of a fresh database on the server that ServerVariable names; false without it.
func Server(t testing.TB) (*clickhouse.Options, bool) {
	t.Helper()
	address := os.Getenv(ServerVariable)
	if address == "" {
		return nil, false
	}
	options, err := clickhouse.ParseDSN(address)
	if err != nil {
		t.Fatalf("%s cannot be read", ServerVariable)
	}
	name := "test_" + uuid.NewString()[:8]
	admin := Open(t, options)
	if err := admin.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Exec(context.Background(), "DROP DATABASE "+name) })
	fresh := *options
	fresh.Auth.Database = name
	return &fresh, true
}

// wide has every column type that the migrations use.
type wide struct {
	ID      uuid.UUID         `ch:"id"`
	At      time.Time         `ch:"at"`
	Day     time.Time         `ch:"day"`
	Name    string            `ch:"name"`
	Kind    string            `ch:"kind"`
	Count   int64             `ch:"count"`
	Maybe   *int64            `ch:"maybe"`
	Until   *time.Time        `ch:"until"`
	Share   *float32          `ch:"share"`
	Yes     bool              `ch:"yes"`
	Perhaps *bool             `ch:"perhaps"`
	Tags    map[string]string `ch:"tags"`
	Others  []uuid.UUID       `ch:"others"`
	Alarms  []wideAlarm       `ch:"alarms"`
}

type wideAlarm struct {
	Type  string   `ch:"type"`
	Share *float32 `ch:"share"`
}

const wideTable = `CREATE TABLE wide (id UUID, at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)), day DateTime('UTC'), name String, kind LowCardinality(String),
	count Int64 CODEC(T64, ZSTD(1)), maybe Nullable(Int64), until Nullable(DateTime64(3, 'UTC')), share Nullable(Float32), yes Bool, perhaps Nullable(Bool),
	tags Map(String, String), others Array(UUID), alarms Array(Tuple(type LowCardinality(String), share Nullable(Float32))))
	ENGINE = MergeTree ORDER BY (at, id)`

// Conformance is what Bridgewatch needs of a ClickHouse: run over the embedded engine, and over a real server where one is given.
func Conformance(t *testing.T, options *clickhouse.Options) {
	conn := Open(t, options)
	ctx := t.Context()
	must := func(t *testing.T, query string) {
		t.Helper()
		if err := conn.Exec(ctx, query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	count := func(t *testing.T, query string) (n uint64) {
		t.Helper()
		if err := conn.QueryRow(ctx, query).Scan(&n); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return n
	}

	t.Run("every column type there and back", func(t *testing.T) {
		must(t, wideTable)
		n, until, share, yes := int64(-7), time.Date(2026, 3, 29, 1, 2, 3, 456e6, time.UTC), float32(97.1), true
		noise := make([]byte, 256)
		for i := range noise {
			noise[i] = byte(i)
		}
		want := []wide{
			{ID: uuid.New(), At: until, Day: until.Truncate(time.Second), Name: "Größe & \x00'\"\\ 漢字", Kind: "coSpace", Count: 1 << 62, Maybe: &n, Until: &until, Share: &share, Yes: true, Perhaps: &yes,
				Tags: map[string]string{"a": "b", "": "empty"}, Others: []uuid.UUID{uuid.New(), uuid.Nil}, Alarms: []wideAlarm{{"packetLoss", &share}, {"x", nil}}},
			{ID: uuid.New(), At: until.Add(time.Second), Day: until.Truncate(time.Second), Name: string(noise), Tags: map[string]string{}, Others: []uuid.UUID{}, Alarms: []wideAlarm{}},
		}
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO wide")
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if err := batch.AppendStruct(&want[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
		var got []wide
		if err := conn.Select(ctx, &got, "SELECT * FROM wide ORDER BY at"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows (-sent +read):\n%s", diff)
		}
	})

	t.Run("a large batch", func(t *testing.T) {
		must(t, "CREATE TABLE large (n UInt64, text String) ENGINE = MergeTree ORDER BY n")
		rows := 1_000_000
		if testing.Short() {
			rows = 100_000
		}
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO large")
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			if err := batch.Append(uint64(i), "row"); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
		if got := count(t, "SELECT uniqExact(n) FROM large"); got != uint64(rows) {
			t.Errorf("%d rows, want %d", got, rows)
		}
	})

	t.Run("a big string", func(t *testing.T) {
		must(t, "CREATE TABLE big (text String) ENGINE = MergeTree ORDER BY tuple()")
		text := make([]byte, 8<<20)
		generator := rand.NewChaCha8([32]byte{1})
		if _, err := generator.Read(text); err != nil {
			t.Fatal(err)
		}
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO big")
		if err != nil {
			t.Fatal(err)
		}
		if err := batch.Append(string(text)); err != nil {
			t.Fatal(err)
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := conn.QueryRow(ctx, "SELECT text FROM big").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal([]byte(got), text) {
			t.Errorf("%d bytes came back changed (%d)", len(text), len(got))
		}
	})

	t.Run("parameters are data", func(t *testing.T) {
		hostile := `'; DROP TABLE wide; -- \ {x:String} ü`
		with := clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"text": hostile}))
		var got string
		if err := conn.QueryRow(with, "SELECT {text:String}").Scan(&got); err != nil || got != hostile {
			t.Errorf("parameter came back as %q, %v; want %q", got, err, hostile)
		}
	})

	t.Run("errors have codes", func(t *testing.T) {
		for query, code := range map[string]int32{"SELECT * FROM no_such_table": 60, "SELEC": 62, "SELECT no_such_column": 47, "SELECT throwIf(1)": 395} {
			err := conn.Exec(ctx, query)
			var exception *clickhouse.Exception
			if !errors.As(err, &exception) || exception.Code != code {
				t.Errorf("%s: %v, want code %d", query, err, code)
			}
		}
		if err := conn.Ping(ctx); err != nil {
			t.Errorf("after the errors: %v", err)
		}
	})

	t.Run("an abandoned query ends", func(t *testing.T) {
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		began := time.Now()
		var n uint64
		if err := conn.QueryRow(short, "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1").Scan(&n); err == nil {
			t.Error("an endless query ended without an error")
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("the caller waited %s after giving up", took)
		}
		deadline := time.Now().Add(20 * time.Second)
		for count(t, "SELECT count() FROM system.processes WHERE query LIKE '%numbers(1000000000000)%' AND query NOT LIKE '%system.processes%'") > 0 {
			if time.Now().After(deadline) {
				t.Fatal("the query still runs 20 s after its caller left")
			}
			time.Sleep(50 * time.Millisecond)
		}
	})

	t.Run("many at once", func(t *testing.T) {
		must(t, "CREATE TABLE busy (n UInt64) ENGINE = MergeTree ORDER BY n")
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				for j := range 10 {
					batch, err := conn.PrepareBatch(ctx, "INSERT INTO busy")
					if err == nil {
						err = errors.Join(batch.Append(uint64(i*100+j)), batch.Send())
					}
					var n uint64
					if err == nil {
						err = conn.QueryRow(ctx, "SELECT count() FROM busy").Scan(&n)
					}
					if err != nil {
						t.Errorf("insert and query %d/%d: %v", i, j, err)
						return
					}
				}
			})
		}
		group.Wait()
		if n := count(t, "SELECT uniqExact(n) FROM busy"); n != 160 {
			t.Errorf("%d rows, want 160", n)
		}
	})

	t.Run("replacing, tombstones and FINAL", func(t *testing.T) {
		must(t, "CREATE TABLE facts (id UInt64, at DateTime('UTC'), text String, version UInt64, is_deleted UInt8) ENGINE = ReplacingMergeTree(version, is_deleted) PARTITION BY toYYYYMM(at) ORDER BY (at, id)")
		for _, row := range []string{"(1, '2026-01-01', 'old', 1, 0)", "(1, '2026-01-01', 'new', 3, 0)", "(1, '2026-01-01', 'late', 2, 0)", // order does not matter
			"(2, '2026-01-01', 'moved', 1, 0)", "(2, '2026-02-01', 'moved', 2, 0)", "(2, '2026-01-01', 'moved', 2, 1)"} { // to another partition
			must(t, "INSERT INTO facts VALUES "+row)
		}
		var got string
		if err := conn.QueryRow(ctx, "SELECT arrayStringConcat(groupArray(concat(toString(id), text, toString(toMonth(at)))), ' ') FROM (SELECT * FROM facts FINAL ORDER BY id)").Scan(&got); err != nil || got != "1new1 2moved2" {
			t.Errorf("facts = %q, %v; want 1new1 2moved2", got, err)
		}
	})

	t.Run("materialized view", func(t *testing.T) {
		must(t, "CREATE TABLE source (n UInt64) ENGINE = MergeTree ORDER BY n")
		must(t, "CREATE TABLE sums (k UInt8, n SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree ORDER BY k")
		must(t, "CREATE MATERIALIZED VIEW to_sums TO sums AS SELECT 1 AS k, sum(n) AS n FROM source GROUP BY k")
		for i := range 5 {
			must(t, fmt.Sprintf("INSERT INTO source VALUES (%d)", i))
		}
		if n := count(t, "SELECT sum(n) FROM sums"); n != 10 {
			t.Errorf("sum = %d, want 10", n)
		}
	})

	t.Run("rows age", func(t *testing.T) {
		must(t, "CREATE TABLE aged (at DateTime('UTC'), n UInt64) ENGINE = MergeTree ORDER BY n TTL at + INTERVAL 1 DAY")
		must(t, "INSERT INTO aged VALUES (now() - INTERVAL 3 DAY, 1), (now(), 2)")
		must(t, "OPTIMIZE TABLE aged FINAL")
		if n := count(t, "SELECT sum(n) FROM aged"); n != 2 {
			t.Errorf("after aging the sum is %d, want 2", n)
		}
	})

	t.Run("empty answers", func(t *testing.T) {
		var rows []struct {
			N uint64 `ch:"n"`
		}
		if err := conn.Select(ctx, &rows, "SELECT number AS n FROM numbers(0)"); err != nil || len(rows) != 0 {
			t.Errorf("rows = %v, %v; want none", rows, err)
		}
	})

	t.Run("migrations, twice", func(t *testing.T) {
		db := clickhouse.OpenDB(options)
		defer db.Close()
		first, err := migrations.Up(ctx, db)
		if err != nil || len(first) == 0 {
			t.Fatalf("first run: %v, %v", first, err)
		}
		if second, err := migrations.Up(ctx, db); err != nil || len(second) != 0 {
			t.Errorf("second run: %v, %v; want nothing to do", second, err)
		}
		rows, err := conn.Query(ctx, "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND table LIKE '%_data' AND comment = '' ORDER BY 1, 2")
		if err != nil {
			t.Fatal(err)
		}
		reportRows(t, rows, "column without a comment")
	})
}

func reportRows(t *testing.T, rows driver.Rows, what string) {
	t.Helper()
	for rows.Next() {
		var table, name string
		if err := rows.Scan(&table, &name); err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s: %s", what, strings.Join([]string{table, name}, "."))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
