package main

import (
	"testing"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
)

// TestShownValues: what a replay changes is shown as a person reads it.
func TestShownValues(t *testing.T) {
	id := uuid.MustParse("0ab08610-9fc9-4da0-b50a-c8fc22006eae")
	for want, value := range map[string]any{
		"none": nil, `"a\nb"`: "a\nb", "5": int64(5), "true": true, "97.1": float32(97.1), id.String(): id, "[" + id.String() + "]": []uuid.UUID{id},
		`[{"type":"packetLoss","duration_percent":2.3},{"type":"x","duration_percent":null}]`: []cdr.Alarm{{Type: "packetLoss", DurationPercent: new(float32(2.3))}, {Type: "x"}},
	} {
		if got := shownValue(value); got != want {
			t.Errorf("%v is shown as %s, want %s", value, got, want)
		}
	}
}
