package observer

import (
	"math"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/capacity"
)

func TestObserverCountsSetUpAndMix(t *testing.T) {
	now := time.Date(2031, 4, 2, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	live := collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{{Name: "cb1"}}}}}, clock)
	o := New(live, clock)
	height := func(n int64) cdr.Media { return cdr.Media{Codec: "h264", Height: &n} }
	audio := cdr.Media{Codec: "g711u"}
	tell := func(kind cdr.Type, leg cdr.LegDetail, at time.Time, isNew, replayed bool) {
		o.RecordStored(cdr.SourcedRecord{Source: "cb1", Cluster: "emea", Record: cdr.Record{Header: cdr.Header{Type: kind, Time: at}, Leg: &leg}}, isNew, replayed)
	}
	for _, leg := range []cdr.LegDetail{
		{Type: "sip"}, {Type: "sip", SubType: "lync"}, {Type: "acano", SubType: "webApp"}, {Type: "acano"}, {Type: "teleport"},
		{Type: "sip", SubType: "distributionLink"}, {Type: "sip", SubType: "lyncdistribution"},
	} {
		tell(cdr.CallLegStart, leg, now, true, false)
	}
	for _, leg := range []cdr.LegDetail{
		{RxVideo: height(1080), TxVideo: height(720)}, {RxVideo: height(360), TxVideo: height(720)}, {RxVideo: cdr.Media{Codec: "vp8"}}, {TxAudio: audio},
		{Reason: "unknownDestination"}, // no media: it cost nothing
	} {
		tell(cdr.CallLegEnd, leg, now, true, false)
	}
	// Not news: seen before, replayed, too old.
	tell(cdr.CallLegStart, cdr.LegDetail{Type: "sip"}, now, false, false)
	tell(cdr.CallLegStart, cdr.LegDetail{Type: "sip"}, now, true, true)
	tell(cdr.CallLegStart, cdr.LegDetail{Type: "sip"}, now.Add(-time.Hour), true, false)

	b := live.Snapshot().Bridges[0]
	for client, want := range map[string]int64{"sip": 1, "lync": 1, "webapp": 2, "other": 1} {
		if got := b.LegStarts[client]; got != want {
			t.Errorf("%s: %d legs set up, want %d", client, got, want)
		}
	}
	for q, want := range map[capacity.Quality]int64{capacity.HD1080: 1, capacity.HD720: 1, capacity.SD: 1, capacity.Audio: 1} {
		if got := b.Mix[q]; got != want {
			t.Errorf("%s: %d legs in the mix, want %d", q, got, want)
		}
	}
	if b.LegEnds["unknownDestination"] != 1 || b.Duplicates != 1 {
		t.Errorf("%d ends, %d duplicates, want one each", b.LegEnds["unknownDestination"], b.Duplicates)
	}
}

func TestPhoneNumbers(t *testing.T) {
	for party, want := range map[string]bool{
		"+4930123456@gw.example.org;user=phone": true, "tel:+49-30-123456": true, "sip:0049301234567@sbc.example.org": true, "900123456": true,
		"1234@example.org": false, "room-4930123456@example.org": false, "": false, "+": false, "sip:": false, "12345678:x@example.org": false,
		"guest123456789@example.org": false, "49+30123456": false, "192.0.2.17": false,
	} {
		if got := isPhone(party); got != want {
			t.Errorf("%q: %v", party, got)
		}
	}
}

func TestLegMinutes(t *testing.T) {
	now := time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC)
	live := collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{{Name: "cb1"}}}}}, func() time.Time { return now })
	o := New(live, func() time.Time { return now })
	for _, leg := range []cdr.LegDetail{
		{DurationSeconds: new(int64(100))},
		{DurationSeconds: new(int64(200)), Alarms: []cdr.Alarm{{Type: "packetLoss", DurationPercent: new(float32(25))}, {Type: "excessiveJitter", DurationPercent: new(float32(10))}}},
		{DurationSeconds: new(int64(10)), Alarms: []cdr.Alarm{{Type: "packetLoss"}}},
		{DurationSeconds: new(int64(10)), Alarms: []cdr.Alarm{{Type: "packetLoss", DurationPercent: new(float32(300))}}},
		{DurationSeconds: new(int64(-5))}, {},
	} {
		record := cdr.SourcedRecord{Cluster: "emea", Source: "cb1"}
		record.Type, record.Time, record.Leg = cdr.CallLegEnd, now, &leg
		o.RecordStored(record, true, false)
		o.RecordStored(record, false, false) // the same record again
	}
	for _, leg := range []cdr.LegDetail{
		{RemoteParty: "+4930123456@gw", Direction: "outgoing"}, {RemoteParty: "+4930123456@gw", Direction: "outgoing"},
		{RemoteParty: "+4930123456@gw", Direction: "incoming"}, {RemoteParty: "a@b", Direction: "outgoing"}, {RemoteParty: "+4930123456@gw"},
	} {
		record := cdr.SourcedRecord{Cluster: "emea", Source: "cb1"}
		record.Type, record.Time, record.Leg = cdr.CallLegStart, now, &leg
		o.RecordStored(record, true, false)
	}
	b := live.Snapshot().Bridges[0]
	if b.LegSeconds != 320 || math.Abs(b.DegradedSeconds-70) > 1e-6 {
		t.Errorf("%d seconds, %g degraded; want 320 and 70", b.LegSeconds, b.DegradedSeconds)
	}
	if b.PhoneLegs["outgoing"] != 2 || b.PhoneLegs["incoming"] != 1 || b.PhoneLegs[collector.Other] != 1 {
		t.Errorf("telephone legs: %v", b.PhoneLegs)
	}
}
