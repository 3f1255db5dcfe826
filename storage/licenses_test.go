package storage_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestReportedDaysView holds the view license_days_reported against licensing.ReportedDays and EntitledOn: two clusters in one pool, a cluster that does not
// say what is assigned for a while, a zone that changes its clocks, an entry that left the configuration.
func TestReportedDaysView(t *testing.T) {
	conn := storagetest.Store(t)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	dice := rand.New(rand.NewPCG(8, 40))
	from := time.Date(2026, 10, 30, 0, 0, 0, 0, time.UTC) // clocks go back on 1 November
	hosts := []struct {
		cluster string
		id      uuid.UUID
		phase   time.Duration
	}{{"emea", uuid.New(), 7 * time.Second}, {"emea", uuid.New(), 151 * time.Second}, {"amer", uuid.New(), 290 * time.Second}, {"elsewhere", uuid.New(), 0}}
	var rows []storage.LicenseSample
	for _, h := range hosts {
		for at := from.Add(h.phase); at.Before(from.AddDate(0, 0, 5)); at = at.Add(299 * time.Second) { // drifts: some bins have two snapshots
			assigned := new(int64(90 + dice.IntN(30)))
			if h.cluster == "amer" && at.Sub(from) < 30*time.Hour {
				assigned = nil
			}
			n := func() int64 { return int64(dice.IntN(900)) * 10 }
			rows = append(rows, storage.LicenseSample{Time: at.Truncate(time.Second), CMSCluster: h.cluster, HostID: h.id, PMP: n(), PMPAssigned: assigned,
				SMPAudio: n(), SMPPtP: n(), SMPFull: n(), Rec: n(), Str: n(), Polled: at})
		}
	}
	storagetest.Insert(t, conn, storage.Table{Name: storage.TableLicenseSamples, Row: rows[0]}, rows...)
	told := func(written time.Time, day string, smp int64) storage.LicenseEntitlement {
		first, _ := time.Parse(time.DateOnly, day)
		since, offsets := storage.ZoneOffsets(zone, from.AddDate(-1, 0, 0), from.AddDate(1, 0, 0))
		return storage.LicenseEntitlement{ZoneFrom: since, ZoneOffset: offsets, LicensePool: "main", ValidFrom: first, PMP: new(int64(236)), SMP: &smp, DayBoundary: zone.String(), PMPCompares: "assigned",
			CMSClusters: []string{"emea", "amer"}, Written: written}
	}
	storagetest.Insert(t, conn, storage.Table{Name: storage.TableLicenseEntitlements, Row: storage.LicenseEntitlement{}},
		told(from, "2026-10-31", 1), // no longer in the configuration
		told(from, "2026-11-01", 25), told(from.Add(time.Hour), "2026-11-01", 30), told(from.Add(time.Hour), "2026-11-03", 31),
	)

	snapshots, err := storage.NewQueries(conn).LicenseSnapshots(t.Context(), []string{"emea", "amer"}, storage.Period{From: from, To: from.AddDate(0, 0, 9)})
	if err != nil {
		t.Fatal(err)
	}
	entitled := []licensing.Entitlement{{From: "2026-11-01", PMP: new(int64(236)), SMP: new(int64(30))}, {From: "2026-11-03", PMP: new(int64(236)), SMP: new(int64(31))}}
	show := func(v any) string {
		switch v := v.(type) {
		case *int64:
			if v != nil {
				return fmt.Sprint(*v)
			}
		case *bool:
			if v != nil {
				return fmt.Sprint(*v)
			}
		}
		return "?"
	}
	var want []string
	overs := map[string]int{}
	for _, d := range licensing.ReportedDays(snapshots, zone) {
		smpOver, pmpOver := "?", "?"
		if e, ok := licensing.EntitledOn(entitled, d.Day); ok {
			smpOver = fmt.Sprint(d.SMP.Value > 6**e.SMP)
			if d.PMPAssigned != nil {
				pmpOver = fmt.Sprint(*d.PMPAssigned > *e.PMP)
			}
		}
		overs[smpOver]++
		want = append(want, fmt.Sprintln(d.Day, d.SMP.Value, d.PMP.Value, show(d.PMPAssigned), d.Recording.Value, smpOver, pmpOver))
	}
	if overs["true"] == 0 || overs["false"] == 0 || overs["?"] == 0 {
		t.Fatalf("the days do not tell much: %v", want)
	}
	found, err := conn.Query(t.Context(), "SELECT toString(day), smp_peak_sixths, pmp_peak, pmp_assigned, recording_peak, smp_over, pmp_over FROM license_days_reported ORDER BY day")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	var got []string
	for found.Next() {
		var day string
		var smp, pmp, recording int64
		var assigned *int64
		var smpOver, pmpOver *bool
		if err := found.Scan(&day, &smp, &pmp, &assigned, &recording, &smpOver, &pmpOver); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintln(day, smp, pmp, show(assigned), recording, show(smpOver), show(pmpOver)))
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("days: day, SMP sixths, PMP, assigned, recording, over (-licensing +view):\n%s", diff)
	}
}
