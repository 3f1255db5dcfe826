package storage_test

import (
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/bridgewatch/bridgewatch/storage/migrations"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestMigrationsBrokenOff: a migration that was broken off at any statement, the version table's own included, is run again from its beginning.
func TestMigrationsBrokenOff(t *testing.T) {
	options := storagetest.Engine(t)
	db := clickhouse.OpenDB(options)
	defer db.Close()
	first, err := migrations.Up(t.Context(), db)
	if err != nil || len(first) == 0 {
		t.Fatalf("the first run applied %v: %v", first, err)
	}
	for name, break1 := range map[string]string{
		"no version is noted":                "TRUNCATE TABLE goose_db_version",
		"the first is noted and no other":    "DELETE FROM goose_db_version WHERE version_id > 0",
		"the version table was not made yet": "DROP TABLE goose_db_version",
	} {
		if _, err := db.ExecContext(t.Context(), break1); err != nil {
			t.Fatal(err)
		}
		again, err := migrations.Up(t.Context(), db)
		if err != nil || len(again) != len(first) {
			t.Errorf("%s: %d migrations ran again, want %d: %v", name, len(again), len(first), err)
		}
	}
	if again, err := migrations.Up(t.Context(), db); err != nil || len(again) != 0 {
		t.Errorf("with nothing to do, %v ran: %v", again, err)
	}
}
