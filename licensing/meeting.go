package licensing

import (
	"time"

	"github.com/google/uuid"
)

// Meeting is one meeting over all Call Bridges of its cluster: what license use is computed from. It says what call detail records and the ownership
// history say; nothing in it is a judgment.
type Meeting struct {
	// ID is the call correlator, or the call's id where a release sends none.
	ID      uuid.UUID
	Cluster string
	Name    string
	// Bridges that hosted it.
	Bridges []string
	// CallType as in CDRs: coSpace, adHoc, forwarding, lyncConferencing.
	CallType string
	// Space is zero for a call outside a space.
	Space  uuid.UUID
	Tenant uuid.UUID
	// OwnerName is what the CDR says of the space's owner.
	OwnerName string
	// Owner is what the ownership history says of the space at the meeting's start; nil where it does not know the space.
	Owner *Owner
	// Calls are the lives of its calls, one a bridge and stay; a call that has not ended has no To. The meeting lives while one of them does.
	Calls []Span
	// Legs are its participants' legs, recorder's and streamer's included; no distribution links, sharing legs or scanners.
	Legs []Leg
	// Recordings and Streams of the meeting, on whichever bridge.
	Recordings, Streams []Span
}

// Start of the meeting: of its first call.
func (m *Meeting) Start() time.Time {
	var start time.Time
	for i, c := range m.Calls {
		if i == 0 || c.From.Before(start) {
			start = c.From
		}
	}
	return start
}

// End of the meeting: of its last call; zero while one has not ended.
func (m *Meeting) End() time.Time {
	var end time.Time
	for _, c := range m.Calls {
		if c.To.IsZero() {
			return time.Time{}
		}
		if c.To.After(end) {
			end = c.To
		}
	}
	return end
}

// Owner of a space, as the ownership history has it.
type Owner struct {
	// ID of the user; zero: the space has no owner.
	ID   uuid.UUID
	Name string
	// Licensed: the user profile in effect grants a PMP license (hasLicense); nil where not known.
	Licensed *bool
}

// Span is the time from From, inclusive, to To, exclusive. A zero To is open: it has not ended.
type Span struct{ From, To time.Time }

// Leg is one connection of a participant, of a recorder or of a streamer, from when it was in the call.
type Leg struct {
	Span
	Kind LegKind
	// Video: the leg sent or received video at some time of its life.
	Video Known
	// NoVideo is when a leg that has not told was seen to have audio and no video (the API's status of the leg).
	NoVideo []Span
	// Participant joins legs of one participant (groupId).
	Participant uuid.UUID
}

// LegKind is what is at the far end of a leg.
type LegKind uint8

// Kinds of legs that count as participants.
const (
	SIPLeg     LegKind = iota // a SIP endpoint
	WebAppLeg                 // the web app or an older Meeting App
	LyncLeg                   // Lync or Skype for Business
	CaptureLeg                // a recorder or a streamer
)

// Known is a fact that may not be known, as a leg's use of video is before the leg ended.
type Known uint8

// Values of Known.
const (
	Unknown Known = iota
	No
	Yes
)
