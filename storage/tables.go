// Package storage names what Bridgewatch keeps: one row type per physical table, and the catalogue of queries that the
// API, the reports and the commands run.
package storage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Table is one physical table that is filled from rows of one type.
type Table struct {
	// Name of the physical table, without the database.
	Name string
	// Row is a zero value of the struct of one row; its fields carry `ch` and `json` tags with the column's name.
	Row any
}

// Tables is the closed list of tables that row messages may name; the writer refuses any other.
func Tables() []Table {
	return slices.Concat(collectorTables(), eventTables(), licensingTables())
}

// Columns are the columns that a row fills, in the order of the struct's fields.
func (t Table) Columns() []string {
	var columns []string
	for _, field := range reflect.VisibleFields(reflect.TypeOf(t.Row)) {
		if name := field.Tag.Get("ch"); name != "" && name != "-" {
			columns = append(columns, name)
		}
	}
	return columns
}

// Insert is the statement that a batch of the table's rows is sent with.
func (t Table) Insert() string {
	return fmt.Sprintf("INSERT INTO %s (%s)", t.Name, strings.Join(t.Columns(), ", "))
}

// Decode turns a JSON array of rows into pointers to the table's row type, ready for a batch. A key that is no column of this
// version is dropped: during a rolling upgrade a newer publisher may send more than this writer knows.
func (t Table) Decode(rows json.RawMessage) ([]any, error) {
	list := reflect.New(reflect.SliceOf(reflect.TypeOf(t.Row)))
	if err := json.NewDecoder(bytes.NewReader(rows)).Decode(list.Interface()); err != nil {
		return nil, fmt.Errorf("rows of table %s: %w", t.Name, err)
	}
	decoded := make([]any, list.Elem().Len())
	for i := range decoded {
		decoded[i] = list.Elem().Index(i).Addr().Interface()
	}
	return decoded, nil
}
