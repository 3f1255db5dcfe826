package report

import (
	"crypto/ed25519"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestReportToTheFuture: a report of a quarter that has not ended tells where the pool stands today, not where it will stand once today's overage has left the window.
func TestReportToTheFuture(t *testing.T) {
	conn, p := storedIn(t)
	expiry := time.Date(2027, 1, 10, 0, 0, 0, 0, time.UTC)
	_, _, now := period(t, p)
	storagetest.Insert(t, conn, storage.Table{Name: storage.TableLicenseFeatures, Row: storage.LicenseFeature{}}, storage.LicenseFeature{Time: now.Add(-time.Hour), CMSCluster: "emea", Feature: "callBridge", Status: "activated", Expiry: &expiry})
	storagetest.Insert(t, conn, storage.LicenseIntervals, storage.LicenseInterval{StartDay: now.Truncate(24 * time.Hour), Cluster: "emea", Meeting: uuid.UUID{1}, From: now.Add(-90 * time.Minute), Until: storage.StillHolds(),
		OwnerName: "Eva", OwnerID: uuid.UUID{14: 'E'}, License: "smp", SMPSixths: 6, SharedSixths: 6, Version: 1})
	p.Groups = []storage.OwnerGroup{{Name: "all", Tenants: []uuid.UUID{{}}}}
	from := licensing.Day("2026-10-01").Start(p.Zone)
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []licensing.Day{"2026-10-29", "2026-12-01", "2027-04-01"} {
		r, err := MakeLicense(t.Context(), storage.NewQueries(conn), p, from, to.Start(p.Zone), now)
		if err != nil {
			t.Fatal(err)
		}
		if o := r.Overage; o.Days == nil || *o.Days != 1 || *o.OldestLeaves != "2027-01-24" || *o.EnforcementLevel != 0 || !o.AsOf.Equal(now) || o.Features[0].Status != "activated" {
			t.Errorf("to %s: %+v", to, o)
		}
		// Eva's meeting has gone on for an hour and a half, the others took 8.59 hours.
		for _, o := range r.Owners {
			if o.Owner == "Eva" && o.SMPHours != 1.5 {
				t.Errorf("to %s: %v hours of a meeting that goes on", to, o.SMPHours)
			}
		}
		if h := r.Groups[0].SMPHours; h < 10 || h > 10.2 {
			t.Errorf("to %s: %v hours of all", to, h)
		}
		if _, err := MakePack(t.Context(), storage.NewQueries(conn), p, from, to.Start(p.Zone), now, 1, key, filepath.Join(t.TempDir(), "pack")); err != nil {
			t.Errorf("to %s: %v", to, err)
		}
		if last := r.Days[len(r.Days)-1]; last.Day != to.Add(-1) || to != "2026-10-29" && last.SMP.PeakSixths != nil {
			t.Errorf("to %s: last day %+v", to, last)
		}
	}
}

// TestPartOfADay: the peak of a part of a day is not told as that of a complete day.
func TestPartOfADay(t *testing.T) {
	conn, p := storedIn(t)
	_, _, now := period(t, p)
	noon := licensing.Day("2026-10-24").Start(p.Zone).Add(12 * time.Hour)
	for _, one := range []struct {
		from, to time.Time
		day      licensing.Day
		complete bool
	}{
		{licensing.Day("2026-10-24").Start(p.Zone), licensing.Day("2026-10-26").Start(p.Zone), "2026-10-24", true},
		{licensing.Day("2026-10-24").Start(p.Zone).Add(-time.Hour), noon, "2026-10-24", false}, // what came after noon is not in it
		{licensing.Day("2026-10-24").Start(p.Zone), noon.AddDate(0, 0, 1), "2026-10-24", true}, // the part is another day's
		{noon, licensing.Day("2026-10-26").Start(p.Zone), "2026-10-24", true},                  // within the window days are whole
		{noon, licensing.Day("2027-02-15").Start(p.Zone), "2026-10-24", false},                 // more than a window: what was before noon is not in it
	} {
		at := now
		if one.to.After(now) {
			at = one.to
		}
		r, err := MakeLicense(t.Context(), storage.NewQueries(conn), p, one.from, one.to, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range r.Days {
			if d.Day == one.day && d.Complete != one.complete {
				t.Errorf("%s to %s: %s is complete: %t", one.from, one.to, d.Day, d.Complete)
			}
		}
	}
}
