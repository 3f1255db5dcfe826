package main

import (
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/licensing"
)

// TestInstant: a date is the first instant of that license day, also where the clock skips or repeats midnight.
func TestInstant(t *testing.T) {
	for _, one := range []struct{ zone, text, want string }{
		{"UTC", "2026-08-01", "2026-08-01T00:00:00Z"},
		{"Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z"},
		{"Europe/Berlin", "2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z"},
		{"America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"}, // 01:00, midnight is skipped
		{"Atlantic/Azores", "2026-10-25", "2026-10-25T00:00:00Z"},
		{"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"}, // the first of two midnights
	} {
		zone, err := time.LoadLocation(one.zone)
		if err != nil {
			t.Fatal(err)
		}
		got, err := instant(one.text, zone)
		if err != nil || got.UTC().Format(time.RFC3339) != one.want {
			t.Errorf("%s in %s: %s (%v), want %s", one.text, one.zone, got.UTC(), err, one.want)
		}
		if day := licensing.Day(one.text); len(one.text) == len(time.DateOnly) && !got.Equal(day.Start(zone)) {
			t.Errorf("%s in %s: %s, the license day begins at %s", one.text, one.zone, got, day.Start(zone))
		}
	}
	for _, bad := range []string{"2026-02-30", "yesterday", "2026-08-01T09:00:00", "2026-8-1", ""} {
		if got, err := instant(bad, time.UTC); err == nil {
			t.Errorf("%q is %s", bad, got)
		}
	}
}

// TestPeriod: what is left out is 90 days by the clock of the zone, over its changes.
func TestPeriod(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	from, to, err := period("", "2026-11-01", berlin, time.Now())
	if err != nil || !from.Equal(licensing.Day("2026-08-03").Start(berlin)) || !to.Equal(licensing.Day("2026-11-01").Start(berlin)) {
		t.Errorf("%s to %s (%v)", from, to, err)
	}
	for _, bad := range [][2]string{{"2026-11-01", "2026-11-01"}, {"2026-11-02", "2026-11-01"}, {"2999-01-01", ""}, {"", "9999-12-31"}, {"", "2400-01-01"}, {"0001-01-01", ""}, {"1999-01-01", "2026-11-01"}} {
		if _, _, err := period(bad[0], bad[1], berlin, time.Now()); err == nil {
			t.Errorf("from %s to %s is a period", bad[0], bad[1])
		}
	}
}
