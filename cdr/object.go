package cdr

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// key names an object within its session.
type key struct {
	kind Kind
	id   uuid.UUID
}

// place is what storage sorts a row by, beside its id.
type place struct {
	start         time.Time
	name, cluster string
}

// stamped is a value with the index of the record it came from: the highest index wins, whatever the order of arrival.
type stamped[T any] struct {
	v   T
	at  int64
	set bool
}

func (s *stamped[T]) take(v T, at int64) {
	if !s.set || at > s.at {
		s.v, s.at, s.set = v, at, true
	}
}

func (s *stamped[T]) takeFirst(v T, at int64) {
	if !s.set || at < s.at {
		s.v, s.at, s.set = v, at, true
	}
}

func takeText(s *stamped[string], v string, at int64) {
	if v != "" {
		s.take(v, at)
	}
}

func takeID(s *stamped[uuid.UUID], v uuid.UUID, at int64) {
	if v != (uuid.UUID{}) {
		s.take(v, at)
	}
}

func takePtr[T any](s *stamped[*T], v *T, at int64) {
	if v != nil {
		s.take(v, at)
	}
}

// object is a call, leg, recording or stream as known so far. All merging is commutative and idempotent.
type object struct {
	key     key
	indices []int64 // correlator indices of all records known about it, in order; the records of what names it count
	earliest,
	heard time.Time // first and last record that concerns it
	touched time.Time // as-of time when it last changed
	dirty   bool
	orphan  bool // as last handed out
	handed  []place

	begin, end stamped[time.Time] // of its Start (lowest index) and End (highest index) record
	seconds    stamped[*int64]    // duration said by an End record
	names      map[key]int64      // calls and legs it names → lowest index that did
	namedBy    map[key]*object    // held objects that name it
	first      map[uuid.UUID]time.Time
	fed        [2]bool // feeds a recorder, a streamer; of a call: is recorded, streamed

	call *callState
	leg  *legState
	rec  *recState
}

type callState struct {
	name, ownerName, callType, cdrTag, endpointRecorded stamped[string]
	space, tenant, correlator                           stamped[uuid.UUID]
	legsCompleted, legsMaxActive                        stamped[*int64]
}

type legState struct {
	remoteParty, localAddress, displayName, displayRaw, remoteAddress, typ, subType, lyncSubType, direction,
	cdrTag, ownerID, sipCallID, replaces, confirmation stamped[string]
	call, group, moved, movedBridge stamped[uuid.UUID]
	guest, canMove                  stamped[*bool]
	ivr, lobby                      bool
	connected, activated            *time.Time
	last                            stamped[*LegDetail] // callLegEnd
}

type recState struct {
	path, recorderURL, recorderURI, streamURL, streamerURL, streamerURI stamped[string]
	call, leg                                                           stamped[uuid.UUID]
}

func startOf(t Type) bool {
	return t == CallStart || t == CallLegStart || t == RecordingStart || t == StreamingStart
}

func endOf(t Type) bool {
	return t == CallEnd || t == CallLegEnd || t == RecordingEnd || t == StreamingEnd
}

// ownKey names the object a record is about.
func ownKey(r *Record) (key, bool) {
	if r.ID == (uuid.UUID{}) {
		return key{}, false
	}
	switch {
	case r.Call != nil:
		return key{KindCall, r.ID}, true
	case r.Leg != nil:
		return key{KindLeg, r.ID}, true
	case r.Recording != nil:
		return key{KindRecording, r.ID}, true
	case r.Stream != nil:
		return key{KindStream, r.ID}, true
	}
	return key{}, false
}

// named lists the call and leg a record names beside its own object.
func named(r *Record) (out []key) {
	add := func(kind Kind, id uuid.UUID) {
		if id != (uuid.UUID{}) {
			out = append(out, key{kind, id})
		}
	}
	switch {
	case r.Leg != nil:
		add(KindCall, r.Leg.Call)
	case r.Recording != nil:
		add(KindCall, r.Recording.Call)
		add(KindLeg, r.Recording.Leg)
	case r.Stream != nil:
		add(KindCall, r.Stream.Call)
		add(KindLeg, r.Stream.Leg)
	}
	return out
}

// CallID is the call a record is about or names, LegID the leg: what storage needs to find an object's records.
func (r *Record) CallID() uuid.UUID { return r.idOf(KindCall) }

// LegID is the leg a record is about or names.
func (r *Record) LegID() uuid.UUID { return r.idOf(KindLeg) }

func (r *Record) idOf(kind Kind) uuid.UUID {
	if k, ok := ownKey(r); ok && k.kind == kind {
		return k.id
	}
	for _, k := range named(r) {
		if k.kind == kind {
			return k.id
		}
	}
	return uuid.UUID{}
}

// object returns the object of a key, made if need be and tied to those that name it or are named by it.
func (s *session) object(k key, asOf time.Time) *object {
	o := s.objects[k]
	if o != nil {
		return o
	}
	o = &object{key: k, touched: asOf, names: map[key]int64{}, namedBy: map[key]*object{}, first: map[uuid.UUID]time.Time{}}
	switch k.kind {
	case KindCall:
		o.call = new(callState)
	case KindLeg:
		o.leg = new(legState)
	default:
		o.rec = new(recState)
	}
	s.objects[k] = o
	if s.whole {
		return o // what is named is made at once, so nothing can name it yet
	}
	for _, other := range s.objects {
		if _, ok := other.names[k]; ok && other != o {
			o.namedBy[other.key] = other
			other.pass(s, o)
		}
	}
	return o
}

// merge takes a record into the objects it concerns. With make they come into being, else only held ones learn of it.
func (s *session) merge(r *Record, make bool, asOf time.Time) {
	k, ok := ownKey(r)
	if !ok {
		return
	}
	get := func(k key) *object {
		if make {
			return s.object(k, asOf)
		}
		return s.objects[k]
	}
	own := get(k)
	if own == nil {
		return
	}
	at := r.CorrelatorIndex
	if startOf(r.Type) {
		own.begin.takeFirst(r.Time, at)
	}
	if endOf(r.Type) {
		own.end.take(r.Time, at)
	}
	switch {
	case r.Call != nil:
		own.call.take(r.Call, at)
		takePtr(&own.seconds, r.Call.DurationSeconds, at)
	case r.Leg != nil:
		own.takeLeg(r)
	case r.Recording != nil:
		d := r.Recording
		takeText(&own.rec.path, d.Path, at)
		takeText(&own.rec.recorderURL, d.RecorderURL, at)
		takeText(&own.rec.recorderURI, d.RecorderURI, at)
		takeID(&own.rec.call, d.Call, at)
		takeID(&own.rec.leg, d.Leg, at)
	case r.Stream != nil:
		d := r.Stream
		takeText(&own.rec.streamURL, d.StreamURL, at)
		takeText(&own.rec.streamerURL, d.StreamerURL, at)
		takeText(&own.rec.streamerURI, d.StreamerURI, at)
		takeID(&own.rec.call, d.Call, at)
		takeID(&own.rec.leg, d.Leg, at)
	}
	own.fed[0] = own.fed[0] || k.kind == KindRecording
	own.fed[1] = own.fed[1] || k.kind == KindStream
	for _, name := range named(r) {
		if was, ok := own.names[name]; !ok || at < was {
			own.names[name] = at
		}
		if t, ok := own.first[name.id]; !ok || r.Time.Before(t) {
			own.first[name.id] = r.Time
		}
		if other := get(name); other != nil {
			other.namedBy[k] = own
		}
	}
	own.learn(s, []int64{at}, r.Time, r.Time, asOf)
}

// learn notes records about an object and passes them on to what it names.
func (o *object) learn(s *session, indices []int64, from, to, asOf time.Time) {
	for _, at := range indices {
		if i, known := slices.BinarySearch(o.indices, at); !known {
			o.indices = slices.Insert(o.indices, i, at)
		}
	}
	if o.earliest.IsZero() || from.Before(o.earliest) {
		o.earliest = from
	}
	if to.After(o.heard) {
		o.heard = to
	}
	o.dirty, o.touched = true, asOf
	for k := range o.names {
		if other := s.objects[k]; other != nil {
			o.pass(s, other)
			other.touched = asOf
		}
	}
	// What is named may end what names it.
	for _, other := range o.namedBy {
		if !other.end.set {
			other.dirty = true
		}
	}
}

// pass tells an object named by o all that o knows and that concerns it.
func (o *object) pass(s *session, to *object) {
	if len(o.indices) == 0 {
		return
	}
	to.fed[0] = to.fed[0] || o.fed[0]
	to.fed[1] = to.fed[1] || o.fed[1]
	from := o.earliest
	if t, ok := o.first[to.key.id]; ok {
		from = t
	}
	to.learn(s, o.indices, from, o.heard, to.touched)
}

func (c *callState) take(d *CallDetail, at int64) {
	takeText(&c.name, d.Name, at)
	takeText(&c.ownerName, d.OwnerName, at)
	takeText(&c.callType, d.CallType, at)
	takeText(&c.cdrTag, d.CDRTag, at)
	takeText(&c.endpointRecorded, d.EndpointRecorded, at)
	takeID(&c.space, d.Space, at)
	takeID(&c.tenant, d.Tenant, at)
	takeID(&c.correlator, d.CallCorrelator, at)
	takePtr(&c.legsCompleted, d.LegsCompleted, at)
	takePtr(&c.legsMaxActive, d.LegsMaxActive, at)
}

// unknownParty is a placeholder in 3.x data (cms-cdr 5).
const unknownParty = "Unknown Party"

func (o *object) takeLeg(r *Record) {
	l, d, at := o.leg, r.Leg, r.CorrelatorIndex
	takeText(&l.remoteParty, d.RemoteParty, at)
	takeText(&l.localAddress, d.LocalAddress, at)
	takeText(&l.displayRaw, d.DisplayName, at)
	if !strings.EqualFold(d.DisplayName, unknownParty) {
		takeText(&l.displayName, d.DisplayName, at)
	}
	takeText(&l.remoteAddress, d.RemoteAddress, at)
	takeText(&l.typ, d.Type, at)
	takeText(&l.subType, d.SubType, at)
	takeText(&l.lyncSubType, d.LyncSubType, at)
	takeText(&l.direction, d.Direction, at)
	takeText(&l.cdrTag, d.CDRTag, at)
	takeText(&l.ownerID, d.OwnerID, at)
	takeText(&l.sipCallID, d.SIPCallID, at)
	takeText(&l.replaces, d.ReplacesSIPCallID, at)
	takeText(&l.confirmation, d.ConfirmationStatus, at)
	takeID(&l.call, d.Call, at)
	takeID(&l.group, d.GroupID, at)
	takeID(&l.moved, d.MovedLeg, at)
	takeID(&l.movedBridge, d.MovedLegBridge, at)
	takePtr(&l.guest, d.Guest, at)
	takePtr(&l.canMove, d.CanMove, at)
	o.fed[0] = o.fed[0] || d.Recording != nil && *d.Recording
	o.fed[1] = o.fed[1] || d.Streaming != nil && *d.Streaming
	waits := d.Deactivated != nil && *d.Deactivated
	l.ivr = l.ivr || d.IVR
	l.lobby = l.lobby || waits
	earlier := func(t **time.Time) {
		if *t == nil || r.Time.Before(**t) {
			*t = new(r.Time)
		}
	}
	if d.State == "connected" {
		earlier(&l.connected)
		if d.Call != (uuid.UUID{}) && !waits {
			earlier(&l.activated)
		}
	}
	if r.Type == CallLegEnd {
		l.last.take(d, at)
		takePtr(&o.seconds, d.DurationSeconds, at)
	}
}

// finished tells whether an End record is known.
func (o *object) finished() bool { return o.end.set }

// start is the time of the Start record; without one, the earliest time that fits what is known.
func (o *object) start() time.Time {
	if o.begin.set {
		return o.begin.v
	}
	t := o.earliest
	if o.end.set && o.seconds.v != nil && *o.seconds.v >= 0 && *o.seconds.v < 100*365*86400 {
		if s := o.end.v.Add(-time.Duration(*o.seconds.v) * time.Second); s.Before(t) && s.Unix() >= 0 {
			t = s
		}
	}
	return t
}

// forget drops what quiet allows, together with what it hangs on: an object without its own End stays as long as what it names,
// and a named one as long as those of its dependants that have no End.
func (s *session) forget(quiet func(*object) bool) int {
	drop := map[key]*object{}
	for k, o := range s.objects {
		if quiet(o) || len(o.indices) == 0 && !o.dirty {
			drop[k] = o
		} else if !o.dirty && o.key.kind != KindCall && !o.finished() {
			for name := range o.names { // closed by its call or leg
				if other := s.objects[name]; other != nil && other.finished() && quiet(other) {
					drop[k] = o
				}
			}
		}
	}
	for again := true; again; {
		again = false
		for k, o := range drop {
			stays := false
			for _, by := range o.namedBy {
				stays = stays || !by.finished() && drop[by.key] == nil
			}
			if !o.finished() {
				for name := range o.names {
					stays = stays || s.objects[name] != nil && drop[name] == nil
				}
			}
			if stays {
				delete(drop, k)
				again = true
			}
		}
	}
	for k, o := range drop {
		s.forgot = s.forgot || !o.finished()
		for name := range o.names {
			if other := s.objects[name]; other != nil {
				delete(other.namedBy, k)
			}
		}
		delete(s.objects, k)
		s.whole = false
	}
	return len(drop)
}
