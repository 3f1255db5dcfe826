package api

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestUsageNotKnown: use before the first record and in the future is null, which is not zero, and a meeting that goes on is not taken to go on for ever.
func TestUsageNotKnown(t *testing.T) {
	conn := storagetest.Store(t)
	now := time.Now().UTC().Truncate(time.Hour)
	storagetest.Insert(t, conn, storage.LicenseIntervals, storage.LicenseInterval{StartDay: now.Add(-2 * time.Hour).Truncate(24 * time.Hour), Cluster: "emea", Meeting: uuid.UUID{1}, From: now.Add(-2 * time.Hour), Until: storage.StillHolds(),
		License: "smp", SMPSixths: 6, SharedSixths: 6, Version: 1})
	storagetest.Insert(t, conn, storage.LicenseUnits, storage.LicenseUnit{Cluster: "emea", StartDay: storage.AllDays(), FactsUntil: time.Now(), Version: 1})
	storagetest.Insert(t, conn, storage.SessionFacts, cdr.Session{ID: uuid.UUID{1}, Cluster: "emea", Bridge: "cb1", FirstTime: now.Add(-4*time.Hour + time.Minute), LastTime: now, Records: 100, Version: 1})
	answer, err := usage(t.Context(), storage.NewQueries(conn), report.Pool{Name: "main", Clusters: []string{"emea"}, Zone: time.UTC, Groups: []storage.OwnerGroup{{Name: "none"}}}, storage.Period{From: now.Add(-6 * time.Hour), To: now.Add(3 * time.Hour)}, time.Hour)
	if err != nil || len(answer.Items) != 9 {
		t.Fatalf("%d items, %v", len(answer.Items), err)
	}
	if hours, most := answer.OwnerGroups[1].SMPHours, time.Since(now.Add(-2*time.Hour)).Hours(); hours < 2 || hours > most {
		t.Errorf("%v hours of a meeting that began %v hours ago", hours, most)
	}
	for i, want := range []int64{-1, -1, 0, 0, 6, 6, 6, -1, -1} { // by hour from 6 hours ago on; -1 is not known
		got := answer.Items[i].SMPSixths
		if want < 0 && got != nil || want >= 0 && (got == nil || *got != want) {
			t.Errorf("%s: %+v, want %d sixths", answer.Items[i].Time, answer.Items[i], want)
		}
	}
}

// TestUsageToCome: nothing is known of a period that lies in the future.
func TestUsageToCome(t *testing.T) {
	conn := storagetest.Store(t)
	now := time.Now().UTC()
	storagetest.Insert(t, conn, storage.LicenseUnits, storage.LicenseUnit{Cluster: "emea", StartDay: storage.AllDays(), FactsUntil: now, Version: 1})
	pool := report.Pool{Name: "main", Clusters: []string{"emea"}, Zone: time.UTC, Groups: []storage.OwnerGroup{{Name: "none"}}}
	answer, err := usage(t.Context(), storage.NewQueries(conn), pool, storage.Period{From: now.Add(time.Hour), To: now.Add(3 * time.Hour)}, time.Hour)
	if err != nil || len(answer.Items) != 2 || answer.Items[0].SMPSixths != nil || answer.OwnerGroups[0].SMPHours != 0 {
		t.Errorf("%+v, %v", answer, err)
	}
}
