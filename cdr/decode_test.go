package cdr

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
)

// TestShapes: fields in shapes that are allowed, documented or likely, though no capture shows them.
func TestShapes(t *testing.T) {
	const id = "5cf14f77-bc59-4344-8ebd-5ff4dd696992"
	leg := func(inner string) Record {
		t.Helper()
		return decodeAll(t, `<records session="`+id+`"><record type="callLegEnd" time="2026-01-02T03:04:05Z" correlatorIndex="1"><callLeg id="`+id+`">`+inner+`</callLeg></record></records>`)[0].Record
	}
	for _, name := range []string{"multistreamVideo", "multiStreamVideo", "MultiStreamVideo", "multistreamvideo"} {
		for _, inner := range []string{"<mediaUsagePercentages><" + name + ">12.5</" + name + "></mediaUsagePercentages>", "<" + name + ">12.5</" + name + ">"} {
			if r := leg(inner); r.Leg.Usage.Multistream == nil || *r.Leg.Usage.Multistream != 12.5 || r.Unknown != nil {
				t.Errorf("%s: %v, unknown %v", inner, r.Leg.Usage.Multistream, r.Unknown)
			}
		}
	}
	for inner, unknown := range map[string]string{"<ivr/>": "map[]", "<ivr></ivr>": "map[]", "<ivr>true</ivr>": "map[]", "<ivr id='x'/>": "map[callLeg/ivr/@id:x]", "<ivr><name>x</name></ivr>": "map[callLeg/ivr/name:x]"} {
		if r := leg(inner); !r.Leg.IVR || fmt.Sprint(r.Unknown) != unknown {
			t.Errorf("%s: in the IVR %t, unknown %v; want %s", inner, r.Leg.IVR, r.Unknown, unknown)
		}
	}
	r := leg("<alarm type='packetLoss' durationPercentage='2.5'>text<more kind='a'>b</more></alarm>")
	if len(r.Leg.Alarms) != 1 || *r.Leg.Alarms[0].DurationPercent != 2.5 || fmt.Sprint(r.Unknown) != "map[callLeg/alarm:text callLeg/alarm/more:b callLeg/alarm/more/@kind:a]" {
		t.Errorf("alarm with more in it: %v, unknown %v", r.Leg.Alarms, r.Unknown)
	}
}

// TestReasonsArePrintable: what is wrong with a body is shown to people, and must not drive their terminals.
func TestReasonsArePrintable(t *testing.T) {
	for _, body := range []string{
		"<\x1b[2Jx>", "<records session='a'><record type='\x1b[2J' time='\x1b[2J' correlatorIndex='1'/></records>", "<records session='a'></\u009b2J>", "<a><\u202Eb></a>", "\x1b[2J",
		"<records session='a'><record type='\u009b2J' time='2026-01-02T03:04:05Z' correlatorIndex='1'><callLeg id='x'>&\u009b2J;</callLeg></record></records>",
	} {
		n := 0
		for raw, err := range Scan(strings.NewReader(body), Limits{}) {
			if err == nil {
				_, err = Decode(raw)
			}
			if err != nil {
				n++
				if strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("%q: %q", body, err)
				}
			}
		}
		if n == 0 {
			t.Errorf("%q: no fault", body)
		}
	}
}

// TestParseTime: all that RFC 3339 allows is a time, and nothing else.
func TestParseTime(t *testing.T) {
	for text, want := range map[string]string{
		"2026-03-14T09:14:02Z": "2026-03-14T09:14:02Z", " 2026-03-14t09:14:02.25z\n": "2026-03-14T09:14:02.25Z", "2026-03-14T09:14:02+01:30": "2026-03-14T07:44:02Z",
		"2016-12-31T23:59:60Z": "2016-12-31T23:59:59Z", "2017-01-01T01:59:60.5+02:00": "2016-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z": "1970-01-01T00:00:00Z",
		"1969-12-31T23:59:59Z": "", "2106-02-07T06:28:16Z": "", "2026-03-14T09:60:02Z": "", "2026-03-14T09:14:61Z": "", "2026-03-14T09:14:02": "", "2026-02-30T09:14:02Z": "", "": "", "now": "",
	} {
		got, err := ParseTime(text)
		if (err != nil) != (want == "") || err == nil && got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q is %v, %v; want %q", text, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
