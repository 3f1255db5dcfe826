package storagetest

import (
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Table is where Insert puts rows; storage.Table is one.
type Table interface{ Insert() string }

// Insert sends rows of a table's row type as one batch.
func Insert[T any](t testing.TB, conn driver.Conn, table Table, rows ...T) {
	t.Helper()
	batch, err := conn.PrepareBatch(t.Context(), table.Insert())
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := batch.AppendStruct(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}
