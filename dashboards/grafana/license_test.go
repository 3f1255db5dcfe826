package grafana

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestLicenseDays: a level holds over midnight in the pool's own zone, days before the first meeting are not there, and a day without a meeting has none in use.
func TestLicenseDays(t *testing.T) {
	conn := storagetest.Store(t)
	for _, sql := range []string{
		// Berlin goes back from UTC+2 to UTC+1 on 25 October at 01:00 UTC.
		`INSERT INTO license_entitlements_data (license_pool, valid_from, pmp, smp, recording, day_boundary, zone_from, zone_offset, pmp_compares, cms_clusters, written) VALUES
			('main', '2026-01-01', 10, 1, NULL, 'Europe/Berlin', ['2026-03-29 01:00:00', '2026-10-25 01:00:00'], [7200, 3600], 'in_use', ['emea', 'amer'], '2026-10-29 00:00:00'),
			('main', '2026-10-26', 10, 2, NULL, 'Europe/Berlin', ['2026-03-29 01:00:00', '2026-10-25 01:00:00'], [7200, 3600], 'in_use', ['emea', 'amer'], '2026-10-29 00:00:00')`,
		`INSERT INTO license_units_data (cms_cluster, start_day, facts_until, readings, version) SELECT c, 0, now(), '', 1 FROM (SELECT arrayJoin(['emea', 'amer']) AS c)`,
		`INSERT INTO license_intervals_data (start_day, cms_cluster, call_correlator, part, from, until, smp_sixths, pmp, recordings, streams, version) VALUES
			('2026-10-23', 'emea', generateUUIDv4(), 0, '2026-10-23 21:30:00', '2026-10-23 22:30:00', 6, 0, 0, 0, 1),
			('2026-10-23', 'amer', generateUUIDv4(), 0, '2026-10-23 21:40:00', '2026-10-23 21:50:00', 1, 1, 1, 1, 1),
			('2026-10-25', 'emea', generateUUIDv4(), 0, '2026-10-25 22:30:00', '2026-10-26 10:00:00', 12, 0, 0, 0, 1),
			('2026-10-27', 'elsewhere', generateUUIDv4(), 0, '2026-10-27 08:00:00', '2026-10-27 09:00:00', 60, 0, 0, 0, 1),
			('2026-10-27', 'emea', generateUUIDv4(), 0, '2026-10-27 23:30:00', '2200-01-01 00:00:00', 3, 0, 0, 0, 1)`,
	} {
		if err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Date(2026, 10, 29, 12, 0, 0, 0, time.UTC)
	e := expansion{end.Add(-time.Hour), end, map[string][]string{"license_pool": {"main"}}}
	rows, err := conn.Query(t.Context(), strings.ReplaceAll(e.sql(`SELECT toString(day), smp_sixths, pmp, recording, toString(smp_entitled) FROM `+licenseDays("90")+` ORDER BY day`), "bridgewatch.", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var day string
		var smp, pmp, recording int64
		var entitled *string
		if err := rows.Scan(&day, &smp, &pmp, &recording, &entitled); err != nil {
			t.Fatal(err)
		}
		shown := "?"
		if entitled != nil {
			shown = *entitled
		}
		got = append(got, fmt.Sprint(day, " ", smp, " ", pmp, " ", recording, " ", shown))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"2026-10-23 7 1 2 1",  // both clusters
		"2026-10-24 6 0 0 1",  // from 22:00 UTC, half an hour
		"2026-10-25 12 0 0 1", // from 22:30 UTC
		"2026-10-26 12 0 0 2", // from midnight, which is 23:00 UTC now
		"2026-10-27 0 0 0 2",
		"2026-10-28 3 0 0 2", // 27 October, 23:30 UTC
		"2026-10-29 3 0 0 2", // it goes on
	}
	if !slices.Equal(got, want) {
		t.Errorf("days, SMP sixths, PMP, recording, entitled:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
