package cmssim

import (
	"sync"
	"time"
)

// Faults are the ways in which a bridge misbehaves. The zero value is a healthy bridge.
type Faults struct {
	// Down closes every API connection as soon as it is accepted, as if nobody listened.
	Down bool
	// Hang leaves API requests unanswered until the fault is lifted or the client goes away.
	Hang bool
	// Slow delays each API answer.
	Slow time.Duration
	// Busy is the share of API requests answered with 503, from 0 to 1.
	Busy float64
	// Refuses is the path of API objects, such as "calls", that are answered with 500 while the others are well; empty for none.
	Refuses string
	// BadXML breaks the markup of each API answer.
	BadXML bool
	// HalfDocument cuts each API answer in the middle and closes the connection.
	HalfDocument bool
	// ReceiversCut keeps the bridge from reaching any CDR receiver; its queues fill and, in time, overflow.
	ReceiversCut bool
	// ClockSkew is added to the bridge's clock: cdrTime and the times of records.
	ClockSkew time.Duration
	// Alarms are raised as they stand; each instance has the id it was given when it was first seen.
	Alarms []Alarm
	// License is the cluster licensing that the bridge reports.
	License LicenseState
	// LostModules is the number of media modules out of work.
	LostModules int
	// TURNUnreachable and WebBridgeFailure take the group's devices away from this bridge.
	TURNUnreachable, WebBridgeFailure bool
	// DeviceStatus is the status of recorders and streamers on 2.x; success if empty.
	DeviceStatus string
	// RecorderRefuses shows calls whose recording is wanted and does not happen.
	RecorderRefuses bool
	// DatabaseNodeDown and DatabaseBehind (bytes) concern the last node of the database cluster.
	DatabaseNodeDown bool
	DatabaseBehind   int64
	// ICEFailure writes lines about failed TURN credentials to syslog.
	ICEFailure bool
	// Events are the faults of the events interface.
	Events EventFaults
	// Dialect is the manner in which API answers are written.
	Dialect Dialect
}

// Alarm is one alarm of cms-api.md section 5.3.
type Alarm struct {
	Type          string
	FailureReason string            // optional
	Companions    map[string]string // companion fields, such as callBridge; optional
}

// faults holds a bridge's Faults and what they leave behind.
type faults struct {
	mu       sync.Mutex
	current  Faults
	lostAcks int
	lifted   chan struct{} // closed and replaced with every change
}

func newFaults() *faults { return &faults{lifted: make(chan struct{})} }

func (f *faults) get() Faults {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current
}

// change applies edit and returns what came of it.
func (f *faults) change(edit func(*Faults)) Faults {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit(&f.current)
	close(f.lifted)
	f.lifted = make(chan struct{})
	return f.current
}

// untilChanged is closed with the next change.
func (f *faults) untilChanged() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lifted
}

// loseAck reports whether the answer to a POST gets lost, and uses up one such loss.
func (f *faults) loseAck() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lostAcks == 0 {
		return false
	}
	f.lostAcks--
	return true
}
