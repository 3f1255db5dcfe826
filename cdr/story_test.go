package cdr

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// told is a record as a Call Bridge tells it: the text of its fields by their paths (cms-cdr 2). The model of the facts works on these and never sees
// what the decoder makes of them.
type told struct {
	session, bridge uuid.UUID // zero bridge: the attribute is not sent
	index, missing  int64
	kind, element   string
	at              time.Time
	id              uuid.UUID
	fields          map[string]string // "ivr" is an empty element; "alarm" is type=percent,type=percent
	source, cluster string            // whose token brought it
}

// body writes records of one session and bridge as a bridge would send them.
func body(records ...told) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<?xml version="1.0"?><records session="%s"`, records[0].session)
	if records[0].bridge != uuid.Nil {
		fmt.Fprintf(&b, ` callBridge="%s"`, records[0].bridge)
	}
	b.WriteString(">")
	for _, r := range records {
		fmt.Fprintf(&b, `<record type="%s" time="%s" recordIndex="%d" correlatorIndex="%d"`, r.kind, r.at.Format(time.RFC3339), r.index+1, r.index)
		if r.missing > 0 {
			fmt.Fprintf(&b, ` numPreceedingRecordsMissing="%d"`, r.missing)
		}
		fmt.Fprintf(&b, `><%s id="%s">`, r.element, r.id)
		groups := map[string][]string{}
		for _, path := range slices.Sorted(maps.Keys(r.fields)) {
			value := r.fields[path]
			if path == "alarm" {
				for alarm := range strings.SplitSeq(value, ",") {
					kind, percent, _ := strings.Cut(alarm, "=")
					fmt.Fprintf(&b, `<alarm type="%s" durationPercentage="%s"/>`, kind, percent)
				}
				continue
			}
			var text bytes.Buffer
			_ = xml.EscapeText(&text, []byte(value))
			if group, leaf, nested := strings.Cut(path, "/"); nested {
				groups[group] = append(groups[group], fmt.Sprintf("<%s>%s</%s>", leaf, text.String(), leaf))
			} else {
				fmt.Fprintf(&b, "<%s>%s</%s>", path, text.String(), path)
			}
		}
		for _, group := range slices.Sorted(maps.Keys(groups)) {
			fmt.Fprintf(&b, "<%s>%s</%s>", group, strings.Join(groups[group], ""), group)
		}
		fmt.Fprintf(&b, "</%s></record>", r.element)
	}
	b.WriteString("</records>")
	return b.Bytes()
}

// decoded is what scan and decoder make of records, each from a body of its own.
func decoded(t testing.TB, records []told) []SourcedRecord {
	t.Helper()
	var list []SourcedRecord
	for _, r := range records {
		for raw, err := range Scan(bytes.NewReader(body(r)), Limits{}) {
			if err != nil {
				t.Fatalf("scan %s: %v", body(r), err)
			}
			record, err := Decode(raw)
			if err != nil {
				t.Fatalf("decode %s: %v", raw.XML, err)
			}
			list = append(list, SourcedRecord{Record: record, Source: r.source, Cluster: r.cluster, Received: r.at})
		}
	}
	return list
}

// teller draws stories.
type teller struct {
	t       *rapid.T
	at      time.Time
	records []told
}

func (s *teller) one(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(s.t, label)
}
func (s *teller) chance(label string, in int) bool {
	return rapid.IntRange(1, in).Draw(s.t, label) == 1
}
func (s *teller) number(label string, from, to int) int {
	return rapid.IntRange(from, to).Draw(s.t, label)
}

// set draws a field's text; where none is drawn the field is absent, which is the same as empty.
func (s *teller) set(fields map[string]string, path string, of ...string) {
	if v := s.one(path, of...); v != "" || s.chance("empty "+path, 4) {
		fields[path] = v
	}
}

// drawTold makes the records of sessions of one or two bridges: calls with legs that may enter by the IVR, wait, move to another call, be recorded or
// streamed, be links, parts of a Lync call or scanners; starts and ends may never come, indices are lost, with and without the bridge saying so; tokens
// and GUIDs may be another's or missing.
func drawTold(t *rapid.T) []told {
	s := &teller{t: t, at: storyStart}
	for n := range s.number("sessions", 1, 3) {
		s.tellSession(n)
	}
	return s.records
}

func (s *teller) tellSession(n int) {
	session := testID("session", n)
	bridge, source := testID("bridge", s.number("bridge", 0, 1)), s.one("source", "cb1", "cb1", "cb2")
	if s.chance("no callBridge", 4) {
		bridge = uuid.Nil
	}
	index, lost := int64(s.number("first index", 0, 2)), int64(0)
	add := func(kind, element string, id uuid.UUID, fields map[string]string) {
		s.at = s.at.Add(time.Duration(s.number("seconds", 0, 1200)) * time.Second)
		if s.chance("the clock is set back", 30) {
			s.at = s.at.Add(-time.Duration(s.number("back", 1, 4000)) * time.Second)
		}
		r := told{session: session, bridge: bridge, index: index, kind: kind, element: element, at: s.at, id: id, fields: fields, source: source, cluster: "emea"}
		index++
		if s.chance("lost", 10) {
			lost++
			return
		}
		if lost > 0 && s.chance("loss is reported", 2) {
			r.missing = int64(s.number("reported", 1, int(lost)+1)) // a bridge may count what another receiver got
		}
		lost = 0
		if s.chance("another token", 12) {
			r.source, r.cluster = s.one("token", "cb1", "cb2"), s.one("cluster", "apac", "emea")
		}
		if s.chance("another GUID", 25) {
			r.bridge = s.oneID("GUID", uuid.Nil, testID("bridge", 0), testID("bridge", 1))
		}
		s.records = append(s.records, r)
	}
	calls := s.number("calls", 1, 3)
	callID := func(c int) uuid.UUID { return testID("call", 10*n+c) }
	for c := range calls {
		if !s.chance("no callStart", 6) {
			fields := map[string]string{"callCorrelator": testID("meeting", c).String()}
			s.set(fields, "name", "", "Standup", "Café <&> Ω")
			s.set(fields, "ownerName", "", "Ann")
			s.set(fields, "callType", "coSpace", "adHoc", "lyncConferencing", "brandNew")
			s.set(fields, "coSpace", "", testID("space", c).String())
			s.set(fields, "tenant", "", testID("tenant", 0).String())
			s.set(fields, "cdrTag", "", "tag")
			add("callStart", "call", callID(c), fields)
		}
		for l := range s.number("legs", 0, 3) {
			s.tellLeg(add, testID("leg", 100*n+10*c+l), callID, c, calls)
		}
		if !s.chance("no callEnd", 4) {
			fields := map[string]string{"callLegsCompleted": "3"}
			s.set(fields, "callLegsMaxActive", "", "2", "9007199254740993")
			s.set(fields, "durationSeconds", "", "60", "4000")
			s.set(fields, "endpointRecorded", "", "true")
			add("callEnd", "call", callID(c), fields)
		}
	}
	if s.chance("scanner", 2) {
		leg := testID("scanner", n)
		if s.chance("scanner starts", 2) {
			add("callLegStart", "callLeg", leg, map[string]string{"remoteParty": "100@1.2.3.4", "type": "sip", "direction": s.one("direction", "incoming", "outgoing")})
		}
		add("callLegEnd", "callLeg", leg, map[string]string{"reason": s.one("reason", "unknownDestination", "ringingTimeout", "callMoved"), "remoteTeardown": "false",
			"durationSeconds": s.one("scan", "0", "10", "11")})
	}
}

func (s *teller) oneID(label string, of ...uuid.UUID) uuid.UUID {
	return rapid.SampledFrom(of).Draw(s.t, label)
}

// tellLeg tells a leg, and what it feeds.
func (s *teller) tellLeg(add func(kind, element string, id uuid.UUID, fields map[string]string), leg uuid.UUID, callID func(int) uuid.UUID, c, calls int) {
	if !s.chance("no callLegStart", 6) {
		fields := map[string]string{}
		s.set(fields, "remoteParty", "", "p@example.org")
		s.set(fields, "remoteAddress", "", "p@example.org", "q@example.org")
		s.set(fields, "localAddress", "", "space@meet.example.net")
		s.set(fields, "displayName", "", "First", "Unknown Party")
		s.set(fields, "type", "sip", "acano")
		s.set(fields, "subType", "", "lync", "distributionLink", "lyncdistribution", "webApp")
		s.set(fields, "lyncSubType", "", "", "audioVideo", "applicationSharing")
		s.set(fields, "direction", "incoming", "outgoing")
		s.set(fields, "guestConnection", "", "true")
		s.set(fields, "recording", "", "", "true", "false")
		s.set(fields, "streaming", "", "", "true")
		s.set(fields, "call", "", callID(c).String())
		s.set(fields, "groupId", leg.String(), testID("group", c).String())
		s.set(fields, "sipCallId", "", "a@192.0.2.1")
		s.set(fields, "ownerId", "", "owner")
		s.set(fields, "movedCallLeg", "", "", testID("leg", 0).String())
		s.set(fields, "confirmationStatus", "", "required")
		add("callLegStart", "callLeg", leg, fields)
	}
	for range s.number("updates", 0, 3) {
		fields := map[string]string{}
		s.set(fields, "state", "", "connected", "connected")
		switch s.number("where", 0, 4) {
		case 0:
			fields["ivr"] = ""
		case 1:
		default:
			fields["call"] = callID(s.number("call of update", 0, calls-1)).String()
			s.set(fields, "deactivated", "true", "false", "")
		}
		s.set(fields, "displayName", "", "Later", "Unknown Party")
		s.set(fields, "remoteAddress", "", "r@example.org")
		s.set(fields, "canMove", "", "true")
		s.set(fields, "groupID", "", testID("group", c).String())
		s.set(fields, "confirmationStatus", "", "confirmed")
		add("callLegUpdate", "callLeg", leg, fields)
	}
	for _, fed := range []string{"recording", "streaming"} {
		if !s.chance(fed+" is fed", 4) {
			continue
		}
		id := testID(fed, int(leg[0])<<8+c)
		fields := map[string]string{"call": callID(c).String(), "callLeg": leg.String()}
		if fed == "recording" {
			s.set(fields, "path", "", "spaces/a/1")
			s.set(fields, "recorderUri", "", "rec@example.org")
		} else {
			s.set(fields, "streamUrl", "", "rtmp://user:pw@stream.example.net/live/key", "no url")
			s.set(fields, "streamerUri", "", "str@example.org")
		}
		if !s.chance(fed+" start is lost", 6) {
			add(fed+"Start", fed, id, fields)
		}
		if s.chance(fed+" ends", 2) {
			add(fed+"End", fed, id, map[string]string{})
		}
	}
	if s.chance("no callLegEnd", 4) {
		return
	}
	fields := map[string]string{"reason": s.one("reason", "callEnded", "remoteTeardown", "somethingNew")}
	s.set(fields, "remoteTeardown", "true", "false", "")
	s.set(fields, "durationSeconds", "", strconv.Itoa(s.number("duration", 0, 9000)))
	s.set(fields, "activatedDuration", "", "5")
	s.set(fields, "maxScreens", "", "2")
	s.set(fields, "encryptedMedia", "", "true")
	s.set(fields, "unencryptedMedia", "", "true")
	s.set(fields, "sipCallId", "", "b@192.0.2.1")
	s.set(fields, "mediaUsagePercentages/mainVideoViewer", "", "97.5")
	s.set(fields, "mediaUsagePercentages/presentationContributor", "", "0.0")
	s.set(fields, "rxAudio/codec", "", "opus")
	s.set(fields, "txVideo/codec", "", "h264")
	s.set(fields, "txVideo/maxSizeWidth", "", "1280")
	if s.chance("alarms", 3) {
		fields["alarm"] = s.one("alarm", "packetLoss=1.5", "packetLoss=1.5,excessiveJitter=0.0")
	}
	add("callLegEnd", "callLeg", leg, fields)
}
