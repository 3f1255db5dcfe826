package report_test

import (
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestOnCluster: the queries of the reports are taken by the tables of a cluster too, and find there what there is.
func TestOnCluster(t *testing.T) {
	conn, f := storagetest.ClusterStore(t), &facts{t: t, zone: time.UTC}
	held := f.held("cb1", "Board", "Olga", "2026-11-02 09:00", "2026-11-02 10:00")
	f.leg(held, "ann", "2026-11-02 09:00", "2026-11-02 10:00")
	f.write(conn, f.session("cb1", "2026-11-01 08:00", "2026-11-03 23:00"))
	q, scope := storage.NewQueries(conn), storage.Scope{Clusters: []string{"emea"}, From: f.at("2026-11-02 00:00"), To: f.at("2026-11-03 00:00"), Zone: time.UTC, Now: f.at("2026-11-04 00:00")}
	usage, err := report.MakeUsage(t.Context(), q, scope)
	if err != nil {
		t.Fatal(err)
	}
	if len(usage.NoShows) != 1 || show(usage.Totals.ParticipantMinutes) != "60" {
		t.Errorf("usage: %+v", usage.Totals)
	}
	quality, err := report.MakeQuality(t.Context(), q, scope)
	if err != nil {
		t.Fatal(err)
	}
	if quality.Totals == nil || quality.Totals.GoodMinutes != 60 {
		t.Errorf("quality: %+v", quality.Totals)
	}
	if _, err := report.MakeCapacity(t.Context(), q, scope, report.Equipment{}); err != nil {
		t.Fatal(err)
	}
}
