package storage

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestTimelineTellsWhatIsInferred: of calls, legs, recordings and streams alike.
func TestTimelineTellsWhatIsInferred(t *testing.T) {
	start := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	end := start.Add(time.Hour)
	of := func(n byte, inferred bool) Recording {
		how := "record"
		if inferred {
			how = "leg_end"
		}
		return Recording{ID: uuid.UUID{n}, Start: start, StartInferred: inferred, End: &end, EndInferred: inferred, EndHow: how}
	}
	m := Meeting{Recordings: []Recording{of(1, true), of(2, false)}, Streams: []Recording{of(3, true)}}
	var told []string
	for _, x := range m.timeline() {
		told = append(told, fmt.Sprintf("%s %d %t %s", x.What, x.ID[0], x.Inferred, x.Detail))
	}
	want := []string{"recording_start 1 true ", "recording_start 2 false ", "stream_start 3 true ", "recording_end 1 true leg_end", "recording_end 2 false ", "stream_end 3 true leg_end"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
