package report

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestWhatIf: on each of 20 days Ada has three meetings from 9:00 to 10:00 and Ben one from 9:30 to 10:30, the last until after midnight. As it was, 24 sixths. With a PMP license Ada's first two
// are covered: 6 + 6. Ben's would spare 6 of 24. With an SMP price of 3 and a PMP price of 1: nobody 4 × 3 = 12; Ada 1 + 2 × 3 = 7; both 2 + 1 × 3 = 5.
func TestWhatIf(t *testing.T) {
	conn := storagetest.Store(t)
	first := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	to := first.AddDate(0, 0, 21)
	var rows []storage.LicenseInterval
	for day := range 20 {
		at := first.AddDate(0, 0, day)
		for i, name := range []string{"Ada", "Ada", "Ada", "Ben"} {
			row := storage.LicenseInterval{StartDay: at, Cluster: "emea", Meeting: uuid.UUID{0: byte(day), 1: byte(i), 2: 1}, From: at.Add(9 * time.Hour), Until: at.Add(10 * time.Hour), OwnerID: uuid.UUID{15: name[0]}, OwnerName: name,
				Licensed: new(false), License: "smp", SMPSixths: 6, SharedSixths: 6, Rule: string(licensing.RuleOwnerWithoutPMP), Version: 1}
			if name == "Ben" {
				row.From, row.Until = at.Add(570*time.Minute), at.Add(630*time.Minute)
				if day == 19 {
					row.Until = at.Add(25 * time.Hour)
				}
			}
			rows = append(rows, row)
		}
	}
	storagetest.Insert(t, conn, storage.LicenseIntervals, rows...)
	storagetest.Insert(t, conn, storage.LicenseUnits, storage.LicenseUnit{Cluster: "emea", StartDay: storage.AllDays(), FactsUntil: to, Version: 1})
	q, four := storage.NewQueries(conn), int64(4)
	p := Pool{Name: "main", Clusters: []string{"emea"}, Zone: time.UTC, Readings: licensing.DefaultReadings(), Entitlements: []licensing.Entitlement{{From: "2026-01-01", SMP: &four}}}
	w, err := MakeWhatIf(t.Context(), q, p, WhatIfQuestion{From: first, To: to, Top: 1, Prices: &licensing.Prices{PMP: 1, SMP: 3}, AllowedDays: 0})
	if err != nil {
		t.Fatal(err)
	}
	days, err := q.LicenseDays(t.Context(), storage.LicensePeriod{Clusters: p.Clusters, From: first, To: to}, time.UTC)
	if err != nil || len(days) != 21 || len(w.Days) != 21 {
		t.Fatalf("%d days, %d (%v)", len(w.Days), len(days), err)
	}
	for i, d := range w.Days {
		was, then := int64(24), int64(12)
		if i == 20 { // Ben's last meeting
			was, then = 6, 6
		}
		if d.Day != days[i].Day || d.SMPSixths != was || d.SMPSixths != days[i].Peaks.SMP.Value || *d.WhatIfSixths != then {
			t.Errorf("%s: %d sixths, with a license for Ada %d; want %d and %d", d.Day, d.SMPSixths, *d.WhatIfSixths, was, then)
		}
	}
	// Two of Ada's three meetings of an hour on 20 days.
	if len(w.Given) != 1 || w.Given[0].Owner != "Ada" || w.Given[0].Hours != 40 {
		t.Errorf("given %+v", w.Given)
	}
	if c := w.Cheapest; len(c.Given) != 2 || c.SMP != 1 || c.Cost != 5 || c.WithoutSMP != 4 || c.WithoutCost != 12 {
		t.Errorf("cheapest %+v", c)
	}
}

// TestWhatIfUnknownDays: days before the first record and days to come are not days without use: no forecast is made of them, and a meeting that goes on is not taken to go on through them.
func TestWhatIfUnknownDays(t *testing.T) {
	first := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	conn := storagetest.Store(t)
	for i, one := range []struct {
		days, before, after int // days of records, asked for before them and behind them
		forecast            licensing.Day
	}{
		{days: 22, before: 68},
		{days: 50, before: 20, forecast: "2026-06-19"}, // the 50th day is not over
		{days: 50, after: 100, forecast: "2026-06-19"},
	} {
		cluster := fmt.Sprint("cluster", i)
		now := first.AddDate(0, 0, one.days).Add(-6 * time.Hour)
		var rows []storage.LicenseInterval
		for day := range one.days {
			at := first.AddDate(0, 0, day)
			row := storage.LicenseInterval{StartDay: at, Cluster: cluster, Meeting: uuid.UUID{0: byte(day), 2: 1}, From: at.Add(9 * time.Hour), Until: at.Add(10 * time.Hour), License: "smp", SMPSixths: 6, SharedSixths: 6, Version: 1}
			if day == one.days-1 {
				row.Until = storage.StillHolds()
			}
			rows = append(rows, row)
		}
		storagetest.Insert(t, conn, storage.LicenseIntervals, rows...)
		storagetest.Insert(t, conn, storage.LicenseUnits, storage.LicenseUnit{Cluster: cluster, StartDay: storage.AllDays(), FactsUntil: now, Version: 1})
		storagetest.Insert(t, conn, storage.SessionFacts, cdr.Session{ID: uuid.UUID{byte(i)}, Cluster: cluster, Bridge: "cb1", FirstTime: first.Add(8 * time.Hour), LastTime: now, Records: 100, Version: 1})
		storagetest.Insert(t, conn, storage.Table{Name: storage.TableOwners, Row: storage.Owner{}}, storage.Owner{CMSCluster: cluster, SpaceID: uuid.UUID{1}, ValidFrom: first, OwnerID: uuid.UUID{2}, OwnerName: "Ada", HasLicense: new(uint8(1))})
		none := int64(0)
		p := Pool{Name: "main", Clusters: []string{cluster}, Zone: time.UTC, Readings: licensing.DefaultReadings(), Entitlements: []licensing.Entitlement{{From: "2026-01-01", SMP: &none}}}
		w, err := MakeWhatIf(t.Context(), storage.NewQueries(conn), p, WhatIfQuestion{From: first.AddDate(0, 0, -one.before), To: first.AddDate(0, 0, one.days+one.after), Prices: &licensing.Prices{PMP: 1, SMP: 1}, AllowedDays: 60})
		if err != nil {
			t.Fatal(err)
		}
		if len(w.Days) != one.days || w.Days[0].Day != "2026-05-01" || *w.AsItWas.DaysOver != int64(one.days) || w.Cheapest.SMP != 0 {
			t.Errorf("%+v: %d days, the first %+v, %d over, %d SMP", one, len(w.Days), w.Days[0], *w.AsItWas.DaysOver, w.Cheapest.SMP)
		}
		if w.UnusedDays != one.days-1 || len(w.Unused) != 1 { // nobody knows of more days
			t.Errorf("%+v: %d unused for %d days", one, len(w.Unused), w.UnusedDays)
		}
		switch {
		case one.forecast == "" && w.Forecast != nil:
			t.Errorf("%+v: a forecast of three weeks: %+v", one, w.Forecast.Days[0])
		case one.forecast != "" && (w.Forecast == nil || w.Forecast.Days[0].Day != one.forecast || w.Forecast.Days[0].Expected != 6):
			t.Errorf("%+v: forecast %+v", one, w.Forecast)
		}
		for _, period := range [][2]time.Time{{first.AddDate(0, -2, 0), first.AddDate(0, -1, 0)}, {now.AddDate(0, 1, 0), now.AddDate(0, 2, 0)}} {
			if w, err := MakeWhatIf(t.Context(), storage.NewQueries(conn), p, WhatIfQuestion{From: period[0], To: period[1]}); err == nil {
				t.Errorf("%s to %s: %+v", period[0], period[1], w.AsItWas)
			}
		}
	}
}
