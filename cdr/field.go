package cdr

import (
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Field describes one field of a record as the wire has it: the table the decoder works by, and the source of the documentation.
type Field struct {
	Element string   // child element of <record>: call, callLeg, recording, streaming
	Path    string   // below that element, as "rxAudio/codec"
	Aliases []string // other paths under which it was reported or documented
	Kind    string   // string, bool, int, decimal, GUID, URL, presence, group
	Since   string   // release, as far as known
	Types   []Type   // records that are known to carry it; it is taken from any
	Meaning string
	Secret  bool // never leaves the decoder as it came
}

// field adds the decoder's half. set stores the trimmed, non-empty text; false means the text does not fit.
type field[D any] struct {
	Field
	set func(d *D, text string) bool
}

func str[D any](at func(*D) *string) func(*D, string) bool {
	return func(d *D, text string) bool { *at(d) = text; return true }
}

func guid[D any](at func(*D) *uuid.UUID) func(*D, string) bool {
	return func(d *D, text string) bool { *at(d) = ParseID(text); return true }
}

func boolean[D any](at func(*D) **bool) func(*D, string) bool {
	return func(d *D, text string) bool {
		switch {
		case strings.EqualFold(text, "true"), text == "1":
			*at(d) = new(true)
		case strings.EqualFold(text, "false"), text == "0":
			*at(d) = new(false)
		default:
			return false
		}
		return true
	}
}

func integer[D any](at func(*D) **int64) func(*D, string) bool {
	return func(d *D, text string) bool {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return false
		}
		*at(d) = &n
		return true
	}
}

func decimal[D any](at func(*D) **float64) func(*D, string) bool {
	return func(d *D, text string) bool {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || math.Abs(f) > math.MaxFloat32 {
			return false
		}
		*at(d) = &f
		return true
	}
}

func address[D any](at func(*D) *string) func(*D, string) bool {
	return func(d *D, text string) bool { *at(d) = withoutUser(text); return true }
}

// withoutUser drops a name and password from a URL; other texts, SIP URIs among them, stay.
func withoutUser(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	host, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	return scheme + "://" + host[strings.LastIndexByte(host, '@')+1:] + path
}

// masked stands where a secret was.
const masked = "(masked)"

// maskStreamURL keeps scheme and host of an RTMP target: the rest carries the stream key, and a user part a password.
func maskStreamURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return masked
	}
	return u.Scheme + "://" + u.Host + "/" + masked
}

// secretName tells whether an element or attribute that no field takes might hold a secret.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"streamurl", "streamkey", "password", "passcode", "passwd", "secret", "token", "pin"} {
		if strings.Contains(name, part) && (part != "pin" || name == part) {
			return true
		}
	}
	return false
}

var (
	startOnly = []Type{CallLegStart}
	endOnly   = []Type{CallLegEnd}
	legTypes  = []Type{CallLegStart, CallLegUpdate, CallLegEnd}
	earlyLeg  = []Type{CallLegStart, CallLegUpdate}
)

// callFields are those of <call> (cms-cdr 2.1, 2.2).
var callFields = []field[CallDetail]{
	{Field{Path: "name", Kind: "string", Since: "2.0 or before", Types: []Type{CallStart}, Meaning: "Display name of the call, normally the space's name"},
		str(func(d *CallDetail) *string { return &d.Name })},
	{Field{Path: "ownerName", Kind: "string", Since: "about 2.2", Types: []Type{CallStart}, Meaning: "Name of the space's owner; empty where there is none"},
		str(func(d *CallDetail) *string { return &d.OwnerName })},
	{Field{Path: "callType", Kind: "string", Since: "1.2", Types: []Type{CallStart}, Meaning: "coSpace, adHoc, forwarding, lyncConferencing"},
		str(func(d *CallDetail) *string { return &d.CallType })},
	{Field{Path: "coSpace", Kind: "GUID", Since: "2.0 or before", Types: []Type{CallStart}, Meaning: "The space the call is an instance of"},
		guid(func(d *CallDetail) *uuid.UUID { return &d.Space })},
	{Field{Path: "tenant", Kind: "GUID", Since: "2.0 or before", Types: []Type{CallStart}, Meaning: "Owning tenant"},
		guid(func(d *CallDetail) *uuid.UUID { return &d.Tenant })},
	{Field{Path: "cdrTag", Kind: "string", Since: "2.0 or before", Types: []Type{CallStart}, Meaning: "Free tag set on the space through the API"},
		str(func(d *CallDetail) *string { return &d.CDRTag })},
	{Field{Path: "callCorrelator", Kind: "GUID", Since: "1.7", Types: []Type{CallStart}, Meaning: "The same on all bridges that host one meeting"},
		guid(func(d *CallDetail) *uuid.UUID { return &d.CallCorrelator })},
	{Field{Path: "callLegsCompleted", Kind: "int", Since: "1.x", Types: []Type{CallEnd}, Meaning: "Legs that finished within this call"},
		integer(func(d *CallDetail) **int64 { return &d.LegsCompleted })},
	{Field{Path: "callLegsMaxActive", Kind: "int", Since: "1.x", Types: []Type{CallEnd}, Meaning: "Most legs active at once"},
		integer(func(d *CallDetail) **int64 { return &d.LegsMaxActive })},
	{Field{Path: "durationSeconds", Kind: "int", Since: "1.x", Types: []Type{CallEnd}, Meaning: "Seconds the call was active"},
		integer(func(d *CallDetail) **int64 { return &d.DurationSeconds })},
	{Field{Path: "endpointRecorded", Kind: "string", Since: "2.4", Types: []Type{CallEnd}, Meaning: "Presumably whether an endpoint recorded the call; shape unseen"},
		str(func(d *CallDetail) *string { return &d.EndpointRecorded })},
}

// legFields are those of <callLeg> (cms-cdr 2.3–2.5). Alarms are a list and decoded apart.
var legFields = append([]field[LegDetail]{
	{Field{Path: "remoteParty", Kind: "string", Since: "1.x", Types: startOnly, Meaning: "Far end's address, or the user's login for an app"},
		str(func(d *LegDetail) *string { return &d.RemoteParty })},
	{Field{Path: "localAddress", Kind: "string", Since: "1.2", Types: startOnly, Meaning: "Incoming: what the caller dialled; outgoing: our caller id"},
		str(func(d *LegDetail) *string { return &d.LocalAddress })},
	{Field{Path: "displayName", Kind: "string", Since: "1.2; in updates by 2017", Types: earlyLeg, Meaning: "Endpoint's friendly name, user's real name, or what a guest typed"},
		str(func(d *LegDetail) *string { return &d.DisplayName })},
	{Field{Path: "remoteAddress", Kind: "string", Since: "2.0 or before; in updates by 2017", Types: earlyLeg, Meaning: "Caller's or callee's address by direction"},
		str(func(d *LegDetail) *string { return &d.RemoteAddress })},
	{Field{Path: "type", Kind: "string", Since: "1.x", Types: startOnly, Meaning: "sip, acano"},
		str(func(d *LegDetail) *string { return &d.Type })},
	{Field{Path: "subType", Kind: "string", Since: "2.0 or before", Types: startOnly, Meaning: "lync, avaya, distributionLink, lyncdistribution, webApp"},
		str(func(d *LegDetail) *string { return &d.SubType })},
	{Field{Path: "lyncSubType", Kind: "string", Since: "2.0 or before", Types: startOnly, Meaning: "audioVideo, applicationSharing, instantMessaging"},
		str(func(d *LegDetail) *string { return &d.LyncSubType })},
	{Field{Path: "direction", Kind: "string", Since: "1.x", Types: startOnly, Meaning: "incoming, outgoing"},
		str(func(d *LegDetail) *string { return &d.Direction })},
	{Field{Path: "guestConnection", Kind: "bool", Since: "1.2", Types: startOnly, Meaning: "Guest who joined by the web client"},
		boolean(func(d *LegDetail) **bool { return &d.Guest })},
	{Field{Path: "recording", Kind: "bool", Since: "2.0", Types: startOnly, Meaning: "The leg feeds a recorder"},
		boolean(func(d *LegDetail) **bool { return &d.Recording })},
	{Field{Path: "streaming", Kind: "bool", Since: "2.1", Types: startOnly, Meaning: "The leg feeds a streamer"},
		boolean(func(d *LegDetail) **bool { return &d.Streaming })},
	{Field{Path: "call", Kind: "GUID", Since: "1.x", Types: earlyLeg, Meaning: "The call the leg is in"},
		guid(func(d *LegDetail) *uuid.UUID { return &d.Call })},
	{Field{Path: "ivr", Kind: "presence", Since: "1.x", Types: earlyLeg, Meaning: "The leg is in the IVR"}, nil},
	{Field{Path: "state", Kind: "string", Since: "1.x", Types: []Type{CallLegUpdate}, Meaning: "connected; absent before, and when just disconnecting"},
		str(func(d *LegDetail) *string { return &d.State })},
	{Field{Path: "deactivated", Kind: "bool", Since: "2.0 or before", Types: []Type{CallLegUpdate}, Meaning: "true: waits in the lobby; false: media flows"},
		boolean(func(d *LegDetail) **bool { return &d.Deactivated })},
	{Field{Path: "cdrTag", Kind: "string", Since: "2.0 or before", Types: legTypes, Meaning: "Tag of the leg"},
		str(func(d *LegDetail) *string { return &d.CDRTag })},
	{Field{Path: "ownerId", Kind: "string", Since: "2.0 or before", Types: legTypes, Meaning: "Opaque id set by a managing system"},
		str(func(d *LegDetail) *string { return &d.OwnerID })},
	{Field{Path: "groupId", Aliases: []string{"groupID"}, Kind: "GUID", Since: "1.6 or before", Types: earlyLeg, Meaning: "Ties a Lync user's legs together; every leg has one"},
		guid(func(d *LegDetail) *uuid.UUID { return &d.GroupID })},
	{Field{Path: "sipCallId", Aliases: []string{"sipCallID"}, Kind: "string", Since: "2.0 or before", Types: legTypes, Meaning: "SIP Call-ID"},
		str(func(d *LegDetail) *string { return &d.SIPCallID })},
	{Field{Path: "replacesSipCallId", Aliases: []string{"replacesSipCallID"}, Kind: "string", Since: "about 2.2", Types: startOnly, Meaning: "Call-ID of the SIP dialog this leg replaces"},
		str(func(d *LegDetail) *string { return &d.ReplacesSIPCallID })},
	{Field{Path: "canMove", Aliases: []string{"callMove"}, Kind: "bool", Since: "2.6", Types: earlyLeg, Meaning: "The API may move the leg"},
		boolean(func(d *LegDetail) **bool { return &d.CanMove })},
	{Field{Path: "movedCallLeg", Kind: "GUID", Since: "2.6", Types: startOnly, Meaning: "The leg this one was moved from"},
		guid(func(d *LegDetail) *uuid.UUID { return &d.MovedLeg })},
	{Field{Path: "movedCallLegCallBridge", Kind: "GUID", Since: "2.6", Types: startOnly, Meaning: "Bridge of that leg"},
		guid(func(d *LegDetail) *uuid.UUID { return &d.MovedLegBridge })},
	{Field{Path: "confirmationStatus", Kind: "string", Since: "about 3.2", Types: legTypes, Meaning: "notRequired, required, confirmed, rejected"},
		str(func(d *LegDetail) *string { return &d.ConfirmationStatus })},

	{Field{Path: "reason", Kind: "string", Since: "1.x", Types: endOnly, Meaning: "Why it ended (cms-cdr 3.3)"},
		str(func(d *LegDetail) *string { return &d.Reason })},
	{Field{Path: "remoteTeardown", Kind: "bool", Since: "1.x", Types: endOnly, Meaning: "true: the far end ended it"},
		boolean(func(d *LegDetail) **bool { return &d.RemoteTeardown })},
	{Field{Path: "durationSeconds", Kind: "int", Since: "1.x", Types: endOnly, Meaning: "Seconds from start to end, with ringing, IVR and lobby"},
		integer(func(d *LegDetail) **int64 { return &d.DurationSeconds })},
	{Field{Path: "activatedDuration", Kind: "int", Since: "about 2.1", Types: endOnly, Meaning: "Seconds activated in a call"},
		integer(func(d *LegDetail) **int64 { return &d.ActivatedSeconds })},
	{Field{Path: "maxScreens", Kind: "int", Since: "about 2.2", Types: endOnly, Meaning: "Most screens the far end used"},
		integer(func(d *LegDetail) **int64 { return &d.MaxScreens })},
	{Field{Path: "encryptedMedia", Kind: "bool", Since: "1.6 or before", Types: endOnly, Meaning: "Some media was encrypted"},
		boolean(func(d *LegDetail) **bool { return &d.Encrypted })},
	{Field{Path: "unencryptedMedia", Kind: "bool", Since: "1.6 or before", Types: endOnly, Meaning: "Some media was in the clear"},
		boolean(func(d *LegDetail) **bool { return &d.Unencrypted })},
	{Field{Path: "mediaUsagePercentages/mainVideoViewer", Kind: "decimal", Since: "1.6 or before", Types: endOnly, Meaning: "Share of the time it received main video, percent"},
		decimal(func(d *LegDetail) **float64 { return &d.Usage.MainVideoViewer })},
	{Field{Path: "mediaUsagePercentages/mainVideoContributor", Kind: "decimal", Since: "1.6 or before", Types: endOnly, Meaning: "Share of the time it sent main video, percent"},
		decimal(func(d *LegDetail) **float64 { return &d.Usage.MainVideoContributor })},
	{Field{Path: "mediaUsagePercentages/presentationViewer", Kind: "decimal", Since: "1.6 or before", Types: endOnly, Meaning: "Share of the time it received content, percent"},
		decimal(func(d *LegDetail) **float64 { return &d.Usage.PresentationViewer })},
	{Field{Path: "mediaUsagePercentages/presentationContributor", Kind: "decimal", Since: "1.6 or before", Types: endOnly, Meaning: "Share of the time it sent content, percent"},
		decimal(func(d *LegDetail) **float64 { return &d.Usage.PresentationContributor })},
	// One source declares it beside the group, too.
	{Field{Path: "mediaUsagePercentages/" + anyCase, Aliases: []string{anyCase},
		Kind: "decimal", Since: "2.2", Types: endOnly, Meaning: "Share of the time it used several video streams, percent"},
		decimal(func(d *LegDetail) **float64 { return &d.Usage.Multistream })},
}, mediaFields()...)

// mediaFields are the children of rxAudio, txAudio, rxVideo and txVideo. Sizes are known of video, statistics of what is received;
// they are taken from all four.
func mediaFields() []field[LegDetail] {
	var out []field[LegDetail]
	for _, m := range []struct {
		name, what string
		at         func(*LegDetail) *Media
	}{
		{"rxAudio", "audio received by the server", func(d *LegDetail) *Media { return &d.RxAudio }},
		{"txAudio", "audio sent to the far end", func(d *LegDetail) *Media { return &d.TxAudio }},
		{"rxVideo", "video received by the server", func(d *LegDetail) *Media { return &d.RxVideo }},
		{"txVideo", "video sent to the far end", func(d *LegDetail) *Media { return &d.TxVideo }},
	} {
		add := func(path, kind, meaning string, set func(*LegDetail, string) bool) {
			out = append(out, field[LegDetail]{Field{Path: m.name + "/" + path, Kind: kind, Since: "1.6 or before", Types: endOnly, Meaning: meaning + ", " + m.what}, set})
		}
		add("codec", "string", "Codec", str(func(d *LegDetail) *string { return &m.at(d).Codec }))
		add("maxSizeWidth", "int", "Largest picture, pixels", integer(func(d *LegDetail) **int64 { return &m.at(d).Width }))
		add("maxSizeHeight", "int", "Largest picture, pixels", integer(func(d *LegDetail) **int64 { return &m.at(d).Height }))
		const stats = "packetStatistics/"
		add(stats+"packetLossBursts/duration", "decimal", "Seconds in bursts of loss", decimal(func(d *LegDetail) **float64 { return &m.at(d).Bursts.Duration }))
		add(stats+"packetLossBursts/density", "decimal", "Density of loss in bursts", decimal(func(d *LegDetail) **float64 { return &m.at(d).Bursts.Density }))
		add(stats+"packetGap/duration", "decimal", "Seconds between bursts", decimal(func(d *LegDetail) **float64 { return &m.at(d).Gap.Duration }))
		add(stats+"packetGap/density", "decimal", "Density of loss between bursts", decimal(func(d *LegDetail) **float64 { return &m.at(d).Gap.Density }))
	}
	return out
}

// recordingFields are those of <recording> (cms-cdr 2.6).
var recordingFields = []field[RecordingDetail]{
	{Field{Path: "path", Kind: "string", Since: "2.0", Types: []Type{RecordingStart}, Meaning: "File path without extension"},
		str(func(d *RecordingDetail) *string { return &d.Path })},
	{Field{Path: "recorderUrl", Kind: "URL", Since: "2.0", Types: []Type{RecordingStart}, Meaning: "Recorder's address; a user part is dropped"},
		address(func(d *RecordingDetail) *string { return &d.RecorderURL })},
	{Field{Path: "recorderUri", Kind: "string", Since: "about 3.0", Types: []Type{RecordingStart}, Meaning: "SIP recorder's address"},
		str(func(d *RecordingDetail) *string { return &d.RecorderURI })},
	{Field{Path: "call", Kind: "GUID", Since: "2.0", Types: []Type{RecordingStart}, Meaning: "Call recorded"},
		guid(func(d *RecordingDetail) *uuid.UUID { return &d.Call })},
	{Field{Path: "callLeg", Kind: "GUID", Since: "2.0", Types: []Type{RecordingStart}, Meaning: "The leg that feeds the recorder"},
		guid(func(d *RecordingDetail) *uuid.UUID { return &d.Leg })},
}

// streamFields are those of <streaming> (cms-cdr 2.7).
var streamFields = []field[StreamDetail]{
	{Field{Path: "streamUrl", Kind: "URL", Since: "2.1", Types: []Type{StreamingStart}, Meaning: "RTMP target; only scheme and host are kept, the rest holds the stream key", Secret: true},
		func(d *StreamDetail, text string) bool { d.StreamURL = maskStreamURL(text); return true }},
	{Field{Path: "streamerUrl", Kind: "URL", Since: "2.1", Types: []Type{StreamingStart}, Meaning: "Streamer's address; a user part is dropped"},
		address(func(d *StreamDetail) *string { return &d.StreamerURL })},
	{Field{Path: "streamerUri", Kind: "string", Since: "about 3.0", Types: []Type{StreamingStart}, Meaning: "SIP streamer's address"},
		str(func(d *StreamDetail) *string { return &d.StreamerURI })},
	{Field{Path: "call", Kind: "GUID", Since: "2.1", Types: []Type{StreamingStart}, Meaning: "Call streamed"},
		guid(func(d *StreamDetail) *uuid.UUID { return &d.Call })},
	{Field{Path: "callLeg", Kind: "GUID", Since: "2.1", Types: []Type{StreamingStart}, Meaning: "The leg that feeds the streamer"},
		guid(func(d *StreamDetail) *uuid.UUID { return &d.Leg })},
}

// Fields lists every field the decoder knows, for documentation.
func Fields() []Field {
	var out []Field
	add := func(element string, f Field) { f.Element = element; out = append(out, f) }
	for _, f := range callFields {
		add("call", f.Field)
	}
	for _, f := range legFields {
		add("callLeg", f.Field)
	}
	add("callLeg", Field{Path: "alarm/@type", Aliases: []string{"alarm/type"}, Kind: "string", Since: "1.6 or before", Types: endOnly, Meaning: "packetLoss, excessiveJitter, highRoundTripTime; the element repeats"})
	add("callLeg", Field{Path: "alarm/@durationPercentage", Aliases: []string{"alarm/durationPercentage"}, Kind: "decimal", Since: "1.6 or before", Types: endOnly, Meaning: "Share of the leg's life during which it held"})
	for _, f := range recordingFields {
		add("recording", f.Field)
	}
	for _, f := range streamFields {
		add("streaming", f.Field)
	}
	return out
}

// step is a node of the paths of one detail; a map lookup per element, no path is built while decoding.
type step[D any] struct {
	next  map[string]*step[D]
	field *field[D]
}

// anyCase is the one name that is matched without regard to case: the change log writes it otherwise than the wire (cms-cdr 2.5, 7.1).
const anyCase = "multistreamVideo"

// child is the step that an element or attribute of that name leads to, nil if it is unknown.
func (s *step[D]) child(name string) *step[D] {
	if next := s.next[name]; next != nil || !strings.EqualFold(name, anyCase) {
		return next
	}
	return s.next[anyCase]
}

func steps[D any](fields []field[D]) *step[D] {
	root := &step[D]{next: map[string]*step[D]{}}
	for i := range fields {
		f := &fields[i]
		for _, path := range append([]string{f.Path}, f.Aliases...) {
			at := root
			for name := range strings.SplitSeq(path, "/") {
				child := at.next[name]
				if child == nil {
					child = &step[D]{next: map[string]*step[D]{}}
					at.next[name] = child
				}
				at = child
			}
			at.field = f
		}
	}
	return root
}

// The tables above as trees; never written to.
var (
	callSteps      = steps(callFields)
	legSteps       = steps(legFields)
	recordingSteps = steps(recordingFields)
	streamSteps    = steps(streamFields)
)
