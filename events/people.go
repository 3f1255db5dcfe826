package events

import (
	"strings"
	"unicode"
)

// Client is the kind of a participant's client. Events do not tell, so it is a guess from what they do tell (cms-events.md §3.3, §6.6).
type Client string

// The kinds of clients. Lync clients cannot be told from other SIP clients.
const (
	SIP    Client = "sip"
	WebApp Client = "webapp"
	Other  Client = "other"
)

// ClientOf guesses: who called in is a SIP end point, and so is who was called and may be moved; a generated guest address, or an outgoing participant that
// may not be moved, is a web app. A release that does not tell canMove leaves outgoing ones other.
func ClientOf(p *Participant) Client {
	switch {
	case p.Direction == "incoming", p.CanMove != nil && *p.CanMove:
		return SIP
	case generatedGuest(p.URI), p.Direction == "outgoing" && p.CanMove != nil:
		return WebApp
	default:
		return Other
	}
}

// Capture tells recorders and streamers, which are participants too, from people.
type Capture string

// The kinds of captures.
const (
	NoCapture Capture = ""
	Recorder  Capture = "recorder"
	Streamer  Capture = "streamer"
)

// CaptureOf goes by name, direction and generated address together: a person may be called recording.
func CaptureOf(p *Participant) Capture {
	if p.Direction == "incoming" || p.URI != "" && !generatedGuest(p.URI) {
		return NoCapture
	}
	switch p.Name {
	case "recording":
		return Recorder
	case "streaming":
		return Streamer
	}
	return NoCapture
}

// generatedGuest tells whether an address is guest, digits, at a domain.
func generatedGuest(uri string) bool {
	user, _, ok := strings.Cut(uri, "@")
	digits, guest := strings.CutPrefix(user, "guest")
	return ok && guest && digits != "" && strings.IndexFunc(digits, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsDigit(r) }) < 0
}
