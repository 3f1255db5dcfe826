package events

import "time"

// Kind is what happened.
type Kind string

// The kinds of changes.
const (
	CallStarted        Kind = "call_started"
	CallChanged        Kind = "call_changed"
	CallEnded          Kind = "call_ended"
	ParticipantAdded   Kind = "participant_added"  // listed, not connected yet
	ParticipantJoined  Kind = "participant_joined" // connected for the first time
	ParticipantChanged Kind = "participant_changed"
	ParticipantLeft    Kind = "participant_left"

	Connected   Kind = "connected"   // a socket is open
	Settled     Kind = "settled"     // everything that the snapshots did not confirm has been dropped
	Lost        Kind = "lost"        // the socket is gone; what is known is stale
	Refused     Kind = "refused"     // no token, or no upgrade
	Unsupported Kind = "unsupported" // the release has no events
)

// Reasons that are concluded, not told by the bridge.
const (
	ReasonUnconfirmed = "unconfirmed" // not in the snapshot after a new connection
	ReasonCallGone    = "call_gone"   // the call ended, which takes its participants along
	ReasonREST        = "rest"        // the API did not list it
	ReasonDeactivated = "deactivated" // the subscription ended and no remove followed
)

// Change is one thing that happened, stamped on receipt: messages carry no time.
type Change struct {
	At   time.Time
	Kind Kind
	// Call it happened in, as it was afterwards; nil for what concerns the connection.
	Call *Call
	// Participant it happened to, as it was afterwards; nil for what concerns a call.
	Participant *Participant
	// Element that changed, from one value to another; empty text is unset or not told.
	Element, From, To string
	// Reason why something ended, in the bridge's words or one of the Reason constants.
	Reason string
	// AtSnapshot: learnt from a snapshot, so it happened earlier than At.
	AtSnapshot bool
}

func (m *Machine) note(c Change, r *roster, p *person) {
	if r != nil {
		call := r.Call
		call.Seen = m.seen(call.Seen, call.Stale)
		c.Call = &call
	}
	if p != nil {
		participant := p.Participant
		participant.Seen = m.seen(participant.Seen, participant.Stale)
		c.Participant = &participant
	}
	m.changes = append(m.changes, c)
}

// TakeChanges returns what happened since the last time, in order.
func (m *Machine) TakeChanges() []Change {
	changes := m.changes
	m.changes = nil
	return changes
}
