package cmssim

import (
	"bytes"
	"testing"
	"time"
)

// TestReleasesOfRecords tells one day in each release and looks for what the release knows (cms-cdr.md, section 6).
func TestReleasesOfRecords(t *testing.T) {
	since := map[string]release{
		"<callCorrelator>": 200, `type="recordingStart"`: 200, "<activatedDuration>": 201, `type="streamingStart"`: 201, "<ownerName>": 202, "<maxScreens>": 202,
		"<multistreamVideo>": 202, "<replacesSipCallId>": 202, "<endpointRecorded>": 204, "<canMove>": 206, "<movedCallLeg>": 206, "<movedCallLegCallBridge>": 206,
		"<subType>webApp<": 300, "<recorderUri>": 300, "<streamerUri>": 300, "<confirmationStatus>": 302,
		"<subType>distributionLink<": 200, "<lyncSubType>applicationSharing<": 200, "<guestConnection>true<": 200, "<ivr></ivr>": 200, "<deactivated>true<": 200,
	}
	gone := map[string]release{"<recorderUrl>": 300, "<streamerUrl>": 300}
	for _, name := range []string{"2.0", "2.2", "2.6", "2.9", "3.0", "3.2", "3.8"} {
		rel, err := parseRelease(name)
		if err != nil {
			t.Fatal(err)
		}
		var all bytes.Buffer
		records, err := History(t.Context(), Config{Seed: 1, Release: name, Start: time.Unix(1800000000, 0), Backfill: 32 * time.Hour}, func(_ *Bridge, xml []byte) error {
			all.Write(xml)
			return nil
		})
		if err != nil || records < 10000 {
			t.Fatalf("%s: %d records, %v", name, records, err)
		}
		for text, first := range since {
			if got := bytes.Contains(all.Bytes(), []byte(text)); got != (rel >= first) {
				t.Errorf("%s: %s is there: %v", name, text, got)
			}
		}
		for text, last := range gone {
			if got := bytes.Contains(all.Bytes(), []byte(text)); got != (rel < last) && (rel >= 201 || text == "<recorderUrl>") {
				t.Errorf("%s: %s is there: %v", name, text, got)
			}
		}
		if bytes.Contains(all.Bytes(), []byte(">false</recording>")) || bytes.Contains(all.Bytes(), []byte("<encryptedMedia>false")) {
			t.Errorf("%s: a flag that only ever appears as true is false", name)
		}
	}
}

func TestBadConfigs(t *testing.T) {
	for _, c := range []Config{{Bridges: 25}, {Bridges: -1}, {Volume: -1}, {Speed: -2}, {Release: "4"}, {Release: "1.9"}, {Backfill: time.Hour}, {Preroll: -1}, {QueueRecords: -1}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}
