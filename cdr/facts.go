package cdr

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Version bits: records known about the fact, then for an end that is not its own how much was known of what it was inferred
// from, then whether it timed out. More records known is always a higher version (design 4).
const (
	evidenceBits = 40
	evidenceMax  = 1<<evidenceBits - 1
	callEvidence = 1 << (evidenceBits - 1) // an end by a call's or leg's End outranks one by the session
)

// ending is the end of an object, from a record or inferred.
type ending struct {
	at      *time.Time
	how     EndHow
	version uint64
}

// ending looks for the end in the order of trust: own record, the leg that feeds it, its call, a new session, time.
func (l *Ledger) ending(s *session, o *object) ending {
	end := func(at time.Time, how EndHow, evidence int64) ending {
		version := uint64(len(o.indices))<<(evidenceBits+2) | uint64(min(max(evidence, 0), evidenceMax))<<2
		if how == EndNone {
			return ending{nil, how, version}
		}
		if start := o.start(); how != EndRecord && at.Before(start) {
			at = start
		}
		if how == EndOrphanTimeout {
			version++
		}
		return ending{&at, how, version}
	}
	if o.end.set {
		return end(o.end.v, EndRecord, evidenceMax)
	}
	by := func(kind Kind, id uuid.UUID) *object {
		if other := s.objects[key{kind, id}]; other != nil && other.end.set {
			return other
		}
		return nil
	}
	var call uuid.UUID
	switch {
	case o.leg != nil:
		call = o.leg.call.v
	case o.rec != nil:
		call = o.rec.call.v
		if leg := by(KindLeg, o.rec.leg.v); leg != nil {
			return end(leg.end.v, EndLegEnd, evidenceMax-1)
		}
	}
	if c := by(KindCall, call); c != nil {
		return end(c.end.v, EndCallEnd, min(callEvidence+int64(len(c.indices)), evidenceMax-2))
	}
	evidence := min(s.bridge.records, callEvidence-1)
	switch {
	case s.superseded:
		return end(s.last, EndNewSession, evidence)
	case o.orphan:
		return end(o.heard, EndOrphanTimeout, evidence)
	}
	return end(time.Time{}, EndNone, evidence)
}

func (e ending) inferred() bool { return e.how != EndNone && e.how != EndRecord }

// seconds is what the End record says, else the difference of the times; nil while open.
func (e ending) seconds(o *object) *int64 {
	if e.at == nil {
		return nil
	}
	if o.seconds.v != nil {
		return o.seconds.v
	}
	return new(max(0, int64(e.at.Sub(o.start())/time.Second)))
}

// hand puts the row of an object into f, and tombstones where it stood before.
func (l *Ledger) hand(f *Facts, s *session, o *object) {
	if len(o.indices) == 0 {
		return
	}
	e := l.ending(s, o)
	here := place{o.start(), s.name, s.cluster}
	rows := append([]place{here}, slices.DeleteFunc(o.handed, func(p place) bool { return p == here })...)
	o.handed = []place{here}
	for i, p := range rows {
		dead := uint8(min(i, 1))
		switch o.key.kind {
		case KindCall:
			row := l.callRow(s, o, e)
			row.Start, row.Bridge, row.Cluster, row.IsDeleted = p.start, p.name, p.cluster, dead
			f.Calls = append(f.Calls, row)
		case KindLeg:
			row := l.legRow(s, o, e)
			row.Start, row.Bridge, row.Cluster, row.IsDeleted = p.start, p.name, p.cluster, dead
			f.Legs = append(f.Legs, row)
		case KindRecording:
			row := recordingRow(s, o, e)
			row.Start, row.Bridge, row.Cluster, row.IsDeleted = p.start, p.name, p.cluster, dead
			f.Recordings = append(f.Recordings, row)
		case KindStream:
			row := streamRow(s, o, e)
			row.Start, row.Bridge, row.Cluster, row.IsDeleted = p.start, p.name, p.cluster, dead
			f.Streams = append(f.Streams, row)
		}
	}
}

func (l *Ledger) callRow(s *session, o *object, e ending) Call {
	c := o.call
	return Call{
		ID: o.key.id, CallCorrelator: c.correlator.v, BridgeID: s.guid, Session: s.id,
		Name: c.name.v, CallType: c.callType.v, SpaceID: c.space.v, OwnerName: c.ownerName.v, TenantID: c.tenant.v, CDRTag: c.cdrTag.v,
		StartInferred: !o.begin.set, End: e.at, EndInferred: e.inferred(), EndHow: e.how, DurationSeconds: e.seconds(o),
		LegsCompleted: c.legsCompleted.v, LegsMaxActive: c.legsMaxActive.v, EndpointRecorded: c.endpointRecorded.v,
		Recorded: o.fed[0], Streamed: o.fed[1], Version: e.version,
	}
}

func (l *Ledger) legRow(s *session, o *object, e ending) Leg {
	g := o.leg
	row := Leg{
		ID: o.key.id, CallID: g.call.v, Calls: o.calls(), BridgeID: s.guid, Session: s.id,
		DisplayName: g.displayName.v, RemoteParty: g.remoteParty.v, RemoteAddress: g.remoteAddress.v, LocalAddress: g.localAddress.v,
		Type: g.typ.v, SubType: g.subType.v, LyncSubType: g.lyncSubType.v, Direction: g.direction.v, Guest: g.guest.v,
		Recording: o.fed[0], Streaming: o.fed[1], IVR: g.ivr, Lobby: g.lobby, CDRTag: g.cdrTag.v, OwnerID: g.ownerID.v, GroupID: g.group.v,
		SIPCallID: g.sipCallID.v, ReplacesSIPCallID: g.replaces.v, CanMove: g.canMove.v, MovedLeg: g.moved.v, MovedLegBridge: g.movedBridge.v,
		ConfirmationStatus: g.confirmation.v, StartInferred: !o.begin.set, Connected: g.connected, Activated: g.activated,
		End: e.at, EndInferred: e.inferred(), EndHow: e.how, DurationSeconds: e.seconds(o), Version: e.version,
	}
	if g.displayRaw.v != row.DisplayName {
		row.DisplayNameRaw = g.displayRaw.v
	}
	if t, ok := o.first[g.call.v]; ok {
		row.Joined = &t
	}
	if d := g.last.v; d != nil {
		row.EndReason, row.RemoteTeardown, row.ActivatedSeconds, row.MaxScreens = d.Reason, d.RemoteTeardown, d.ActivatedSeconds, d.MaxScreens
		row.Encrypted, row.Unencrypted, row.Alarms = d.Encrypted, d.Unencrypted, d.Alarms
		row.MainVideoViewerPercent, row.MainVideoContributorPercent = single(d.Usage.MainVideoViewer), single(d.Usage.MainVideoContributor)
		row.PresentationViewerPercent, row.PresentationContributorPercent = single(d.Usage.PresentationViewer), single(d.Usage.PresentationContributor)
		row.MultistreamVideoPercent = single(d.Usage.Multistream)
		row.RxAudioCodec, row.TxAudioCodec, row.RxVideoCodec, row.TxVideoCodec = d.RxAudio.Codec, d.TxAudio.Codec, d.RxVideo.Codec, d.TxVideo.Codec
		row.RxVideoWidth, row.RxVideoHeight, row.TxVideoWidth, row.TxVideoHeight = d.RxVideo.Width, d.RxVideo.Height, d.TxVideo.Width, d.TxVideo.Height
		row.RxAudioBurstSeconds, row.RxAudioBurstDensity = single(d.RxAudio.Bursts.Duration), single(d.RxAudio.Bursts.Density)
		row.RxAudioGapSeconds, row.RxAudioGapDensity = single(d.RxAudio.Gap.Duration), single(d.RxAudio.Gap.Density)
		row.RxVideoBurstSeconds, row.RxVideoBurstDensity = single(d.RxVideo.Bursts.Duration), single(d.RxVideo.Bursts.Density)
		row.RxVideoGapSeconds, row.RxVideoGapDensity = single(d.RxVideo.Gap.Duration), single(d.RxVideo.Gap.Density)
	}
	row.Scanner = row.CallID == (uuid.UUID{}) && !row.IVR && e.how == EndRecord && !strings.EqualFold(row.Direction, "outgoing") &&
		slices.Contains(l.settings.ScannerReasons, row.EndReason) && *row.DurationSeconds <= int64(l.settings.ScannerMax/time.Second)
	sub := strings.ToLower(row.SubType)
	row.CountsAsPerson = !row.Recording && !row.Streaming && !row.Scanner && sub != "distributionlink" && sub != "lyncdistribution" &&
		(row.LyncSubType == "" || strings.EqualFold(row.LyncSubType, "audioVideo"))
	return row
}

// calls lists the calls of a leg in order of entry, if there is more than one.
func (o *object) calls() []uuid.UUID {
	if len(o.names) < 2 {
		return nil
	}
	out := make([]uuid.UUID, 0, len(o.names))
	for k := range o.names {
		out = append(out, k.id)
	}
	slices.SortFunc(out, func(a, b uuid.UUID) int {
		return cmp.Compare(o.names[key{KindCall, a}], o.names[key{KindCall, b}])
	})
	return out
}

func single(f *float64) *float32 {
	if f == nil {
		return nil
	}
	return new(float32(*f))
}

func recordingRow(s *session, o *object, e ending) Recording {
	return Recording{
		ID: o.key.id, CallID: o.rec.call.v, LegID: o.rec.leg.v, BridgeID: s.guid, Session: s.id,
		Path: o.rec.path.v, RecorderURL: o.rec.recorderURL.v, RecorderURI: o.rec.recorderURI.v,
		StartInferred: !o.begin.set, End: e.at, EndInferred: e.inferred(), EndHow: e.how, DurationSeconds: e.seconds(o), Version: e.version,
	}
}

func streamRow(s *session, o *object, e ending) Stream {
	return Stream{
		ID: o.key.id, CallID: o.rec.call.v, LegID: o.rec.leg.v, BridgeID: s.guid, Session: s.id,
		StreamURL: o.rec.streamURL.v, StreamerURL: o.rec.streamerURL.v, StreamerURI: o.rec.streamerURI.v,
		StartInferred: !o.begin.set, End: e.at, EndInferred: e.inferred(), EndHow: e.how, DurationSeconds: e.seconds(o), Version: e.version,
	}
}

func (f *Facts) sort() {
	order := func(sa, ia uuid.UUID, ta time.Time, sb, ib uuid.UUID, tb time.Time) int {
		return cmp.Or(bytes.Compare(sa[:], sb[:]), ta.Compare(tb), bytes.Compare(ia[:], ib[:]))
	}
	slices.SortFunc(f.Calls, func(a, b Call) int { return order(a.Session, a.ID, a.Start, b.Session, b.ID, b.Start) })
	slices.SortFunc(f.Legs, func(a, b Leg) int { return order(a.Session, a.ID, a.Start, b.Session, b.ID, b.Start) })
	slices.SortFunc(f.Recordings, func(a, b Recording) int { return order(a.Session, a.ID, a.Start, b.Session, b.ID, b.Start) })
	slices.SortFunc(f.Streams, func(a, b Stream) int { return order(a.Session, a.ID, a.Start, b.Session, b.ID, b.Start) })
	slices.SortFunc(f.Sessions, func(a, b Session) int { return bytes.Compare(a.ID[:], b.ID[:]) })
}
