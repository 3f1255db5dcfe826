package collector

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bridgewatch/bridgewatch/collector/capacity"
)

// hall is a cluster of two bridges, its ways in and its recorder, with a clock that the test moves.
type hall struct {
	*Live
	clock time.Time
	reg   *prometheus.Registry
}

func newHall(t *testing.T, edit func(*Cluster)) *hall {
	t.Helper()
	c := Cluster{Name: "emea", Bridges: []Bridge{{Name: "cb1", Platform: "cms1000-m5v2"}, {Name: "cb2", Platform: "cms1000-m5v2"}}}
	edit(&c)
	h := &hall{clock: time.Date(2031, 4, 2, 9, 0, 0, 0, time.UTC), reg: prometheus.NewPedanticRegistry()}
	h.Live = NewLive(Inventory{Clusters: []Cluster{c}}, func() time.Time { return h.clock })
	h.reg.MustRegister(NewMetrics(h.Live))
	return h
}

func (h *hall) update(bridge string, change func(s *BridgeState, at, until time.Time)) {
	h.Update("emea", bridge, func(s *BridgeState) { change(s, h.clock, h.clock.Add(time.Hour)) })
}

// gone fails when there is any series of these names.
func (h *hall) gone(t *testing.T, names ...string) {
	t.Helper()
	if n, err := testutil.GatherAndCount(h.reg, names...); err != nil || n != 0 {
		t.Errorf("%d series of %v (%v), want none", n, names, err)
	}
}

func TestSetUpRatesAgainstTheirLimits(t *testing.T) {
	h := newHall(t, func(c *Cluster) {
		c.Edges = []capacity.Edge{{Name: "x1", Size: "expressway-large", Nodes: 2}, {Name: "x2", Size: "expressway-medium"}, {Name: "e1", Size: "small"}}
	})
	at := func(seconds int) time.Time { return h.clock.Add(time.Duration(seconds) * time.Second) }
	// 45 SIP calls and a Lync one within one second over both bridges, 7 of the web app in another; two more too old or too far ahead to count.
	for i := range 45 {
		h.CountLegStart("emea", []string{"cb1", "cb2"}[i%2], "sip", at(-10).Add(time.Duration(i)*time.Millisecond))
	}
	h.CountLegStart("emea", "cb1", "lync", at(-10))
	for range 7 {
		h.CountLegStart("emea", "cb1", "webapp", at(-5))
	}
	h.CountLegStart("emea", "cb2", "webapp", at(-400))
	h.CountLegStart("emea", "cb2", "kiosk", at(4000))
	for name, want := range map[string]map[string]float64{
		"cms_call_setup_peak_per_second":  {"sip": 46, "webapp": 7},
		"cms_call_setup_limit_per_second": {"sip": 40, "webapp": 20, "expressway": 12},
	} {
		for client, v := range want {
			if got := find(t, h.reg, name, "emea", client); got != v {
				t.Errorf("%s %s = %v, want %v", name, client, got, v)
			}
		}
	}
	for client, want := range map[string]float64{"sip": 23, "lync": 1, "webapp": 7, "other": 0} {
		if got := find(t, h.reg, "cms_call_leg_starts_total", "emea", "cb1", client); got != want {
			t.Errorf("cb1 %s: %v legs set up, want %v", client, got, want)
		}
	}
	h.clock = h.clock.Add(setupWindow * time.Second)
	if got := find(t, h.reg, "cms_call_setup_peak_per_second", "emea", "sip"); got != 0 {
		t.Errorf("five minutes later the busiest second is %v, want 0", got)
	}
	for _, b := range []string{"cb1", "cb2"} {
		h.Hold(Records, "emea", b, false)
	}
	h.gone(t, "cms_call_setup_peak_per_second", "cms_call_leg_starts_total")
}

// By hand: 60000 of 120000 load units are free. In the last hour 10 legs were 720p30 (10 x 1000) and 20 SD (20 x 500): the 30 cost 20000, so three times that mix fits.
func TestRoomAtThePresentMix(t *testing.T) {
	h := newHall(t, func(*Cluster) {})
	h.update("cb1", func(s *BridgeState, at, until time.Time) {
		s.Load = Sample[Load]{Load{ptr(int64(60000))}, at, until}
		s.Config = Sample[ClusterConfig]{ClusterConfig{ParticipantLimit: ptr(int64(300))}, at, until}
	})
	h.gone(t, "cms_call_bridge_room_at_mix_calls")
	for range 10 {
		h.CountLegQuality("emea", "cb1", capacity.HD720, h.clock.Add(-59*time.Minute))
	}
	for range 20 {
		h.CountLegQuality("emea", "cb1", capacity.SD, h.clock)
	}
	for q, want := range map[string]float64{"720p30": 30, "sd": 60} {
		if got := find(t, h.reg, "cms_call_bridge_room_at_mix_calls", "emea", "cb1", q); got != want {
			t.Errorf("room for %s at the present mix = %v, want %v", q, got, want)
		}
	}
	if got := find(t, h.reg, "cms_call_leg_mix", "emea", "cb1", "720p30"); got != 10 {
		t.Errorf("mix holds %v HD legs, want 10", got)
	}
	if got := find(t, h.reg, "cms_call_bridge_participant_limit", "emea", "cb1"); got != 300 {
		t.Errorf("participant limit %v, want 300", got)
	}
	// The HD legs grow older than an hour: only SD is left, 60000 / 500.
	h.clock = h.clock.Add(2 * time.Minute)
	if got := find(t, h.reg, "cms_call_bridge_room_at_mix_calls", "emea", "cb1", "sd"); got != 120 {
		t.Errorf("room for SD = %v, want 120", got)
	}
	if n, _ := testutil.GatherAndCount(h.reg, "cms_call_bridge_room_at_mix_calls"); n != 1 {
		t.Errorf("%d series of room at mix, want 1", n)
	}
}

func TestExternalCallsAgainstEdgesAndExpressways(t *testing.T) {
	h := newHall(t, func(c *Cluster) {
		c.Edges = []capacity.Edge{{Name: "e1", Size: "small"}, {Name: "e2", Size: "large"}, {Name: "x1", Size: "expressway-ce1200", Nodes: 6}}
	})
	h.gone(t, "cms_webapp_external_calls")
	for i, bridge := range []string{"cb1", "cb2"} {
		h.update(bridge, func(s *BridgeState, at, until time.Time) {
			s.TurnServers = Sample[[]TurnState]{[]TurnState{
				{Name: "turn1", Type: "cms", Allocations: ptr(int64(30 + i))}, {Name: "turn2", Type: "acano", Allocations: ptr(int64(2))},
				{Name: "turn3", Type: "expressway", Allocations: ptr(int64(5))}, {Name: "turn4", Type: "standard", Allocations: ptr(int64(900))},
				{Name: "turn5", Type: "cms"},
			}, at, until}
		})
	}
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{30 + 31 + 4, "cms_webapp_external_calls", []string{"emea", "edge"}},
		{10, "cms_webapp_external_calls", []string{"emea", "expressway"}},
		{175 + 700, "cms_webapp_external_capacity_calls", []string{"emea", "edge", "720p30"}},
		// Four of the six nodes add capacity: 150 and 200 each.
		{600, "cms_webapp_external_capacity_calls", []string{"emea", "expressway", "1080p30"}},
		{800, "cms_webapp_external_capacity_calls", []string{"emea", "expressway", "audio"}},
		{800, "cms_edge_capacity_calls", []string{"emea", "x1", "sd"}},
		{21000, "cms_cluster_hd_calls_limit", []string{"emea"}},
	} {
		if got := find(t, h.reg, c.name, c.labels...); got != c.want {
			t.Errorf("%s%v = %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	older := newHall(t, func(c *Cluster) { c.Bridges[0].Platform, c.Bridges[1].Platform = "cms2000-m5v1", "CMS1000-M4" })
	if got := find(t, older.reg, "cms_cluster_hd_calls_limit", "emea"); got != 16800 {
		t.Errorf("older bridges: %v HD calls, want 16800", got)
	}
}

// By hand: 4 TB at 1 GB an hour for a 720p recording hold 4000 hours of one; four at once last 1000 hours.
func TestRecorderDiskHours(t *testing.T) {
	h := newHall(t, func(c *Cluster) {
		c.Recorders = []capacity.Recorder{{Name: "rec1", VCPUs: 8, Memory: 16 * capacity.GB, Resolution: capacity.Res720, Disk: 4000 * capacity.GB}}
	})
	const hour = 3600
	record := func(names ...string) {
		h.update("cb1", func(s *BridgeState, at, until time.Time) {
			s.Calls = Sample[CallSummary]{CallSummary{RecordingMeetings: names, StreamingMeetings: []string{}}, at, until}
		})
	}
	record()
	if got := find(t, h.reg, "cms_recorder_disk_recording_seconds", "emea", "rec1"); got != 4000*hour {
		t.Errorf("the disk holds %v s of one recording, want 4000 hours", got)
	}
	h.gone(t, "cms_recorder_disk_seconds")
	record("a", "b", "c", "d")
	if got := find(t, h.reg, "cms_recorder_disk_seconds", "emea", "rec1"); got != 1000*hour {
		t.Errorf("with four recordings the disk lasts %v s, want 1000 hours", got)
	}
	// With two recorders it is not known which of them records.
	two := newHall(t, func(c *Cluster) {
		for _, name := range []string{"rec1", "rec2"} {
			c.Recorders = append(c.Recorders, capacity.Recorder{Name: name, VCPUs: 8, Memory: 16 * capacity.GB, Resolution: capacity.Res720, Disk: 4000 * capacity.GB})
		}
	})
	two.update("cb1", func(s *BridgeState, at, until time.Time) {
		s.Calls = Sample[CallSummary]{CallSummary{RecordingMeetings: []string{"a"}, StreamingMeetings: []string{}}, at, until}
	})
	two.gone(t, "cms_recorder_disk_seconds")
}

func TestParticipantsAgainstTheirLimits(t *testing.T) {
	h := newHall(t, func(*Cluster) {})
	h.update("cb1", func(s *BridgeState, at, until time.Time) {
		s.Calls = Sample[CallSummary]{CallSummary{LargestMeeting: ptr(int64(130)), LargestLocal: ptr(int64(70))}, at, until}
	})
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{130, "cms_conference_participants_max", []string{"emea", "cb1"}},
		{2600, "cms_conference_participants_limit", []string{"emea"}},
		{70, "cms_conference_local_participants_max", []string{"emea", "cb1"}},
		{120, "cms_conference_local_participants_limit", []string{"emea", "cb1"}},
	} {
		if got := find(t, h.reg, c.name, c.labels...); got != c.want {
			t.Errorf("%s%v = %v, want %v", c.name, c.labels, got, c.want)
		}
	}
}

// By hand: 40 legs carry 30000 load units, 750 each; 8 of them are links, 6000.
func TestCostOfDistributionLinks(t *testing.T) {
	h := newHall(t, func(*Cluster) {})
	set := func(legs, links int64) {
		h.update("cb1", func(s *BridgeState, at, until time.Time) {
			s.Load = Sample[Load]{Load{ptr(int64(30000))}, at, until}
			s.Status = Sample[Status]{Status{CallLegsActive: &legs}, at, until}
			s.SyslogStats = Sample[SyslogStats]{SyslogStats{DistributionLegs: &links}, at, until}
		})
	}
	for _, c := range []struct{ legs, links, want int64 }{{40, 8, 6000}, {40, 0, 0}, {4, 8, 30000}} {
		set(c.legs, c.links)
		if got := find(t, h.reg, "cms_call_bridge_distribution_load", "emea", "cb1"); got != float64(c.want) {
			t.Errorf("%d links of %d legs cost %v, want %d", c.links, c.legs, got, c.want)
		}
	}
	set(0, 0)
	h.gone(t, "cms_call_bridge_distribution_load")
}
