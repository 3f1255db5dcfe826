// Package events is the subscription protocol of a Call Bridge's events interface and the live picture that comes of it, as a state machine without I/O:
// frames and the clock go in, requests to send and changes come out. Facts: reference page cms-events.md; no text of the vendor's guide could be read, so
// what the page marks as inferred is a setting here, and what is unknown is tolerated.
//
// A Machine follows one Call Bridge over many connections. Merge joins the pictures of the bridges of a cluster to meetings. Package events/subscriber
// brings the sockets.
package events

import (
	"errors"
	"fmt"
	"time"
)

// Config is how a Machine behaves.
type Config struct {
	// Ceiling is the most subscriptions on one connection. No figure is documented; 100 is inferred from clients (cms-events.md §2.2).
	// One is taken by the list of calls; the rest are rosters first, callInfos after them.
	Ceiling int
	// CallInfo subscribes to callInfo as well, as far as the ceiling allows. It adds joinAudioMuteOverride alone.
	CallInfo bool
	// ActiveSpeaker subscribes to activeSpeaker: nine in ten of all roster updates.
	ActiveSpeaker bool
	// CallElements and RosterElements are asked for beyond the known ones. Unknown names are ignored by the bridge.
	CallElements, RosterElements []string
	// Collect is how long changes of the wanted set are gathered before one request states it whole.
	Collect time.Duration
	// Settle is how long after a snapshot's last sign what was not confirmed is held to be gone: there is no end mark, and nothing at all for an empty bridge.
	Settle time.Duration
	// Probe is the silence after which the unchanged set is sent again, to see it acknowledged.
	Probe time.Duration
	// AckTimeout is how long a request may stay unacknowledged.
	AckTimeout time.Duration
	// PendingTimeout is how long a subscription may stay pending before its call is read over REST.
	PendingTimeout time.Duration
	// SpeakerSample is how often changes of activeSpeaker become changes of the timeline; the state follows at once.
	SpeakerSample time.Duration
	// MaxCalls and MaxParticipants (of all calls together) bound what a bridge can make us remember.
	MaxCalls, MaxParticipants int
}

// DefaultConfig returns what suits most bridges.
func DefaultConfig() Config {
	return Config{
		Ceiling: 100, ActiveSpeaker: true, Collect: 100 * time.Millisecond, Settle: 2 * time.Second, Probe: 20 * time.Second,
		AckTimeout: 10 * time.Second, PendingTimeout: 10 * time.Second, SpeakerSample: 10 * time.Second, MaxCalls: 10_000, MaxParticipants: 200_000,
	}
}

// Validate says what is wrong, or nil.
func (c Config) Validate() error {
	var errs []error
	if c.Ceiling < 1 {
		errs = append(errs, fmt.Errorf("ceiling %d: want at least 1", c.Ceiling))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"settle", c.Settle}, {"probe", c.Probe}, {"ack timeout", c.AckTimeout}, {"pending timeout", c.PendingTimeout}, {"speaker sample", c.SpeakerSample}} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("%s %s: want more than 0", d.name, d.value))
		}
	}
	if c.Collect < 0 {
		errs = append(errs, fmt.Errorf("collect %s: want 0 or more", c.Collect))
	}
	if c.MaxCalls < 1 || c.MaxParticipants < 1 {
		errs = append(errs, errors.New("limits of calls and participants: want at least 1"))
	}
	return errors.Join(errs...)
}

// Why a connection must be given up. All are answered by a new one, after a pause.
var (
	ErrMalformed = errors.New("a frame that cannot be understood")
	ErrRefused   = errors.New("the bridge did not accept a request")
	ErrNoAck     = errors.New("the bridge did not acknowledge a request in time")
	ErrNoCalls   = errors.New("the bridge ended the subscription to its calls")
)
