package report

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestLicenseScale (make bench-license) asks for license use of a year of the largest cluster: 100 million legs in 12 million meetings, which are some 20 million intervals. These are made
// inside the engine with the shapes of a working week; the time to compute them from legs is another figure (licensing/keeper).
func TestLicenseScale(t *testing.T) {
	meetings, err := strconv.Atoi(os.Getenv("BRIDGEWATCH_LICENSE_MEETINGS"))
	if err != nil || meetings < 1000 {
		t.Skip("BRIDGEWATCH_LICENSE_MEETINGS is not set; make bench-license sets it")
	}
	conn := storagetest.Store(t)
	to := time.Now().UTC().Truncate(24 * time.Hour)
	from := to.AddDate(-1, 0, 0)
	began := time.Now()
	// Meetings begin at any time of a day, four in five of them in its ten busy hours; they last 5 to 95 minutes in one to three intervals; a fifth have an owner with a license, 2,000 owners have none.
	for part := range 10 {
		if err := conn.Exec(t.Context(), `INSERT INTO license_intervals_data (start_day, cms_cluster, call_correlator, part, from, until, name, owner_id, owner_name, licensed, call_bridges, license,
	smp_sixths, shared_sixths, pmp, recordings, streams, rule, version)
SELECT toDate(began), 'emea', toUUID(concat('00000000-0000-4000-8000-', leftPad(hex(n), 12, '0'))), piece, began + toIntervalSecond(intDiv(length * piece, pieces)), began + toIntervalSecond(intDiv(length * (piece + 1), pieces)),
	concat('Meeting ', toString(n % 30000)), if(owner = 0, toUUID('00000000-0000-0000-0000-000000000000'), toUUID(concat('00000000-0000-4000-9000-', leftPad(hex(owner), 12, '0')))), if(owner = 0, '', concat('Owner ', toString(owner))),
	if(owner = 0, NULL, owner > 2000), ['cb1'], if(owner > 2000, 'pmp', 'smp'), if(owner > 2000, 0, if((n + piece) % 3 = 0, 1, 6)), 6, owner > 2000, n % 40 = 0 AND piece = 0, n % 200 = 0 AND piece = 0,
	multiIf(owner > 2000, 'pmp_owner', owner = 0, 'smp_no_owner', 'smp_owner_without_pmp'), 1
FROM (SELECT number AS n, cityHash64(number, 1) AS h, 300 + h % 5400 AS length, 1 + cityHash64(number, 2) % 3 AS pieces, cityHash64(number, 3) % 4000 AS o, if(o > 2500, 0, o) AS owner,
	toDateTime64('`+from.Format(time.DateTime)+`', 3, 'UTC') + toIntervalDay(cityHash64(number, 4) % 365) + toIntervalSecond(if(h % 5 < 4, 25200 + cityHash64(number, 5) % 36000, cityHash64(number, 6) % 86000)) AS began
	FROM numbers(`+strconv.Itoa(part*meetings/10)+`, `+strconv.Itoa(meetings/10)+`))
ARRAY JOIN range(toUInt32(pieces)) AS piece`); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Exec(t.Context(), "OPTIMIZE TABLE license_intervals_data"); err != nil {
		t.Fatal(err)
	}
	keeping := storage.LicenseKeeping{Conn: conn}
	if err := keeping.Note(t.Context(), storage.LicenseUnit{Cluster: "emea", StartDay: storage.AllDays(), FactsUntil: to, Version: 1}); err != nil {
		t.Fatal(err)
	}
	storagetest.Insert(t, conn, storage.SessionFacts, cdr.Session{ID: uuid.UUID{1}, Cluster: "emea", Bridge: "cb1", LastIndex: 1, FirstTime: from, LastTime: to, Records: 2, Version: 1})
	// One count of a server, so that the report compares by five minutes as well.
	storagetest.Insert(t, conn, storage.Table{Name: storage.TableLicenseSamples, Row: storage.LicenseSample{}}, storage.LicenseSample{Time: to.AddDate(0, 0, -45), CMSCluster: "emea", HostID: uuid.UUID{1}})
	var intervals, bytes uint64
	if err := conn.QueryRow(t.Context(), "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() AND table = 'license_intervals_data'").Scan(&intervals, &bytes); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d meetings, %d intervals, %.1f bytes each on disk, made in %s", meetings, intervals, float64(bytes)/float64(intervals), time.Since(began).Round(time.Second))
	forty := int64(2000)
	pool := Pool{Name: "main", Clusters: []string{"emea"}, Zone: time.UTC, Readings: licensing.DefaultReadings(), Entitlements: []licensing.Entitlement{{From: "2020-01-01", SMP: &forty, PMP: &forty}}}
	q := storage.NewQueries(conn)
	measure := func(what string, limit time.Duration, do func() error) {
		t.Helper()
		var best time.Duration
		before := goTime()
		for range 3 {
			start := time.Now()
			if err := do(); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); best == 0 || took < best {
				best = took
			}
		}
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		t.Logf("%s: %s at best of three (aimed at: %s), the Go process's processor time %s each; it took %d MiB from the system at most so far", what, best.Round(time.Millisecond), limit,
			((goTime() - before) / 3).Round(time.Millisecond), memory.Sys>>20)
	}
	var peak time.Time
	measure("report license of 90 days", 2*time.Second, func() error {
		r, err := MakeLicense(t.Context(), q, pool, to.AddDate(0, 0, -90), to, to)
		if err == nil {
			peak = *r.Days[45].SMP.At
		}
		return err
	})
	measure("explain license at a peak", 300*time.Millisecond, func() error {
		e, err := Explain(t.Context(), q, pool, peak)
		if err == nil && len(e.Meetings) == 0 {
			t.Error("nothing explained")
		}
		return err
	})
	measure("use of 7 days by 5 minutes", time.Second, func() error {
		_, err := q.LicenseUse(t.Context(), storage.LicensePeriod{Clusters: pool.Clusters, From: to.AddDate(0, 0, -7), To: to}, 5*time.Minute)
		return err
	})
	var steps int
	measure("what-if over a year, cheapest mix", 30*time.Second, func() error {
		steps = 0
		_, err := MakeWhatIf(t.Context(), q, pool, WhatIfQuestion{From: from, To: to, Top: 20, Prices: &licensing.Prices{PMP: 1, SMP: 6}, AllowedDays: 15, Progress: func(string, float64) { steps++ }})
		return err
	})
	t.Logf("what-if told of its progress %d times", steps)
}

// goTime is the processor time of this process; the engine is another.
func goTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
