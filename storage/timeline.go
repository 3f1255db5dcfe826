package storage

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Moment is a point of a meeting's timeline.
type Moment struct {
	Time   time.Time `json:"time"`
	What   string    `json:"what"` // see timelineOrder
	Bridge string    `json:"call_bridge"`
	// ID of the call, call leg, recording or stream.
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"` // of a leg: display name, else address
	// Detail is the end reason of a leg, or how an end was inferred.
	Detail   string `json:"detail,omitempty"`
	Inferred bool   `json:"inferred"` // no record says so; the time follows from others
}

// timelineOrder is the closed set of moments, in the order in which they are told where they fall into one second.
var timelineOrder = []string{"call_start", "leg_start", "leg_join", "leg_activated", "recording_start", "stream_start", "recording_end", "stream_end", "leg_end", "call_end"}

// timeline tells a meeting's calls, legs, recordings and streams in the order of time. What is still going on has no end in it.
func (m *Meeting) timeline() []Moment {
	moments := []Moment{}
	add := func(at *time.Time, what, bridge string, id uuid.UUID, name, detail string, inferred bool) {
		if at != nil {
			moments = append(moments, Moment{*at, what, bridge, id, name, detail, inferred})
		}
	}
	for _, c := range m.Calls {
		add(&c.Start, "call_start", c.Bridge, c.ID, c.Name, "", c.StartInferred)
		add(c.End, "call_end", c.Bridge, c.ID, c.Name, inferredHow(c.EndInferred, c.EndHow), c.EndInferred)
	}
	for _, l := range m.Legs {
		name := cmp.Or(l.DisplayName, l.RemoteParty, l.RemoteAddress)
		add(&l.Start, "leg_start", l.Bridge, l.ID, name, "", l.StartInferred)
		if l.Joined != nil && !l.Joined.Equal(l.Start) {
			add(l.Joined, "leg_join", l.Bridge, l.ID, name, "", false)
		}
		if l.Activated != nil && (l.Joined == nil || !l.Activated.Equal(*l.Joined)) {
			add(l.Activated, "leg_activated", l.Bridge, l.ID, name, "", false)
		}
		add(l.End, "leg_end", l.Bridge, l.ID, name, cmp.Or(l.EndReason, inferredHow(l.EndInferred, l.EndHow)), l.EndInferred)
	}
	for what, list := range map[string][]Recording{"recording": m.Recordings, "stream": m.Streams} {
		for _, r := range list {
			add(&r.Start, what+"_start", r.Bridge, r.ID, "", "", r.StartInferred)
			add(r.End, what+"_end", r.Bridge, r.ID, "", inferredHow(r.EndInferred, r.EndHow), r.EndInferred)
		}
	}
	slices.SortFunc(moments, func(a, b Moment) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(slices.Index(timelineOrder, a.What), slices.Index(timelineOrder, b.What)), cmp.Compare(a.Bridge, b.Bridge), slices.Compare(a.ID[:], b.ID[:]))
	})
	return moments
}

func inferredHow(inferred bool, how string) string {
	if inferred {
		return how
	}
	return ""
}
