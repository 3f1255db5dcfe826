package cmssim

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

func guid(t *testing.T, s string) story.GUID {
	t.Helper()
	g, err := story.ParseGUID(s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func ptr[T any](v T) *T { return &v }

// TestRecordsAsOnTheWire encodes the eleven bodies of cms-cdr.md section 4 and compares them byte for byte.
func TestRecordsAsOnTheWire(t *testing.T) {
	session, bridge := guid(t, "3981193c-c935-4d40-bf10-1777a6fa14e5"), guid(t, "8c625621-2923-441a-8d47-219ccfae927b")
	call, space := guid(t, "0ab08610-9fc9-4da0-b50a-c8fc22006eae"), guid(t, "436a1d9e-c4a6-48e6-90c1-5a316f03032e")
	web, room := guid(t, "c623889e-2932-4577-acfd-709baf5966bc"), guid(t, "5cf14f77-bc59-4344-8ebd-5ff4dd696992")
	roomGroup := guid(t, "a2eac4e3-0d83-47b5-bdbc-67254050ec4b")
	recLeg, rec := guid(t, "1edc855a-a533-4525-8f47-745ff82309c2"), guid(t, "0303a40a-a8a5-4e80-abd7-165cfc8f5fe5")
	const sipID, address = "7f1d90c2b6a84e11@192.0.2.40", "room-quay3@sip.example.org"

	roomUpdate := legUpdate{id: room, connected: true, groupID: roomGroup, sipCallID: sipID, displayName: "Quay 3", remoteAddress: address}
	inIVR, inLobby, inside := roomUpdate, roomUpdate, roomUpdate
	inIVR.ivr = true
	inLobby.call, inLobby.deactivated = call, ptr(true)
	inside.call, inside.deactivated = call, ptr(false)

	webUpdate := legUpdate{id: web, connected: true, call: call, deactivated: ptr(false), groupID: web, displayName: "Kaja Lindqvist"}
	webLeaving := webUpdate
	webLeaving.connected = false

	recording := capture{id: rec, path: "spaces/436a1d9e-c4a6-48e6-90c1-5a316f03032e/20230314101700+0100", deviceURL: "https://recorder.example.net:8443", call: call, callLeg: recLeg}

	type rendered struct {
		kind, at string
		body     []byte
	}
	posts := []struct {
		name       string
		correlator int64
		records    []rendered
	}{
		{"post01", 40, []rendered{{"callStart", "09:14:02", callStart{id: call, name: "Hafen & Logistik Größe 4", ownerName: ptr("Kaja Lindqvist"), callType: "coSpace", coSpace: space, correlator: guid(t, "225ee169-0f41-45b3-b794-62223086f20a")}.append(nil)}}},
		{"post02", 41, []rendered{{"callLegStart", "09:14:02", legStart{id: web, remoteParty: "kaja.lindqvist@meet.example.net", displayName: "Kaja Lindqvist", kind: "acano", call: call, groupID: web}.append(nil)}}},
		{"post03", 42, []rendered{{"callLegUpdate", "09:14:02", webUpdate.append(nil)}}},
		{"post04", 43, []rendered{{"callLegStart", "09:15:20", legStart{id: room, remoteParty: address, localAddress: "join@meet.example.net", displayName: "Quay 3", remoteAddress: address, kind: "sip", groupID: roomGroup, sipCallID: sipID}.append(nil)}}},
		{"post05", 44, []rendered{{"callLegUpdate", "09:15:23", inIVR.append(nil)}}},
		{"post06", 45, []rendered{{"callLegUpdate", "09:15:41", inLobby.append(nil)}, {"callLegUpdate", "09:16:10", inside.append(nil)}}},
		{"post07", 47, []rendered{
			{"callLegStart", "09:17:00", legStart{id: recLeg, kind: "sip", outgoing: true, recording: true, call: call, groupID: guid(t, "a4d630f4-6990-44e5-87a3-1905a175db74")}.append(nil)},
			{"recordingStart", "09:17:00", recording.append(nil)},
		}},
		{"post08", 49, []rendered{
			{"recordingEnd", "09:31:30", recording.appendEnd(nil)},
			{"callLegEnd", "09:31:30", legEnd{id: recLeg, reason: "localTeardown", durationSeconds: 870, activatedDuration: ptr(int64(870))}.append(nil)},
		}},
		{"post09", 51, []rendered{{"callLegEnd", "09:44:05", legEnd{
			id: room, reason: "remoteTeardown", remoteTeardown: true, confirmationStatus: "notRequired", durationSeconds: 1725, activatedDuration: ptr(int64(1675)),
			usage:  mediaUsage{mainVideoViewer: 971, mainVideoContributor: 968, presentationViewer: 124},
			alarms: []alarmShare{{"packetLoss", 23}, {"excessiveJitter", 4}}, encrypted: true,
			rxAudio: &media{codec: "g722", stats: &packetStatistics{317, 4, 61902, 0}}, txAudio: &media{codec: "aac"},
			rxVideo:   &media{codec: "h264", width: 1920, height: 1080, stats: &packetStatistics{288, 3, 58440, 0}},
			txVideo:   &media{codec: "h264", width: 1280, height: 720},
			sipCallID: sipID,
		}.append(nil)}}},
		{"post10", 52, []rendered{{"callLegUpdate", "09:44:09", webLeaving.append(nil)}}},
		{"post11", 53, []rendered{
			{"callLegEnd", "09:44:09", legEnd{
				id: web, reason: "remoteTeardown", remoteTeardown: true, durationSeconds: 1807, activatedDuration: ptr(int64(1807)),
				usage: mediaUsage{mainVideoViewer: 999, mainVideoContributor: 997}, encrypted: true,
				rxAudio: &media{codec: "opus"}, txAudio: &media{codec: "opus"},
				rxVideo: &media{codec: "h264", width: 1280, height: 720}, txVideo: &media{codec: "h264", width: 1280, height: 720},
			}.append(nil)},
			{"callEnd", "09:44:09", callEnd{id: call, legsCompleted: 3, legsMaxActive: 3, durationSeconds: 1807}.append(nil)},
		}},
	}
	for _, post := range posts {
		t.Run(post.name, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("testdata", "cdr", post.name+".xml"))
			if err != nil {
				t.Fatal(err)
			}
			got := openBody(nil, session, bridge)
			for i, r := range post.records {
				at, err := time.Parse(time.RFC3339, "2023-03-14T"+r.at+"Z")
				if err != nil {
					t.Fatal(err)
				}
				correlator := post.correlator + int64(i)
				got = (&record{kind: r.kind, at: at, correlator: correlator, body: r.body}).append(got, correlator-16, 0)
			}
			if diff := cmp.Diff(string(want), string(closeBody(got))); diff != "" {
				t.Errorf("body differs from the reference (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOverflowHeader(t *testing.T) {
	r := record{kind: "callEnd", at: time.Date(2023, 3, 14, 9, 50, 0, 0, time.UTC), correlator: 67, body: []byte("<call></call>")}
	want := "<record type=\"callEnd\" time=\"2023-03-14T09:50:00Z\" recordIndex=\"39\" correlatorIndex=\"67\" numPreceedingRecordsMissing=\"12\">\n<call></call></record>\n"
	if got := string(r.append(nil, 39, 12)); got != want {
		t.Errorf("header:\n got %s\nwant %s", got, want)
	}
}
