package poller

import (
	"slices"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
)

// TestUnrecordedMeetings: a call counts once its recording has been due for a minute, and only where the release says what happens.
func TestUnrecordedMeetings(t *testing.T) {
	began := time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC)
	var k knownCall
	calls := map[string]*knownCall{"a": &k}
	for _, step := range []struct {
		after              time.Duration
		intent, happening  *bool
		unrecorded, unsure bool
	}{
		{0, new(true), new(false), false, false},
		{59 * time.Second, new(true), new(false), false, false},
		{60 * time.Second, new(true), new(false), true, false},
		{90 * time.Second, new(true), new(true), false, false},
		{120 * time.Second, new(true), new(false), false, false}, // it ended early: the minute begins again
		{180 * time.Second, new(true), new(false), true, false},
		{200 * time.Second, new(false), new(false), false, false},
		{300 * time.Second, new(true), nil, false, true},
	} {
		now := began.Add(step.after)
		k.take(collector.Call{Recording: step.intent, RecordingStatus: step.happening}, now)
		s := summarize(calls, now)
		if got := slices.Equal(s.UnrecordedMeetings, []string{"a"}); got != step.unrecorded || (s.UnrecordedMeetings == nil) != step.unsure {
			t.Errorf("after %s: unrecorded meetings are %q", step.after, s.UnrecordedMeetings)
		}
	}
}
