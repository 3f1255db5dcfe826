package poller

import (
	"encoding/json"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
)

// TestOddTextCostsItselfAlone: a name in another encoding, or with what XML forbids, must not cost the list that it stands in.
func TestOddTextCostsItselfAlone(t *testing.T) {
	for name, want := range map[string]string{
		"caf\xe9":              "caf\uFFFD",
		"bell \x07":            "bell \uFFFD",
		"bell &#7; &#x1F;":     "bell \uFFFD \uFFFD",
		"half &#xD83D; a pair": "half \uFFFD a pair",
		"&#65;&#x42;&amp;#7;":  "AB&#7;",
		"\u2603 \uFFFE":        "\u2603 \uFFFD",
	} {
		root, err := parse([]byte(`<?xml version="1.0"?><calls total="2"><call id="a"><name>` + name + `</name></call><call id="b"><name>fine</name></call></calls>`))
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		var got []string
		for _, e := range root.all("call") {
			var c collector.Call
			decode(e, &c)
			got = append(got, deref(c.Name))
		}
		if len(got) != 2 || got[0] != want || got[1] != "fine" {
			t.Errorf("%q became %q, want %q beside the fine one", name, got, want)
		}
	}
}

// TestNumbersThatAreNone: JSON, in which rows travel, has no word for them, so one of them would cost all rows beside it.
func TestNumbersThatAreNone(t *testing.T) {
	for _, text := range []string{"NaN", "Inf", "-Infinity", "1e999", "0x1p-2", "1_0"} {
		var leg collector.CallLeg
		decode(mustParse(t, `<callLeg id="1"><status><rxAudio><packetLossPercentage>`+text+`</packetLossPercentage><jitter>7</jitter></rxAudio></status></callLeg>`), &leg)
		if leg.RxAudio == nil || leg.RxAudio.PacketLossPercentage != nil || deref(leg.RxAudio.Jitter) != 7 {
			t.Errorf("%s: %+v, want a loss that is missing beside a jitter of 7", text, leg.RxAudio)
		}
		if _, err := json.Marshal(leg); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestTextInPiecesIsGatheredOnce: text that comments cut into pieces costs what it is long, not its square.
func TestTextInPiecesIsGatheredOnce(t *testing.T) {
	body := []byte("<a>" + strings.Repeat("x<!---->", 32<<10) + "</a>")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	root, err := parse(body)
	runtime.ReadMemStats(&after)
	if err != nil || len(root.text) != 32<<10 {
		t.Fatalf("%d bytes of text, %v", len(root.text), err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("%d MB allocated for %d KB", used>>20, len(body)>>10)
	}
}

// TestAlarmsOfAnyAge: one alarm whose age is out of this world must not take the time of another, nor have begun in the future.
func TestAlarmsOfAnyAge(t *testing.T) {
	now := time.Date(2031, 4, 2, 9, 17, 0, 0, time.UTC)
	for seconds, want := range map[int64]time.Time{
		0: now, 75: now.Add(-75 * time.Second), -10: now, math.MinInt64: now, 9_300_000_000: time.Unix(0, 0).UTC(), math.MaxInt64: time.Unix(0, 0).UTC(),
	} {
		if got := raised(now, seconds); !got.Equal(want) {
			t.Errorf("an alarm of %d s was raised at %s, want %s", seconds, got, want)
		}
	}
}

// TestAlarmsTellNoSecrets: children of an alarm that nobody knows are kept as text, but not the token in an address, nor what is called one.
func TestAlarmsTellNoSecrets(t *testing.T) {
	var a collector.Alarm
	decode(mustParse(t, `<alarm id="1"><type>cdrConnectionFailure</type><uri>https://me:S3CR3T@rx.example.org:8801/cdr/S3CR3T</uri>
		<cdrReceiverToken>S3CR3T</cdrReceiverToken><turnPassword>S3CR3T</turnPassword><streamKey>S3CR3T</streamKey><url>%zz://S3CR3T/</url>
		<text>cannot reach https://rx.example.org/cdr/S3CR3T</text><webBridge>c2w://wb1.example.org:9999</webBridge><count>3</count></alarm>`), &a)
	got := details(a.Others)
	if strings.Contains(got, "S3CR3T") {
		t.Errorf("a secret is told: %s", got)
	}
	for _, want := range []string{"uri=https://rx.example.org:8801", "webBridge=c2w://wb1.example.org:9999", "count=3"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in %s", want, got)
		}
	}
}
