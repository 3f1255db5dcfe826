package storage

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type sample struct {
	Bridge string `ch:"call_bridge" json:"call_bridge"`
	Legs   *int64 `ch:"call_legs" json:"call_legs"`
}

func TestTableDecodesRows(t *testing.T) {
	table := Table{"bridge_samples_data", sample{}}
	if got, want := table.Insert(), "INSERT INTO bridge_samples_data (call_bridge, call_legs)"; got != want {
		t.Errorf("Insert() = %q, want %q", got, want)
	}
	rows, err := table.Decode(json.RawMessage(`[{"call_bridge":"cb1","call_legs":0},{"call_bridge":"cb2","newer_column":1}]`))
	if err != nil {
		t.Fatal(err)
	}
	zero := int64(0)
	want := []any{&sample{Bridge: "cb1", Legs: &zero}, &sample{Bridge: "cb2"}}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("Decode (-want +got):\n%s", diff)
	}
	if _, err := table.Decode(json.RawMessage(`[{"call_legs":"many"}]`)); err == nil || !strings.Contains(err.Error(), "bridge_samples_data") {
		t.Errorf("Decode of a wrong type: %v, want an error that names the table", err)
	}
}

func TestTablesAreDistinctAndTagged(t *testing.T) {
	var names []string
	for _, table := range Tables() {
		if slices.Contains(names, table.Name) {
			t.Errorf("table %s is listed twice", table.Name)
		}
		names = append(names, table.Name)
		if len(table.Columns()) == 0 {
			t.Errorf("table %s: its row type has no columns", table.Name)
		}
	}
}
