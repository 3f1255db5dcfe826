package licensing

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestRestartAtThePeak: the Call Bridge cb1 restarts at minute 20, exactly at the peak. Its calls end there without a record of their own, so that their legs never told of video (which
// never understates); whoever was cut off dials again into a new session.
//
//	minute            0   1   5   15  20  22  40  50
//	alone, on cb1     6   6   6   6   -   -   -   -    cut off at 20
//	spread, cb1+cb2           6   6   6   6   -   -    cb2 keeps it; cb1's second call of the same correlator at 22 adds nothing
//	Ada's third, cb1          6   6   -   -   -   -    her license covers two calls; cut off at 20
//	other, on cb2                 6   6   6   6   -
//	late, on cb2                      6   6   6   -    begins at the very instant at which cb1's calls end
//	again, on cb1                         6   6   -    the people of alone, in a new call of another correlator
//	sum               6   6   18  24  18  24  18  -    at 20: 24 - 6 - 6 + 6
//	Ada's PMP, cb1    1   1   1   1   -   1   1   -    her calls are cut off; her new one takes the license that was given back, and no shared one
func TestRestartAtThePeak(t *testing.T) {
	ada, ben := user(1, new(true)), user(2, new(false))
	cut := func(m *Meeting, kinds ...LegKind) *Meeting {
		for _, kind := range kinds {
			m.Legs = append(m.Legs, Leg{Span: m.Calls[0], Kind: kind, Video: Unknown})
		}
		return m
	}
	three := []LegKind{SIPLeg, WebAppLeg, SIPLeg}
	spread := space(2, ben, 5, 20)
	spread.Calls = append(spread.Calls, minutes(5, 40), minutes(22, 40))
	spread.Legs = []Leg{leg(SIPLeg, Unknown, 5, 20), leg(WebAppLeg, Yes, 5, 40), leg(SIPLeg, Yes, 22, 40)}
	again := space(1, ben, 22, 50, leg(SIPLeg, Yes, 22, 50), leg(WebAppLeg, Yes, 22, 50))
	again.ID = uuid.UUID{15: 11}
	adaAgain := space(6, ada, 22, 50, leg(SIPLeg, Yes, 22, 50))
	adaAgain.ID = uuid.UUID{15: 16}
	meetings := []*Meeting{
		cut(space(1, ben, 0, 20), three...), spread, space(3, ben, 15, 50, leg(SIPLeg, Yes, 15, 50)), space(4, ben, 20, 50, leg(SIPLeg, Yes, 20, 50)), again,
		cut(space(6, ada, 0, 20), three...), cut(space(7, ada, 1, 20), three...), cut(space(8, ada, 5, 20), three...), adaAgain,
	}
	intervals := Intervals(meetings, DefaultReadings(), ten.Add(time.Hour))
	levels := Levels(intervals)
	for _, want := range []struct {
		at       int
		smp, pmp int64
	}{{0, 6, 1}, {1, 6, 1}, {5, 18, 1}, {15, 24, 1}, {20, 18, 0}, {22, 24, 1}, {40, 18, 1}, {50, 0, 0}} {
		if got := UseAt(levels, ten.Add(time.Duration(want.at)*time.Minute)); got.SMPSixths != want.smp || got.PMP != want.pmp {
			t.Errorf("minute %d: %d sixths and %d PMP, want %d and %d", want.at, got.SMPSixths, got.PMP, want.smp, want.pmp)
		}
	}
	// The peak is the first instant of 24: what was cut off and what began at 20 never were at one time, 30.
	p := PeaksWithin(levels, minutes(0, 60))
	if p.SMP.Value != 24 || !p.SMP.At.Equal(ten.Add(15*time.Minute)) || p.PMP.Value != 1 {
		t.Errorf("peaks %+v, want 24 sixths from minute 15 and 1 PMP", p)
	}
	// The two minutes until people were back are a dip of their own, which no step smooths away.
	if p := PeaksWithin(levels, minutes(20, 22)); p.SMP.Value != 18 || p.PMP.Value != 0 {
		t.Errorf("while people dial again: %+v, want 18 sixths and no PMP", p)
	}
	for _, i := range intervals {
		switch i.Meeting {
		case meetings[0]:
			if !i.To.Equal(ten.Add(20*time.Minute)) || i.Reading != ReadUnknownVideo {
				t.Errorf("cut off: %+v, want until minute 20, by the reading %s", i, ReadUnknownVideo)
			}
		case spread:
			if i.Sixths != 6 || i.To.Sub(i.From) != 35*time.Minute {
				t.Errorf("spread over bridges: %d sixths for %s, want 6 for 35 minutes in one piece", i.Sixths, i.To.Sub(i.From))
			}
		}
	}
}
