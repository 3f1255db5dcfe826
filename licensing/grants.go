package licensing

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// holder is who has a PMP license: users belong to a cluster.
type holder struct {
	cluster string
	user    uuid.UUID
}

// claim is what a meeting has of its owner's PMP license: when the license covers it, and when it is the one for which the license counts as in use.
type claim struct {
	covered, counted []Span
}

// claims gives out PMP licenses: each covers PMPCalls active calls of its owner at once, by their start, then by id.
func claims(meetings []*Meeting, r Readings, asOf time.Time) map[*Meeting]claim {
	byOwner := map[holder][]life{}
	for _, m := range meetings {
		if spans := union(m.Calls, asOf); m.licensed() && len(spans) > 0 {
			h := holder{m.Cluster, m.Owner.ID}
			byOwner[h] = append(byOwner[h], life{m, spans})
		}
	}
	given := map[*Meeting]claim{}
	for _, list := range byOwner {
		slices.SortFunc(list, func(a, b life) int {
			return cmp.Or(a.spans[0].From.Compare(b.spans[0].From), bytes.Compare(a.meeting.ID[:], b.meeting.ID[:]))
		})
		give(list, r, given)
	}
	return given
}

// life is when a meeting lived, in order.
type life struct {
	meeting *Meeting
	spans   []Span
}

// give walks through the times at which one of an owner's meetings, in order of start, begins or ends.
func give(list []life, r Readings, given map[*Meeting]claim) {
	var times []time.Time
	for _, l := range list {
		for _, s := range l.spans {
			times = append(times, s.From, s.To)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	times = slices.CompactFunc(times, time.Time.Equal)
	granted := make([]bool, len(list)) // decided at the start, kept for life
	decided := make([]bool, len(list))
	first := 0 // meetings before it are over
	for k := 0; k+1 < len(times); k++ {
		now := Span{times[k], times[k+1]}
		covered := 0
		var begin []int
		for i := first; i < len(list); i++ {
			spans := list[i].spans
			if i == first && !spans[len(spans)-1].To.After(now.From) {
				first++
				continue
			}
			if spans[0].From.After(now.From) {
				break // in order of start: none of the rest lives
			}
			if !within(spans, now.From) {
				continue
			}
			switch {
			case r.GrantAnyTime:
				granted[i] = covered < r.PMPCalls
			case !decided[i]:
				begin = append(begin, i)
				continue
			}
			if granted[i] {
				covered = cover(given, list[i].meeting, now, covered, r)
			}
		}
		for _, i := range begin { // after all that hold the license already
			decided[i], granted[i] = true, covered < r.PMPCalls
			if granted[i] {
				covered = cover(given, list[i].meeting, now, covered, r)
			}
		}
	}
}

// cover notes that a meeting is covered for a time, as one more of its owner's.
func cover(given map[*Meeting]claim, m *Meeting, now Span, before int, r Readings) int {
	c := given[m]
	c.covered = extend(c.covered, now)
	if before == 0 || r.PMPEachCall {
		c.counted = extend(c.counted, now)
	}
	given[m] = c
	return before + 1
}

// extend adds a span that begins where the last one ends or later.
func extend(list []Span, s Span) []Span {
	if n := len(list); n > 0 && list[n-1].To.Equal(s.From) {
		list[n-1].To = s.To
		return list
	}
	return append(list, s)
}

// union is the times that at least one span covers, in order; open ones end at asOf, and what begins later than that has not begun.
func union(spans []Span, asOf time.Time) []Span {
	sorted := make([]Span, 0, len(spans))
	for _, s := range spans {
		if s.To.IsZero() || s.To.After(asOf) {
			s.To = asOf
		}
		if s.From.Before(s.To) {
			sorted = append(sorted, s)
		}
	}
	slices.SortFunc(sorted, func(a, b Span) int { return a.From.Compare(b.From) })
	var list []Span
	for _, s := range sorted {
		if n := len(list); n > 0 && !s.From.After(list[n-1].To) {
			if s.To.After(list[n-1].To) {
				list[n-1].To = s.To
			}
			continue
		}
		list = append(list, s)
	}
	return list
}

// within tells whether one of the spans, in order, covers an instant.
func within(list []Span, t time.Time) bool {
	for _, s := range list {
		if s.From.After(t) {
			return false
		}
		if t.Before(s.To) {
			return true
		}
	}
	return false
}
