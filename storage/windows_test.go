package storage

import (
	"testing"
	"time"
)

// TestWindowsReachBack: windows grow until they cover all times that a record may have, in a few steps. A bridge whose clock stood at 1970 must not make a
// search go on without end.
func TestWindowsReachBack(t *testing.T) {
	oldest, newest := time.Unix(0, 0), time.Unix(1<<32, 0)
	for _, width := range []time.Duration{firstWindow, firstLookBack} {
		begin := newest
		for step := 1; begin.After(oldest); step++ {
			next := begin.Add(-width)
			if !next.Before(begin) || step > 10 {
				t.Fatalf("window %d is %s wide and begins at %s", step, width, next)
			}
			begin, width = next, wider(width)
		}
	}
}
