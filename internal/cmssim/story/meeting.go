package story

import (
	"cmp"
	"slices"
)

// MeetingKind says what a meeting is, which decides the license it takes.
type MeetingKind uint8

// The kinds of meetings.
const (
	Conference   MeetingKind = iota // in a space
	AdHoc                           // several parties, no space
	PointToPoint                    // two parties, no space
	Gateway                         // a Lync party and one other, no space
	Stray                           // legs that never reach a meeting: IVR failures, scanners
)

// Meeting is everything that shares one call correlator.
type Meeting struct {
	Kind       MeetingKind
	Correlator GUID
	Name       string
	CallType   string
	Space      *Space // nil outside a space
	Calls      []*Call
	Legs       []*Leg
}

// Call is one bridge's part of a meeting.
type Call struct {
	ID         GUID
	Bridge     *Bridge
	Meeting    *Meeting
	Start, End int64
}

// LegKind says what is at the far end of a leg.
type LegKind uint8

// The kinds of legs.
const (
	WebUser LegKind = iota
	WebGuest
	SIP
	Phone // audio-only SIP
	Lync
	LyncSharing // the second leg of a Lync user, for the shared screen
	Link        // distribution link to another bridge of the cluster
	Recorder
	Streamer
)

// App reports whether the leg is a web app's (type acano), not SIP.
func (k LegKind) App() bool { return k == WebUser || k == WebGuest }

// Person reports whether the leg carries a person (a Lync user's second leg does not count again).
func (k LegKind) Person() bool { return k <= Lync }

// Quality is the largest picture of a leg.
type Quality uint8

// The qualities, by what they cost.
const (
	AudioOnly Quality = iota
	SD
	HD
	FullHD
)

// Load is what a leg of this quality costs in load units (capacities-and-licensing.md, section 1).
func (q Quality) Load() int { return [...]int{55, 500, 1000, 2000}[q] }

// Size is the picture in pixels.
func (q Quality) Size() (width, height int) {
	s := [...][2]int{{0, 0}, {768, 448}, {1280, 720}, {1920, 1080}}[q]
	return s[0], s[1]
}

// Never marks a time of a leg's life that does not come.
const Never int64 = -1 << 62

// Leg is one call leg.
type Leg struct {
	ID, Group GUID // Group is the groupId, and the participant's id; an app leg's own id
	Kind      LegKind
	Bridge    *Bridge
	Meeting   *Meeting
	Call      *Call // nil if it never reaches one
	Peer      *Bridge
	User      *User

	Outgoing      bool
	Early         bool // the call is known when the leg starts
	RemoteParty   string
	LocalAddress  string
	DisplayName   string
	SIPCallID     string
	Replaces      string
	MovedFrom     *Leg
	Recording     GUID // id of the recording or stream that a Recorder or Streamer leg feeds
	RecordingPath string

	Start     int64
	Answer    int64 // connected to the IVR, or Never
	Enter     int64 // connected to the call, or Never
	Activate  int64 // media flows: Enter, or later after a wait in the lobby, or Never
	QuietExit bool  // sends an update without state before its end
	End       int64

	Reason         string
	RemoteTeardown bool

	Quality            Quality
	PresentFrom        int64 // shares content until PresentTo, or Never
	PresentTo          int64
	Unencrypted        bool
	ViewerPermille     int
	ContributePermille int
	Alarms             []Alarm
	Screens            int
}

// Alarm is a stretch of bad media on a leg.
type Alarm struct {
	Type     string // packetLoss, excessiveJitter, highRoundTripTime
	From, To int64
}

// ActiveAlarms appends the types of the alarms that hold at an instant.
func (l *Leg) ActiveAlarms(dst []string, at int64) []string {
	for _, a := range l.Alarms {
		if a.From <= at && at < a.To {
			dst = append(dst, a.Type)
		}
	}
	return dst
}

// clip sends everybody home by end. Legs that would begin later do not.
func (m *Meeting) clip(end int64) {
	m.Legs = slices.DeleteFunc(m.Legs, func(l *Leg) bool { return l.Start >= end })
	for _, l := range m.Legs {
		if l.End <= end {
			continue
		}
		l.End, l.Reason, l.RemoteTeardown, l.QuietExit = end, "callEnded", false, false
		for _, at := range []*int64{&l.Answer, &l.Enter, &l.Activate, &l.PresentFrom} {
			if *at >= end {
				*at = Never
			}
		}
		l.PresentTo = min(l.PresentTo, end)
		for i := range l.Alarms {
			l.Alarms[i].From, l.Alarms[i].To = min(l.Alarms[i].From, end), min(l.Alarms[i].To, end)
		}
	}
}

// play works out the calls and links that the legs make, and returns the meeting's steps in order.
func (m *Meeting) play(r Chooser, clip int64) []Step {
	m.clip(clip)
	m.makeCalls(r)
	m.makeLinks(r)
	return m.steps()
}

// makeCalls gives each bridge a call for every stretch in which it has somebody in the meeting.
func (m *Meeting) makeCalls(r Chooser) {
	inside := make([]*Leg, 0, len(m.Legs))
	for _, l := range m.Legs {
		if l.Enter != Never && l.Kind.inCall() {
			inside = append(inside, l)
		}
	}
	slices.SortStableFunc(inside, func(a, b *Leg) int { return cmp.Compare(a.Enter, b.Enter) })
	open := make(map[*Bridge]*Call, 2)
	for _, l := range inside {
		c := open[l.Bridge]
		if c == nil || l.Enter > c.End+1 {
			c = &Call{ID: r.GUID(), Bridge: l.Bridge, Meeting: m, Start: l.Enter, End: l.End}
			open[l.Bridge] = c
			m.Calls = append(m.Calls, c)
		}
		c.End = max(c.End, l.End)
		l.Call = c
	}
	// Legs that know the call but never enter it (unanswered), and recorders, hang on the call around them.
	for _, l := range m.Legs {
		if l.Call != nil {
			continue
		}
		for _, c := range m.Calls {
			if c.Bridge == l.Bridge && c.Start <= l.Start && l.Start <= c.End && (l.Early || l.Enter != Never) {
				l.Call = c
				l.End = min(l.End, c.End)
			}
		}
		if l.Call == nil {
			l.Early, l.Enter, l.Activate = false, Never, Never
		}
	}
	m.Legs = slices.DeleteFunc(m.Legs, func(l *Leg) bool {
		return l.Call == nil && (l.Kind == Recorder || l.Kind == Streamer)
	})
}

// inCall reports whether a leg of this kind keeps a call alive.
func (k LegKind) inCall() bool { return k != Recorder && k != Streamer && k != Link }

// makeLinks joins every two calls of the meeting that overlap, with a leg at each end.
func (m *Meeting) makeLinks(r Chooser) {
	for i, a := range m.Calls {
		for _, b := range m.Calls[i+1:] {
			from, to := max(a.Start, b.Start), min(a.End, b.End)
			if a.Bridge == b.Bridge || to <= from {
				continue
			}
			id := sipCallID(r, a.Bridge)
			for end, c := range []*Call{a, b} {
				peer := []*Call{b, a}[end].Bridge
				m.Legs = append(m.Legs, &Leg{
					ID: r.GUID(), Group: r.GUID(), Kind: Link, Bridge: c.Bridge, Peer: peer, Meeting: m, Call: c,
					Outgoing: end == 0, Early: true, RemoteParty: "link@" + peer.Address, LocalAddress: "link@" + c.Bridge.Address, SIPCallID: id,
					Start: from, Answer: Never, Enter: from, Activate: from, End: to,
					Reason: []string{"localTeardown", "remoteTeardown"}[end], RemoteTeardown: end == 1,
					Quality: HD, PresentFrom: Never, ViewerPermille: 998, ContributePermille: 996,
				})
			}
		}
	}
}

// steps puts the meeting in order. Within a second calls start first and end last, and each leg keeps its own order:
// that is how one second's records are seen on the wire.
func (m *Meeting) steps() []Step {
	type keyed struct {
		Step
		rank, leg int
	}
	all := make([]keyed, 0, 2*len(m.Calls)+4*len(m.Legs))
	for _, c := range m.Calls {
		all = append(all,
			keyed{Step{c.Start, CallStart, m, c, nil}, 0, 0},
			keyed{Step{c.End, CallEnd, m, c, nil}, 2, 0})
	}
	for i, l := range m.Legs {
		add := func(at int64, k Kind) {
			if at != Never {
				all = append(all, keyed{Step{at, k, m, l.Call, l}, 1, i})
			}
		}
		add(l.Start, LegStart)
		switch l.Kind {
		case Recorder:
			add(l.Start, RecordingStart)
			add(l.End, RecordingEnd)
		case Streamer:
			add(l.Start, StreamStart)
			add(l.End, StreamEnd)
		default:
			add(l.Answer, LegIVR)
			add(l.Enter, LegEnter)
			if l.Activate > l.Enter {
				add(l.Activate, LegActivate)
			}
			if l.QuietExit {
				add(l.End, LegLeave)
			}
		}
		add(l.End, LegEnd)
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.rank, b.rank), cmp.Compare(a.leg, b.leg), cmp.Compare(a.Kind, b.Kind))
	})
	steps := make([]Step, len(all))
	for i, k := range all {
		steps[i] = k.Step
	}
	return steps
}
