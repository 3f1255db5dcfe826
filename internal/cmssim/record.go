package cmssim

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// The encoders of call detail records: one struct per child element, fields in wire order (cms-cdr.md, sections 2 and 4).
// Empty strings, zero GUIDs and nil pointers are left out.

type callStart struct {
	id         story.GUID
	name       string
	ownerName  *string // present but empty where the space has no owner
	callType   string
	coSpace    story.GUID
	tenant     story.GUID
	cdrTag     string // its place is unknown; inferred
	correlator story.GUID
}

func (c callStart) append(b []byte) []byte {
	b = openID(b, "call", c.id)
	b = textIf(b, "name", c.name)
	if c.ownerName != nil {
		b = text(b, "ownerName", *c.ownerName)
	}
	b = text(b, "callType", c.callType)
	b = guidIf(b, "coSpace", c.coSpace)
	b = guidIf(b, "tenant", c.tenant)
	b = textIf(b, "cdrTag", c.cdrTag)
	b = guidIf(b, "callCorrelator", c.correlator)
	return append(b, "</call>"...)
}

type callEnd struct {
	id               story.GUID
	legsCompleted    int
	legsMaxActive    int
	durationSeconds  int64
	endpointRecorded *bool
}

func (c callEnd) append(b []byte) []byte {
	b = openID(b, "call", c.id)
	b = number(b, "callLegsCompleted", int64(c.legsCompleted))
	b = number(b, "callLegsMaxActive", int64(c.legsMaxActive))
	b = number(b, "durationSeconds", c.durationSeconds)
	b = boolIf(b, "endpointRecorded", c.endpointRecorded)
	return append(b, "</call>"...)
}

type legStart struct {
	id                     story.GUID
	remoteParty            string
	localAddress           string
	displayName            string
	remoteAddress          string
	kind                   string
	subType                string
	lyncSubType            string
	outgoing               bool
	guestConnection        bool
	recording              bool
	streaming              bool
	call                   story.GUID
	groupID                story.GUID
	sipCallID              string
	replacesSIPCallID      string
	canMove                *bool
	movedCallLeg           story.GUID
	movedCallLegCallBridge story.GUID
	confirmationStatus     string
}

func (l legStart) append(b []byte) []byte {
	b = openID(b, "callLeg", l.id)
	b = textIf(b, "remoteParty", l.remoteParty)
	b = textIf(b, "localAddress", l.localAddress)
	b = textIf(b, "displayName", l.displayName)
	b = textIf(b, "remoteAddress", l.remoteAddress)
	b = text(b, "type", l.kind)
	b = textIf(b, "subType", l.subType)
	b = textIf(b, "lyncSubType", l.lyncSubType)
	b = text(b, "direction", direction(l.outgoing))
	b = flag(b, "guestConnection", l.guestConnection)
	b = flag(b, "recording", l.recording)
	b = flag(b, "streaming", l.streaming)
	b = guidIf(b, "call", l.call)
	b = guidIf(b, "groupId", l.groupID)
	b = textIf(b, "sipCallId", l.sipCallID)
	b = textIf(b, "replacesSipCallId", l.replacesSIPCallID)
	b = boolIf(b, "canMove", l.canMove)
	b = guidIf(b, "movedCallLeg", l.movedCallLeg)
	b = guidIf(b, "movedCallLegCallBridge", l.movedCallLegCallBridge)
	b = textIf(b, "confirmationStatus", l.confirmationStatus)
	return append(b, "</callLeg>"...)
}

func direction(outgoing bool) string {
	if outgoing {
		return "outgoing"
	}
	return "incoming"
}

type legUpdate struct {
	id                 story.GUID
	connected          bool
	call               story.GUID
	ivr                bool
	deactivated        *bool
	groupID            story.GUID
	sipCallID          string
	displayName        string
	remoteAddress      string
	canMove            *bool
	confirmationStatus string
}

func (l legUpdate) append(b []byte) []byte {
	b = openID(b, "callLeg", l.id)
	if l.connected {
		b = text(b, "state", "connected")
	}
	if l.ivr {
		b = text(b, "ivr", "")
	} else {
		b = guidIf(b, "call", l.call)
	}
	b = boolIf(b, "deactivated", l.deactivated)
	b = guidIf(b, "groupId", l.groupID)
	b = textIf(b, "sipCallId", l.sipCallID)
	b = textIf(b, "displayName", l.displayName)
	b = textIf(b, "remoteAddress", l.remoteAddress)
	b = boolIf(b, "canMove", l.canMove)
	b = textIf(b, "confirmationStatus", l.confirmationStatus)
	return append(b, "</callLeg>"...)
}

type legEnd struct {
	id                 story.GUID
	reason             string
	remoteTeardown     bool
	confirmationStatus string
	durationSeconds    int64
	activatedDuration  *int64
	usage              mediaUsage // in tenths of a percent
	alarms             []alarmShare
	encrypted          bool
	unencrypted        bool
	rxAudio, txAudio   *media
	rxVideo, txVideo   *media
	maxScreens         int
	sipCallID          string
}

// mediaUsage holds shares of a leg's life in tenths of a percent; zero is left out.
type mediaUsage struct {
	mainVideoViewer, mainVideoContributor, presentationViewer, presentationContributor, multistreamVideo int
}

type alarmShare struct {
	kind   string
	tenths int // of a percent of the leg's life
}

type media struct {
	codec         string
	width, height int // pixels; 0: left out
	stats         *packetStatistics
}

// packetStatistics: durations in milliseconds, densities in hundredths.
type packetStatistics struct {
	burstDuration, burstDensity, gapDuration, gapDensity int64
}

func (l legEnd) append(b []byte) []byte {
	b = openID(b, "callLeg", l.id)
	b = text(b, "reason", l.reason)
	b = text(b, "remoteTeardown", strconv.FormatBool(l.remoteTeardown))
	b = textIf(b, "confirmationStatus", l.confirmationStatus)
	b = number(b, "durationSeconds", l.durationSeconds)
	if l.activatedDuration != nil {
		b = number(b, "activatedDuration", *l.activatedDuration)
	}
	if u := l.usage; u != (mediaUsage{}) {
		b = append(b, "<mediaUsagePercentages>"...)
		b = tenths(b, "mainVideoViewer", u.mainVideoViewer)
		b = tenths(b, "mainVideoContributor", u.mainVideoContributor)
		b = tenths(b, "presentationViewer", u.presentationViewer)
		b = tenths(b, "presentationContributor", u.presentationContributor)
		b = tenths(b, "multistreamVideo", u.multistreamVideo)
		b = append(b, "</mediaUsagePercentages>"...)
	}
	for _, a := range l.alarms {
		b = append(append(append(b, `<alarm type="`...), a.kind...), `" durationPercentage="`...)
		b = append(fixed(b, int64(a.tenths), 1), `" />`...)
	}
	b = flag(b, "encryptedMedia", l.encrypted)
	b = flag(b, "unencryptedMedia", l.unencrypted)
	b = l.rxAudio.append(b, "rxAudio")
	b = l.txAudio.append(b, "txAudio")
	b = l.rxVideo.append(b, "rxVideo")
	b = l.txVideo.append(b, "txVideo")
	if l.maxScreens > 0 {
		b = number(b, "maxScreens", int64(l.maxScreens))
	}
	b = textIf(b, "sipCallId", l.sipCallID)
	return append(b, "</callLeg>"...)
}

func (m *media) append(b []byte, name string) []byte {
	if m == nil {
		return b
	}
	b = open(b, name)
	b = text(b, "codec", m.codec)
	if m.width > 0 {
		b = number(b, "maxSizeWidth", int64(m.width))
		b = number(b, "maxSizeHeight", int64(m.height))
	}
	if s := m.stats; s != nil {
		b = append(b, "<packetStatistics><packetLossBursts><duration>"...)
		b = append(fixed(b, s.burstDuration, 3), "</duration><density>"...)
		b = append(fixed(b, s.burstDensity, 2), "</density></packetLossBursts><packetGap><duration>"...)
		b = append(fixed(b, s.gapDuration, 3), "</duration><density>"...)
		b = append(fixed(b, s.gapDensity, 2), "</density></packetGap></packetStatistics>"...)
	}
	return closeTag(b, name)
}

// capture is the start of a recording or of a stream.
type capture struct {
	streaming bool
	id        story.GUID
	path      string // of a recording, without extension
	streamURL string // of a stream; holds its key
	deviceURL string // recorderUrl, streamerUrl (2.x)
	deviceURI string // recorderUri, streamerUri (3.x)
	call      story.GUID
	callLeg   story.GUID
}

func (c capture) append(b []byte) []byte {
	name, device := c.names()
	b = openID(b, name, c.id)
	b = textIf(b, "path", c.path)
	b = textIf(b, "streamUrl", c.streamURL)
	b = textIf(b, device+"Url", c.deviceURL)
	b = textIf(b, device+"Uri", c.deviceURI)
	b = guidIf(b, "call", c.call)
	b = guidIf(b, "callLeg", c.callLeg)
	return closeTag(b, name)
}

// appendEnd appends the element of the end record: nothing but the id.
func (c capture) appendEnd(b []byte) []byte {
	name, _ := c.names()
	return closeTag(openID(b, name, c.id), name)
}

func (c capture) names() (element, device string) {
	if c.streaming {
		return "streaming", "streamer"
	}
	return "recording", "recorder"
}

// record is a finished record, the same for every receiver but for its place in the receiver's sequence.
type record struct {
	kind       string
	at         time.Time
	offset     int64 // story time
	correlator int64
	body       []byte
}

// append appends the record with its header. missing is the number of records discarded directly before it.
func (r *record) append(b []byte, index, missing int64) []byte {
	b = append(append(b, `<record type="`...), r.kind...)
	b = append(b, `" time="`...)
	b = r.at.UTC().AppendFormat(b, time.RFC3339)
	b = append(b, `" recordIndex="`...)
	b = strconv.AppendInt(b, index, 10)
	b = append(b, `" correlatorIndex="`...)
	b = strconv.AppendInt(b, r.correlator, 10)
	if missing > 0 {
		b = append(b, `" numPreceedingRecordsMissing="`...)
		b = strconv.AppendInt(b, missing, 10)
	}
	b = append(b, "\">\n"...)
	b = append(b, r.body...)
	return append(b, "</record>\n"...)
}

// openBody appends the envelope of a POST up to the first record. callBridge is zero outside a cluster.
func openBody(b []byte, session, callBridge story.GUID) []byte {
	b = append(b, `<?xml version="1.0"?><records session="`...)
	b = session.Append(b)
	if !callBridge.IsZero() {
		b = append(b, `" callBridge="`...)
		b = callBridge.Append(b)
	}
	return append(b, `">`...)
}

func closeBody(b []byte) []byte { return append(b, "</records>"...) }

func open(b []byte, name string) []byte {
	return append(append(append(b, '<'), name...), '>')
}

func openID(b []byte, name string, id story.GUID) []byte {
	b = append(append(append(b, '<'), name...), ` id="`...)
	return append(id.Append(b), `">`...)
}

func closeTag(b []byte, name string) []byte {
	return append(append(append(b, '<', '/'), name...), '>')
}

func text(b []byte, name, value string) []byte {
	return closeTag(escape(open(b, name), value), name)
}

func textIf(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return text(b, name, value)
}

func guidIf(b []byte, name string, id story.GUID) []byte {
	if id.IsZero() {
		return b
	}
	return closeTag(id.Append(open(b, name)), name)
}

func number(b []byte, name string, v int64) []byte {
	return closeTag(strconv.AppendInt(open(b, name), v, 10), name)
}

// flag appends an element that only ever appears as true.
func flag(b []byte, name string, v bool) []byte {
	if !v {
		return b
	}
	return text(b, name, "true")
}

func boolIf(b []byte, name string, v *bool) []byte {
	if v == nil {
		return b
	}
	return text(b, name, strconv.FormatBool(*v))
}

func tenths(b []byte, name string, v int) []byte {
	if v == 0 {
		return b
	}
	return closeTag(fixed(open(b, name), int64(v), 1), name)
}

// fixed appends v / 10^digits with exactly that many decimals.
func fixed(b []byte, v int64, digits int) []byte {
	scale := int64(1)
	for range digits {
		scale *= 10
	}
	b = strconv.AppendInt(b, v/scale, 10)
	b = append(b, '.')
	frac := strconv.FormatInt(v%scale, 10)
	for range digits - len(frac) {
		b = append(b, '0')
	}
	return append(b, frac...)
}

// escape appends text with the characters that XML reserves in it. Characters that XML 1.0 forbids become U+FFFD.
func escape(b []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r < 0x20 && r != '\t' && r != '\n' && r != '\r':
			b = append(b, "\uFFFD"...)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}
