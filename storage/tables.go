// Package storage names what Bridgewatch keeps: one row type per physical table that is filled from row messages,
// and the catalogue of queries that the API, the reports and the commands run.
package storage

import "slices"

// Table is one physical table that row messages may name.
type Table struct {
	// Name of the physical table, without the database.
	Name string
	// Row is a zero value of the struct that one row decodes into; its fields carry `ch` and `json` tags with the column's name.
	Row any
}

// Tables is the closed list of tables that row messages may name; the writer refuses any other.
func Tables() []Table {
	return slices.Concat(collectorTables(), eventTables())
}
