package cmssim

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// The decoder and the encoders were written from the same pages by different ways; what one reads the other must write back.

// encoded is a decoded record as the simulator would send it; false for what it never sends.
func encoded(r cdr.Record) (record, bool) {
	out := record{kind: string(r.Type), at: r.Time, correlator: r.CorrelatorIndex}
	id := story.GUID(r.ID)
	switch {
	case r.Type == cdr.CallStart && r.Call != nil:
		c := r.Call
		owner := c.OwnerName
		out.body = callStart{id: id, name: c.Name, ownerName: &owner, callType: c.CallType, coSpace: story.GUID(c.Space), tenant: story.GUID(c.Tenant),
			cdrTag: c.CDRTag, correlator: story.GUID(c.CallCorrelator)}.append(nil)
	case r.Type == cdr.CallEnd && r.Call != nil:
		out.body = callEnd{id: id, legsCompleted: int(whole(r.Call.LegsCompleted)), legsMaxActive: int(whole(r.Call.LegsMaxActive)),
			durationSeconds: whole(r.Call.DurationSeconds)}.append(nil)
	case r.Type == cdr.CallLegStart && r.Leg != nil:
		l := r.Leg
		out.body = legStart{id: id, remoteParty: l.RemoteParty, localAddress: l.LocalAddress, displayName: l.DisplayName, remoteAddress: l.RemoteAddress,
			kind: l.Type, subType: l.SubType, lyncSubType: l.LyncSubType, outgoing: l.Direction == "outgoing", guestConnection: is(l.Guest), recording: is(l.Recording),
			streaming: is(l.Streaming), call: story.GUID(l.Call), groupID: story.GUID(l.GroupID), sipCallID: l.SIPCallID, replacesSIPCallID: l.ReplacesSIPCallID,
			canMove: l.CanMove, movedCallLeg: story.GUID(l.MovedLeg), movedCallLegCallBridge: story.GUID(l.MovedLegBridge), confirmationStatus: l.ConfirmationStatus}.append(nil)
	case r.Type == cdr.CallLegUpdate && r.Leg != nil:
		l := r.Leg
		out.body = legUpdate{id: id, connected: l.State == "connected", call: story.GUID(l.Call), ivr: l.IVR, deactivated: l.Deactivated, groupID: story.GUID(l.GroupID),
			sipCallID: l.SIPCallID, displayName: l.DisplayName, remoteAddress: l.RemoteAddress, canMove: l.CanMove, confirmationStatus: l.ConfirmationStatus}.append(nil)
	case r.Type == cdr.CallLegEnd && r.Leg != nil:
		l := r.Leg
		end := legEnd{id: id, reason: l.Reason, remoteTeardown: is(l.RemoteTeardown), confirmationStatus: l.ConfirmationStatus, durationSeconds: whole(l.DurationSeconds),
			activatedDuration: l.ActivatedSeconds, encrypted: is(l.Encrypted), unencrypted: is(l.Unencrypted), maxScreens: int(whole(l.MaxScreens)), sipCallID: l.SIPCallID,
			rxAudio: mediaOf(l.RxAudio), txAudio: mediaOf(l.TxAudio), rxVideo: mediaOf(l.RxVideo), txVideo: mediaOf(l.TxVideo),
			usage: mediaUsage{scaled(l.Usage.MainVideoViewer, 10), scaled(l.Usage.MainVideoContributor, 10), scaled(l.Usage.PresentationViewer, 10),
				scaled(l.Usage.PresentationContributor, 10), scaled(l.Usage.Multistream, 10)}}
		for _, a := range l.Alarms {
			share := 0
			if a.DurationPercent != nil {
				wide := float64(*a.DurationPercent)
				share = scaled(&wide, 10)
			}
			end.alarms = append(end.alarms, alarmShare{string(escape(nil, a.Type)), share})
		}
		out.body = end.append(nil)
	case r.Type == cdr.RecordingStart && r.Recording != nil:
		x := r.Recording
		out.body = capture{id: id, path: x.Path, deviceURL: x.RecorderURL, deviceURI: x.RecorderURI, call: story.GUID(x.Call), callLeg: story.GUID(x.Leg)}.append(nil)
	case r.Type == cdr.StreamingStart && r.Stream != nil:
		x := r.Stream
		out.body = capture{streaming: true, id: id, streamURL: x.StreamURL, deviceURL: x.StreamerURL, deviceURI: x.StreamerURI, call: story.GUID(x.Call), callLeg: story.GUID(x.Leg)}.append(nil)
	case r.Type == cdr.RecordingEnd && r.Recording != nil, r.Type == cdr.StreamingEnd && r.Stream != nil:
		out.body = capture{streaming: r.Stream != nil, id: id}.appendEnd(nil)
	default:
		return out, false
	}
	return out, true
}

func is(v *bool) bool { return v != nil && *v }

// whole keeps numbers in what the simulator can send.
func whole(v *int64) int64 {
	if v == nil {
		return 0
	}
	return max(0, *v)
}

// scaled is a figure as a whole number of its last decimal.
func scaled(v *float64, by float64) int {
	if v == nil || !(*v > 0) || *v > 1e9 {
		return 0
	}
	return int(math.Round(*v * by))
}

func mediaOf(m cdr.Media) *media {
	out := &media{codec: m.Codec}
	if w := whole(m.Width); w > 0 && w < math.MaxInt32 {
		out.width, out.height = int(w), int(min(whole(m.Height), math.MaxInt32))
	}
	if m.Bursts.Duration != nil || m.Gap.Duration != nil {
		out.stats = &packetStatistics{int64(scaled(m.Bursts.Duration, 1000)), int64(scaled(m.Bursts.Density, 100)), int64(scaled(m.Gap.Duration, 1000)), int64(scaled(m.Gap.Density, 100))}
	}
	if *out == (media{}) {
		return nil
	}
	return out
}

// stable decodes a body, encodes what was understood, and wants that to decode and encode to the same bytes.
func stable(t *testing.T, body []byte) (records int) {
	t.Helper()
	again := func(body []byte) []byte {
		var out []byte
		for raw, err := range cdr.Scan(bytes.NewReader(body), cdr.Limits{Record: 64 << 10, Tag: 8 << 10}) {
			if err != nil {
				continue
			}
			r, err := cdr.Decode(raw)
			if err != nil || r.Time.Year() < 1 || r.Time.Year() > 9999 {
				continue
			}
			if e, known := encoded(r); known {
				out = e.append(openBody(out, story.GUID(r.Session), story.GUID(r.CallBridge)), max(0, r.RecordIndex), max(0, r.Missing))
				out = closeBody(out)
				records++
			}
		}
		return out
	}
	once := again(body)
	records = 0
	twice := again(once)
	if diff := cmp.Diff(string(once), string(twice)); diff != "" {
		t.Errorf("what was decoded and encoded decodes to something else (-first, +second):\n%s", diff)
	}
	return records
}

// bodies are what simulated bridges of a release send in some minutes.
func bodies(t *testing.T, release string) [][]byte {
	t.Helper()
	var mu sync.Mutex
	var list [][]byte
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		list = append(list, body)
		mu.Unlock()
	}))
	t.Cleanup(receiver.Close)
	sim, err := New(Config{Bridges: 1, Seed: 11, Speed: 600, Release: release, Hold: true, StopAfter: 40 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx) }()
	<-sim.Ready()
	for _, b := range sim.Bridges() {
		if err := b.AddReceiver(receiver.URL + "/cdr/x"); err != nil {
			t.Fatal(err)
		}
	}
	sim.StartStory()
	limit, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	if err := sim.Drain(limit); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-done
	return list
}

// TestDecodeEncodeDecode: what bridges of each release send is understood and written back the same.
func TestDecodeEncodeDecode(t *testing.T) {
	for _, release := range []string{"2.9", "3.0", "3.8"} {
		t.Run(release, func(t *testing.T) {
			records := 0
			for _, body := range bodies(t, release) {
				records += stable(t, body)
			}
			if records < 200 {
				t.Errorf("%d records were compared, too few to prove anything", records)
			}
		})
	}
}

// FuzzDecode: whatever bytes come, what is understood of them survives being written and read again. Its seeds (testdata/fuzz) are bodies that
// simulated bridges of three releases sent.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("\xFF\xFE<\x00r\x00e\x00c\x00o\x00r\x00d\x00s\x00/\x00>\x00"))
	f.Fuzz(func(t *testing.T, body []byte) { stable(t, body) })
}
