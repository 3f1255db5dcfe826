package cmssim

import (
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// This file turns what happens in the story into records of a release (cms-cdr.md, section 6).

func renderCallStart(c *story.Call, rel release) []byte {
	m := c.Meeting
	r := callStart{id: c.ID, name: m.Name, callType: m.CallType, correlator: m.Correlator}
	if rel >= 202 {
		r.ownerName = new(string)
	}
	if s := m.Space; s != nil {
		r.coSpace, r.cdrTag = s.ID, s.Tag
		if s.Tenant != nil {
			r.tenant = s.Tenant.ID
		}
		if s.Owner != nil && r.ownerName != nil {
			r.ownerName = &s.Owner.Name
		}
	}
	return r.append(make([]byte, 0, 384))
}

func renderCallEnd(c *callState, at int64, rel release) []byte {
	r := callEnd{id: c.ID, legsCompleted: c.completed, legsMaxActive: c.maxActive, durationSeconds: at - c.Start}
	if rel >= 204 {
		r.endpointRecorded = new(bool)
	}
	return r.append(make([]byte, 0, 256))
}

// subType returns the subType and lyncSubType of a leg, empty for most.
func subType(l *story.Leg, rel release) (sub, lync string) {
	switch {
	case l.Kind == story.Lync:
		return "lync", "audioVideo"
	case l.Kind == story.LyncSharing:
		return "lync", "applicationSharing"
	case l.Kind == story.Link:
		return "distributionLink", ""
	case l.Kind.App() && rel >= 300:
		return "webApp", ""
	}
	return "", ""
}

func legType(l *story.Leg) string {
	if l.Kind.App() {
		return "acano"
	}
	return "sip"
}

// canMove is nil where the release or the leg knows no moves.
func canMove(l *story.Leg, rel release) *bool {
	if rel < 206 || l.Kind != story.SIP {
		return nil
	}
	yes := l.Meeting.Kind == story.Conference
	return &yes
}

func confirmation(l *story.Leg, rel release) string {
	if rel < 302 || !l.Outgoing || !l.Kind.Person() {
		return ""
	}
	return "notRequired"
}

func remoteAddress(l *story.Leg) string {
	if l.Kind.App() {
		return ""
	}
	return l.RemoteParty
}

func renderLegStart(l *story.Leg, rel release) []byte {
	r := legStart{
		id: l.ID, remoteParty: l.RemoteParty, localAddress: l.LocalAddress, displayName: l.DisplayName, remoteAddress: remoteAddress(l),
		kind: legType(l), outgoing: l.Outgoing, guestConnection: l.Kind == story.WebGuest,
		recording: l.Kind == story.Recorder, streaming: l.Kind == story.Streamer,
		groupID: l.Group, sipCallID: l.SIPCallID, canMove: canMove(l, rel), confirmationStatus: confirmation(l, rel),
	}
	r.subType, r.lyncSubType = subType(l, rel)
	if l.Early {
		r.call = l.Call.ID
	}
	if rel >= 202 {
		r.replacesSIPCallID = l.Replaces
	}
	if rel >= 206 && l.MovedFrom != nil {
		r.movedCallLeg, r.movedCallLegCallBridge = l.MovedFrom.ID, l.MovedFrom.Bridge.ID
	}
	return r.append(make([]byte, 0, 640))
}

// renderLegUpdate writes the snapshot that a leg sends when kind happens to it at an instant.
func renderLegUpdate(l *story.Leg, kind story.Kind, at int64, rel release) []byte {
	r := legUpdate{
		id: l.ID, connected: kind != story.LegLeave, ivr: kind == story.LegIVR,
		groupID: l.Group, sipCallID: l.SIPCallID, displayName: l.DisplayName, remoteAddress: remoteAddress(l),
		canMove: canMove(l, rel), confirmationStatus: confirmation(l, rel),
	}
	if kind != story.LegIVR {
		waiting := l.Activate == story.Never || at < l.Activate
		r.call, r.deactivated = l.Call.ID, &waiting
	}
	return r.append(make([]byte, 0, 512))
}

func renderLegEnd(l *story.Leg, at int64, rel release) []byte {
	life := at - l.Start
	r := legEnd{id: l.ID, reason: l.Reason, remoteTeardown: l.RemoteTeardown, confirmationStatus: confirmation(l, rel), durationSeconds: life, sipCallID: l.SIPCallID}
	connected := l.Answer != story.Never || l.Enter != story.Never
	if l.Activate != story.Never && at >= l.Activate {
		active := at - l.Activate
		if rel >= 201 {
			r.activatedDuration = &active
		}
	} else if connected && rel >= 201 {
		r.activatedDuration = new(int64)
	}
	if !connected || l.Kind == story.Recorder || l.Kind == story.Streamer {
		return r.append(make([]byte, 0, 256))
	}
	r.unencrypted, r.encrypted = l.Unencrypted, !l.Unencrypted
	r.rxAudio, r.txAudio = &media{codec: audioCodec(l, true)}, &media{codec: audioCodec(l, false)}
	if l.Quality != story.AudioOnly && l.Enter != story.Never {
		w, h := l.Quality.Size()
		r.rxVideo, r.txVideo = &media{codec: "h264", width: w, height: h}, &media{codec: "h264", width: w, height: h}
		r.usage.mainVideoViewer, r.usage.mainVideoContributor = l.ViewerPermille, l.ContributePermille
		if l.PresentFrom != story.Never && life > 0 {
			r.usage.presentationContributor = int(max(1, 1000*(min(at, l.PresentTo)-l.PresentFrom)/life))
		}
		if rel >= 202 && l.Screens > 1 {
			r.maxScreens, r.usage.multistreamVideo = l.Screens, l.ViewerPermille
		}
	}
	for _, a := range l.Alarms {
		if life > 0 && a.From < at {
			r.alarms = append(r.alarms, alarmShare{a.Type, int(1000 * (min(at, a.To) - a.From) / life)})
		}
	}
	if !l.Kind.App() && l.Kind != story.Link && l.Enter != story.Never {
		r.rxAudio.stats = lossStatistics(l, life)
		if r.rxVideo != nil {
			r.rxVideo.stats = lossStatistics(l, life)
		}
	}
	return r.append(make([]byte, 0, 1536))
}

// lossStatistics follows from the leg's packet loss alarms: none, no bursts.
func lossStatistics(l *story.Leg, life int64) *packetStatistics {
	s := packetStatistics{gapDuration: life * 970}
	for _, a := range l.Alarms {
		if a.Type == "packetLoss" {
			s.burstDuration += (a.To - a.From) * 130
			s.burstDensity = 4
		}
	}
	s.gapDuration = max(0, s.gapDuration-s.burstDuration)
	return &s
}

func audioCodec(l *story.Leg, received bool) string {
	switch l.Kind {
	case story.WebUser, story.WebGuest:
		return "opus"
	case story.Phone:
		if l.Outgoing {
			return "g711u"
		}
		return "g711a"
	case story.SIP:
		if received && l.Group[0]&3 == 0 {
			return "g722"
		}
	}
	return "aac"
}

func renderCapture(l *story.Leg, rel release, at time.Time) capture {
	c := capture{streaming: l.Kind == story.Streamer, id: l.Recording, call: l.Call.ID, callLeg: l.ID}
	cluster := l.Bridge.Cluster
	m := l.Meeting
	if c.streaming {
		c.streamURL = "rtmp://stream.example.net/live/" + l.Recording.String()
		if m.Space != nil && m.Space.StreamURL != "" {
			c.streamURL = m.Space.StreamURL
		}
	} else {
		owner := m.Correlator
		if m.Space != nil {
			owner = m.Space.ID
		}
		c.path = "spaces/" + owner.String() + "/" + at.UTC().Format("20060102150405-0700")
	}
	devices := cluster.Recorders
	if c.streaming {
		devices = cluster.Streamers
	}
	device := deviceFor(devices, l.Bridge)
	if rel >= 300 {
		c.deviceURI = deviceURI(device, c.streaming)
	} else {
		c.deviceURL = "https://" + device.URL + ":8443"
	}
	return c
}

func deviceFor(devices []*story.Device, b *story.Bridge) *story.Device {
	for _, d := range devices {
		if d.Group == b.Group {
			return d
		}
	}
	return devices[0]
}

func deviceURI(d *story.Device, streaming bool) string {
	if streaming {
		return "stream@" + d.URL
	}
	return "record@" + d.URL
}
