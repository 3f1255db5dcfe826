package cmssim

import (
	"slices"
	"sync"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// clusterState is a cluster at one instant of the story. History and the live part have one each.
// mu guards it and everything that hangs on it.
type clusterState struct {
	mu       sync.Mutex
	cluster  *story.Cluster
	now      int64 // story time of the last thing applied
	bridges  []*bridgeState
	meetings map[*story.Meeting]*meetingState
	owners   map[*story.User]int // active calls under the owner's personal license
	usage    *usageStore
	assigned int // personal licenses assigned to users
	// emit takes each record as it is made. It must not block.
	emit func(*bridgeState, record)
	// ended is told of every finished call and leg; nil if nobody keeps them.
	ended func(*bridgeState, *callState, *legState, int64)
	at    func(int64) time.Time
}

// bridgeState is one Call Bridge at an instant.
type bridgeState struct {
	*story.Bridge
	cluster    *clusterState
	release    release
	session    story.GUID
	booted     int64 // story time of the start of this session
	stopped    bool  // the process does not run
	correlator int64 // index of the next record
	skew       time.Duration
	version    uint64 // rises with every change of calls or participants that the bridge shows

	calls []*callState // in order of their start
	legs  []*legState  // in order of their start
	// Lookups by what the story calls them; only what is alive here is in them.
	callOf map[*story.Call]*callState
	legOf  map[*story.Leg]*legState

	legsMax       int
	legsCompleted int
	startedLegs   int // since boot, for rates
	nextSnapshot  int64
}

type callState struct {
	*story.Call
	meeting    *meetingState
	active     int // legs in the call now
	maxActive  int
	completed  int
	recordings int
	streams    int
}

type legState struct {
	*story.Leg
	call  *callState // nil in the IVR and while ringing
	ivr   bool
	lobby bool
}

// connected reports whether the leg is answered.
func (l *legState) connected() bool { return l.ivr || l.call != nil }

// meetingState is what all bridges together know of a meeting.
type meetingState struct {
	*story.Meeting
	calls    []*callState // one per bridge in it
	personal bool         // takes its owner's personal license
	video    int          // people with video in it
	captures int          // recordings and streams under way
	people   []*personState
}

// personState is a participant, kept until the meeting is over so that others can learn why it left. Recorders and
// streamers are among them, as in events.
type personState struct {
	leg    *legState
	bridge *bridgeState
	joined int64
	left   bool
	reason string
}

// present reports whether this is a person who is in the meeting now.
func (p *personState) present() bool { return !p.left && p.leg.Kind.Person() }

func newClusterState(c *story.Cluster, rel release, booted int64, session func(*story.Bridge) story.GUID) *clusterState {
	s := &clusterState{
		cluster: c, now: booted,
		meetings: make(map[*story.Meeting]*meetingState),
		owners:   make(map[*story.User]int),
	}
	for _, u := range c.Users {
		if u.HasLicense() {
			s.assigned++
		}
	}
	for _, b := range c.Bridges {
		bs := &bridgeState{
			Bridge: b, cluster: s, release: rel, session: session(b), booted: booted,
			callOf: make(map[*story.Call]*callState), legOf: make(map[*story.Leg]*legState),
		}
		bs.nextSnapshot = nextTick(booted, b.SnapshotPhase)
		s.bridges = append(s.bridges, bs)
	}
	return s
}

// apply lets step happen. mu must be held.
func (s *clusterState) apply(step story.Step) {
	s.now = step.At
	var b *bridgeState
	if step.Leg != nil {
		b = s.bridges[step.Leg.Bridge.Index]
	} else {
		b = s.bridges[step.Call.Bridge.Index]
	}
	if b.stopped {
		return
	}
	switch step.Kind {
	case story.CallStart:
		b.startCall(step.Call)
	case story.CallEnd:
		if c := b.callOf[step.Call]; c != nil {
			b.endCall(c)
		}
	case story.LegStart:
		if step.Call == nil || step.Call.Start >= b.booted {
			b.startLeg(step.Leg)
		}
	default:
		if l := b.legOf[step.Leg]; l != nil {
			b.changeLeg(l, step.Kind)
		}
	}
}

func (b *bridgeState) record(kind string, body []byte) {
	if b.cluster.emit == nil {
		b.correlator++
		return
	}
	r := record{kind: kind, at: b.cluster.at(b.cluster.now).Add(b.skew), offset: b.cluster.now, correlator: b.correlator, body: body}
	b.correlator++
	b.cluster.emit(b, r)
}

func (b *bridgeState) startCall(call *story.Call) {
	s := b.cluster
	m := s.meetings[call.Meeting]
	if m == nil {
		m = &meetingState{Meeting: call.Meeting}
		s.meetings[call.Meeting] = m
		if call.Meeting.Space != nil {
			// The grant is decided when the meeting starts and kept for its life; an owner's third call takes a shared license.
			if owner := call.Meeting.Space.Owner; owner.HasLicense() && s.owners[owner] < 2 {
				m.personal = true
				s.owners[owner]++
			}
		}
	}
	c := &callState{Call: call, meeting: m}
	m.calls = append(m.calls, c)
	b.calls = append(b.calls, c)
	b.callOf[call] = c
	s.touch(m)
	b.record("callStart", renderCallStart(call, b.release))
}

func (b *bridgeState) endCall(c *callState) {
	b.record("callEnd", renderCallEnd(c, b.cluster.now, b.release))
	if b.cluster.ended != nil {
		b.cluster.ended(b, c, nil, b.cluster.now)
	}
	b.dropCall(c)
}

// dropCall forgets a call, and its meeting with the last of its calls.
func (b *bridgeState) dropCall(c *callState) {
	s, m := b.cluster, c.meeting
	delete(b.callOf, c.Call)
	b.calls = remove(b.calls, c)
	m.calls = remove(m.calls, c)
	s.touch(m)
	b.version++
	if len(m.calls) > 0 {
		return
	}
	delete(s.meetings, m.Meeting)
	if m.personal {
		owner := m.Space.Owner
		if s.owners[owner]--; s.owners[owner] == 0 {
			delete(s.owners, owner)
		}
	}
}

// touch marks every bridge that shows the meeting as changed.
func (s *clusterState) touch(m *meetingState) {
	for _, c := range m.calls {
		s.bridges[c.Bridge.Index].version++
	}
}

func (b *bridgeState) startLeg(leg *story.Leg) {
	if leg.Early && b.callOf[leg.Call] == nil {
		return
	}
	l := &legState{Leg: leg}
	b.legs = append(b.legs, l)
	b.legOf[leg] = l
	b.startedLegs++
	b.legsMax = max(b.legsMax, len(b.legs))
	b.record("callLegStart", renderLegStart(leg, b.release))
	if leg.Kind == story.Recorder || leg.Kind == story.Streamer {
		b.enter(l)
	}
}

func (b *bridgeState) changeLeg(l *legState, kind story.Kind) {
	now := b.cluster.now
	switch kind {
	case story.LegIVR:
		l.ivr = true
		b.record("callLegUpdate", renderLegUpdate(l.Leg, kind, now, b.release))
	case story.LegEnter:
		if b.callOf[l.Call] == nil {
			return
		}
		l.ivr = false
		l.lobby = l.Activate == story.Never || now < l.Activate
		b.enter(l)
		b.record("callLegUpdate", renderLegUpdate(l.Leg, kind, now, b.release))
	case story.LegActivate, story.LegLeave:
		if l.call == nil {
			return
		}
		if kind == story.LegActivate {
			l.lobby = false
		}
		b.record("callLegUpdate", renderLegUpdate(l.Leg, kind, now, b.release))
	case story.RecordingStart:
		l.call.recordings++
		l.call.meeting.captures++
		b.record("recordingStart", renderCapture(l.Leg, b.release, b.cluster.at(now)).append(nil))
	case story.StreamStart:
		l.call.streams++
		l.call.meeting.captures++
		if b.release >= 201 {
			b.record("streamingStart", renderCapture(l.Leg, b.release, b.cluster.at(now)).append(nil))
		}
	case story.RecordingEnd:
		l.call.recordings--
		l.call.meeting.captures--
		b.record("recordingEnd", renderCapture(l.Leg, b.release, b.cluster.at(now)).appendEnd(nil))
	case story.StreamEnd:
		l.call.streams--
		l.call.meeting.captures--
		if b.release >= 201 {
			b.record("streamingEnd", renderCapture(l.Leg, b.release, b.cluster.at(now)).appendEnd(nil))
		}
	case story.LegEnd:
		b.record("callLegEnd", renderLegEnd(l.Leg, now, b.release))
		if b.cluster.ended != nil {
			b.cluster.ended(b, nil, l, now)
		}
		b.dropLeg(l)
	}
	if l.call != nil {
		b.cluster.touch(l.call.meeting)
	}
}

func (b *bridgeState) enter(l *legState) {
	c := b.callOf[l.Call]
	l.call = c
	c.active++
	c.maxActive = max(c.maxActive, c.active)
	m := c.meeting
	if l.Kind.Person() && l.Quality != story.AudioOnly {
		m.video++
	}
	if l.Kind == story.Link || l.Kind == story.LyncSharing {
		return
	}
	m.people = append(m.people, &personState{leg: l, bridge: b, joined: b.cluster.now})
}

func (b *bridgeState) dropLeg(l *legState) {
	delete(b.legOf, l.Leg)
	b.legs = remove(b.legs, l)
	b.legsCompleted++
	if l.call == nil {
		return
	}
	l.call.active--
	l.call.completed++
	m := l.call.meeting
	b.cluster.touch(m)
	if l.Kind.Person() && l.Quality != story.AudioOnly {
		m.video--
	}
	for _, p := range m.people {
		if p.leg == l {
			p.left, p.reason = true, l.Reason
		}
	}
}

// stop kills the process of the bridge: calls and legs are gone, and nobody is told.
func (b *bridgeState) stop() {
	if b.stopped {
		return
	}
	b.stopped = true
	for _, l := range slices.Clone(b.legs) {
		if l.call != nil {
			l.call.meeting.captures -= captureCount(l)
		}
		b.dropLeg(l)
	}
	for _, c := range slices.Clone(b.calls) {
		b.dropCall(c)
	}
	b.version++
}

func captureCount(l *legState) int {
	if l.Kind == story.Recorder || l.Kind == story.Streamer {
		return 1
	}
	return 0
}

// start begins a new session of a stopped bridge.
func (b *bridgeState) start(session story.GUID, now int64) {
	b.stopped = false
	b.session, b.booted, b.correlator = session, now, 0
	b.legsMax, b.legsCompleted, b.startedLegs = 0, 0, 0
	b.nextSnapshot = nextTick(now, b.SnapshotPhase)
}

// load is the media processing load in load units.
func (b *bridgeState) load() int {
	sum := 0
	for _, l := range b.legs {
		if l.call != nil && !l.lobby {
			sum += l.Quality.Load()
		}
	}
	return sum
}

// participants counts the people of the meeting who are here, and those who are on other bridges.
func (m *meetingState) participants(here *bridgeState) (local, remote int) {
	for _, p := range m.people {
		switch {
		case !p.present():
		case p.bridge == here:
			local++
		default:
			remote++
		}
	}
	return local, remote
}

func remove[T comparable](from []T, what T) []T {
	if i := slices.Index(from, what); i >= 0 {
		return slices.Delete(from, i, i+1)
	}
	return from
}

// nextTick is the first instant after now that lies phase seconds behind a multiple of five minutes.
func nextTick(now, phase int64) int64 {
	t := now - ((now-phase)%snapshotSeconds+snapshotSeconds)%snapshotSeconds
	return t + snapshotSeconds
}
