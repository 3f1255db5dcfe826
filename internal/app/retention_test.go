package app

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestSearchableForAsLongAsKept: the index of names has a row for a whole month, which must outlive the last leg of that month.
func TestSearchableForAsLongAsKept(t *testing.T) {
	keep := config.Default().Retention
	keep.Facts = config.Duration(7 * 24 * time.Hour)
	conn, err := prepareStore(t.Context(), storagetest.Engine(t), "", keep, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	start := time.Now().UTC().Add(-6 * 24 * time.Hour)
	storagetest.Insert(t, conn, storage.LegFacts, cdr.Leg{ID: uuid.New(), GroupID: uuid.New(), CallID: uuid.New(), Session: uuid.New(), Cluster: "emea", Bridge: "cb1", DisplayName: "Somebody of last week",
		Type: "sip", Start: start, Calls: []uuid.UUID{}, Alarms: []cdr.Alarm{}, Version: 1})
	for _, table := range []string{"call_legs_data", "parties_data"} {
		if err := conn.Exec(t.Context(), "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			t.Fatal(err)
		}
	}
	legs, _, err := storage.NewQueries(conn).Legs(t.Context(), storage.LegFilter{Period: storage.Period{From: start.Add(-time.Hour)}, Text: "of last week", Limit: 10})
	if err != nil || len(legs) != 1 {
		t.Errorf("%d legs found, %v; want the one that is kept", len(legs), err)
	}
}

// keptForEver are tables without a retention: they grow with what changes, not with time, and their oldest rows may still hold.
var keptForEver = []string{"cdr_sessions_data", "goose_db_version", "license_entitlements_data", "license_units_data", "owners_data", "settings_data"}

// TestRetention: rows older than the retention leave the disk, a shorter one takes effect on what is there, and no table was forgotten.
func TestRetention(t *testing.T) {
	options := storagetest.Engine(t)
	log := slog.New(slog.DiscardHandler)
	keep := config.Default().Retention
	days := func(n int) config.Duration { return config.Duration(time.Duration(n) * 24 * time.Hour) }
	keep.Raw = days(30)
	conn, err := prepareStore(t.Context(), options, "", keep, log)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A thousand bodies of a kilobyte that does not compress, of each of three ages.
	for _, age := range []string{"100 DAY", "20 DAY", "1 DAY"} {
		if err := conn.Exec(t.Context(), "INSERT INTO cdr_bodies_data (body_id, part, parts, received, source, body) SELECT generateUUIDv4(), 1, 1, now64(3) - INTERVAL "+age+", 'cb1', randomString(1024) FROM numbers(1000)"); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(rows uint64) {
		t.Helper()
		var got, bytes uint64
		waitFor(t, time.Minute, func() error {
			if err := conn.Exec(t.Context(), "OPTIMIZE TABLE cdr_bodies_data FINAL"); err != nil {
				return err
			}
			err := conn.QueryRow(t.Context(), "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() AND table = 'cdr_bodies_data'").Scan(&got, &bytes)
			if err != nil || got != rows {
				return errors.Join(fmt.Errorf("%d rows, want %d", got, rows), err)
			}
			return nil
		})
		if bytes < rows*1024 || bytes > rows*1300 {
			t.Errorf("%d rows of a kilobyte take %d bytes on the disk", rows, bytes)
		}
	}
	holds(2000)
	keep.Raw = days(10)
	again, err := prepareStore(t.Context(), options, "", keep, log)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	holds(1000)

	// Longer than the store can count is for ever, not at once, also where there was a retention.
	keep.Raw = days(36500)
	again, err = prepareStore(t.Context(), options, "", keep, log)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	holds(1000)
	keep.Raw = days(10)
	if again, err = prepareStore(t.Context(), options, "", keep, log); err != nil {
		t.Fatal(err)
	}
	again.Close()

	var forgotten []string
	if err := conn.QueryRow(t.Context(), "SELECT arraySort(groupArray(name)) FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND create_table_query NOT LIKE '%TTL %'").Scan(&forgotten); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(forgotten, keptForEver) {
		t.Errorf("tables without a retention: %v; want %v", forgotten, keptForEver)
	}
}
