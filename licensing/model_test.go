package licensing

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// The slow model asks for every second anew what is true of every meeting. It shares nothing with the sweep but the types.

type answer struct {
	pmp      bool
	sixths   int64
	personal int64
	rec, str int64
}

func lives(spans []Span, t time.Time) int {
	n := 0
	for _, s := range spans {
		if !t.Before(s.From) && (s.To.IsZero() || t.Before(s.To)) {
			n++
		}
	}
	return n
}

// slow answers for every second of [from, to).
func slow(meetings []*Meeting, r Readings, from, to time.Time) map[time.Time]map[*Meeting]answer {
	result := map[time.Time]map[*Meeting]answer{}
	decided := map[*Meeting]bool{} // granted or not, from the first second on
	for t := from; t.Before(to); t = t.Add(time.Second) {
		now := map[*Meeting]answer{}
		var alive []*Meeting
		for _, m := range meetings {
			if lives(m.Calls, t) > 0 {
				alive = append(alive, m)
			}
		}
		earlier := func(a, b *Meeting) bool {
			if !a.Start().Equal(b.Start()) {
				return a.Start().Before(b.Start())
			}
			return a.ID.String() < b.ID.String()
		}
		sameOwner := func(a, b *Meeting) bool {
			return a.Cluster == b.Cluster && has(a) && has(b) && a.Owner.ID == b.Owner.ID
		}
		granted := map[*Meeting]bool{}
		if r.GrantAnyTime {
			for _, m := range alive {
				before := 0
				for _, o := range alive {
					if sameOwner(o, m) && earlier(o, m) {
						before++
					}
				}
				granted[m] = has(m) && before < r.PMPCalls
			}
		} else {
			for range alive { // as often as it takes: an earlier one of the same second goes first
				var next *Meeting
				for _, m := range alive {
					if _, known := decided[m]; !known && (next == nil || earlier(m, next)) {
						next = m
					}
				}
				if next == nil {
					break
				}
				holding := 0
				for _, o := range alive {
					if decided[o] && sameOwner(o, next) {
						holding++
					}
				}
				decided[next] = has(next) && holding < r.PMPCalls
			}
			for _, m := range alive {
				granted[m] = decided[m]
			}
		}
		for _, m := range alive {
			a := answer{pmp: granted[m], rec: int64(lives(m.Recordings, t)), str: int64(lives(m.Streams, t))}
			if !r.CaptureEach {
				a.rec, a.str = min(a.rec, 1), min(a.str, 1)
			}
			if a.pmp {
				oldest := true
				for _, o := range alive {
					if granted[o] && sameOwner(o, m) && earlier(o, m) {
						oldest = false
					}
				}
				if oldest || r.PMPEachCall {
					a.personal = 1
				}
			} else {
				a.sixths = sixthsAt(m, r, t, a.rec+a.str > 0)
			}
			now[m] = a
		}
		result[t] = now
	}
	return result
}

func has(m *Meeting) bool {
	return m.Space != uuid.Nil && m.Owner != nil && m.Owner.ID != uuid.Nil && m.Owner.Licensed != nil && *m.Owner.Licensed
}

func sixthsAt(m *Meeting, r Readings, t time.Time, captured bool) int64 {
	people := map[string]bool{}
	video, unsure, onlySIP, sip, lync := false, false, true, false, false
	ever := false
	for i, l := range m.Legs {
		if l.Video == Yes && l.Kind != CaptureLeg {
			ever = true
		}
		if lives([]Span{l.Span}, t) == 0 {
			continue
		}
		name := l.Participant.String()
		if l.Participant == uuid.Nil {
			name = fmt.Sprint("leg ", i)
		}
		if l.Kind != CaptureLeg {
			people[name] = true
			video = video || l.Video == Yes
			seen := l.Video == Unknown && lives(l.NoVideo, t) > 0 && !r.VideoForLife // to have no video now
			unsure = unsure || l.Video == Unknown && !seen
		}
		sip = sip || l.Kind == SIPLeg
		lync = lync || l.Kind == LyncLeg
		if l.Kind == WebAppLeg || l.Kind == LyncLeg {
			onlySIP = false
		}
	}
	usesVideo := video || unsure && !r.UnknownIsAudio || !unsure && ever && r.VideoForLife
	if !video && unsure && r.UnknownIsAudio {
		usesVideo = false
	}
	gateway := m.CallType == "forwarding" && lync || m.CallType == "lyncConferencing" && r.LyncConferenceSixth
	two := m.Space == uuid.Nil && m.CallType != "lyncConferencing" && len(people) <= 2
	if two && !gateway && sip && onlySIP && r.SIPPointToPointFull {
		two = false
	}
	switch {
	case gateway || two:
		if captured {
			return 6
		}
		return 1
	case !usesVideo && captured && r.RecordedAudioOnlyFull:
		return 6
	case !usesVideo:
		return 1
	}
	return 6
}

// TestAgainstPerSecondModel: the sweep says of every second what the slow model says.
func TestAgainstPerSecondModel(t *testing.T) {
	t0 := time.Date(2026, 3, 29, 0, 59, 30, 0, time.UTC) // over a change of clocks, which must not matter
	owners := []uuid.UUID{uuid.MustParse("00000000-0000-4000-8000-000000000001"), uuid.MustParse("00000000-0000-4000-8000-000000000002")}
	rapid.Check(t, func(rt *rapid.T) {
		const seconds = 40
		span := func(label string, open bool) Span {
			from := rapid.IntRange(0, seconds-2).Draw(rt, label+" from")
			s := Span{From: t0.Add(time.Duration(from) * time.Second)}
			if !open || !rapid.Bool().Draw(rt, label+" open") {
				s.To = t0.Add(time.Duration(rapid.IntRange(from, seconds).Draw(rt, label+" to")) * time.Second)
			}
			return s
		}
		var meetings []*Meeting
		for i := range rapid.IntRange(1, 8).Draw(rt, "meetings") {
			m := &Meeting{ID: uuid.UUID{15: byte(i + 1)}, Cluster: rapid.SampledFrom([]string{"a", "a", "a", "b"}).Draw(rt, "cluster"),
				CallType: rapid.SampledFrom([]string{"coSpace", "coSpace", "coSpace", "adHoc", "forwarding", "lyncConferencing"}).Draw(rt, "type")}
			if m.CallType == "coSpace" {
				m.Space = uuid.UUID{1: byte(i + 1)}
				if rapid.IntRange(0, 4).Draw(rt, "known") > 0 {
					m.Owner = &Owner{ID: rapid.SampledFrom([]uuid.UUID{owners[0], owners[0], owners[0], owners[1], {}}).Draw(rt, "owner"), Licensed: rapid.SampledFrom([]*bool{new(true), new(true), new(true), new(true), new(false), nil}).Draw(rt, "licensed")}
				}
			}
			for range rapid.IntRange(1, 3).Draw(rt, "calls") {
				m.Calls = append(m.Calls, span("call", true))
			}
			for range rapid.IntRange(0, 4).Draw(rt, "legs") {
				l := Leg{Span: span("leg", true), Kind: LegKind(rapid.IntRange(0, 3).Draw(rt, "kind")),
					Video: Known(rapid.IntRange(0, 2).Draw(rt, "video")), Participant: uuid.UUID{2: byte(rapid.IntRange(0, 3).Draw(rt, "participant"))}}
				for range rapid.IntRange(0, 2).Draw(rt, "seen without video") {
					l.NoVideo = append(l.NoVideo, span("no video", false))
				}
				m.Legs = append(m.Legs, l)
			}
			for range rapid.IntRange(0, 2).Draw(rt, "recordings") {
				m.Recordings = append(m.Recordings, span("recording", true))
			}
			for range rapid.IntRange(0, 2).Draw(rt, "streams") {
				m.Streams = append(m.Streams, span("stream", true))
			}
			meetings = append(meetings, m)
		}
		for _, m := range meetings { // the model starts a meeting at its first call; one of no length would start it without life
			kept := m.Calls[:0]
			for _, c := range m.Calls {
				if c.To.IsZero() || c.From.Before(c.To) {
					kept = append(kept, c)
				}
			}
			m.Calls = kept
		}
		b := func(label string) bool { return rapid.Bool().Draw(rt, label) }
		r := Readings{SIPPointToPointFull: b("sip"), RecordedAudioOnlyFull: b("audio"), VideoForLife: b("life"), UnknownIsAudio: b("unknown"),
			LyncConferenceSixth: b("lync"), GrantAnyTime: b("grant"), PMPEachCall: b("each"), CaptureEach: b("capture"), PMPCalls: rapid.IntRange(1, 3).Draw(rt, "calls covered")}
		end := t0.Add(seconds * time.Second)
		intervals := Intervals(meetings, r, end)
		levels := Levels(intervals)
		for at, want := range slow(meetings, r, t0, end) {
			got := map[*Meeting]answer{}
			for _, i := range intervals {
				if !i.From.After(at) && at.Before(i.To) {
					if _, twice := got[i.Meeting]; twice {
						rt.Fatalf("%s: two intervals of %s at %s", "overlap", i.Meeting.ID, at)
					}
					got[i.Meeting] = answer{i.License == PMP, i.Sixths, i.Personal, i.Recordings, i.Streams}
					if i.Rule.Why() == "" {
						rt.Fatalf("rule %q has no words", i.Rule)
					}
				}
			}
			var total Use
			for m, a := range want {
				if got[m] != a {
					rt.Fatalf("meeting %s at second %v: %+v, want %+v", m.ID, at.Sub(t0).Seconds(), got[m], a)
				}
				total.SMPSixths += a.sixths
				total.PMP += a.personal
				total.Recordings += a.rec
				total.Streams += a.str
			}
			if len(got) != len(want) {
				rt.Fatalf("at second %v %d meetings, want %d", at.Sub(t0).Seconds(), len(got), len(want))
			}
			if use := UseAt(levels, at); use != total {
				rt.Fatalf("levels at second %v: %+v, want %+v", at.Sub(t0).Seconds(), use, total)
			}
		}
	})
}
