package cdr

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// This file makes rows of records. Each row is a pure function of the object's records, of the records of the objects it hangs together
// with, of the sessions' ends, the settings and the as-of time.

// byIndex are the records of an object in the order in which the bridge made them.
func (o *objectState) byIndex() []SourcedRecord {
	list := make([]SourcedRecord, 0, len(o.records))
	for _, r := range o.records {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b SourcedRecord) int { return int(min(max(a.CorrelatorIndex-b.CorrelatorIndex, -1), 1)) })
	return list
}

// levelOf is the level of inference of an end, for the version: what rests on more wins among rows of equally many records.
func levelOf(how EndHow) uint64 {
	switch how {
	case EndOrphanTimeout:
		return 1
	case EndNewSession:
		return 2
	case EndCallEnd, EndLegEnd:
		return 3
	}
	return 0
}

func version(records int, how EndHow) uint64 { return 4*uint64(records) + levelOf(how) }

// latest keeps the last value that is not empty: records come in order of their index.
func latest[T comparable](to *T, value T) {
	var none T
	if value != none {
		*to = value
	}
}

func earliest(to **time.Time, t time.Time) {
	if *to == nil || t.Before(**to) {
		*to = &t
	}
}

// span are the first and last time of records.
func span(records []SourcedRecord) (first, last time.Time) {
	for i, r := range records {
		if i == 0 || r.Time.Before(first) {
			first = r.Time
		}
		if i == 0 || r.Time.After(last) {
			last = r.Time
		}
	}
	return first, last
}

// inferEnd closes what has no End record: by the end of its call or leg, else by the bridge's restart, else by silence.
func (l *Ledger) inferEnd(o *objectState, start, heard time.Time, byOther *time.Time, how EndHow) (*time.Time, EndHow) {
	notBefore := func(t time.Time) *time.Time {
		if t.Before(start) {
			t = start
		}
		return &t
	}
	s := l.sessions[o.Session]
	switch {
	case byOther != nil:
		return notBefore(*byOther), how
	case s != nil && s.row.Superseded:
		return notBefore(s.row.LastTime), EndNewSession
	case l.settings.OrphanTimeout > 0 && l.asOf.Sub(heard) > l.settings.OrphanTimeout:
		return notBefore(heard), EndOrphanTimeout
	}
	return nil, EndNone
}

// seconds is a duration from the times.
func seconds(start time.Time, end *time.Time) *int64 {
	if end == nil {
		return nil
	}
	n := max(0, int64(end.Sub(start).Round(time.Second)/time.Second))
	return &n
}

// startedBy is the start of what lasted some seconds until end, known to have begun at the time known or before. A duration that reaches back beyond the times
// that a record may have (ParseTime) says nothing.
func startedBy(known, end time.Time, seconds int64) time.Time {
	if seconds < 0 || seconds > end.Unix() {
		return known
	}
	if start := end.Add(-time.Duration(seconds) * time.Second); start.Before(known) {
		return start
	}
	return known
}

// Begins is the earliest start that a record can give its object: its time, less the duration that it says.
func (r Record) Begins() time.Time {
	switch {
	case r.Leg != nil && r.Leg.DurationSeconds != nil:
		return startedBy(r.Time, r.Time, *r.Leg.DurationSeconds)
	case r.Call != nil && r.Call.DurationSeconds != nil:
		return startedBy(r.Time, r.Time, *r.Call.DurationSeconds)
	}
	return r.Time
}

// ended is the time of a call's own callEnd, nil without one.
func (o *objectState) ended(t Type) *time.Time {
	var at *time.Time
	if o == nil {
		return nil
	}
	for _, r := range o.byIndex() {
		if r.Type == t {
			end := r.Time
			at = &end
		}
	}
	return at
}

// call is the row of a call; false if no record is about it and none names it.
func (l *Ledger) call(o *objectState) (Call, bool) {
	own := o.byIndex()
	known := len(own)
	first, heard := span(own)
	row := Call{ID: o.ID, Session: o.Session, StartInferred: true}
	for member := range o.members {
		m := l.objects[member]
		if m == nil {
			continue
		}
		counts := false
		for _, r := range m.byIndex() {
			if callOf(r.Record) != o.ID {
				continue
			}
			counts = true
			if known == 0 && first.IsZero() || r.Time.Before(first) {
				first = r.Time
			}
		}
		_, last := span(m.byIndex())
		if last.After(heard) {
			heard = last
		}
		if !counts {
			continue
		}
		switch member.Kind {
		case KindRecording:
			row.Recorded = true
			known++
		case KindStream:
			row.Streamed = true
			known++
		case KindLeg:
			known++
			recording, streaming := feeds(m)
			row.Recorded = row.Recorded || recording
			row.Streamed = row.Streamed || streaming
		}
	}
	if known == 0 {
		return row, false
	}
	var end *SourcedRecord
	for i, r := range own {
		c := r.Call
		latest(&row.Name, c.Name)
		latest(&row.OwnerName, c.OwnerName)
		latest(&row.CallType, c.CallType)
		latest(&row.SpaceID, c.Space)
		latest(&row.TenantID, c.Tenant)
		latest(&row.CDRTag, c.CDRTag)
		latest(&row.CallCorrelator, c.CallCorrelator)
		latest(&row.EndpointRecorded, c.EndpointRecorded)
		if c.LegsCompleted != nil {
			row.LegsCompleted = c.LegsCompleted
		}
		if c.LegsMaxActive != nil {
			row.LegsMaxActive = c.LegsMaxActive
		}
		if c.DurationSeconds != nil {
			row.DurationSeconds = c.DurationSeconds
		}
		switch r.Type {
		case CallStart:
			if row.StartInferred || r.Time.Before(row.Start) {
				row.Start, row.StartInferred = r.Time, false
			}
		case CallEnd:
			end = &own[i]
		}
	}
	if row.StartInferred {
		row.Start = first
		if end != nil && row.DurationSeconds != nil {
			row.Start = startedBy(row.Start, end.Time, *row.DurationSeconds)
		}
	}
	if end != nil {
		t := end.Time
		row.End, row.EndHow = &t, EndRecord
	} else {
		row.End, row.EndHow = l.inferEnd(o, row.Start, heard, nil, EndNone)
		row.EndInferred = row.End != nil
	}
	if row.DurationSeconds == nil || row.End == nil {
		row.DurationSeconds = seconds(row.Start, row.End)
	}
	row.Bridge, row.Cluster, row.BridgeID = l.placeOf(o)
	row.Version = version(known, row.EndHow)
	return row, true
}

// placeOf is the bridge of an object's session.
func (l *Ledger) placeOf(o *objectState) (bridge, cluster string, guid uuid.UUID) {
	s := l.sessions[o.Session]
	if s == nil {
		return "", "", uuid.Nil
	}
	bridge, cluster = l.bridgeOf(s)
	return bridge, cluster, s.row.BridgeID
}

// feeds tells whether a leg feeds a recorder or a streamer.
func feeds(leg *objectState) (recording, streaming bool) {
	for _, r := range leg.records {
		if r.Leg == nil {
			continue
		}
		recording = recording || r.Leg.Recording != nil && *r.Leg.Recording
		streaming = streaming || r.Leg.Streaming != nil && *r.Leg.Streaming
	}
	return recording, streaming
}

// unknownParty is what 3.x puts where it knows no name (cms-cdr 5).
const unknownParty = "Unknown Party"

// leg is the row of a call leg; false without records.
func (l *Ledger) leg(o *objectState) (Leg, bool) {
	own := o.byIndex()
	if len(own) == 0 {
		return Leg{}, false
	}
	row := Leg{ID: o.ID, Session: o.Session, StartInferred: true, Calls: []uuid.UUID{}, Alarms: []Alarm{}}
	first, heard := span(own)
	row.Start = first
	var calls []uuid.UUID
	var end *SourcedRecord
	var named string
	for i, r := range own {
		d := r.Leg
		latest(&named, d.DisplayName)
		if d.DisplayName != unknownParty {
			latest(&row.DisplayName, d.DisplayName)
		}
		latest(&row.RemoteParty, d.RemoteParty)
		latest(&row.RemoteAddress, d.RemoteAddress)
		latest(&row.LocalAddress, d.LocalAddress)
		latest(&row.Type, d.Type)
		latest(&row.SubType, d.SubType)
		latest(&row.LyncSubType, d.LyncSubType)
		latest(&row.Direction, d.Direction)
		latest(&row.CDRTag, d.CDRTag)
		latest(&row.OwnerID, d.OwnerID)
		latest(&row.GroupID, d.GroupID)
		latest(&row.SIPCallID, d.SIPCallID)
		latest(&row.ReplacesSIPCallID, d.ReplacesSIPCallID)
		latest(&row.MovedLeg, d.MovedLeg)
		latest(&row.MovedLegBridge, d.MovedLegBridge)
		latest(&row.ConfirmationStatus, d.ConfirmationStatus)
		latest(&row.Guest, d.Guest)
		latest(&row.CanMove, d.CanMove)
		row.IVR = row.IVR || d.IVR
		if d.State == "connected" {
			earliest(&row.Connected, r.Time)
		}
		if d.Deactivated != nil && *d.Deactivated {
			row.Lobby = true
		}
		if d.Call != uuid.Nil {
			if !slices.Contains(calls, d.Call) {
				calls = append(calls, d.Call)
			}
			row.CallID = d.Call
			if d.Deactivated != nil && !*d.Deactivated && r.Type == CallLegUpdate && d.State == "connected" {
				earliest(&row.Activated, r.Time)
			}
		}
		switch r.Type {
		case CallLegStart:
			if row.StartInferred || r.Time.Before(row.Start) {
				row.Start, row.StartInferred = r.Time, false
			}
		case CallLegEnd:
			end = &own[i]
		}
	}
	if named != row.DisplayName {
		row.DisplayNameRaw = named
	}
	if row.RemoteAddress == row.RemoteParty {
		row.RemoteAddress = ""
	}
	if row.GroupID == row.ID {
		row.GroupID = uuid.Nil
	}
	if len(calls) > 1 {
		row.Calls = calls
	}
	for _, r := range own {
		if row.CallID != uuid.Nil && r.Leg.Call == row.CallID {
			earliest(&row.Joined, r.Time)
		}
	}
	row.Recording, row.Streaming = feeds(o)
	known := len(own)
	if end != nil {
		l.endLeg(&row, end)
	} else {
		call := l.objects[Object{o.Session, KindCall, row.CallID}]
		byCall := call.ended(CallEnd)
		if byCall != nil {
			known++
		}
		row.End, row.EndHow = l.inferEnd(o, row.Start, heard, byCall, EndCallEnd)
		row.EndInferred = row.End != nil
	}
	if row.DurationSeconds == nil {
		row.DurationSeconds = seconds(row.Start, row.End)
	}
	row.Scanner = l.scanner(&row)
	row.CountsAsPerson = countsAsPerson(&row)
	row.Bridge, row.Cluster, row.BridgeID = l.placeOf(o)
	row.Version = version(known, row.EndHow)
	return row, true
}

// endLeg takes over what callLegEnd says.
func (l *Ledger) endLeg(row *Leg, end *SourcedRecord) {
	d := end.Leg
	t := end.Time
	row.End, row.EndHow = &t, EndRecord
	row.EndReason, row.RemoteTeardown = d.Reason, d.RemoteTeardown
	row.DurationSeconds, row.ActivatedSeconds = d.DurationSeconds, d.ActivatedSeconds
	row.MaxScreens, row.Encrypted, row.Unencrypted = d.MaxScreens, d.Encrypted, d.Unencrypted
	row.MainVideoViewerPercent = small(d.Usage.MainVideoViewer)
	row.MainVideoContributorPercent = small(d.Usage.MainVideoContributor)
	row.PresentationViewerPercent = small(d.Usage.PresentationViewer)
	row.PresentationContributorPercent = small(d.Usage.PresentationContributor)
	row.MultistreamVideoPercent = small(d.Usage.Multistream)
	if len(d.Alarms) > 0 {
		row.Alarms = d.Alarms
	}
	row.RxAudioCodec, row.TxAudioCodec = d.RxAudio.Codec, d.TxAudio.Codec
	row.RxVideoCodec, row.TxVideoCodec = d.RxVideo.Codec, d.TxVideo.Codec
	row.RxVideoWidth, row.RxVideoHeight = d.RxVideo.Width, d.RxVideo.Height
	row.TxVideoWidth, row.TxVideoHeight = d.TxVideo.Width, d.TxVideo.Height
	row.RxAudioBurstSeconds, row.RxAudioBurstDensity = small(d.RxAudio.Bursts.Duration), small(d.RxAudio.Bursts.Density)
	row.RxAudioGapSeconds, row.RxAudioGapDensity = small(d.RxAudio.Gap.Duration), small(d.RxAudio.Gap.Density)
	row.RxVideoBurstSeconds, row.RxVideoBurstDensity = small(d.RxVideo.Bursts.Duration), small(d.RxVideo.Bursts.Density)
	row.RxVideoGapSeconds, row.RxVideoGapDensity = small(d.RxVideo.Gap.Duration), small(d.RxVideo.Gap.Density)
	// A leg whose start was missed began its duration before its end (cms-cdr 5), unless a record proves that it was there earlier.
	if row.StartInferred && row.DurationSeconds != nil {
		row.Start = startedBy(row.Start, t, *row.DurationSeconds)
	}
}

// small is a figure of one or two decimals in the width it is stored in.
func small(v *float64) *float32 {
	if v == nil {
		return nil
	}
	f := float32(*v)
	return &f
}

// scanner: an incoming SIP leg that was in no call and not in the IVR, and was refused within seconds (cms-cdr 5).
func (l *Ledger) scanner(row *Leg) bool {
	return row.CallID == uuid.Nil && !row.IVR && row.Type != "acano" && row.Direction != "outgoing" && row.EndHow == EndRecord &&
		slices.Contains(l.settings.ScannerReasons, row.EndReason) &&
		row.DurationSeconds != nil && *row.DurationSeconds <= int64(l.settings.ScannerMax/time.Second)
}

// countsAsPerson leaves out what is no person: recorders, streamers, links between bridges, parts of a Lync client's call, scanners.
func countsAsPerson(row *Leg) bool {
	switch {
	case row.Recording, row.Streaming, row.Scanner:
		return false
	case strings.EqualFold(row.SubType, "distributionLink"), strings.EqualFold(row.SubType, "lyncDistribution"):
		return false
	case row.LyncSubType != "" && row.LyncSubType != "audioVideo":
		return false
	}
	return true
}

// fed is what recordings and streams share: their times.
type fed struct {
	start         time.Time
	startInferred bool
	end           *time.Time
	how           EndHow
	known         int
}

// feed computes the times of a recording or stream: it ends with its record, else with the leg that feeds it, else with its call.
func (l *Ledger) feed(o *objectState, own []SourcedRecord, startType, endType Type, call, leg uuid.UUID) fed {
	first, heard := span(own)
	out := fed{start: first, startInferred: true, known: len(own)}
	for _, r := range own {
		if r.Type == startType && (out.startInferred || r.Time.Before(out.start)) {
			out.start, out.startInferred = r.Time, false
		}
	}
	if out.end = o.ended(endType); out.end != nil {
		out.how = EndRecord
		return out
	}
	by, how := (*time.Time)(nil), EndNone
	if by = l.objects[Object{o.Session, KindLeg, leg}].ended(CallLegEnd); by != nil {
		how = EndLegEnd
		out.known += 2
	} else if by = l.objects[Object{o.Session, KindCall, call}].ended(CallEnd); by != nil {
		how = EndCallEnd
		out.known++
	}
	out.end, out.how = l.inferEnd(o, out.start, heard, by, how)
	return out
}

// recording is the row of a recording; false without records.
func (l *Ledger) recording(o *objectState) (Recording, bool) {
	own := o.byIndex()
	if len(own) == 0 {
		return Recording{}, false
	}
	row := Recording{ID: o.ID, Session: o.Session}
	for _, r := range own {
		d := r.Recording
		latest(&row.Path, d.Path)
		latest(&row.RecorderURL, d.RecorderURL)
		latest(&row.RecorderURI, d.RecorderURI)
		latest(&row.CallID, d.Call)
		latest(&row.LegID, d.Leg)
	}
	f := l.feed(o, own, RecordingStart, RecordingEnd, row.CallID, row.LegID)
	row.Start, row.StartInferred, row.End, row.EndHow = f.start, f.startInferred, f.end, f.how
	row.EndInferred = row.End != nil && row.EndHow != EndRecord
	row.DurationSeconds = seconds(row.Start, row.End)
	row.Bridge, row.Cluster, row.BridgeID = l.placeOf(o)
	row.Version = version(f.known, f.how)
	return row, true
}

// stream is the row of a stream; false without records.
func (l *Ledger) stream(o *objectState) (Stream, bool) {
	own := o.byIndex()
	if len(own) == 0 {
		return Stream{}, false
	}
	row := Stream{ID: o.ID, Session: o.Session}
	for _, r := range own {
		d := r.Stream
		latest(&row.StreamURL, d.StreamURL)
		latest(&row.StreamerURL, d.StreamerURL)
		latest(&row.StreamerURI, d.StreamerURI)
		latest(&row.CallID, d.Call)
		latest(&row.LegID, d.Leg)
	}
	f := l.feed(o, own, StreamingStart, StreamingEnd, row.CallID, row.LegID)
	row.Start, row.StartInferred, row.End, row.EndHow = f.start, f.startInferred, f.end, f.how
	row.EndInferred = row.End != nil && row.EndHow != EndRecord
	row.DurationSeconds = seconds(row.Start, row.End)
	row.Bridge, row.Cluster, row.BridgeID = l.placeOf(o)
	row.Version = version(f.known, f.how)
	return row, true
}
