package cdr

import (
	"slices"
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
type Ledger struct {
	settings Settings
	sessions map[uuid.UUID]*session
	bridges  map[string]*bridge
	asOf     time.Time
	findings []Finding
	reported map[Finding]bool
}

// DefaultSettings has a day for orphans, ten minutes to settle, and scanners refused within ten seconds.
func DefaultSettings() Settings {
	return Settings{
		OrphanTimeout:  24 * time.Hour,
		SettleAfter:    10 * time.Minute,
		ScannerReasons: []string{"unknownDestination", "ringingTimeout"},
		ScannerMax:     10 * time.Second,
	}
}

// NewLedger makes an empty ledger.
func NewLedger(s Settings) *Ledger {
	return &Ledger{settings: s, sessions: map[uuid.UUID]*session{}, bridges: map[string]*bridge{}, reported: map[Finding]bool{}}
}

// RestoreSessions takes the stored session rows. Sessions are small and are never forgotten.
func (l *Ledger) RestoreSessions(rows []Session) {
	for _, row := range rows {
		if l.sessions[row.ID] != nil {
			continue
		}
		s := newSession(row.ID)
		s.restore(row)
		l.sessions[row.ID] = s
		l.regroup(s)
	}
	for _, b := range l.bridges {
		b.order()
	}
	for _, s := range l.sessions {
		s.dirty, s.sweep = false, false
	}
}

// Needs says which objects' earlier records must be restored before these records are added; without records, which ones must be
// restored for the ledger to go on where a former one stopped. Objects are asked for once: after Restore (also with nothing
// stored) they are held. What to load for each:
//
//	KindLeg: the stored records of the session with that id, and all records of recordings and streams that name it as callLeg.
//	KindRecording, KindStream: the stored records of the session with that id.
//	KindCall: those with that id, and for each leg, recording and stream that names the call: as above.
//	KindUnfinished: for each call, leg, recording or stream of the session with such an end: as above, all in one Restore.
func (l *Ledger) Needs(records []SourcedRecord) []Object {
	n := needs{l: l, asked: map[Object]bool{}, begun: map[Object]bool{}, last: map[uuid.UUID]int64{}}
	if len(records) == 0 {
		for _, b := range l.bridges {
			if s := b.latest(); s.forgot {
				n.ask(Object{s.id, KindUnfinished, uuid.UUID{}})
			}
		}
	}
	for i := range records {
		n.record(&records[i])
	}
	return n.list
}

// needs is one run of Needs.
type needs struct {
	l     *Ledger
	list  []Object
	asked map[Object]bool
	begun map[Object]bool     // started in order by a record of this batch
	last  map[uuid.UUID]int64 // highest index of this batch by session
}

func (n *needs) ask(o Object) {
	if !n.asked[o] {
		n.asked[o] = true
		n.list = append(n.list, o)
	}
}

func (n *needs) unlessHeld(s *session, kind Kind, id uuid.UUID) {
	if o := (Object{s.id, kind, id}); id != (uuid.UUID{}) && !n.begun[o] && s.objects[key{kind, id}] == nil {
		n.ask(o)
	}
}

func (n *needs) record(r *SourcedRecord) {
	s := n.l.sessions[r.Session]
	if s == nil { // nothing is stored of a new session, but it may end the former one
		if b := n.l.bridges[n.l.identity(r.CallBridge, r.Source, r.Cluster)]; b != nil {
			for _, other := range b.sessions {
				if other.forgot && !other.superseded {
					n.ask(Object{other.id, KindUnfinished, uuid.UUID{}})
				}
			}
		}
		return
	}
	if s.seen.has(r.CorrelatorIndex) {
		return
	}
	if s.forgot && (r.Time.Before(s.first) || s.superseded && r.Time.After(s.last)) {
		n.ask(Object{s.id, KindUnfinished, uuid.UUID{}})
	}
	if r.Time.Before(s.first) && s.bridge != nil { // the order of sessions may change
		for _, other := range s.bridge.sessions {
			if other.forgot {
				n.ask(Object{other.id, KindUnfinished, uuid.UUID{}})
			}
		}
	}
	last, batch := n.last[s.id]
	inOrder := r.CorrelatorIndex > s.seen.last() && (!batch || r.CorrelatorIndex > last)
	if !batch || r.CorrelatorIndex > last {
		n.last[s.id] = r.CorrelatorIndex
	}
	k, ok := ownKey(&r.Record)
	if !ok || s.whole {
		return
	}
	o := Object{s.id, k.kind, k.id}
	switch held := s.objects[k]; {
	case held != nil:
		for id := range held.names {
			n.unlessHeld(s, id.kind, id.id)
		}
	case n.begun[o]:
	case inOrder && startOf(r.Type):
		n.begun[o] = true
	default:
		n.ask(o)
	}
	for _, name := range named(&r.Record) {
		n.unlessHeld(s, name.kind, name.id)
	}
}

// Restore gives back the stored records of an object, and its rows as they stand in storage (for tombstones; may be empty).
func (l *Ledger) Restore(o Object, records []SourcedRecord, stored Facts) {
	s := l.sessions[o.Session]
	if s == nil {
		return // Needs never asks for it
	}
	hold := map[key]bool{}
	if o.Kind == KindUnfinished {
		s.forgot = false
	} else {
		hold[key{o.Kind, o.ID}] = true
	}
	for i := range records {
		if k, ok := ownKey(&records[i].Record); ok && records[i].Session == o.Session && (o.Kind != KindRecording && o.Kind != KindStream) {
			if k.kind != KindCall || o.Kind == KindUnfinished {
				hold[k] = true
			}
		}
	}
	handed := storedKeys(stored, o.Session)
	for k := range handed {
		hold[k] = true
	}
	fresh := map[key]*object{}
	for k := range hold {
		if s.objects[k] == nil {
			fresh[k] = s.object(k, l.asOf)
		}
	}
	for i := range records {
		if records[i].Session == o.Session {
			s.merge(&records[i].Record, false, l.asOf)
		}
	}
	for k, obj := range fresh {
		obj.dirty = true
		if obj.handed = handed[k]; len(obj.handed) == 0 && len(obj.indices) > 0 {
			obj.handed = []place{{obj.start(), s.name, s.cluster}}
		}
	}
}

func storedKeys(f Facts, session uuid.UUID) map[key][]place {
	out := map[key][]place{}
	add := func(kind Kind, id, of uuid.UUID, p place) {
		if of == session {
			out[key{kind, id}] = append(out[key{kind, id}], p)
		}
	}
	for _, r := range f.Calls {
		add(KindCall, r.ID, r.Session, place{r.Start, r.Bridge, r.Cluster})
	}
	for _, r := range f.Legs {
		add(KindLeg, r.ID, r.Session, place{r.Start, r.Bridge, r.Cluster})
	}
	for _, r := range f.Recordings {
		add(KindRecording, r.ID, r.Session, place{r.Start, r.Bridge, r.Cluster})
	}
	for _, r := range f.Streams {
		add(KindStream, r.ID, r.Session, place{r.Start, r.Bridge, r.Cluster})
	}
	return out
}

// Holds tells whether the ledger has all of an object's known records.
func (l *Ledger) Holds(o Object) bool {
	s := l.sessions[o.Session]
	if s == nil {
		return false
	}
	if o.Kind == KindUnfinished {
		return !s.forgot
	}
	return s.objects[key{o.Kind, o.ID}] != nil
}

// Add merges a record. It reports whether the record was new; false is a duplicate, counted and otherwise ignored.
func (l *Ledger) Add(r SourcedRecord) (isNew bool) {
	s := l.sessions[r.Session]
	if s == nil {
		s = newSession(r.Session)
		s.whole = true
		l.sessions[r.Session] = s
	}
	l.find(s, &r)
	if s.owner(r.CallBridge, r.Source, r.Cluster) || s.bridge == nil {
		l.regroup(s)
	}
	if s.seen.add(r.CorrelatorIndex, r.Time, r.Missing) {
		isNew = true
		s.records++
		s.bridge.records++
	} else {
		s.duplicates++
	}
	s.dirty = true
	if !isNew {
		return false
	}
	if s.first.IsZero() || r.Time.Before(s.first) {
		s.first = r.Time
		s.bridge.order()
	}
	if r.Time.After(s.last) {
		s.last = r.Time
		s.sweep = s.sweep || s.superseded
	}
	s.merge(&r.Record, true, l.asOf)
	return true
}

// find notes what an operator must look at, once per session, source and GUID.
func (l *Ledger) find(s *session, r *SourcedRecord) {
	if r.CallBridge == (uuid.UUID{}) {
		return
	}
	report := func(kind FindingKind, bridge, text string) {
		f := Finding{Kind: kind, Session: s.id, Source: r.Source, Bridge: bridge, GUID: r.CallBridge, Text: text}
		if !l.reported[f] {
			l.reported[f] = true
			l.findings = append(l.findings, f)
		}
	}
	if s.guid != (uuid.UUID{}) && s.guid != r.CallBridge {
		report(FindingTwoBridges, "", "one session carries two callBridge GUIDs")
	}
	if b, ok := l.settings.Bridges[r.CallBridge]; ok {
		if b.Name != r.Source || b.Cluster != r.Cluster {
			report(FindingForeignBridge, b.Name, "the token of "+r.Source+" brought records of "+b.Name)
		}
		return
	}
	for _, b := range l.settings.Bridges {
		if b.Name == r.Source && b.Cluster == r.Cluster {
			report(FindingForeignBridge, "", "the token of "+r.Source+" brought records of an unknown bridge")
			return
		}
	}
}

// SetBridges takes what the inventory learned of the bridges' GUIDs; rows in memory follow at the next Changed.
func (l *Ledger) SetBridges(bridges map[uuid.UUID]Bridge) {
	l.settings.Bridges = bridges
	for _, s := range l.sessions {
		l.regroup(s)
	}
}

// identity is what tells one bridge from another: its configured name, or a GUID nobody configured.
func (l *Ledger) identity(guid uuid.UUID, source, cluster string) string {
	if b, ok := l.settings.Bridges[guid]; ok {
		return b.Cluster + "/" + b.Name
	}
	if guid != (uuid.UUID{}) {
		return "guid:" + guid.String()
	}
	return cluster + "/" + source
}

// regroup puts a session to its bridge, anew if what is known of it changed.
func (l *Ledger) regroup(s *session) {
	name, cluster := s.source, s.sourceCluster
	if b, ok := l.settings.Bridges[s.guid]; ok {
		name, cluster = b.Name, b.Cluster
	}
	if s.name != name || s.cluster != cluster {
		s.name, s.cluster = name, cluster
		s.dirty = true
		for _, o := range s.objects {
			o.dirty = true
		}
	}
	id := l.identity(s.guid, s.source, s.sourceCluster)
	b := l.bridges[id]
	if b == nil {
		b = &bridge{}
		l.bridges[id] = b
	}
	if s.bridge == b {
		return
	}
	if old := s.bridge; old != nil {
		old.sessions = slices.DeleteFunc(old.sessions, func(x *session) bool { return x == s })
		old.records -= s.records
		old.order()
		if len(old.sessions) == 0 {
			for k, v := range l.bridges {
				if v == old {
					delete(l.bridges, k)
				}
			}
		}
	}
	s.bridge = b
	b.sessions = append(b.sessions, s)
	b.records += s.records
	b.order()
}

// Changed returns the rows that differ from what was last handed out, as of a time that must not go back.
// A row that moved (start, cluster, bridge) comes with a tombstone: the new content under the old three, is_deleted 1.
func (l *Ledger) Changed(asOf time.Time) Facts {
	if asOf.After(l.asOf) {
		l.asOf = asOf
	}
	f := Facts{Findings: l.findings}
	l.findings = nil
	for _, s := range l.sessions {
		for _, o := range s.objects {
			unfinished := len(o.indices) > 0 && !o.finished()
			orphan := unfinished && !s.superseded && l.orphan(o)
			if o.dirty || unfinished && s.sweep || orphan != o.orphan {
				o.orphan = orphan
				l.hand(&f, s, o)
			}
			o.dirty = false
		}
		s.sweep = false
		if s.dirty {
			f.Sessions = append(f.Sessions, s.row())
			s.dirty = false
		}
	}
	f.sort()
	return f
}

func (l *Ledger) orphan(o *object) bool {
	return l.settings.OrphanTimeout > 0 && !l.asOf.Before(o.heard.Add(l.settings.OrphanTimeout))
}

// Forget drops objects that are settled and handed out; returns how many. Late records make Needs ask for them again.
func (l *Ledger) Forget(asOf time.Time) int {
	n := 0
	for _, s := range l.sessions {
		n += s.forget(func(o *object) bool {
			return !o.dirty && asOf.Sub(o.touched) >= l.settings.SettleAfter && (o.finished() || o.orphan || s.superseded)
		})
	}
	return n
}

// Build is all facts of a set of records: the definition of the facts.
func Build(records []SourcedRecord, s Settings, asOf time.Time) Facts {
	l := NewLedger(s)
	for _, r := range records {
		l.Add(r)
	}
	return l.Changed(asOf)
}
