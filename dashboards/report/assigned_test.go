package report

import (
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// TestAssignedOfAPartOfThePool: 40 PMP licenses are assigned in one cluster and 30 in the other, of 50 held. On a day on which one of them did not count, it is not known how many are.
func TestAssignedOfAPartOfThePool(t *testing.T) {
	start, fifty := time.Date(2026, 8, 3, 0, 0, 0, 0, time.UTC), int64(50)
	in := LicenseInput{Pool: Pool{Name: "main", Clusters: []string{"a", "b"}, Zone: time.UTC, Readings: licensing.DefaultReadings(), Entitlements: []licensing.Entitlement{{From: "2026-01-01", PMP: &fifty}}},
		From: start, To: start.AddDate(0, 0, 2), GeneratedAt: start.AddDate(0, 0, 3)}
	for at := start; at.Before(in.To); at = at.Add(5 * time.Minute) {
		in.Snapshots = append(in.Snapshots, licensing.Snapshot{Time: at.Add(time.Minute), Cluster: "a", Host: "1", PMPAssigned: new(int64(40))})
		if at.Before(start.AddDate(0, 0, 1)) {
			in.Snapshots = append(in.Snapshots, licensing.Snapshot{Time: at.Add(2 * time.Minute), Cluster: "b", Host: "2", PMPAssigned: new(int64(30))})
		}
	}
	in.Days = []licensing.DayPeaks{{Day: "2026-08-03"}, {Day: "2026-08-04"}}
	r := NewLicense(in)
	if d := r.Days[0]; d.PMP.Assigned == nil || *d.PMP.Assigned != 70 || !*d.PMP.Over || !*d.Overage {
		t.Errorf("both: %+v", d.PMP)
	}
	if d := r.Days[1]; d.PMP.Assigned != nil || d.PMP.Over != nil || d.Overage != nil || d.Reported.PMPAssigned != nil {
		t.Errorf("one: %d assigned", *d.PMP.Assigned)
	}
}

// TestDaysWithoutRecords: that PMP is not over does not make a day of which there are no call records one without overage; that it is over does make it one with.
func TestDaysWithoutRecords(t *testing.T) {
	start, twenty := time.Date(2026, 8, 3, 0, 0, 0, 0, time.UTC), int64(20)
	in := LicenseInput{Pool: Pool{Name: "main", Clusters: []string{"a"}, Zone: time.UTC, Readings: licensing.DefaultReadings(), Entitlements: []licensing.Entitlement{{From: "2026-01-01", SMP: &twenty, PMP: &twenty}, {From: "2026-08-06", PMP: &twenty}}},
		From: start, To: start.AddDate(0, 0, 4), GeneratedAt: start.AddDate(0, 0, 4), Computed: start.AddDate(0, 0, 4),
		Sessions: []storage.SessionCompleteness{{Cluster: "a", FirstTime: start.AddDate(0, 0, 2), LastTime: start.AddDate(0, 0, 4)}}}
	for at := start; at.Before(in.To); at = at.Add(5 * time.Minute) {
		assigned := int64(20)
		if at.Before(start.AddDate(0, 0, 1)) {
			assigned = 21
		}
		in.Snapshots = append(in.Snapshots, licensing.Snapshot{Time: at.Add(time.Minute), Cluster: "a", Host: "1", PMPAssigned: &assigned})
	}
	for _, d := range licensing.Days(start, in.To, time.UTC) {
		in.Days = append(in.Days, licensing.DayPeaks{Day: d})
	}
	r := NewLicense(in)
	for i, want := range []string{"yes", "", "no", "no"} { // records from the third day on; on the fourth no SMP entitlement is known
		if got := shown(r.Days[i].Overage, time.UTC); got != want {
			t.Errorf("%s: overage %q, want %q", r.Days[i].Day, got, want)
		}
	}
	if o := r.Overage; *o.Days != 1 || o.UnknownDays != 87 {
		t.Errorf("%d days, %d unknown", *o.Days, o.UnknownDays)
	}
}

// TestAfterTheLastRecord: days after the last record of all are not known: a quiet day and a broken feed look the same. A quiet day between records is one without use.
func TestAfterTheLastRecord(t *testing.T) {
	start, twenty := time.Date(2026, 8, 3, 0, 0, 0, 0, time.UTC), int64(20)
	in := LicenseInput{Pool: Pool{Name: "main", Clusters: []string{"a"}, Zone: time.UTC, Readings: licensing.DefaultReadings(), Entitlements: []licensing.Entitlement{{From: "2026-01-01", SMP: &twenty}}},
		From: start, To: start.AddDate(0, 0, 4), GeneratedAt: start.AddDate(0, 0, 6), Computed: start.AddDate(0, 0, 6),
		Sessions: []storage.SessionCompleteness{{Cluster: "a", FirstTime: start.AddDate(0, 0, -1), LastTime: start.Add(9 * time.Hour)}, {Cluster: "a", FirstTime: start.Add(40 * time.Hour), LastTime: start.Add(41 * time.Hour)}}}
	for _, d := range licensing.Days(start, in.To, time.UTC) {
		in.Days = append(in.Days, licensing.DayPeaks{Day: d})
	}
	r := NewLicense(in)
	for i, known := range []bool{true, true, false, false} {
		if d := r.Days[i]; (d.SMP.PeakSixths != nil) != known || d.Complete != known || (d.Overage != nil) != known {
			t.Errorf("%s: %s sixths, complete %t, want it known: %t", d.Day, shown(d.SMP.PeakSixths, time.UTC), d.Complete, known)
		}
	}
	in.Pool.Clusters = append(in.Pool.Clusters, "b")
	in.Sessions = append(in.Sessions, storage.SessionCompleteness{Cluster: "b", FirstTime: start.AddDate(0, 0, -1), LastTime: start.AddDate(0, 0, 6)})
	if d := NewLicense(in).Days[2]; d.SMP.PeakSixths == nil || d.Complete { // what is known of is of the other cluster
		t.Errorf("%s: complete %t, without records of one of two clusters", d.Day, d.Complete)
	}
	if r.Overage.UnknownDays != 88 {
		t.Errorf("%d days are not known", r.Overage.UnknownDays)
	}
}
