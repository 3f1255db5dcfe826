package app

import (
	"fmt"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// newValue is a pointer that a column of the type can be scanned into.
func newValue(t driver.ColumnType) any { return reflect.New(t.ScanType()).Interface() }

// text is a scanned value as ClickHouse's tab-separated format would show it.
func text(pointer any) string {
	v := reflect.ValueOf(pointer).Elem()
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return `\N`
		}
		v = v.Elem()
	}
	if t, ok := v.Interface().(time.Time); ok {
		return t.UTC().Format("2006-01-02 15:04:05.999")
	}
	return fmt.Sprint(v.Interface())
}
