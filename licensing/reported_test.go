package licensing

import (
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestDaysMeet: each day begins where the one before ends, in zones that skip or repeat midnight and in those that do not.
func TestDaysMeet(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia", "Atlantic/Azores", "Asia/Gaza", "America/Santiago"} {
		z := zone(t, name)
		for d := Day("2018-01-01"); d < "2019-01-01"; d = d.Next() {
			start := d.Start(z)
			if got := DayOf(start, z); got != d {
				t.Errorf("%s: %s begins at %s, which is in %s", name, d, start, got)
			}
			if before := DayOf(start.Add(-time.Second), z); before >= d {
				t.Errorf("%s: the second before %s begins is in %s", name, d, before)
			}
		}
	}
	for day, hours := range map[Day]float64{"2026-03-29": 23, "2026-10-25": 25, "2028-02-29": 24} {
		if got := day.End(zone(t, "Europe/Berlin")).Sub(day.Start(zone(t, "Europe/Berlin"))).Hours(); got != hours {
			t.Errorf("%s has %v hours in Berlin, want %v", day, got, hours)
		}
	}
}

// every makes a server's snapshots from a time on, 301 s apart as drift has it.
func every(host string, from, to time.Time, full int64) []Snapshot {
	var list []Snapshot
	for t := from; t.Before(to); t = t.Add(301 * time.Second) {
		list = append(list, Snapshot{Time: t, Cluster: "emea", Host: host, SMPFull: full})
	}
	return list
}

func TestReportedDays(t *testing.T) {
	day := Day("2026-08-03")
	start, end := day.Start(time.UTC), day.End(time.UTC)
	around := func(host string, full int64) []Snapshot {
		return every(host, start.Add(-5*time.Minute), end.Add(8*time.Minute), full)
	}
	of := func(snapshots []Snapshot) ReportedDay {
		t.Helper()
		for _, d := range ReportedDays(snapshots, time.UTC) {
			if d.Day == day {
				return d
			}
		}
		t.Fatalf("no %s in the result", day)
		return ReportedDay{}
	}
	// Two servers, each 0.33 of three calls that span three bridges and one 0.34: 0.33 + 0.33 = 0.66, and with the third 0.34 one call = 6 sixths.
	whole := append(append(around("a", 330), around("b", 330)...), around("c", 340)...)
	if d := of(whole); !d.Complete || d.Hosts != 3 || d.SMP.Value != 6 {
		t.Errorf("three servers all day: %+v, want complete, 3 hosts, 6 sixths", d)
	}
	// 3 × 0.33 = 0.99 of a license = 5.94 sixths: the nearest whole number is 6.
	if d := of(append(append(around("a", 330), around("b", 330)...), around("c", 330)...)); d.SMP.Value != 6 {
		t.Errorf("three times 0.33: %d sixths, want 6", d.SMP.Value)
	}
	// One server silent from 08:00 to 09:00: an hour of gap, at most a cadence more.
	var silent []Snapshot
	for _, s := range around("b", 0) {
		if h := s.Time.Sub(start).Hours(); h < 8 || h >= 9 {
			silent = append(silent, s)
		}
	}
	if d := of(append(around("a", 1000), silent...)); d.Complete || d.GapSeconds < 3600 || d.GapSeconds > 3600+602 || d.SMP.Value != 6 {
		t.Errorf("an hour without server b: %+v, want incomplete with an hour's gap and 6 sixths", d)
	}
	// A server retired the day before is not missed; one that began at noon is: nobody knows what it did before.
	if d := of(append(around("a", 0), every("old", start.Add(-48*time.Hour), start.Add(-20*time.Hour), 0)...)); !d.Complete || d.Hosts != 1 {
		t.Errorf("with a retired server: %+v, want complete with one host", d)
	}
	if d := of(append(around("a", 0), every("new", start.Add(12*time.Hour), end.Add(8*time.Minute), 0)...)); d.Complete {
		t.Errorf("with a server known from noon on: %+v, want incomplete", d)
	}
	// 1 full + 2 audio-only + 1 point-to-point = 6 + 2 + 1 = 9 sixths; 2 recordings and 1 stream take 3 recording licenses.
	mixed := []Snapshot{{Time: start.Add(time.Hour), Cluster: "emea", Host: "a", SMPFull: 1000, SMPAudio: 2000, SMPPointToPoint: 1000, Recording: 2000, Streaming: 1000}}
	if d := of(mixed); d.SMP.Value != 9 || d.Recording.Value != 3 || d.Recordings != 2 || d.Streams != 1 || d.Streaming.Value != 1 || d.Complete {
		t.Errorf("mixed: %+v, want 9 sixths, 3 = 2 + 1 recording licenses, incomplete", d)
	}
	// Two snapshots of one server in one bin are one count: the larger.
	if bins := Bins([]Snapshot{{Time: start, Host: "a", PMP: 2000}, {Time: start.Add(299 * time.Second), Host: "a", PMP: 1000}}); len(bins) != 1 || bins[0].PMP != 2000 || bins[0].Hosts != 1 {
		t.Errorf("two in a bin: %+v", bins)
	}
	// Assigned licenses are a cluster's, never summed over its servers, but over clusters; unknown if one does not say.
	n := int64(45)
	bins := Bins([]Snapshot{{Time: start, Cluster: "x", Host: "a", PMPAssigned: &n}, {Time: start, Cluster: "x", Host: "b", PMPAssigned: &n}, {Time: start, Cluster: "y", Host: "c", PMPAssigned: &n}})
	if bins[0].PMPAssigned == nil || *bins[0].PMPAssigned != 90 {
		t.Errorf("assigned = %v, want 90", bins[0].PMPAssigned)
	}
	if bins := Bins([]Snapshot{{Time: start, Cluster: "x", Host: "a", PMPAssigned: &n}, {Time: start, Cluster: "y", Host: "c"}}); bins[0].PMPAssigned != nil {
		t.Errorf("assigned = %d though a cluster does not say, want nil", *bins[0].PMPAssigned)
	}
}

func TestEntitledOn(t *testing.T) {
	ten, twenty := int64(10), int64(20)
	list := []Entitlement{{From: "2026-07-01", SMP: &twenty}, {From: "2026-01-01", SMP: &ten}}
	for day, want := range map[Day]*int64{"2025-12-31": nil, "2026-01-01": &ten, "2026-06-30": &ten, "2026-07-01": &twenty} {
		got, ok := EntitledOn(list, day)
		if ok != (want != nil) || ok && *got.SMP != *want {
			t.Errorf("EntitledOn(%s) = %+v, %v", day, got, ok)
		}
	}
}
