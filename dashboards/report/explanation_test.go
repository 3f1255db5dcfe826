package report

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/storage"
)

// TestExplainBeforeRecords: before the first record nothing is known, which is not the same as nothing in use.
func TestExplainBeforeRecords(t *testing.T) {
	conn, p := storedIn(t)
	q := storage.NewQueries(conn)
	first := time.Date(2026, 10, 23, 12, 0, 0, 0, p.Zone)
	if _, err := Explain(t.Context(), q, p, first.Add(-time.Second)); !errors.Is(err, ErrBeforeRecords) || !strings.Contains(err.Error(), p.Name) {
		t.Errorf("before the first record: %v; want ErrBeforeRecords", err)
	}
	if e, err := Explain(t.Context(), q, p, first); err != nil || len(e.Meetings) != 0 {
		t.Errorf("with the first record: %+v, %v; want no meetings", e, err)
	}
}
