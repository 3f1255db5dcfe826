package report

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// counted is a connection that notes who reads license intervals.
type counted struct {
	driver.Conn
	mu   sync.Mutex
	read []string
}

func (c *counted) note(query string) {
	if strings.Contains(query, "license_intervals_data FINAL") {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.read = append(c.read, query)
	}
}

func (c *counted) Query(ctx context.Context, query string, args ...any) (driver.Rows, error) {
	c.note(query)
	return c.Conn.Query(ctx, query, args...)
}

func (c *counted) Select(ctx context.Context, into any, query string, args ...any) error {
	c.note(query)
	return c.Conn.Select(ctx, into, query, args...)
}

// TestReadOnce: days, peaks, owners and the comparison with what servers counted come from one reading of the intervals; it is what a report of the largest cluster takes its time for.
func TestReadOnce(t *testing.T) {
	conn, p := storedIn(t)
	from, to, now := period(t, p)
	storagetest.Insert(t, conn, storage.Table{Name: "license_samples_data", Row: storage.LicenseSample{}}, storage.LicenseSample{Time: from.AddDate(0, 0, 3), CMSCluster: "emea", HostID: uuid.UUID{1}})
	counting := &counted{Conn: conn}
	r, err := MakeLicense(t.Context(), storage.NewQueries(counting), p, from, to, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Owners) == 0 || r.Days[3].SMP.PeakSixths == nil || r.Days[3].Reported == nil {
		t.Fatalf("not all was asked for: %+v", r)
	}
	if len(counting.read) != 1 {
		t.Errorf("intervals were read %d times:\n%s", len(counting.read), strings.Join(counting.read, "\n"))
	}
}
