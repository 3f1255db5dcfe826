package storage_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestBridgesAndAlarms: a bridge's newest answer stands beside a later poll that it did not answer; alarms page without repeating one.
func TestBridgesAndAlarms(t *testing.T) {
	conn := storagetest.Store(t)
	exec := func(sql string) {
		t.Helper()
		if err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO bridge_samples_data (time, cms_cluster, call_bridge, up, software_version, call_legs_active, load_limit) VALUES
		(now64(3) - 120, 'emea', 'cb1', 1, '3.8', 7, 120000), (now64(3) - 60, 'emea', 'cb1', 1, '3.8', 0, NULL), (now64(3) - 30, 'emea', 'cb1', 0, '', NULL, NULL)`)
	now := time.Now().UTC().Truncate(time.Second)
	for i := range 5 {
		cleared := "NULL"
		if i < 3 {
			cleared = "toDateTime64('" + now.Add(time.Duration(i-5)*time.Minute+30*time.Second).Format(time.DateTime) + "', 3, 'UTC')"
		}
		exec(`INSERT INTO alarms_data (cms_cluster, call_bridge, source, alarm_id, type, raised, cleared, version) VALUES ('emea', '` + []string{"cb1", "cb2"}[i%2] + `', 'cms', '` +
			uuid.NewString() + `', 'turnServerUnavailable', '` + now.Add(time.Duration(i-5)*time.Minute).Format(time.DateTime) + `', ` + cleared + `, 1)`)
	}
	q := storage.NewQueries(conn)
	bridges, err := q.BridgesNow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(bridges) != 2 {
		t.Fatalf("%d bridges: %+v", len(bridges), bridges)
	}
	b := bridges[0]
	if b.Bridge != "cb1" || b.Up == nil || *b.Up || b.Version == nil || *b.Version != "3.8" || b.CallLegs == nil || *b.CallLegs != 0 || b.LoadLimit != nil || b.SampledAt == nil || len(b.Alarms) != 1 {
		t.Errorf("cb1: %+v; want it down, last seen with 3.8, no legs (which is not unknown), an unknown limit, one kind of alarm", b)
	}
	if b := bridges[1]; b.Bridge != "cb2" || b.Up != nil || b.Version != nil || len(b.Alarms) != 1 {
		t.Errorf("cb2: %+v; want only its alarm known", b)
	}
	var all []storage.AlarmInterval
	var after *storage.Cursor
	for {
		page, next, err := q.Alarms(t.Context(), storage.AlarmFilter{Limit: 2, After: after})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		if after = next; next == nil {
			break
		}
	}
	if len(all) != 5 {
		t.Errorf("%d alarms over all pages, want 5", len(all))
	}
	for i := 1; i < len(all); i++ {
		if all[i].Raised.After(all[i-1].Raised) {
			t.Errorf("alarm %d is newer than the one before", i)
		}
	}
	count := func(f storage.AlarmFilter) int {
		t.Helper()
		f.Limit = 100
		list, _, err := q.Alarms(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if n := count(storage.AlarmFilter{Active: true}); n != 2 {
		t.Errorf("%d active, want 2", n)
	}
	if n := count(storage.AlarmFilter{Bridge: "cb1"}); n != 3 {
		t.Errorf("%d of cb1, want 3", n)
	}
	// The first three held from minute -5, -4, -3 for 30 seconds each; the last two hold on.
	if n := count(storage.AlarmFilter{Period: storage.Period{From: now.Add(-3*time.Minute - 45*time.Second), To: now.Add(-2*time.Minute - 30*time.Second)}}); n != 2 {
		t.Errorf("%d within a period, want the second and the third", n)
	}
}
