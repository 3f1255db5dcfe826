package cmssim

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

func (q *request) tenantIs(t *story.Tenant) bool {
	id, wanted := q.idFilter("tenantFilter")
	return !wanted || t != nil && t.ID == id
}

func meetingTenant(m *story.Meeting) *story.Tenant {
	if m.Space == nil {
		return nil
	}
	return m.Space.Tenant
}

func (q *request) calls() answer {
	var found []*callState
	space, bySpace := q.idFilter("coSpaceFilter")
	for _, c := range q.st.calls {
		m := c.Meeting
		if bySpace && (m.Space == nil || m.Space.ID != space) || !q.tenantIs(meetingTenant(m)) {
			continue
		}
		found = append(found, c)
	}
	return q.page("calls", len(found), func(i int) element { return callItem(found[i], q.rel).id(found[i].ID) })
}

func callItem(c *callState, rel release) element {
	m := c.Meeting
	e := el("call", txt("name", m.Name))
	if m.Space != nil {
		e = e.with(ref("coSpace", m.Space.ID))
	}
	e = e.with(ref("callCorrelator", m.Correlator))
	if t := meetingTenant(m); t != nil {
		e = e.with(ref("tenant", t.ID))
	}
	return e
}

func (q *request) call() answer {
	c := q.findCall()
	if c == nil {
		return missing("call")
	}
	m := c.Meeting
	local, remote := c.meeting.participants(q.st)
	d := callDoc{
		id: c.ID.String(), correlator: m.Correlator.String(), duration: q.now - c.Start,
		legs: c.active, maxLegs: c.maxActive, local: local, remote: remote, instances: len(c.meeting.calls) - 1,
		recording: c.recordings > 0 || q.faults.RecorderRefuses, recordingStatus: c.recordings > 0 && !q.faults.RecorderRefuses,
		streaming: c.streams > 0, streamingStatus: c.streams > 0,
		rel: q.rel, name: m.Name, callType: m.CallType,
	}
	if m.Space != nil {
		d.coSpace = m.Space.ID.String()
		if m.Space.Owner != nil {
			d.ownerName = m.Space.Owner.Name
		}
		if m.Space.Tenant != nil {
			d.tenant = m.Space.Tenant.ID.String()
		}
	}
	return ok(d.element())
}

// callDoc is /calls/<id> (cms-api.md, 7.1).
type callDoc struct {
	rel                                                    release
	id, name, callType, coSpace, tenant, ownerName         string
	correlator                                             string
	duration                                               int64
	legs, maxLegs, local, remote, instances                int
	recording, recordingStatus, streaming, streamingStatus bool
}

func (d callDoc) element() element {
	e := el("call").attr("id", d.id)
	add := func(since release, kids ...element) {
		if d.rel >= since {
			e = e.with(kids...)
		}
	}
	add(203, txt("name", d.name), txt("callType", d.callType))
	if d.coSpace != "" {
		add(0, txt("coSpace", d.coSpace))
	}
	if d.tenant != "" {
		add(0, txt("tenant", d.tenant))
	}
	if d.ownerName != "" {
		add(202, txt("ownerName", d.ownerName))
	}
	add(0, txt("callCorrelator", d.correlator), num("durationSeconds", d.duration), num("numCallLegs", d.legs), num("maxCallLegs", d.maxLegs),
		num("numParticipantsLocal", d.local))
	if d.instances > 0 {
		add(0, num("numParticipantsRemote", d.remote), num("numDistributedInstances", d.instances))
	}
	add(0, txt("locked", "false"))
	add(201, truth("recording", d.recording), truth("recordingStatus", d.recordingStatus), truth("streaming", d.streaming), truth("streamingStatus", d.streamingStatus))
	add(202, truth("activeWhenEmpty", true))
	add(204, truth("endpointRecording", false))
	return e
}

func (q *request) findCall() *callState {
	for _, c := range q.st.calls {
		if c.ID == q.ids[0] {
			return c
		}
	}
	return nil
}

func (q *request) callLegs() answer {
	return q.legList(func(l *legState) bool { return true })
}

func (q *request) legsOfCall() answer {
	c := q.findCall()
	if c == nil {
		return missing("call")
	}
	return q.legList(func(l *legState) bool { return l.call == c })
}

func (q *request) legsOfParticipant() answer {
	if q.findPerson() == nil {
		return failure(http.StatusNotFound, el("participantDoesNotExist"))
	}
	return q.legList(func(l *legState) bool { return l.Group == q.ids[0] })
}

func (q *request) legList(want func(*legState) bool) answer {
	var alarms map[string]bool
	if s := q.query.Get("alarms"); s != "" {
		alarms = make(map[string]bool)
		for _, name := range strings.Split(s, "|") {
			switch name {
			case "all":
				alarms["packetLoss"], alarms["excessiveJitter"], alarms["highRoundTripTime"] = true, true, true
			case "packetLoss", "excessiveJitter", "highRoundTripTime":
				alarms[name] = true
			default:
				return badParameter("alarms")
			}
		}
	}
	person, byPerson := q.idFilter("participantFilter")
	var found []*legState
	for _, l := range q.st.legs {
		if !want(l) || byPerson && l.Group != person || !q.tenantIs(meetingTenant(l.Meeting)) || !q.named(l.DisplayName, l.RemoteParty) {
			continue
		}
		if alarms != nil {
			bad := false
			for _, a := range l.ActiveAlarms(nil, q.now) {
				bad = bad || alarms[a]
			}
			if !bad {
				continue
			}
		}
		found = append(found, l)
	}
	return q.page("callLegs", len(found), func(i int) element {
		l := found[i]
		call := ""
		if l.call != nil {
			call = l.call.ID.String()
		}
		return legItem(l.ID.String(), l.DisplayName, l.RemoteParty, call, l.ActiveAlarms(nil, q.now), q.rel)
	})
}

// legItem is a leg in a list (cms-api.md, 7.2).
func legItem(id, name, remoteParty, call string, alarms []string, rel release) element {
	e := el("callLeg", txt("name", name), txt("remoteParty", remoteParty)).attr("id", id)
	if rel >= 203 {
		e = e.with(txt("originalRemoteParty", remoteParty))
	}
	if call != "" {
		e = e.with(txt("call", call))
	}
	if len(alarms) > 0 {
		list := el("alarms")
		for _, a := range alarms {
			list = list.with(el(a))
		}
		e = e.with(list)
	}
	return e
}

func (q *request) callLeg() answer {
	for _, l := range q.st.legs {
		if l.ID == q.ids[0] {
			return ok(q.legDetail(l))
		}
	}
	return missing("callLeg")
}

func (q *request) legDetail(l *legState) element {
	d := legDoc{
		id: l.ID.String(), name: l.DisplayName, remoteParty: l.RemoteParty, localAddress: l.LocalAddress, kind: legType(l.Leg), rel: q.rel,
		direction: direction(l.Outgoing), state: "ringing", duration: q.now - l.Start, sipCallID: l.SIPCallID, groupID: l.Group.String(),
		recording: l.Kind == story.Recorder, streaming: l.Kind == story.Streamer, deactivated: l.lobby,
	}
	d.subtype, d.lyncSubtype = subType(l.Leg, 299) // the API has no webApp subtype
	if l.call != nil {
		d.call = l.call.ID.String()
	}
	if m := canMove(l.Leg, q.rel); m != nil {
		d.canMove = strconv.FormatBool(*m)
	}
	if q.rel >= 206 && l.MovedFrom != nil {
		d.movedFrom, d.movedBridge = l.MovedFrom.ID.String(), l.MovedFrom.Bridge.ID.String()
	}
	if l.connected() {
		d.state = "connected"
		d.encrypted, d.unencrypted, d.media = !l.Unencrypted, l.Unencrypted, true
		d.streams = q.legMedia(l)
	}
	return d.element()
}

// stream is one media stream of a leg. Negative numbers are left out.
type stream struct {
	name, role, codec string
	width, height     int
	frameTenths       int
	bitRate           int64
	lossTenths        int
	jitter, roundTrip int // ms
	isVideo           bool
}

func (s stream) element() element {
	e := el(s.name)
	if s.role != "" {
		e = e.attr("role", s.role)
	}
	e = e.with(txt("codec", s.codec))
	if !s.isVideo {
		e = e.with(decimals("packetLossPercentage", int64(s.lossTenths), 1), num("jitter", s.jitter), num("bitRate", s.bitRate))
	} else {
		if s.width > 0 {
			e = e.with(num("width", s.width), num("height", s.height))
		}
		if s.frameTenths > 0 {
			e = e.with(decimals("frameRate", int64(s.frameTenths), 1))
		}
		e = e.with(num("bitRate", s.bitRate), decimals("packetLossPercentage", int64(s.lossTenths), 1), num("jitter", s.jitter))
	}
	if s.roundTrip >= 0 {
		e = e.with(num("roundTripTime", s.roundTrip))
	}
	return e
}

func (q *request) legMedia(l *legState) []stream {
	r := story.NewChooser(q.b.cluster.sim.cfg.Seed, partMedia, uint64(l.ID[0])<<8|uint64(l.ID[1]), uint64(q.now/10))
	loss, jitter, trip := int(r.Between(0, 2)), int(r.Between(2, 9)), int(r.Between(15, 60))
	for _, a := range l.ActiveAlarms(nil, q.now) {
		switch a {
		case "packetLoss":
			loss = int(r.Between(20, 90))
		case "excessiveJitter":
			jitter = int(r.Between(60, 180))
		case "highRoundTripTime":
			trip = int(r.Between(350, 900))
		}
	}
	all := []stream{
		{name: "rxAudio", codec: audioCodec(l.Leg, true), lossTenths: loss, jitter: jitter, bitRate: r.Between(60000, 64000), roundTrip: -1},
		{name: "txAudio", codec: audioCodec(l.Leg, false), lossTenths: loss / 3, jitter: jitter / 2, bitRate: 64000, roundTrip: trip},
	}
	if l.Quality == story.AudioOnly || l.ivr {
		return all
	}
	w, h := l.Quality.Size()
	rx := stream{name: "rxVideo", role: "main", isVideo: true, codec: "h264", width: w, height: h, frameTenths: int(r.Between(280, 300)), bitRate: videoRate(l.Quality), lossTenths: loss, jitter: jitter, roundTrip: -1}
	if r.Chance(0.05) {
		rx.width, rx.height, rx.frameTenths = 0, 0, 0 // as seen: not known for a while
	}
	tx := stream{name: "txVideo", role: "main", isVideo: true, codec: "h264", width: w, height: h, frameTenths: 299, bitRate: videoRate(l.Quality) * 11 / 10, lossTenths: loss / 3, jitter: jitter / 2, roundTrip: trip}
	all = append(all, rx, tx)
	if l.PresentFrom != story.Never && l.PresentFrom <= q.now && q.now < l.PresentTo {
		all = append(all, stream{name: "rxVideo", role: "presentation", isVideo: true, codec: "h264", width: 1920, height: 1080, frameTenths: 50, bitRate: 400000, jitter: 4, roundTrip: -1})
	}
	return all
}

// legDoc is /callLegs/<id>.
type legDoc struct {
	rel                                       release
	id, name, remoteParty, localAddress, call string
	kind, subtype, lyncSubtype, direction     string
	canMove, movedFrom, movedBridge           string
	state, sipCallID, groupID                 string
	duration                                  int64
	recording, streaming, deactivated         bool
	media, encrypted, unencrypted             bool
	layout                                    string
	streams                                   []stream
}

func (d legDoc) element() element {
	e := el("callLeg", txt("name", d.name), txt("remoteParty", d.remoteParty)).attr("id", d.id)
	add := func(name, value string) {
		if value != "" {
			e = e.with(txt(name, value))
		}
	}
	add("localAddress", d.localAddress)
	add("call", d.call)
	add("type", d.kind)
	add("subtype", d.subtype)
	add("lyncSubType", d.lyncSubtype)
	add("direction", d.direction)
	add("canMove", d.canMove)
	add("movedCallLeg", d.movedFrom)
	add("movedCallLegCallBridge", d.movedBridge)
	s := el("status", txt("state", d.state), num("durationSeconds", d.duration), txt("direction", d.direction))
	if d.sipCallID != "" {
		s = s.with(txt("sipCallId", d.sipCallID))
	}
	s = s.with(txt("groupId", d.groupID))
	for _, flag := range []struct {
		name string
		on   bool
	}{{"recording", d.recording}, {"streaming", d.streaming}, {"deactivated", d.deactivated}} {
		if flag.on {
			s = s.with(truth(flag.name, true))
		}
	}
	if d.media {
		s = s.with(truth("encryptedMedia", d.encrypted), truth("unencryptedMedia", d.unencrypted))
		if d.rel >= 209 && d.encrypted {
			s = s.with(txt("cipherSuite", "AEAD_AES_256_GCM"))
		}
	}
	if d.layout != "" {
		s = s.with(txt("layout", d.layout))
	}
	for _, m := range d.streams {
		s = s.with(m.element())
	}
	return e.with(el("configuration"), s)
}

// people returns the participants of the bridge's calls, those on other bridges included, call by call.
func (q *request) people(only *callState) (people []*personState, calls []*callState) {
	for _, c := range q.st.calls {
		if only != nil && c != only {
			continue
		}
		for _, p := range c.meeting.people {
			if p.present() {
				people, calls = append(people, p), append(calls, c)
			}
		}
	}
	return people, calls
}

func (q *request) participants() answer { return q.personList(nil) }

func (q *request) participantsOfCall() answer {
	c := q.findCall()
	if c == nil {
		return missing("call")
	}
	return q.personList(c)
}

func (q *request) personList(only *callState) answer {
	all, callOf := q.people(only)
	var people []*personState
	var calls []*callState
	bridge, byBridge := q.idFilter("callBridgeFilter")
	for i, p := range all {
		if byBridge && p.bridge.ID != bridge || !q.tenantIs(meetingTenant(p.leg.Meeting)) || !q.named(p.leg.DisplayName, p.leg.RemoteParty) {
			continue
		}
		people, calls = append(people, p), append(calls, callOf[i])
	}
	return q.page("participants", len(people), func(i int) element { return q.person(people[i], calls[i]) })
}

func (q *request) person(p *personState, c *callState) element {
	l := p.leg
	e := el("participant", txt("name", l.DisplayName), ref("call", c.ID)).id(l.Group)
	if t := meetingTenant(l.Meeting); t != nil {
		e = e.with(ref("tenant", t.ID))
	}
	if p.bridge != q.st {
		e = e.with(ref("callBridge", p.bridge.ID))
	}
	e = e.with(txt("uri", l.RemoteParty))
	if p.bridge == q.st {
		legs := 0
		for _, o := range q.st.legs {
			if o.Group == l.Group {
				legs++
			}
		}
		e = e.with(num("numCallLegs", legs))
	}
	if l.Kind == story.WebUser {
		e = e.with(txt("userJid", l.RemoteParty))
	}
	e = e.with(truth("isActivator", l.Kind != story.WebGuest))
	if q.rel >= 206 && l.MovedFrom != nil {
		e = e.with(ref("movedParticipant", l.MovedFrom.Group), ref("movedParticipantCallBridge", l.MovedFrom.Bridge.ID))
	}
	if q.rel >= 202 {
		e = e.with(el("status", txt("state", "connected")))
	}
	return e
}

func (q *request) findPerson() *personState {
	people, _ := q.people(nil)
	for _, p := range people {
		if p.leg.Group == q.ids[0] {
			return p
		}
	}
	return nil
}

func (q *request) participant() answer {
	people, calls := q.people(nil)
	for i, p := range people {
		if p.leg.Group == q.ids[0] {
			return ok(q.person(p, calls[i]))
		}
	}
	return missing("participant")
}

// day is a date as licenses print it.
func day(t time.Time) string { return t.UTC().Format("2006-Jan-02") }
