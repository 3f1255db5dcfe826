package cdr

import (
	"time"

	"github.com/google/uuid"
)

// Settings are what facts depend on beside the records.
type Settings struct {
	// Bridges names the configured bridge of a callBridge GUID, as the inventory learned it.
	Bridges map[uuid.UUID]Bridge
	// OrphanTimeout: an open fact about which nothing was heard for so long is taken as ended.
	OrphanTimeout time.Duration
	// SettleAfter is how long an ended fact stays in memory after its last record, so that stragglers need no reading back.
	SettleAfter time.Duration
	// ScannerReasons and ScannerMax: an incoming leg that was never in a call nor the IVR and ended within ScannerMax with one
	// of these reasons is a scanner's (cms-cdr 5).
	ScannerReasons []string
	ScannerMax     time.Duration
}

// Bridge is a configured Call Bridge.
type Bridge struct {
	Name    string
	Cluster string
}

// Kind is the kind of an [Object].
type Kind uint8

const (
	KindCall Kind = iota + 1
	KindLeg
	KindRecording
	KindStream
	// KindUnfinished stands for all calls, legs, recordings and streams of a session whose end is not known from a record
	// (end_how "", new_session or orphan_timeout). Its ID is zero.
	KindUnfinished
)

// Object names something whose records a ledger can hold.
type Object struct {
	Session uuid.UUID
	Kind    Kind
	ID      uuid.UUID
}

// Ledger accumulates records and tells which facts changed. It is not safe for concurrent use; one writer owns it.
//
// Use, per batch of records sorted by (Session, CorrelatorIndex):
//
//	for needs := l.Needs(batch); len(needs) > 0; needs = l.Needs(batch) {
//		for each: load its stored records and rows; l.Restore(need, records, rows)
//	}
//	for each record: l.Add(record)
//	facts := l.Changed(now)   // write them, sessions last; then acknowledge
//	l.Forget(now)
//
// A fresh ledger first gets all stored session rows by RestoreSessions, then Needs(nil) says what was open.
type Ledger struct{}

// DefaultSettings has a day for orphans, ten minutes to settle, and scanners refused within ten seconds.
func DefaultSettings() Settings { return Settings{} }

// NewLedger makes an empty ledger.
func NewLedger(s Settings) *Ledger { return &Ledger{} }

// RestoreSessions takes the stored session rows. Sessions are small and are never forgotten.
func (l *Ledger) RestoreSessions(rows []Session) {}

// Needs says which objects' earlier records must be restored before these records are added; without records, which ones must be
// restored for the ledger to go on where a former one stopped. Objects are asked for once: after Restore (also with nothing
// stored) they are held. What to load for each:
//
//	KindLeg, KindRecording, KindStream: the stored records of the session with that id.
//	KindCall: those that name the call (own id, call of a leg, recording or stream), and all records of the legs, recordings and streams found so.
//	KindUnfinished: for each call, leg, recording or stream of the session with such an end: as above, all in one Restore.
func (l *Ledger) Needs(records []SourcedRecord) []Object { return nil }

// Restore gives back the stored records of an object, and its rows as they stand in storage.
func (l *Ledger) Restore(o Object, records []SourcedRecord, stored Facts) {}

// Holds tells whether the ledger has all of an object's known records.
func (l *Ledger) Holds(o Object) bool { return false }

// Add merges a record. It reports whether the record was new; false is a duplicate, counted and otherwise ignored.
func (l *Ledger) Add(r SourcedRecord) (isNew bool) { return false }

// Changed returns the rows that differ from what was last handed out, as of a time that must not go back.
// Rows that moved to another sort key (start, cluster, bridge) come with a tombstone of the old one.
func (l *Ledger) Changed(asOf time.Time) Facts { return Facts{} }

// Forget drops objects that are settled and handed out; returns how many. Late records make Needs ask for them again.
func (l *Ledger) Forget(asOf time.Time) int { return 0 }

// Build is all facts of a set of records: the definition of the facts.
func Build(records []SourcedRecord, s Settings, asOf time.Time) Facts { return Facts{} }
