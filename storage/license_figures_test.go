package storage_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestLicenseLots: however a period is divided, its figures are the same: meetings that go on for days, or that pause over the period's start, count once, and rows that were replaced or buried
// do not count.
func TestLicenseLots(t *testing.T) {
	conn := storagetest.Store(t)
	rnd := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // a seed makes it repeat
	begin := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	from, to := begin.Add(50*time.Hour), begin.AddDate(0, 0, 9)
	var rows []storage.LicenseInterval
	meetings := map[uuid.UUID]uint64{} // by owner
	for n := range 400 {
		start := begin.Add(time.Duration(rnd.IntN(10*86400)) * time.Second)
		owner := uuid.UUID{15: byte(rnd.IntN(5))} // one of them is none
		at, counts := start, false
		for part := range 1 + rnd.IntN(3) {
			row := storage.LicenseInterval{StartDay: start.Truncate(24 * time.Hour), Cluster: "emea", Meeting: uuid.UUID{0: byte(n >> 8), 1: byte(n), 15: 1}, Part: uint16(part), OwnerID: owner, OwnerName: "Owner " + owner.String()[35:],
				From: at, Until: at.Add(time.Duration(1+rnd.IntN(20*3600)) * time.Second), SMPSixths: uint8(rnd.IntN(7)), PMP: uint8(rnd.IntN(2)), Recordings: uint8(rnd.IntN(3)), Streams: uint8(rnd.IntN(2)), License: "smp", Version: 2}
			old := row
			old.SMPSixths, old.Version = 200, 1
			buried := row
			buried.Part, buried.Deleted = 9, 1
			rows = append(rows, old, row, buried)
			counts = counts || row.From.Before(to) && row.Until.After(from)
			at = row.Until.Add(time.Duration(rnd.IntN(2)) * 10 * time.Hour) // some pause
		}
		if counts {
			meetings[owner]++
		}
	}
	storagetest.Insert(t, conn, storage.LicenseIntervals, rows...)
	for n := range byte(5) { // the owner that is none has no address
		storagetest.Insert(t, conn, storage.Table{Name: storage.TableOwners, Row: storage.Owner{}},
			storage.Owner{CMSCluster: "emea", SpaceID: uuid.UUID{3, n}, ValidFrom: begin, OwnerID: uuid.UUID{15: n}, OwnerJID: []string{"", "Ada@Example.com", "ben@example.com", "cid@sales.example.com", "dot@example.net"}[n]})
	}
	ask := storage.LicenseQuestion{LicensePeriod: storage.LicensePeriod{Clusters: []string{"emea"}, From: from, To: to}, Days: time.UTC, DaysFrom: begin.Add(7 * time.Hour), Step: 7 * time.Minute, StepsFrom: begin.Add(6 * time.Hour), Owners: 4,
		Groups: []storage.OwnerGroup{{Name: "engineering", Owners: []string{"*@example.COM"}}, {Name: "sales", Owners: []string{"x@example.net", "?id@sales.*", "ben@*"}}, {Name: "guests", Tenants: []uuid.UUID{{7}}}}}
	whole, err := storage.NewQueries(conn).LicenseFigures(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.Owners) != 4 || whole.Days[3].Peaks.SMP.Value < 20 || whole.Days[3].Peaks.SMP.Value > 1000 {
		t.Fatalf("%+v", whole)
	}
	for _, o := range whole.Owners {
		id, name := uuid.Nil, ""
		if o.OwnerID != nil {
			id, name = *o.OwnerID, "Owner "+o.OwnerID.String()[35:]
		}
		if o.Meetings != meetings[id] || o.Owner != name {
			t.Errorf("%q, %s: %d meetings, want %d of %q", o.Owner, id, o.Meetings, meetings[id], name)
		}
	}
	// Ada and Ben; Cid; nobody's space is of the tenant; Dot and whoever is not known. Ben is in the first group alone.
	for i, want := range []storage.GroupUse{{Group: "engineering", Meetings: meetings[uuid.UUID{15: 1}] + meetings[uuid.UUID{15: 2}]}, {Group: "sales", Meetings: meetings[uuid.UUID{15: 3}]}, {Group: "guests"}, {Meetings: meetings[uuid.UUID{15: 4}] + meetings[uuid.Nil]}} {
		if got := whole.Groups[i]; got.Group != want.Group || got.Meetings != want.Meetings || (got.SMPAt == nil) != (got.Meetings == 0) {
			t.Errorf("group %d: %+v, want %+v", i, got, want)
		}
	}
	alone := map[byte][]licensing.Interval{}
	for _, r := range rows {
		if r.Version == 2 && r.Deleted == 0 && r.OwnerID[15] == 3 {
			alone[3] = append(alone[3], licensing.Interval{Span: licensing.Span{From: r.From, To: r.Until}, Sixths: int64(r.SMPSixths)})
		}
	}
	var took float64
	for _, i := range alone[3] {
		if from, until := i.From, i.To; until.After(from) {
			if from.Before(ask.From) {
				from = ask.From
			}
			if until.After(to) {
				until = to
			}
			took += max(0, until.Sub(from).Hours()) * float64(i.Sixths) / 6
		}
	}
	if peak := licensing.PeaksWithin(licensing.Levels(alone[3]), licensing.Span{From: from, To: to}).SMP; whole.Groups[1].SMPPeakSixths != peak.Value || !whole.Groups[1].SMPAt.Equal(peak.At) || math.Abs(whole.Groups[1].SMPHours-took) > 1e-6 {
		t.Errorf("sales: %+v, want a peak of %+v and %v hours", whole.Groups[1], peak, took)
	}
	midnight := ask
	midnight.From, midnight.DaysFrom, midnight.StepsFrom = begin.AddDate(0, 0, 2), begin.AddDate(0, 0, 2), begin.AddDate(0, 0, 2)
	for _, ask := range []storage.LicenseQuestion{ask, midnight} {
		whole, err := storage.NewQueries(conn).LicenseFigures(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range []uint64{1, 150, 700} {
			parts, err := storage.NewQueries(conn).WithLots(rows).LicenseFigures(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(whole, parts); diff != "" {
				t.Errorf("from %s, lots of %d rows: %s", ask.From, rows, diff)
			}
		}
	}
}
