package report_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestCapacity: Monday 2 to Wednesday 4 November 2026 in Berlin. Three bridges of one cluster, cb1 and cb2 in a group, cb3 in none; cb4 is configured and was never polled.
func TestCapacity(t *testing.T) {
	conn, zone := storagetest.Store(t), berlin(t)
	f := &facts{t: t, zone: zone}
	var polls []storage.BridgeSample
	// Limits are 1000, thresholds 800 and 900.
	poll := func(bridge, at string, load int64) {
		polls = append(polls, storage.BridgeSample{Time: f.at(at), CMSCluster: "emea", CallBridge: bridge, Up: 1, MediaProcessingLoad: &load, LoadLimit: new(int64(1000)), NewThreshold: new(int64(800)), ExistingThreshold: new(int64(900)), CallLegsActive: new(load / 10)})
	}
	fail := func(bridge, at string) {
		polls = append(polls, storage.BridgeSample{Time: f.at(at), CMSCluster: "emea", CallBridge: bridge, Error: "timeout"})
	}
	// Monday. cb1: 850 at 09:01 and 09:06 (one stretch above 800), 950 at 09:12 (above 800 and 900), 1001 at 09:30 (above all). Stretches 09:00, 09:10, 09:30, and 10:00 with 100: 4 of 144.
	for at, load := range map[string]int64{"09:01": 850, "09:06": 850, "09:12": 950, "09:30": 1001, "10:00": 100} {
		poll("cb1", "2026-11-02 "+at, load)
	}
	// cb2: 100 at 09:03, 200 at 09:12, nothing at 09:30, dead at 10:00.
	// Headroom of the group: 09:00: 2000-1000-850-100 = 50; 09:10: 1000-950-200 = -150; 09:30: cb2 is not told of; 10:00: cb2 is dead, so cb1 is alone: 0-100 = -100. Lowest -150, below 0 in two stretches.
	poll("cb2", "2026-11-02 09:03", 100)
	poll("cb2", "2026-11-02 09:12", 200)
	fail("cb2", "2026-11-02 10:00")
	// cb3 answers without load (a release before 2.1): nothing is known but its legs.
	polls = append(polls, storage.BridgeSample{Time: f.at("2026-11-02 09:00"), CMSCluster: "emea", CallBridge: "cb3", Up: 1, CallLegsActive: new(int64(7))})
	// Tuesday: cb1 alone is polled, without a limit: the load is known, whether it was over is not.
	polls = append(polls, storage.BridgeSample{Time: f.at("2026-11-03 12:00"), CMSCluster: "emea", CallBridge: "cb1", Up: 1, MediaProcessingLoad: new(int64(5000))})
	// 23:59 in Berlin is still Tuesday.
	poll("cb3", "2026-11-03 23:59", 400)
	// Before the period and of another cluster.
	poll("cb1", "2026-11-01 23:59", 9999)
	storagetest.Insert(t, conn, storage.Table{Name: storage.TableBridgeSamples, Row: storage.BridgeSample{}}, polls...)

	var settings []storage.Setting
	set := func(bridge, object, id, field, value string) {
		settings = append(settings, storage.Setting{CMSCluster: "emea", CallBridge: bridge, Object: object, ObjectID: id, Field: field, ValidFrom: f.at("2026-10-01 00:00"), Value: &value})
	}
	// CMS calls cb2 "beta".
	set("cb2", "cluster", "", "uniqueName", "beta")
	set("", "callBridge", "1", "name", "cb1")
	set("", "callBridge", "1", "callBridgeGroup", "g")
	set("", "callBridge", "2", "name", "beta")
	set("", "callBridge", "2", "callBridgeGroup", "g")
	set("", "callBridge", "3", "name", "cb3")
	set("", "callBridgeGroup", "g", "name", "Frankfurt")
	storagetest.Insert(t, conn, storage.Table{Name: storage.TableSettings, Row: storage.Setting{}}, settings...)

	// Recordings: 08:00-10:00, 09:00-11:00, 10:00-12:00 (the first ends as the third begins): two at once at 09:00. One from Monday 23:30 to Wednesday 01:00: one all through Tuesday.
	recording := func(from, to string) cdr.Recording {
		r := cdr.Recording{ID: uuid.New(), CallID: uuid.New(), LegID: uuid.New(), Cluster: "emea", Bridge: "cb1", Session: uuid.New(), Start: f.at(from), Version: 8}
		end := f.at(to)
		r.End, r.EndHow = &end, cdr.EndRecord
		return r
	}
	storagetest.Insert(t, conn, storage.RecordingFacts, recording("2026-11-02 08:00", "2026-11-02 10:00"), recording("2026-11-02 09:00", "2026-11-02 11:00"), recording("2026-11-02 10:00", "2026-11-02 12:00"),
		recording("2026-11-02 23:30", "2026-11-04 01:00"))
	storagetest.Insert(t, conn, storage.SessionFacts, f.session("cb1", "2026-11-01 00:00", "2026-11-03 22:00"))

	scope := storage.Scope{Clusters: []string{"emea"}, From: f.at("2026-11-02 00:00"), To: f.at("2026-11-05 00:00"), Zone: zone, Now: f.at("2026-11-04 12:00")}
	r, err := report.MakeCapacity(t.Context(), storage.NewQueries(conn), scope, report.Equipment{
		Bridges: []storage.BridgeOf{{Cluster: "emea", Bridge: "cb1"}, {Cluster: "emea", Bridge: "cb4"}, {Cluster: "amer", Bridge: "cb9"}},
		Slots:   map[string]report.Slots{"emea": {Recordings: new(int64(2))}},
	})
	if err != nil {
		t.Fatal(err)
	}

	var days []string
	for _, d := range r.Days {
		days = append(days, fmt.Sprint(d.Bridge, " ", d.Day, " ", d.Coverage, " ", show(d.PeakLoad), " ", show(d.PeakAt), " ", show(d.LoadLimit), " ", show(d.TypicalLoad), " ", show(d.PeakRatio), " ",
			show(d.OverNewMinutes), " ", show(d.OverExistingMinutes), " ", show(d.OverLimitMinutes), " ", show(d.PeakLegs)))
	}
	const none = " 0 ? ? ? ? ? ? ? ? ?"
	if diff := cmp.Diff([]string{
		"cb1 2026-11-02 0.0278 1001 2026-11-02T08:30:00Z 1000 1001 1.001 30 20 10 100", // 4/144; legs: a tenth of the load
		"cb1 2026-11-03 0.0069 5000 2026-11-03T11:00:00Z ? 5000 ? ? ? ? ?",
		"cb1 2026-11-04" + none,
		"cb2 2026-11-02 0.0139 200 2026-11-02T08:12:00Z 1000 200 0.2 0 0 0 20",
		"cb2 2026-11-03" + none, "cb2 2026-11-04" + none,
		"cb3 2026-11-02 0 ? ? ? ? ? ? ? ? 7",
		"cb3 2026-11-03 0.0069 400 2026-11-03T22:59:00Z 1000 400 0.4 0 0 0 40",
		"cb3 2026-11-04" + none,
		"cb4 2026-11-02" + none, "cb4 2026-11-03" + none, "cb4 2026-11-04" + none,
	}, days); diff != "" {
		t.Errorf("bridge, day, coverage, load, at, limit, 95 %%, ratio, minutes over three lines, legs (-want +got):\n%s", diff)
	}

	var failover []string
	for _, h := range r.Failover {
		failover = append(failover, fmt.Sprint(h.Day, " ", h.Group, " ", h.Headroom, " ", h.Load, " ", h.Survivors, " ", h.At.Format(time.RFC3339), " ", h.Busiest, " ", h.Bridges, " ", h.BelowMinutes))
	}
	// cb3 is the group of those in none: on Tuesday it is alone, so its load has nowhere to go. On Monday its load is not known.
	if diff := cmp.Diff([]string{"2026-11-03  -400 400 0 2026-11-03T22:50:00Z cb3 1 10", "2026-11-02 Frankfurt -150 1150 1000 2026-11-02T08:10:00Z cb1 2 20"}, failover); diff != "" {
		t.Errorf("day, group, headroom, load, the others' limits, at, busiest, bridges, minutes below (-want +got):\n%s", diff)
	}

	var captures []string
	for _, c := range r.Captures {
		captures = append(captures, fmt.Sprint(c.Kind, " ", c.Day, " ", show(c.Begun), " ", show(c.Peak), " ", show(c.At), " ", show(c.Slots), " ", show(c.Full)))
	}
	// After Tuesday 22:00 no record came, so Wednesday is not known.
	if diff := cmp.Diff([]string{
		"recording 2026-11-02 4 2 2026-11-02T08:00:00Z 2 true", "recording 2026-11-03 0 1 2026-11-02T23:00:00Z 2 false", "recording 2026-11-04 ? ? ? 2 ?",
		"stream 2026-11-02 0 0 ? ? ?", "stream 2026-11-03 0 0 ? ? ?", "stream 2026-11-04 ? ? ? ? ?",
	}, captures); diff != "" {
		t.Errorf("kind, day, begun, peak, at, slots, full (-want +got):\n%s", diff)
	}

	// Over the period, of 60 hours: cb1's days of 24 hours have 4 and 1 stretches, so 5/144 of 24 hours.
	b := r.Bridges[0]
	if got, want := fmt.Sprint(b.Coverage, show(b.PeakRatio), show(b.PeakLoad), b.DaysKnown, show(b.DaysOverNew), show(b.DaysOverExisting), show(b.DaysOverLimit)), fmt.Sprint(0.0139, "1.001", "5000", 2, "1", "1", "1"); got != want {
		t.Errorf("cb1 over the period: %s, want %s", got, want)
	}
	if d := r.Document(); d.State != report.Bad {
		t.Errorf("%s: %s", d.State, d.Verdict)
	}
	everyFormat(t, "capacity", r.Document(), r.WriteJSON, r.WriteCSV)

	scope.Clusters = []string{"nowhere"}
	if r, err = report.MakeCapacity(t.Context(), storage.NewQueries(conn), scope, report.Equipment{}); err != nil {
		t.Fatal(err)
	}
	if d := r.Document(); d.State != report.Unknown || len(r.Days) != 0 {
		t.Errorf("of nothing: %s: %s, %v", d.State, d.Verdict, r.Days)
	}
	everyFormat(t, "capacity of nothing", r.Document(), r.WriteJSON, r.WriteCSV)
}
