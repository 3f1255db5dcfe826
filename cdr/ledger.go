package cdr

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Settings are what facts depend on beside the records.
type Settings struct {
	// Bridges names the configured bridge of a callBridge GUID, as the inventory learned it.
	Bridges map[uuid.UUID]Bridge
	// OrphanTimeout: an open fact about which nothing was heard for so long is taken as ended. Zero means never.
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

// DefaultSettings has a day for orphans, ten minutes to settle, and scanners refused within ten seconds.
func DefaultSettings() Settings {
	return Settings{
		OrphanTimeout:  24 * time.Hour,
		SettleAfter:    10 * time.Minute,
		ScannerReasons: []string{"unknownDestination", "ringingTimeout", "error", "timeout", "localTeardown", "remoteTeardown", "ivrUnknownCall"},
		ScannerMax:     10 * time.Second,
	}
}

// Kind is the kind of an [Object].
type Kind uint8

// The kinds of objects.
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

// objectState is one call, leg, recording or stream in memory: its own records, and whom it touches.
type objectState struct {
	Object
	records map[int64]SourcedRecord // by correlatorIndex
	// calls are the calls it names (legs, recordings, streams), members the objects that name it (calls).
	calls, members map[Object]bool
	// fed are the recordings and streams that a leg feeds, feeders the legs that feed a recording or stream.
	fed, feeders map[Object]bool
	touched      time.Time // as-of time of the last change
	handed       handedOut
	endHow       EndHow
	started      time.Time
}

// begins tells whether a Start record of the object is known.
func (o *objectState) begins() bool {
	for _, r := range o.records {
		if starts(r.Type) {
			return true
		}
	}
	return false
}

// handedOut is what is left of a row that was handed out: enough to tell a change and to bury it.
type handedOut struct {
	is      bool
	print   uint64
	start   time.Time
	call    uuid.UUID // legs: the row's call_id
	version uint64
}

// Ledger accumulates records and tells which facts changed. It is not safe for concurrent use; one writer owns it.
//
// Use, per batch of records sorted by (Session, CorrelatorIndex):
//
//	for needs := l.Needs(batch); len(needs) > 0; needs = l.Needs(batch) {
//		for each: load its stored records and rows; l.Restore(need, records, rows)
//	}
//	for each record: l.Add(record)
//	Needs(nil), load and Restore as above: a record may show that another session is over
//	facts := l.Changed(now)   // write them, sessions last; then acknowledge
//	l.Forget(now)
//
// A fresh ledger first gets all stored session rows by RestoreSessions, then Needs(nil) says what was open.
type Ledger struct {
	settings Settings
	sessions map[uuid.UUID]*sessionState
	highest  map[uuid.UUID]int64 // index up to which the store was seen to have records of a session, beyond what its row says
	objects  map[Object]*objectState
	dirty    map[Object]bool
	// unstarted were forgotten before a Start record of theirs came: such a record is not the first that the store hears of them.
	unstarted map[Object]bool
	wanted    map[Object]bool // named by what was restored, not yet held
	findings  []Finding
	asOf      time.Time
	seed      maphash.Seed
	// sweepAt is when an open object may next time out.
	sweepAt time.Time
}

// NewLedger makes an empty ledger.
func NewLedger(s Settings) *Ledger {
	return &Ledger{settings: s, sessions: map[uuid.UUID]*sessionState{}, highest: map[uuid.UUID]int64{},
		objects: map[Object]*objectState{}, dirty: map[Object]bool{}, wanted: map[Object]bool{}, unstarted: map[Object]bool{}, seed: maphash.MakeSeed()}
}

// RestoreSessions takes the stored session rows, and for each session the highest index among its stored records: after a crash that may be more
// than its row says, and a start up to it is not the first that the store hears of its object. Sessions are small and are never forgotten.
func (l *Ledger) RestoreSessions(rows []Session, highest map[uuid.UUID]int64) {
	for id, index := range highest {
		l.note(id, index)
		// Also where a crash kept the session's row from being written: the rows of its calls and legs may have been.
		l.wanted[Object{Session: id, Kind: KindUnfinished}] = true
	}
	for _, row := range rows {
		s := restoreSession(row)
		l.sessions[row.ID] = s
		if row.Superseded {
			delete(l.wanted, Object{Session: row.ID, Kind: KindUnfinished})
		} else {
			l.wanted[Object{Session: row.ID, Kind: KindUnfinished}] = true
		}
	}
	l.rank() // a crash may have come between the rows of a session and of the one that superseded it
}

// objectOf is the object that a record is about; false for a record about none that is known.
func objectOf(r Record) (Object, bool) {
	o := Object{Session: r.Session, ID: r.ID}
	switch {
	case r.ID == uuid.Nil:
		return o, false
	case r.Call != nil:
		o.Kind = KindCall
	case r.Leg != nil:
		o.Kind = KindLeg
	case r.Recording != nil:
		o.Kind = KindRecording
	case r.Stream != nil:
		o.Kind = KindStream
	default:
		return o, false
	}
	return o, true
}

// CallID is the call that a record is about or names, zero if none.
func (r Record) CallID() uuid.UUID {
	if r.Call != nil {
		return r.ID
	}
	return callOf(r)
}

// FeederID is the call leg by which a recording or stream says it is fed, zero if none.
func (r Record) FeederID() uuid.UUID { return feederOf(r) }

// callOf is the call that a record of another object names, zero if none.
func callOf(r Record) uuid.UUID {
	switch {
	case r.Leg != nil:
		return r.Leg.Call
	case r.Recording != nil:
		return r.Recording.Call
	case r.Stream != nil:
		return r.Stream.Call
	}
	return uuid.Nil
}

// feederOf is the leg that a recording or stream says it is fed by, zero if none.
func feederOf(r Record) uuid.UUID {
	switch {
	case r.Recording != nil:
		return r.Recording.Leg
	case r.Stream != nil:
		return r.Stream.Leg
	}
	return uuid.Nil
}

// starts tells whether a record of the type is the first about its object.
func starts(t Type) bool {
	return t == CallStart || t == CallLegStart || t == RecordingStart || t == StreamingStart
}

// Needs says which objects' earlier records must be restored before these records are added; without records, which ones must be
// restored for the ledger to go on where a former one stopped. Objects are asked for once: after Restore (also with nothing
// stored) they are held. What to load for each:
//
//	KindRecording, KindStream: the stored records of the session with that id.
//	KindLeg: the same, and all records of the recordings and streams that name the leg.
//	KindCall: those that name the call (own id, call of a leg, recording or stream), and all records of the legs, recordings and streams found so,
//	and of the recordings and streams that name a leg found so.
//	KindUnfinished: for each call, leg, recording or stream of the session with such an end: as above, all in one Restore.
func (l *Ledger) Needs(records []SourcedRecord) []Object {
	needs := map[Object]bool{}
	for o := range l.wanted {
		needs[o] = true
	}
	begun := map[Object]bool{} // begins within this batch: nothing earlier can be stored
	for _, r := range records {
		o, ok := objectOf(r.Record)
		if !ok {
			continue
		}
		s := l.sessions[r.Session]
		known := s != nil && s.knows(r.CorrelatorIndex)
		inOrder := s == nil || r.CorrelatorIndex > s.last()
		if highest, some := l.highest[r.Session]; some && r.CorrelatorIndex <= highest {
			inOrder = false
		}
		if s != nil && s.row.Superseded && !s.unfinishedHeld && !known {
			needs[Object{Session: r.Session, Kind: KindUnfinished}] = true
		}
		if l.objects[o] == nil && !begun[o] {
			if starts(r.Type) && inOrder && !l.unstarted[o] {
				begun[o] = true
			} else if !known {
				needs[o] = true
			}
		}
		for _, relative := range []Object{{r.Session, KindCall, callOf(r.Record)}, {r.Session, KindLeg, feederOf(r.Record)}} {
			if relative.ID != uuid.Nil && !known && l.objects[relative] == nil && !begun[relative] {
				needs[relative] = true
			}
		}
	}
	list := make([]Object, 0, len(needs))
	for o := range needs {
		list = append(list, o)
	}
	slices.SortFunc(list, compareObjects)
	return list
}

func compareObjects(a, b Object) int {
	return cmp.Or(bytes.Compare(a.Session[:], b.Session[:]), cmp.Compare(a.Kind, b.Kind), bytes.Compare(a.ID[:], b.ID[:]))
}

// Restore gives back the stored records of an object, and its rows as they stand in storage.
func (l *Ledger) Restore(o Object, records []SourcedRecord, stored Facts) {
	delete(l.wanted, o)
	if o.Kind == KindUnfinished {
		if s := l.sessions[o.Session]; s != nil {
			s.unfinishedHeld = true
		}
	} else {
		l.hold(o)
	}
	for _, r := range records {
		l.note(r.Session, r.CorrelatorIndex)
		l.take(r)
	}
	for _, row := range stored.Calls {
		l.stored(Object{row.Session, KindCall, row.ID}, row, row.Start, uuid.Nil, row.Version)
	}
	for _, row := range stored.Legs {
		l.stored(Object{row.Session, KindLeg, row.ID}, row, row.Start, row.CallID, row.Version)
	}
	for _, row := range stored.Recordings {
		l.stored(Object{row.Session, KindRecording, row.ID}, row, row.Start, uuid.Nil, row.Version)
	}
	for _, row := range stored.Streams {
		l.stored(Object{row.Session, KindStream, row.ID}, row, row.Start, uuid.Nil, row.Version)
	}
}

// note remembers up to which index the store has records of a session.
func (l *Ledger) note(session uuid.UUID, index int64) {
	if known, ok := l.highest[session]; !ok || index > known {
		l.highest[session] = index
	}
}

// stored notes the row of an object as it stands in storage.
func (l *Ledger) stored(o Object, row any, start time.Time, call uuid.UUID, version uint64) {
	if state := l.objects[o]; state != nil {
		state.handed = handedOut{true, l.fingerprint(row), start, call, version}
	}
}

// Holds tells whether the ledger has all of an object's known records.
func (l *Ledger) Holds(o Object) bool {
	if o.Kind == KindUnfinished {
		s := l.sessions[o.Session]
		return s != nil && s.unfinishedHeld
	}
	return l.objects[o] != nil
}

// hold makes the object if it is not there, and marks it to be looked at.
func (l *Ledger) hold(o Object) *objectState {
	state := l.objects[o]
	if state == nil {
		state = &objectState{Object: o, records: map[int64]SourcedRecord{}, calls: map[Object]bool{}, members: map[Object]bool{}, fed: map[Object]bool{}, feeders: map[Object]bool{}}
		l.objects[o] = state
		delete(l.unstarted, o)
	}
	state.touched = l.asOf
	l.dirty[o] = true
	return state
}

// take puts a record, new or restored, to its object, and marks everything that depends on it.
func (l *Ledger) take(r SourcedRecord) {
	o, ok := objectOf(r.Record)
	if !ok {
		return
	}
	state := l.hold(o)
	state.records[r.CorrelatorIndex] = r
	if id := callOf(r.Record); id != uuid.Nil {
		call := Object{r.Session, KindCall, id}
		state.calls[call] = true
		if l.objects[call] == nil {
			l.wanted[call] = true
		}
		l.hold(call).members[o] = true
	}
	if id := feederOf(r.Record); id != uuid.Nil {
		leg := Object{r.Session, KindLeg, id}
		state.feeders[leg] = true
		if l.objects[leg] == nil {
			l.wanted[leg] = true
		}
		l.hold(leg).fed[o] = true
	}
	for _, relatives := range []map[Object]bool{state.calls, state.members, state.fed} {
		for relative := range relatives {
			l.touch(relative)
		}
	}
}

func (l *Ledger) touch(o Object) {
	if state := l.objects[o]; state != nil {
		state.touched = l.asOf
		l.dirty[o] = true
	}
}

// Add merges a record. It reports whether the record was new; false is a duplicate, counted and otherwise ignored.
func (l *Ledger) Add(r SourcedRecord) (isNew bool) {
	s := l.sessions[r.Session]
	if s == nil {
		s = &sessionState{row: Session{ID: r.Session, Source: r.Source, SourceCluster: r.Cluster, BridgeID: r.CallBridge}, unfinishedHeld: true}
		l.sessions[r.Session] = s
	}
	l.judge(s, r)
	known := s.knows(r.CorrelatorIndex)
	firstTime, lastTime, bridge, fresh := s.row.FirstTime, s.row.LastTime, s.bridge(), s.row.Records == 0
	if known {
		s.row.Duplicates++
		s.dirty = true
	} else {
		s.learn(r.Header)
	}
	// Where a session carries two GUIDs the lower one decides, and where two tokens bring it the lower one, so that order does not.
	if r.CallBridge != uuid.Nil && (s.row.BridgeID == uuid.Nil || bytes.Compare(r.CallBridge[:], s.row.BridgeID[:]) < 0) {
		s.row.BridgeID = r.CallBridge
	}
	if (r.Cluster < s.row.SourceCluster) || (r.Cluster == s.row.SourceCluster && r.Source < s.row.Source) {
		s.row.Source, s.row.SourceCluster = r.Source, r.Cluster
	}
	if fresh || !s.row.FirstTime.Equal(firstTime) || s.bridge() != bridge {
		l.rank()
	}
	if known {
		return false
	}
	if s.row.Superseded && s.row.LastTime.After(lastTime) {
		l.reopen(r.Session) // what was closed by the new session ends later
	}
	l.take(r)
	// What the store has of this call was asked for by Needs, or it begins here.
	delete(l.wanted, Object{r.Session, KindCall, callOf(r.Record)})
	delete(l.wanted, Object{r.Session, KindLeg, feederOf(r.Record)})
	return true
}

// touchSession marks all objects of a session that are held.
func (l *Ledger) touchSession(id uuid.UUID) {
	for o := range l.objects {
		if o.Session == id {
			l.dirty[o] = true
		}
	}
}

// judge finds what an operator must look at.
func (l *Ledger) judge(s *sessionState, r SourcedRecord) {
	if r.CallBridge == uuid.Nil {
		return
	}
	if b, known := l.settings.Bridges[r.CallBridge]; known && !s.foreign && (b.Name != r.Source || b.Cluster != r.Cluster) {
		s.foreign = true
		l.findings = append(l.findings, Finding{FindingForeignBridge, r.Session, r.Source, r.Cluster, r.Received, b.Name, r.CallBridge,
			fmt.Sprintf("the token of %s/%s brought records of %s/%s", r.Cluster, r.Source, b.Cluster, b.Name)})
	}
	if s.row.BridgeID != uuid.Nil && s.row.BridgeID != r.CallBridge && !s.twoBridges {
		s.twoBridges = true
		l.findings = append(l.findings, Finding{FindingTwoBridges, r.Session, r.Source, r.Cluster, r.Received, "", r.CallBridge,
			fmt.Sprintf("one session carries the Call Bridge GUIDs %s and %s", s.row.BridgeID, r.CallBridge)})
	}
}

// rank finds the latest sessions, by their first records; the others of the same bridge are superseded. A bridge that joins or leaves a cluster restarts, and
// its sessions before or after carry no GUID.
func (l *Ledger) rank() {
	ofGUID, ofToken, unnamed := map[uuid.UUID]*sessionState{}, map[tokenKey]*sessionState{}, map[tokenKey]*sessionState{}
	for _, s := range l.sessions {
		b := s.bridge()
		if s.beganAfter(ofToken[b.token]) {
			ofToken[b.token] = s
		}
		if b.guid != uuid.Nil && s.beganAfter(ofGUID[b.guid]) {
			ofGUID[b.guid] = s
		}
		if b.guid == uuid.Nil && s.beganAfter(unnamed[b.token]) {
			unnamed[b.token] = s
		}
	}
	for _, s := range l.sessions {
		b := s.bridge()
		superseded := s != ofToken[b.token]
		if b.guid != uuid.Nil {
			superseded = s != ofGUID[b.guid] || !s.beganAfter(unnamed[b.token])
		}
		if s.row.Superseded != superseded {
			s.row.Superseded, s.dirty = superseded, true
			l.reopen(s.row.ID)
		}
	}
}

// reopen marks everything of a session whose end was inferred to be looked at again; what was forgotten of it is asked for by Needs.
func (l *Ledger) reopen(id uuid.UUID) {
	l.touchSession(id)
	if !l.sessions[id].unfinishedHeld {
		l.wanted[Object{Session: id, Kind: KindUnfinished}] = true
	}
}

// fingerprint tells rows apart; the version is no part of it.
func (l *Ledger) fingerprint(row any) uint64 {
	switch r := row.(type) {
	case Call:
		r.Version = 0
		row = r
	case Leg:
		r.Version = 0
		if r.Calls == nil {
			r.Calls = []uuid.UUID{}
		}
		if r.Alarms == nil {
			r.Alarms = []Alarm{}
		}
		row = r
	case Recording:
		r.Version = 0
		row = r
	case Stream:
		r.Version = 0
		row = r
	}
	text, err := json.Marshal(row)
	if err != nil { // a NaN percentage cannot come out of the decoder; a changed print only means one more write
		return 0
	}
	return maphash.Bytes(l.seed, text)
}

// Changed returns the rows that differ from what was last handed out, as of a time that must not go back.
// Rows that moved to another sort key (storage/migrations/0002_facts.sql) come with a tombstone of the old one.
func (l *Ledger) Changed(asOf time.Time) Facts {
	if asOf.After(l.asOf) {
		l.asOf = asOf
	}
	l.sweep()
	f := Facts{Moved: l.movedSessions()}
	changed := make([]Object, 0, len(l.dirty))
	for o := range l.dirty {
		changed = append(changed, o)
	}
	slices.SortFunc(changed, compareObjects)
	for _, o := range changed {
		if state := l.objects[o]; state != nil {
			l.handOut(state, &f)
		}
	}
	clear(l.dirty)
	for _, s := range l.sessions {
		if row, is := s.reopened(); is {
			f.Reopened = append(f.Reopened, row)
		}
		if s.dirty {
			f.Sessions = append(f.Sessions, s.completeness())
			s.dirty = false
		}
	}
	f.Findings, l.findings = l.findings, nil
	f.sort()
	return f
}

// sweep marks open objects that time may have ended.
func (l *Ledger) sweep() {
	if l.settings.OrphanTimeout <= 0 || l.asOf.Before(l.sweepAt) {
		return
	}
	l.sweepAt = l.asOf.Add(min(l.settings.OrphanTimeout/10, time.Minute))
	for o, state := range l.objects {
		if state.endHow == EndNone {
			l.dirty[o] = true
		}
	}
}

// bridgeOf names the bridge of a session: by its GUID if that is configured, else by the token.
func (l *Ledger) bridgeOf(s *sessionState) (bridge, cluster string) {
	if b, known := l.settings.Bridges[s.row.BridgeID]; known {
		return b.Name, b.Cluster
	}
	return s.row.Source, s.row.SourceCluster
}

// movedSessions finds the sessions that turn out to be another bridge's than their rows say: a GUID or a token was learnt later, or a GUID got a name.
func (l *Ledger) movedSessions() []Place {
	var moved []Place
	for id, s := range l.sessions {
		if !s.dirty {
			continue
		}
		before := Place{id, s.row.Bridge, s.row.Cluster, s.placed}
		now := Place{Session: id, BridgeID: s.row.BridgeID}
		now.Bridge, now.Cluster = l.bridgeOf(s)
		s.row.Bridge, s.row.Cluster, s.placed = now.Bridge, now.Cluster, now.BridgeID
		if before == now || before.Bridge == "" && before.Cluster == "" {
			continue // as it was, or nothing was handed out before
		}
		moved = append(moved, now)
		for o, state := range l.objects {
			if o.Session == id {
				l.dirty[o] = true
				if state.handed.is {
					state.handed.version++ // that of the stored row, once it is moved
				}
			}
		}
	}
	slices.SortFunc(moved, func(a, b Place) int { return bytes.Compare(a.Session[:], b.Session[:]) })
	return moved
}

// handOut adds the row of an object to f if it changed.
func (l *Ledger) handOut(o *objectState, f *Facts) {
	switch o.Kind {
	case KindCall:
		if row, ok := l.call(o); ok {
			o.endHow, o.started = row.EndHow, row.Start
			if old, moved, fresh := o.next(l.fingerprint(row), row.Start, uuid.Nil, &row.Version); fresh {
				if moved {
					tomb := row
					tomb.Start, tomb.IsDeleted = old.start, 1
					f.Calls = append(f.Calls, tomb)
				}
				f.Calls = append(f.Calls, row)
			}
		}
	case KindLeg:
		if row, ok := l.leg(o); ok {
			o.endHow, o.started = row.EndHow, row.Start
			if old, moved, fresh := o.next(l.fingerprint(row), row.Start, row.CallID, &row.Version); fresh {
				if moved {
					tomb := row
					tomb.Start, tomb.CallID, tomb.IsDeleted = old.start, old.call, 1
					f.Legs = append(f.Legs, tomb)
				}
				f.Legs = append(f.Legs, row)
			}
		}
	case KindRecording:
		if row, ok := l.recording(o); ok {
			o.endHow, o.started = row.EndHow, row.Start
			if old, moved, fresh := o.next(l.fingerprint(row), row.Start, uuid.Nil, &row.Version); fresh {
				if moved {
					tomb := row
					tomb.Start, tomb.IsDeleted = old.start, 1
					f.Recordings = append(f.Recordings, tomb)
				}
				f.Recordings = append(f.Recordings, row)
			}
		}
	case KindStream:
		if row, ok := l.stream(o); ok {
			o.endHow, o.started = row.EndHow, row.Start
			if old, moved, fresh := o.next(l.fingerprint(row), row.Start, uuid.Nil, &row.Version); fresh {
				if moved {
					tomb := row
					tomb.Start, tomb.IsDeleted = old.start, 1
					f.Streams = append(f.Streams, tomb)
				}
				f.Streams = append(f.Streams, row)
			}
		}
	}
}

// sortSlot is the stretch of time by which rows are sorted in storage: a row whose start moves to another lies under another key.
const sortSlot = 10 * time.Minute

// next compares a row with the one handed out before. A row that changed though no more records are known (time passed, a session was
// superseded) gets the next version, so that it wins; moved says that the old row must be buried.
func (o *objectState) next(print uint64, start time.Time, call uuid.UUID, version *uint64) (old handedOut, moved, fresh bool) {
	old = o.handed
	if old.is && old.print == print {
		return old, false, false
	}
	if old.is && *version <= old.version {
		*version = old.version + 1
	}
	o.handed = handedOut{true, print, start, call, *version}
	moved = old.is && (!old.start.Truncate(sortSlot).Equal(start.Truncate(sortSlot)) || old.call != call)
	return old, moved, true
}

// Forget drops objects that are settled and handed out; returns how many. Late records make Needs ask for them again.
// Calls, and what was in them, go together, as each one's row may follow from another's records.
func (l *Ledger) Forget(asOf time.Time) int {
	dropped := 0
	seen := map[Object]bool{}
	for start := range l.objects {
		if seen[start] {
			continue
		}
		family, settled := l.family(start, asOf, seen)
		if !settled {
			continue
		}
		for _, o := range family {
			if s := l.sessions[o.Session]; s != nil && (o.endHow == EndNewSession || o.endHow == EndOrphanTimeout) {
				s.unfinishedHeld = false
			}
			if !o.begins() {
				l.unstarted[o.Object] = true
			}
			delete(l.objects, o.Object)
			dropped++
		}
	}
	return dropped
}

// family is everything that hangs together with an object over calls, and whether all of it is settled.
func (l *Ledger) family(start Object, asOf time.Time, seen map[Object]bool) (members []*objectState, settled bool) {
	settled = true
	queue := []Object{start}
	for len(queue) > 0 {
		o := l.objects[queue[0]]
		queue = queue[1:]
		if o == nil || seen[o.Object] {
			continue
		}
		seen[o.Object] = true
		members = append(members, o)
		// An object without a row is one that records only name.
		if l.dirty[o.Object] || o.handed.is && o.endHow == EndNone || asOf.Sub(o.touched) < l.settings.SettleAfter {
			settled = false
		}
		for _, relatives := range []map[Object]bool{o.calls, o.members, o.fed, o.feeders} {
			for relative := range relatives {
				queue = append(queue, relative)
			}
		}
	}
	return members, settled
}

// Len is the number of calls, legs, recordings and streams in memory.
func (l *Ledger) Len() int { return len(l.objects) }

// Build is all facts of a set of records: the definition of the facts.
func Build(records []SourcedRecord, s Settings, asOf time.Time) Facts {
	l := NewLedger(s)
	for _, r := range records {
		l.Add(r)
	}
	return l.Changed(asOf)
}

// sort puts the rows in the order that Facts promises.
func (f *Facts) sort() {
	by := func(as, bs time.Time, ax, bx, ai, bi uuid.UUID) int {
		return cmp.Or(bytes.Compare(ax[:], bx[:]), as.Compare(bs), bytes.Compare(ai[:], bi[:]))
	}
	slices.SortStableFunc(f.Calls, func(a, b Call) int { return by(a.Start, b.Start, a.Session, b.Session, a.ID, b.ID) })
	slices.SortStableFunc(f.Legs, func(a, b Leg) int { return by(a.Start, b.Start, a.Session, b.Session, a.ID, b.ID) })
	slices.SortStableFunc(f.Recordings, func(a, b Recording) int { return by(a.Start, b.Start, a.Session, b.Session, a.ID, b.ID) })
	slices.SortStableFunc(f.Streams, func(a, b Stream) int { return by(a.Start, b.Start, a.Session, b.Session, a.ID, b.ID) })
	for _, sessions := range [][]Session{f.Reopened, f.Sessions} {
		slices.SortStableFunc(sessions, func(a, b Session) int { return by(a.FirstTime, b.FirstTime, a.ID, b.ID, uuid.Nil, uuid.Nil) })
	}
}
