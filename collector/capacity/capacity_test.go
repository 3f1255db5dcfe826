package capacity

import (
	"math"
	"strings"
	"testing"
)

// The figures of capacities-and-licensing.md §1, typed in again by hand; 0 where the guide prints none.
func TestPlatformsAreThePrintedFigures(t *testing.T) {
	type row struct{ hd1080, hd720, sd, audio, web1080, web720, webSD, webAudio, conference, limit, users int64 }
	want := map[string]row{
		"cms1000-m5v2": {60, 120, 240, 2200, 60, 120, 240, 500, 120, 120000, 75000},
		"cms1000-m6":   {80, 160, 320, 3000, 80, 160, 320, 500, 120, 120000, 0},
		"cms2000-m5v2": {437, 875, 1250, 3000, 437, 875, 1250, 1250, 450, 875000, 300000},
		"cms2000-m6":   {648, 1296, 1875, 3200, 648, 1296, 1875, 1875, 450, 875000, 0},
		"cms1000-m5v1": {0, 96, 0, 0, 0, 0, 0, 0, 0, 96000, 75000},
		"cms1000-m4":   {0, 96, 0, 0, 0, 0, 0, 0, 0, 96000, 75000},
		"cms2000-m5v1": {0, 700, 0, 0, 0, 0, 0, 0, 0, 700000, 200000},
		"cms2000-m4":   {0, 700, 0, 0, 0, 0, 0, 0, 0, 700000, 75000},
		// 1250 load units and about 1.25 720p30 calls per vCPU.
		"vm-16": {0, 20, 0, 0, 0, 0, 0, 0, 0, 20000, 75000},
		"vm-1":  {0, 1, 0, 0, 0, 0, 0, 0, 0, 1250, 75000},
	}
	for name, w := range want {
		p, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		value := func(f *Figure) int64 {
			if f == nil {
				return 0
			}
			if f.Source == "" {
				t.Errorf("%s: a figure has no source", name)
			}
			return f.Value
		}
		of := func(fs Figures, q Quality) int64 {
			f, ok := fs[q]
			if !ok {
				return 0
			}
			return value(&f)
		}
		got := row{
			of(p.Calls, HD1080), of(p.Calls, HD720), of(p.Calls, SD), of(p.Calls, Audio), of(p.WebApp, HD1080), of(p.WebApp, HD720), of(p.WebApp, SD), of(p.WebApp, Audio),
			value(p.HDPerConference), value(&p.LoadLimit), value(p.UsersPerCluster),
		}
		if got != w {
			t.Errorf("%s = %+v, want %+v", name, got, w)
		}
		if p.SchedulerMeetings == nil || p.SchedulerMeetings.Value != 150000 {
			t.Errorf("%s: scheduler %+v, want 150000", name, p.SchedulerMeetings)
		}
	}
	if len(Platforms())+2 != len(want) {
		t.Errorf("%d platforms in the catalogue, %d proven", len(Platforms()), len(want)-2)
	}
	if p, _ := Find("cms1000-m6"); p.LoadLimit.Source != "Table 24 (merged cell)" {
		t.Errorf("M6 source %q", p.LoadLimit.Source)
	}
	for _, bad := range []string{"", "vm-", "vm-0", "vm-1025", "vm--4", "cms3000"} {
		if _, err := Find(bad); err == nil {
			t.Errorf("Find(%q) succeeded", bad)
		}
	}
}

func TestLimits(t *testing.T) {
	want := []int64{24, 8, 21000, 16800, 2600, 40, 20, 6, 300, 100, 200, 5, 10, 5000, 8000}
	got := Limits()
	if len(got) != len(want) {
		t.Fatalf("%d limits, want %d", len(got), len(want))
	}
	for i, l := range got {
		if l.Value != want[i] || l.Source == "" || l.Unit == "" {
			t.Errorf("%+v, want %d with unit and source", l, want[i])
		}
	}
}

func TestOrderOfTruth(t *testing.T) {
	for _, c := range []struct {
		configured, override int64
		platform             string
		limit                int64
		source               LimitSource
	}{
		{90000, 100000, "cms1000-m5v2", 90000, FromBridge},
		{0, 100000, "cms1000-m5v2", 100000, FromOperator},
		{0, 0, "cms1000-m5v2", 120000, FromCatalogue},
		{0, 0, "", 0, Unknown},
		{0, 0, "abacus", 0, Unknown},
	} {
		if limit, source := LoadLimit(c.configured, c.override, c.platform); limit != c.limit || source != c.source {
			t.Errorf("LoadLimit(%d, %d, %q) = %d from %q, want %d from %q", c.configured, c.override, c.platform, limit, source, c.limit, c.source)
		}
	}
}

func TestThresholdsAndRoom(t *testing.T) {
	basis := func(n int64) *int64 { return &n }
	// The guide's example: 120000 gives 60000 and 96000.
	if a, b := Threshold(120000, nil, DefaultNewConferenceBasis), Threshold(120000, basis(8000), DefaultExistingConferenceBasis); a != 60000 || b != 96000 {
		t.Errorf("thresholds %d and %d, want 60000 and 96000", a, b)
	}
	if got := Threshold(120000, basis(0), 5000); got != 0 {
		t.Errorf("a basis of 0 gives %d, want 0: it is set, not missing", got)
	}
	if got := Threshold(120000, basis(10001), 5000); got != 60000 {
		t.Errorf("a basis above the whole gives %d, want the default", got)
	}
	// An empty M5v2 of the 1000 series has room for exactly what Table 24 prints.
	for q, want := range map[Quality]int64{HD1080: 60, HD720: 120, SD: 240, Audio: 2200} {
		if got := Room(0, 120000, q); got != want {
			t.Errorf("room for %s = %d, want %d", q, got, want)
		}
		if got := Room(130000, 120000, q); got != 0 {
			t.Errorf("room above the limit = %d, want 0", got)
		}
	}
	// 10 HD and 20 SD legs cost 20000 units; 60000 free hold the mix three times over.
	got := RoomAtMix(60000, 120000, Mix{HD720: 10, SD: 20})
	if got[HD720] != 30 || got[SD] != 60 || len(got) != 2 {
		t.Errorf("room at mix = %v, want 30 HD and 60 SD", got)
	}
	if RoomAtMix(0, 1000, Mix{}) != nil {
		t.Error("an empty mix has no proportion")
	}
	// Three participants on three bridges take nine ports: 3 + 6 (Aurus).
	if got := DistributionLinks(3); got != 6 || DistributionLinks(1) != 0 {
		t.Errorf("links over 3 bridges = %d, want 6", got)
	}
}

func TestFailoverByHand(t *testing.T) {
	m := func(name, group string, load, limit, people int64) Member {
		return Member{Name: name, Group: group, Load: &load, Limit: &limit, Participants: &people}
	}
	for _, c := range []struct {
		name    string
		why     string
		members []Member
		want    []Failover
		lost    []int64
	}{
		{
			"three equal bridges with room",
			"The busiest carries 60. The two others may carry 240 in sum, and all load is 60+50+40 = 150: 90 are left, everybody rejoins.",
			[]Member{m("a", "g", 60, 120, 60), m("b", "g", 50, 120, 50), m("c", "g", 40, 120, 40)},
			[]Failover{{Group: "g", Busiest: "a", Headroom: 90, Survivors: 2}}, []int64{0},
		},
		{
			"two bridges that would not fit",
			"b is busiest with 100. Only a's 120 stay for 80+100 = 180: 60 too few. Of b's 100 units 40 fit, so 60 % of its 50 people, 30, stay outside.",
			[]Member{m("a", "g", 80, 120, 44), m("b", "g", 100, 120, 50)},
			[]Failover{{Group: "g", Busiest: "b", Headroom: -60, Survivors: 1}}, []int64{30},
		},
		{
			"one bridge alone",
			"Nobody takes over: the headroom is minus its own load, and all its people are out. An idle lone bridge has headroom 0.",
			[]Member{m("a", "g", 70, 120, 33), m("idle", "h", 0, 120, 0)},
			[]Failover{{Group: "g", Busiest: "a", Headroom: -70}, {Group: "h", Busiest: "idle", Headroom: 0}}, []int64{33, 0},
		},
		{
			"bridges in no group beside a group, and unequal limits",
			`Groups do not help each other. In "": the 2000 carries 500 of 875 and dies, the 1000 has 120 for 500+20 = 520: -400; of its 500 units 100 fit, so 4/5 of 10 people, 8, stay outside.
			In g the two carry the same; the one with the higher limit counts as the busiest since it takes more away: 100 - 60 = 40 left.`,
			[]Member{m("big", "", 500, 875, 10), m("small", "", 20, 120, 5), m("x", "g", 30, 100, 3), m("y", "g", 30, 200, 4)},
			[]Failover{{Group: "", Busiest: "big", Headroom: -400, Survivors: 1}, {Group: "g", Busiest: "y", Headroom: 40, Survivors: 1}}, []int64{8, 0},
		},
		{
			"one bridge is down already",
			"The dead bridge takes and carries nothing: of three there are two, the busier of which may die too. 120 for 70+40: 10 left.",
			[]Member{m("a", "g", 70, 120, 7), m("b", "g", 40, 120, 4), {Name: "c", Group: "g", Down: true}},
			[]Failover{{Group: "g", Busiest: "a", Headroom: 10, Survivors: 1}}, []int64{0},
		},
	} {
		got := FailoverByGroup(c.members)
		if len(got) != len(c.want) {
			t.Fatalf("%s: %d groups, want %d", c.name, len(got), len(c.want))
		}
		for i, f := range got {
			w := c.want[i]
			if f.Group != w.Group || f.Busiest != w.Busiest || f.Headroom != w.Headroom || f.Survivors != w.Survivors || f.Stranded == nil || *f.Stranded != c.lost[i] {
				t.Errorf("%s: %+v (stranded %v), want %+v (stranded %d)\n%s", c.name, f, f.Stranded, w, c.lost[i], c.why)
			}
		}
	}
	unknown := FailoverByGroup([]Member{m("a", "g", 1, 2, 3), {Name: "b", Group: "g"}})
	if len(unknown) != 1 || len(unknown[0].Unknown) != 1 || unknown[0].Unknown[0] != "b" {
		t.Errorf("a bridge without figures: %+v, want it named", unknown)
	}
}

func TestRecorderSlots(t *testing.T) {
	for _, c := range []struct {
		r     Recorder
		want  int64
		bound string
	}{
		{Recorder{VCPUs: 4, Memory: 4 * GB, Resolution: Res720}, 8, "vcpus"},
		{Recorder{VCPUs: 4, Memory: 4 * GB, Resolution: Res1080}, 4, "vcpus"},
		{Recorder{VCPUs: 4, Memory: 4 * GB, Resolution: ResAudio}, 40, "memory"},
		{Recorder{VCPUs: 8, Memory: 6 * GB, Resolution: Res720}, 12, "memory"},
		{Recorder{VCPUs: 64, Memory: 64 * GB, Resolution: Res720}, 40, "product"},
		{Recorder{VCPUs: 64, Memory: 64 * GB, Resolution: Res1080}, 20, "product"},
		{Recorder{VCPUs: 64, Memory: 64 * GB, Resolution: ResAudio}, 100, "product"},
		{Recorder{VCPUs: 8, Memory: 16 * GB, Resolution: Res720, Limit: 5}, 5, "operator"},
	} {
		got, err := c.r.Slots()
		if err != nil || got.Count != c.want || got.Bound != c.bound {
			t.Errorf("%+v: %+v %v, want %d bound by %s", c.r, got, err, c.want, c.bound)
		}
	}
	if s, _ := (Recorder{VCPUs: 2, Memory: 4 * GB, Resolution: Res720}).Slots(); s.Count != 4 || s.Note == "" {
		t.Errorf("undersized recorder: %+v, want 4 and a note", s)
	}
	if _, err := (Recorder{VCPUs: 4, Memory: GB, Resolution: "4k"}).Slots(); err == nil {
		t.Error("resolution 4k accepted")
	}
	// 4 TB at 2 GB an hour for each of 4 recordings: 500 h.
	if h, ok := (Recorder{Resolution: Res1080}).DiskHours(4000*GB, 4); !ok || h != 500 {
		t.Errorf("disk hours %v %t, want 500", h, ok)
	}
}

func TestStreamerSlots(t *testing.T) {
	for _, c := range []struct {
		vcpus               int
		memory              int64
		want                [3]int64 // 720p, 1080p, audio
		noteHas, boundExact string
	}{
		{4, 4 * GB, [3]int64{50, 37, 100}, "", "vcpus and memory"},
		{4, 8 * GB, [3]int64{100, 75, 200}, "", "vcpus and memory"},
		{8, 8 * GB, [3]int64{200, 150, 200}, "", "product"},
		{64, 64 * GB, [3]int64{200, 150, 200}, "", "product"},
		// Half-way in memory: 75; 37 and 75 give 56; audio 150.
		{4, 6 * GB, [3]int64{75, 56, 150}, "between the rows", "vcpus and memory"},
		// Half-way in vCPUs with 8 GB: 150; 75 and 150 give 112; audio stays 200.
		{6, 8 * GB, [3]int64{150, 112, 200}, "between the rows", "vcpus and memory"},
		// More vCPUs do not help where memory binds.
		{8, 4 * GB, [3]int64{50, 37, 100}, "prints no row", "vcpus and memory"},
	} {
		for i, r := range []Resolution{Res720, Res1080, ResAudio} {
			got, err := Streamer{VCPUs: c.vcpus, Memory: c.memory, Resolution: r}.Slots()
			if err != nil || got.Count != c.want[i] || got.Bound != c.boundExact || (c.noteHas == "") != (got.Note == "") || !strings.Contains(got.Note, c.noteHas) {
				t.Errorf("%d vCPUs %d GB %s: %+v %v, want %d", c.vcpus, c.memory/GB, r, got, err, c.want[i])
			}
		}
	}
	if _, err := (Streamer{VCPUs: 2, Memory: 8 * GB, Resolution: Res720}).Slots(); err == nil {
		t.Error("a streamer below the smallest row has a figure")
	}
}

func TestEdgeAndExpressway(t *testing.T) {
	for size, want := range map[string][4]int64{"small": {100, 175, 250, 850}, "large": {350, 700, 1000, 3000}} {
		got, err := Edge{Size: size}.Calls()
		for i, q := range Qualities() {
			if err != nil || got[q].Value != want[i] || got[q].Source != "Table 5" {
				t.Errorf("edge %s %s: %+v %v, want %d", size, q, got[q], err, want[i])
			}
		}
	}
	for _, c := range []struct {
		size       string
		nodes      int
		hd, others int64
	}{{"ce1200", 1, 150, 200}, {"large", 2, 300, 400}, {"medium", 1, 50, 50}, {"large", 4, 600, 800}, {"large", 6, 600, 800}} {
		hd, others, err := Expressway{Size: c.size, Nodes: c.nodes}.Calls()
		if err != nil || hd.Value != c.hd || others.Value != c.others {
			t.Errorf("expressway %s x%d: %d/%d %v, want %d/%d", c.size, c.nodes, hd.Value, others.Value, err, c.hd, c.others)
		}
	}
	if _, _, err := (Expressway{Size: "large", Nodes: 7}).Calls(); err == nil {
		t.Error("seven nodes accepted")
	}
}

// TestLimitsWithoutEnd: somebody sets a limit to the largest number there is to have none. What is computed of it must stay on the right side of zero.
func TestLimitsWithoutEnd(t *testing.T) {
	const endless = math.MaxInt64
	for _, q := range Qualities() {
		if room := Room(1000, endless, q); room < 1<<28 {
			t.Errorf("room for %s = %d below the largest limit", q, room)
		}
	}
	if room := RoomAtMix(1000, endless, Mix{HD720: 30000, Audio: 5000}); room[HD720] < 1<<28 || room[Audio] < 1<<26 {
		t.Errorf("room at mix = %v below the largest limit", room)
	}
	limit, load, people := int64(endless), int64(60000), int64(70)
	m := Member{Name: "a", Group: "g", Load: &load, Limit: &limit, Participants: &people}
	other := m
	other.Name = "b"
	third := m
	third.Name = "c"
	if f := FailoverByGroup([]Member{m, other, third})[0]; f.Headroom < 1<<28 || f.Stranded == nil || *f.Stranded != 0 {
		t.Errorf("fail-over %+v, want room without end", f)
	}
}
