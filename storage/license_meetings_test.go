package storage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestSeenWithoutVideo: a leg that is connected has not told of its video. Where the bridge was asked for the media of the leg and answered with audio alone, the meeting takes a sixth for as long
// as that is believed, and the explanation names the witness; where nobody asked, where the answer has no media or where it has video, it takes a full license. What the record says in the end decides.
func TestSeenWithoutVideo(t *testing.T) {
	conn := storagetest.Store(t)
	ten := time.Date(2026, 8, 3, 10, 0, 0, 0, time.UTC)
	at := func(minute int) time.Time { return ten.Add(time.Duration(minute) * time.Minute) }
	call, leg := uuid.UUID{1}, func(n byte) uuid.UUID { return uuid.UUID{2, n} }
	storagetest.Insert(t, conn, storage.CallFacts, cdr.Call{ID: call, CallCorrelator: uuid.UUID{3}, Cluster: "emea", Bridge: "cb1", Session: uuid.UUID{4}, CallType: "coSpace", SpaceID: uuid.UUID{5}, Start: ten, Version: 1})
	row := cdr.Leg{GroupID: uuid.UUID{6}, CallID: call, Cluster: "emea", Bridge: "cb1", Session: uuid.UUID{4}, Type: "sip", CountsAsPerson: true, Start: ten, Version: 1}
	joined, left := at(0), at(45)
	row.ID, row.Joined = leg(1), &joined
	told := row
	told.ID, told.GroupID, told.End, told.EndHow = leg(2), uuid.UUID{7}, &left, cdr.EndRecord // by its record, no video
	storagetest.Insert(t, conn, storage.LegFacts, row, told)
	sample := func(leg uuid.UUID, minute int, streams ...string) {
		for _, stream := range streams {
			storagetest.Insert(t, conn, storage.Table{Name: storage.TableLegSamples, Row: storage.LegSample{}}, storage.LegSample{Time: at(minute), CMSCluster: "emea", CallBridge: "cb1", CallLegID: leg, CallID: call, Stream: stream})
		}
	}
	sample(leg(1), 10, "rx_audio", "tx_audio")
	sample(leg(1), 12, "rx_audio", "tx_audio", "tx_presentation")
	sample(leg(1), 20, "") // no media yet: no witness
	sample(leg(1), 30, "tx_audio")
	sample(leg(1), 31, "rx_audio")
	sample(leg(9), 50, "rx_audio") // another meeting's
	explain := func() string {
		meetings, err := storage.NewQueries(conn).LicenseMeetings(t.Context(), storage.MeetingChoice{Cluster: "emea", Began: storage.Period{From: ten, To: at(60)}})
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, i := range licensing.Intervals(meetings, licensing.DefaultReadings(), at(60)) {
			lines = append(lines, fmt.Sprintf("%s-%s %d %s", i.From.Format("04"), i.To.Format("04"), i.Sixths, i.Reading))
		}
		return strings.Join(lines, ", ")
	}
	// From 10 until the next answer at 12, which has a presentation; from 30, renewed at 31, until five minutes after that.
	if got, want := explain(), "00-10 6 unknown_video, 10-12 1 leg_status, 12-30 6 unknown_video, 30-36 1 leg_status, 36-00 6 unknown_video"; got != want {
		t.Errorf("while it is connected:\n got %s\nwant %s", got, want)
	}
	row.End, row.EndHow, row.RxVideoCodec, row.Version = &left, cdr.EndRecord, "h264", 2
	storagetest.Insert(t, conn, storage.LegFacts, row)
	if got, want := explain(), "00-45 6 , 45-00 1 video"; got != want {
		t.Errorf("once its record came:\n got %s\nwant %s", got, want)
	}
}
