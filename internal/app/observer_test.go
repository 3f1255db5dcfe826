package app

import (
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
	o := newObserver(live, clock)
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
