package events

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Call is a call on one bridge. Pointers are nil where the bridge has not told or has unset an element; what they point to never changes.
type Call struct {
	// ID is the call's GUID on this bridge, as the bridge writes it.
	ID string
	// Correlator is the same on all bridges of a meeting; empty where not told.
	Correlator string
	Name       string
	// Type is coSpace, adHoc, lyncConferencing or forwarding.
	Type string
	// Participants connected in the whole meeting, recorder and streamer included. It need not agree with the roster (cms-events.md §6.7).
	Participants *int64
	// DistributedInstances is the number of other bridges with an instance.
	DistributedInstances *int64
	// Recording, EndpointRecording and Streaming are active or inactive; LockState is locked or notLocked.
	Recording, EndpointRecording, Streaming, LockState string
	JoinAudioMuteOverride                              *bool
	// Since is when we learnt of the call: its start, unless AtSnapshot.
	Since time.Time
	// AtSnapshot: the call was there when the subscription began.
	AtSnapshot bool
	// Seen is when the call was last known to be there.
	Seen time.Time
	// Stale: the bridge is not connected, or has not confirmed the call since it is again.
	Stale bool
	// Source of the roster.
	Roster RosterSource
}

// RosterSource says by which way the participants of a call are known.
type RosterSource string

// The sources of a roster.
const (
	RosterNone   RosterSource = "none"   // not known
	RosterEvents RosterSource = "events" // followed live
	RosterREST   RosterSource = "rest"   // read now and then: the call has no subscription, or one that brings nothing
)

// Participant is one entry of a call's roster. Rosters list the whole distributed meeting.
type Participant struct {
	// ID is the participant's GUID, the same on all bridges.
	ID string
	// Name is the last that was not empty; URI may gain a suffix when connected.
	Name, URI string
	// State is initial, ringing, connected or onHold.
	State string
	// Direction is incoming or outgoing; web app users show as outgoing.
	Direction                                string
	Layout                                   string
	EndpointRecording                        string
	AudioMuted, VideoMuted                   *bool
	ActiveSpeaker, Presenter, CanMove        *bool
	Importance                               *int64
	MovedParticipant, MovedParticipantBridge string // unreliable (cms-events.md §6.4): meaningful only where they name something known
	// Host is the Call Bridge that hosts the participant, as far as HostKnown; empty is the bridge of the roster. Only REST tells.
	Host      string
	HostKnown bool
	// Added is when the participant was first listed, Joined when first seen connected; zero before.
	Added, Joined time.Time
	// Seen is when the participant was last known to be there.
	Seen time.Time
	// Stale: not confirmed since the bridge was lost.
	Stale bool
}

// Here reports whether the participant has joined and not gone.
func (p *Participant) Here() bool { return !p.Joined.IsZero() }

// connected tells whether a state means that someone is in the meeting.
func connected(state string) bool { return state == "connected" || state == "onHold" }

// element is one element of an update and where its value is kept.
type element[U, T any] struct {
	name string
	// set changes the target if the update tells of the element. It reports the values before and after, and whether they differ.
	set func(u *U, to *T) (from, now string, changed bool)
	odd func(u *U) bool
	// unset makes an update that does not tell of the element say that it is unset.
	unset func(u *U)
}

func untold[T any](e *Element[T]) {
	if !e.Told && !e.Odd {
		e.Told, e.Null = true, true
	}
}

func textElement[U, T any](name string, in func(*U) *Element[string], of func(*T) *string) element[U, T] {
	return element[U, T]{name, func(u *U, to *T) (string, string, bool) {
		e, field := in(u), of(to)
		before := *field
		if !e.Told {
			return before, before, false
		}
		*field = clip(e.Value)
		return before, *field, before != *field
	}, func(u *U) bool { return in(u).Odd }, func(u *U) { untold(in(u)) }}
}

func valueElement[U, T any, V comparable](name string, write func(V) string, in func(*U) *Element[V], of func(*T) **V) element[U, T] {
	return element[U, T]{name, func(u *U, to *T) (string, string, bool) {
		e, field := in(u), of(to)
		before, after := *field, (*V)(nil)
		if !e.Told {
			return "", "", false
		}
		if !e.Null {
			after = &e.Value
		}
		if before == nil && after == nil || before != nil && after != nil && *before == *after {
			return "", "", false
		}
		if after != nil { // not a pointer into the update, which would keep all of it
			after = new(V)
			*after = e.Value
		}
		*field = after
		return optional(before, write), optional(after, write), true
	}, func(u *U) bool { return in(u).Odd }, func(u *U) { untold(in(u)) }}
}

func optional[V any](v *V, write func(V) string) string {
	if v == nil {
		return ""
	}
	return write(*v)
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// callElements are the elements of calls and callInfo (cms-events.md §3.1, §3.2). The last one is of callInfo alone.
func callElements() []element[callUpdate, Call] {
	return []element[callUpdate, Call]{
		textElement("name", func(u *callUpdate) *Element[string] { return &u.Name }, func(c *Call) *string { return &c.Name }),
		valueElement("participants", decimal, func(u *callUpdate) *Element[int64] { return &u.Participants }, func(c *Call) **int64 { return &c.Participants }),
		valueElement("distributedInstances", decimal, func(u *callUpdate) *Element[int64] { return &u.DistributedInstances }, func(c *Call) **int64 { return &c.DistributedInstances }),
		textElement("recording", func(u *callUpdate) *Element[string] { return &u.Recording }, func(c *Call) *string { return &c.Recording }),
		textElement("endpointRecording", func(u *callUpdate) *Element[string] { return &u.EndpointRecording }, func(c *Call) *string { return &c.EndpointRecording }),
		textElement("streaming", func(u *callUpdate) *Element[string] { return &u.Streaming }, func(c *Call) *string { return &c.Streaming }),
		textElement("lockState", func(u *callUpdate) *Element[string] { return &u.LockState }, func(c *Call) *string { return &c.LockState }),
		textElement("callType", func(u *callUpdate) *Element[string] { return &u.CallType }, func(c *Call) *string { return &c.Type }),
		textElement("callCorrelator", func(u *callUpdate) *Element[string] { return &u.CallCorrelator }, func(c *Call) *string { return &c.Correlator }),
		valueElement(joinAudioMuteOverride, strconv.FormatBool, func(u *callUpdate) *Element[bool] { return &u.JoinAudioMuteOverride }, func(c *Call) **bool { return &c.JoinAudioMuteOverride }),
	}
}

const (
	joinAudioMuteOverride = "joinAudioMuteOverride"
	activeSpeaker         = "activeSpeaker"
	stateElement          = "state"
	nameElement           = "name"
)

// rosterElements are the elements of callRoster (cms-events.md §3.3).
func rosterElements() []element[participantUpdate, Participant] {
	type u = participantUpdate
	type p = Participant
	text := textElement[u, p]
	flag := func(name string, in func(*u) *Element[bool], of func(*p) **bool) element[u, p] {
		return valueElement(name, strconv.FormatBool, in, of)
	}
	return []element[u, p]{
		text(nameElement, func(u *u) *Element[string] { return &u.Name }, func(p *p) *string { return &p.Name }),
		text("uri", func(u *u) *Element[string] { return &u.URI }, func(p *p) *string { return &p.URI }),
		text(stateElement, func(u *u) *Element[string] { return &u.State }, func(p *p) *string { return &p.State }),
		text("direction", func(u *u) *Element[string] { return &u.Direction }, func(p *p) *string { return &p.Direction }),
		flag("audioMuted", func(u *u) *Element[bool] { return &u.AudioMuted }, func(p *p) **bool { return &p.AudioMuted }),
		flag("videoMuted", func(u *u) *Element[bool] { return &u.VideoMuted }, func(p *p) **bool { return &p.VideoMuted }),
		valueElement("importance", decimal, func(u *u) *Element[int64] { return &u.Importance }, func(p *p) **int64 { return &p.Importance }),
		text("layout", func(u *u) *Element[string] { return &u.Layout }, func(p *p) *string { return &p.Layout }),
		flag(activeSpeaker, func(u *u) *Element[bool] { return &u.ActiveSpeaker }, func(p *p) **bool { return &p.ActiveSpeaker }),
		flag("presenter", func(u *u) *Element[bool] { return &u.Presenter }, func(p *p) **bool { return &p.Presenter }),
		text("endpointRecording", func(u *u) *Element[string] { return &u.EndpointRecording }, func(p *p) *string { return &p.EndpointRecording }),
		flag("canMove", func(u *u) *Element[bool] { return &u.CanMove }, func(p *p) **bool { return &p.CanMove }),
		text("movedParticipant", func(u *u) *Element[string] { return &u.MovedParticipant }, func(p *p) *string { return &p.MovedParticipant }),
		text("movedParticipantCallBridge", func(u *u) *Element[string] { return &u.MovedParticipantCallBridge }, func(p *p) *string { return &p.MovedParticipantBridge }),
	}
}

// maxText is the longest text that is kept, in bytes.
const maxText = 512

// clip cuts a text to what is kept of it.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.Clone(s[:cut])
}

// roster is a call with its participants.
type roster struct {
	Call
	people map[string]*person
	// number of the call in the order in which calls were learnt.
	number int64
	// rosterSub and infoSub are the indexes of its subscriptions on this connection; 0: none.
	rosterSub, infoSub int
	// confirmed: listed since the connection was opened.
	confirmed bool
	// fresh: it started while we were following, so its first roster tells of what happens now.
	fresh bool
	// settled: participants that were not confirmed have been dropped since the roster became active.
	settled bool
	// ending since a subscription of the call was deactivated; zero while it lives. The remove that says why usually follows within milliseconds.
	ending time.Time
	// touched is when the bridge last told of the call, over whatever way.
	touched time.Time
	// gone remembers for a while who left, so that a list read before does not bring them back.
	gone map[string]time.Time
	// doubt: something came that does not fit what is known; the call is to be read over REST.
	doubt bool
	// missed: the last list that the API gave lacked it.
	missed bool
}

// unfollow notes that no subscription tells of the roster any more: it is not known until one does, or it is read over REST.
func (r *roster) unfollow() {
	if r.Roster == RosterEvents {
		r.Roster = RosterNone
	}
}

// snapshot tells whether what comes now for the roster may be of long ago.
func (r *roster) snapshot() bool { return !r.settled && !r.fresh }

type person struct {
	Participant
	confirmed, missed bool
	touched           time.Time
	// speaker is the activeSpeaker last told in the timeline.
	speaker string
}

// everybody lists the roster in order of the ids.
func (r *roster) everybody() []*person {
	return slices.SortedFunc(maps.Values(r.people), func(a, b *person) int { return strings.Compare(a.ID, b.ID) })
}

// byNumber lists calls in the order in which they were learnt.
func byNumber(calls map[string]*roster) []*roster {
	return slices.SortedFunc(maps.Values(calls), func(a, b *roster) int { return int(a.number - b.number) })
}
