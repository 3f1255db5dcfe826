package report

import (
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// TestBridgeLicense: what CMS says of its features decides on levels 2 and 3, whether or not use can be judged. Either callBridge or callBridgeNoEncryption suffices, of each cluster; expiry is a date,
// the same in every zone; without any license the level is 3 (capacities page §4, Compliance).
func TestBridgeLicense(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	const bridge, plain = "callBridge", "callBridgeNoEncryption"
	feature := func(cluster, name, status, expiry string) storage.LicenseFeatureState {
		f := storage.LicenseFeatureState{Cluster: cluster, Feature: name, Status: status}
		if expiry != "" {
			at, err := time.Parse(time.DateOnly, expiry)
			if err != nil {
				t.Fatal(err)
			}
			f.Expiry = &at
		}
		return f
	}
	for name, one := range map[string]struct {
		features []storage.LicenseFeatureState
		level    int64 // -1: not known
	}{
		"nothing is known":                 {nil, -1},
		"in force":                         {[]storage.LicenseFeatureState{feature("a", bridge, "activated", "2026-12-01")}, -1},
		"the last day":                     {[]storage.LicenseFeatureState{feature("a", bridge, "activated", "2026-11-20")}, -1},
		"expired yesterday":                {[]storage.LicenseFeatureState{feature("a", bridge, "expired", "2026-11-19")}, 2},
		"expired 90 days ago":              {[]storage.LicenseFeatureState{feature("a", bridge, "expired", "2026-08-22")}, 2},
		"expired 91 days ago":              {[]storage.LicenseFeatureState{feature("a", bridge, "expired", "2026-08-21")}, 3},
		"none":                             {[]storage.LicenseFeatureState{feature("a", bridge, "noLicense", ""), feature("a", plain, "noLicense", "")}, 3},
		"none is listed but one":           {[]storage.LicenseFeatureState{feature("a", bridge, "noLicense", "")}, 3},
		"the other suffices":               {[]storage.LicenseFeatureState{feature("a", bridge, "expired", "2026-08-01"), feature("a", plain, "activated", "2027-02-01")}, -1},
		"the other suffices, for good":     {[]storage.LicenseFeatureState{feature("a", bridge, "activated", ""), feature("a", plain, "expired", "2026-08-01")}, -1},
		"the other suffices where it is":   {[]storage.LicenseFeatureState{feature("a", bridge, "noLicense", ""), feature("a", plain, "expired", "2026-11-01")}, 2},
		"but not in another cluster":       {[]storage.LicenseFeatureState{feature("a", bridge, "expired", "2026-08-01"), feature("b", plain, "activated", "2027-02-01")}, 3},
		"one of two clusters has none":     {[]storage.LicenseFeatureState{feature("a", bridge, "activated", "2027-02-01"), feature("b", bridge, "noLicense", "")}, 3},
		"one of two clusters expired":      {[]storage.LicenseFeatureState{feature("a", bridge, "activated", "2027-02-01"), feature("b", bridge, "expired", "2026-11-01")}, 2},
		"no other feature decides on this": {[]storage.LicenseFeatureState{feature("a", "recording", "noLicense", ""), feature("a", "customizations", "expired", "2025-01-01")}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC) // the 20th in New York
			in := LicenseInput{Pool: Pool{Name: "main", Clusters: []string{"a", "b"}, Zone: newYork, Readings: licensing.DefaultReadings()}, From: now.AddDate(0, 0, -1), To: now, GeneratedAt: now, Features: one.features}
			got := NewLicense(in)
			switch level := got.Overage.EnforcementLevel; {
			case level == nil && one.level >= 0, level != nil && *level != one.level:
				t.Errorf("level %v, want %d", shown(level, time.UTC), one.level)
			}
			if got.Overage.UnknownDays != licensing.WindowDays {
				t.Errorf("%d days are not known, want all", got.Overage.UnknownDays)
			}
			if state, words := got.verdict(); (state == Bad) != (one.level >= 2) {
				t.Errorf("verdict %s: %s", state, words)
			}
		})
	}
}

// TestRecordingLicense: an expired recording license is told of, whether or not use can be judged.
func TestRecordingLicense(t *testing.T) {
	now, expiry := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	o := NewLicense(LicenseInput{Pool: Pool{Name: "main", Clusters: []string{"a"}, Zone: time.UTC}, From: now.AddDate(0, 0, -1), To: now, GeneratedAt: now,
		Features: []storage.LicenseFeatureState{{Cluster: "a", Feature: "recording", Status: "expired", Expiry: &expiry}}}).Overage
	if f := o.Features[0]; f.Feature != "recording" || f.Days != nil || f.EnforcementLevel == nil || *f.EnforcementLevel != 2 || o.EnforcementLevel != nil {
		t.Errorf("%+v", o)
	}
}

// TestLevel2Date: with the clock counting down, level 2 is on the date that CMS says, in any zone.
func TestLevel2Date(t *testing.T) {
	for _, name := range []string{"America/New_York", "UTC", "Pacific/Auckland"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		now, one, expiry := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), int64(1), time.Date(2027, 1, 15, 0, 0, 0, 0, time.UTC)
		in := LicenseInput{Pool: Pool{Name: "main", Clusters: []string{"a"}, Zone: zone, Readings: licensing.DefaultReadings(), Entitlements: []licensing.Entitlement{{From: "2026-01-01", SMP: &one}}},
			From: now.AddDate(0, 0, -20), To: now, GeneratedAt: now, Computed: now, Features: []storage.LicenseFeatureState{{Cluster: "a", Feature: "callBridge", Status: "activated", Expiry: &expiry}},
			Sessions: []storage.SessionCompleteness{{Cluster: "a", FirstTime: now.AddDate(0, -6, 0), LastTime: now}}}
		for _, d := range licensing.Days(in.From, in.To, zone) {
			in.Days = append(in.Days, licensing.DayPeaks{Day: d, Peaks: licensing.Peaks{SMP: licensing.Peak{Value: 7, At: d.Start(zone)}}})
		}
		if o := NewLicense(in).Overage; *o.EnforcementLevel != 1 || *o.Level2 != "2027-01-15" || *o.Level3 != "2027-04-15" {
			t.Errorf("%s: level %d, level 2 on %s, level 3 on %s", name, *o.EnforcementLevel, *o.Level2, *o.Level3)
		}
	}
}
