package storage_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestSearchAcrossALook: a search looks back a stretch at a time; what lies in the ten minutes in which a stretch begins, but before it, is found by the next.
func TestSearchAcrossALook(t *testing.T) {
	conn := storagetest.Store(t)
	newest := time.Date(2026, 3, 14, 9, 5, 0, 0, time.UTC)
	begin := newest.Add(time.Millisecond - 32*24*time.Hour)
	for i, start := range []time.Time{newest, begin.Add(-time.Minute), begin.Add(-time.Hour)} {
		storagetest.Insert(t, conn, storage.LegFacts, cdr.Leg{ID: testLeg(i), Session: uuid.New(), DisplayName: "Zoë", Start: start, Calls: []uuid.UUID{}, Alarms: []cdr.Alarm{}, Version: 1})
	}
	q := storage.NewQueries(conn)
	filter := storage.LegFilter{Period: storage.Period{From: begin.Add(-24 * time.Hour)}, Text: "zoë", Limit: 1}
	for i := range 3 {
		legs, next, err := q.Legs(t.Context(), filter)
		if err != nil || len(legs) != 1 || legs[0].ID != testLeg(i) {
			t.Fatalf("page %d: %+v, %v; want leg %d", i+1, legs, err, i+1)
		}
		filter.After = next
	}
	if filter.After != nil {
		t.Error("there is a page after the last")
	}
}

func testLeg(i int) uuid.UUID { return uuid.UUID{15: byte(i + 1)} }
