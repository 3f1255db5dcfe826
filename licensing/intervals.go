package licensing

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Interval is a time during which what a meeting takes does not change.
type Interval struct {
	Span
	// Meeting it is of; as long as the caller keeps it.
	Meeting *Meeting
	License License
	// Sixths of a shared license that the meeting takes; Shared is what it takes or would take, had its owner no PMP license.
	Sixths, Shared int64
	// Personal is 1 while this meeting is the one for which its owner's license counts as in use, else 0: the sum over meetings is licenses in use.
	Personal int64
	// Recordings and Streams that count towards the recording license: at most one of each a meeting, unless readings say otherwise.
	Recordings, Streams int64
	Rule                Rule
	// Reading that decided; empty where none did.
	Reading Reading
}

// Intervals computes what meetings take, ordered by time and meeting. Meetings must be all of a cluster that overlap the time of interest, and with them, for the
// allowance of their owners' licenses, those that overlapped these; meetings of several clusters may be mixed. What has not ended is computed up to asOf.
func Intervals(meetings []*Meeting, r Readings, asOf time.Time) []Interval {
	given := claims(meetings, r, asOf)
	var list []Interval
	for _, m := range meetings {
		list = append(list, m.intervals(given[m], r, asOf)...)
	}
	slices.SortFunc(list, func(a, b Interval) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Meeting.Cluster, b.Meeting.Cluster), bytes.Compare(a.Meeting.ID[:], b.Meeting.ID[:]))
	})
	return list
}

// step is a change of a meeting at an instant.
type step struct {
	at     time.Time
	change func(by int)
	by     int
}

// intervals sweeps over one meeting.
func (m *Meeting) intervals(own claim, r Readings, asOf time.Time) []Interval {
	var now moment
	var alive, personal, counted int
	var steps []step
	add := func(s Span, change func(by int)) {
		if s.To.IsZero() || s.To.After(asOf) {
			s.To = asOf
		}
		if s.From.Before(s.To) {
			steps = append(steps, step{s.From, change, 1}, step{s.To, change, -1})
		}
	}
	for _, s := range m.Calls {
		add(s, func(by int) { alive += by })
	}
	for _, s := range own.covered {
		add(s, func(by int) { personal += by })
	}
	for _, s := range own.counted {
		add(s, func(by int) { counted += by })
	}
	for _, s := range m.Recordings {
		add(s, func(by int) { now.recordings += by })
	}
	for _, s := range m.Streams {
		add(s, func(by int) { now.streams += by })
	}
	present := map[uuid.UUID]int{} // legs by participant
	for i := range m.Legs {
		leg := &m.Legs[i]
		now.ever = now.ever || leg.Video == Yes && leg.Kind != CaptureLeg
		add(leg.Span, func(by int) { now.count(leg, by, present) })
		for _, s := range leg.silent(asOf) {
			add(s, func(by int) { now.unknown, now.silent = now.unknown-by, now.silent+by })
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return a.at.Compare(b.at) })

	var list []Interval
	for k := 0; k < len(steps); {
		at := steps[k].at
		for ; k < len(steps) && steps[k].at.Equal(at); k++ {
			steps[k].change(steps[k].by)
		}
		if alive == 0 || k == len(steps) {
			continue
		}
		now.personal = personal > 0
		next := m.at(now, counted, r)
		next.Span = Span{at, steps[k].at}
		if n := len(list); n > 0 && list[n-1].To.Equal(at) && list[n-1].same(next) {
			list[n-1].To = next.To
			continue
		}
		list = append(list, next)
	}
	return list
}

// silent is when a leg that has not told of its video was seen to have none.
func (l *Leg) silent(asOf time.Time) []Span {
	if l.Video != Unknown || l.Kind == CaptureLeg {
		return nil
	}
	var list []Span
	for _, s := range union(l.NoVideo, asOf) {
		s.From = latest(s.From, l.From)
		if !l.To.IsZero() && s.To.After(l.To) {
			s.To = l.To
		}
		list = append(list, s)
	}
	return list
}

// count adds or takes away a leg.
func (now *moment) count(leg *Leg, by int, present map[uuid.UUID]int) {
	switch leg.Kind {
	case SIPLeg:
		now.sip += by
	case LyncLeg:
		now.lync += by
		now.others += by
	case WebAppLeg:
		now.others += by
	}
	if leg.Kind == CaptureLeg { // what a recorder is sent is no attendee's video
		return
	}
	switch leg.Video {
	case Yes:
		now.video += by
	case Unknown:
		now.unknown += by
	}
	before := present[leg.Participant]
	present[leg.Participant] = before + by
	if leg.Participant == uuid.Nil || before == 0 || before+by == 0 {
		now.participants += by
	}
}

// at is what the meeting takes at a moment, without its time.
func (m *Meeting) at(now moment, counted int, r Readings) Interval {
	i := Interval{Meeting: m, Recordings: int64(now.recordings), Streams: int64(now.streams)}
	if !r.CaptureEach {
		i.Recordings, i.Streams = min(i.Recordings, 1), min(i.Streams, 1)
	}
	sixths, rule, reading := m.shared(now, r)
	i.Shared = sixths
	if now.personal {
		i.License, i.Rule, i.Personal = PMP, RulePMPOwner, int64(min(counted, 1))
		return i
	}
	i.License, i.Sixths, i.Rule, i.Reading = SMP, sixths, rule, reading
	if i.Rule == RulePMPInUse && i.Reading == "" {
		i.Reading = ReadGrant
	}
	return i
}

// same tells whether two intervals say the same of different times.
func (i Interval) same(o Interval) bool {
	i.Span, o.Span = Span{}, Span{}
	return i == o
}
