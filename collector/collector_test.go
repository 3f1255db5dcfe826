package collector

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/bridgewatch/bridgewatch/collector/capacity"
	"github.com/bridgewatch/bridgewatch/storage"
)

var update = flag.Bool("update-pages", false, "write docs/coverage.md and docs/metrics.md")

const metricsHead = "# Metrics\n\nMade from the code (`go generate ./collector`). Those of the program itself: [metrics-program.md](metrics-program.md).\n\n"

const faultsHead = "\n## Faults\n\nAlarms of CMS are shown by `cms_alarm_active`. These are the faults that Bridgewatch finds itself, shown by `cms_fault_active`. Both are intervals in the table\n`alarms`, whose `source` and `subject` are those of this table; `cms` is the source of CMS's own.\n\n"

func TestPagesAreCurrent(t *testing.T) {
	for path, want := range map[string]string{"../docs/coverage.md": CoveragePage(), "../docs/metrics.md": metricsHead + MetricsPage() + faultsHead + FaultsPage()} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s is not current (%v): run go generate ./collector\n%s", path, err, cmp.Diff(want, string(got)))
		}
	}
}

// Every field's column and metric must exist: the coverage table may promise nothing that is not there.
func TestCoverageNamesRealColumnsAndMetrics(t *testing.T) {
	columns := make(map[string]bool)
	for _, table := range storage.Tables() {
		row := reflect.TypeOf(table.Row)
		for i := range row.NumField() {
			columns[strings.TrimSuffix(table.Name, "_data")+"."+row.Field(i).Tag.Get("ch")] = true
		}
	}
	// Columns that only the view has.
	for _, c := range []string{"pmp", "smp_audio", "smp_ptp", "smp_full", "rec", "str"} {
		columns["license_samples."+c] = true
	}
	metrics := make(map[string]bool)
	for _, f := range Families() {
		metrics[f.Name] = true
	}
	line := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|.*\\| `([^`]+)` \\| (?:`([^`]+)`)? ?\\|$")
	found := line.FindAllStringSubmatch(CoveragePage(), -1)
	if len(found) < 150 {
		t.Fatalf("only %d fields in the coverage table", len(found))
	}
	for _, m := range found {
		if !columns[m[2]] {
			t.Errorf("field %s: no column %s", m[1], m[2])
		}
		if m[3] != "" && !metrics[m[3]] {
			t.Errorf("field %s: no metric %s", m[1], m[3])
		}
	}
}

// The migrations must have exactly the columns of the row types, each with a comment, and a view of the fixed name for every table.
func TestMigrationsMatchRows(t *testing.T) {
	var all strings.Builder
	for _, f := range []string{"0020_samples.sql", "0021_alarms_owners.sql", "0022_syslog_certificates.sql"} {
		data, err := os.ReadFile("../storage/migrations/" + f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	sql := all.String()
	column := regexp.MustCompile(`(?m)^    ([a-z_0-9]+) +\S.*COMMENT '`)
	for _, table := range storage.Tables() {
		row := reflect.TypeOf(table.Row)
		_, body, ok := strings.Cut(sql, "CREATE TABLE "+table.Name+"\n(")
		if !ok {
			continue
		}
		body, _, _ = strings.Cut(body, "\nENGINE")
		var got, want []string
		for _, m := range column.FindAllStringSubmatch(body, -1) {
			got = append(got, m[1])
		}
		for i := range row.NumField() {
			want = append(want, row.Field(i).Tag.Get("ch"))
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: columns (-row +migration):\n%s", table.Name, diff)
		}
		if !strings.Contains(sql, "CREATE VIEW "+strings.TrimSuffix(table.Name, "_data")+" AS") {
			t.Errorf("%s has no view", table.Name)
		}
	}
	if n := strings.Count(sql, "CREATE TABLE"); n != 13 {
		t.Errorf("%d tables in the migrations, want 13", n)
	}
}

func TestSecretsCannotBePrinted(t *testing.T) {
	b := Bridge{Name: "cb1", Password: "swordfish"}
	encoded, _ := json.Marshal(b)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "bridge", b, "password", b.Password)
	for _, text := range []string{fmt.Sprint(b), fmt.Sprintf("%+v %#v %s %q %v", b, b, b.Password, b.Password, &b), string(encoded), log.String()} {
		if strings.Contains(text, "swordfish") {
			t.Errorf("the password is printed: %s", text)
		}
	}
	if b.Password.Reveal() != "swordfish" {
		t.Error("Reveal does not")
	}
	for _, bad := range []string{"ftp://x", "cb1:443", "https://user:swordfish@cb1", "https://", "https://user:swordfish@cb1:port"} {
		if _, err := (Bridge{URL: bad}).BaseURL(); err == nil || strings.Contains(err.Error(), "swordfish") {
			t.Errorf("BaseURL of %q: %v", bad, err)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// deployment is 24 bridges in two clusters with all that can be shown about them.
func deployment(now func() time.Time) *Live {
	var inv Inventory
	for c := range 2 {
		cluster := Cluster{Name: fmt.Sprintf("cluster%d", c), LicensePool: "main",
			Recorders: []capacity.Recorder{{Name: "rec1", VCPUs: 8, Memory: 8 * capacity.GB, Resolution: capacity.Res720, Disk: 4000 * capacity.GB}},
			Streamers: []capacity.Streamer{{Name: "str1", VCPUs: 4, Memory: 8 * capacity.GB, Resolution: capacity.Res720}},
			Edges:     []capacity.Edge{{Name: "edge1", Size: "large"}}}
		for b := range 12 {
			cluster.Bridges = append(cluster.Bridges, Bridge{Name: fmt.Sprintf("cb%d", b), URL: "https://cb", Platform: "cms1000-m5v2"})
		}
		inv.Clusters = append(inv.Clusters, cluster)
	}
	l := NewLive(inv, now)
	at := now()
	until := at.Add(time.Minute)
	groups := make(map[string]string)
	for _, c := range inv.Clusters {
		for i, b := range c.Bridges {
			groups[b.Name] = fmt.Sprintf("group%d", i/6)
			l.Update(c.Name, b.Name, func(s *BridgeState) {
				s.Polled = Sample[bool]{true, at, until}
				s.Status = Sample[Status]{Status{SoftwareVersion: ptr("3.8.1"), CallLegsActive: ptr(int64(5)), CallLegsCompleted: ptr(int64(9)),
					CDRCorrelatorIndex: ptr(int64(100)), AudioBitRateIncoming: ptr(int64(8000)), AudioBitRateOutgoing: ptr(int64(0)),
					VideoBitRateIncoming: ptr(int64(1)), VideoBitRateOutgoing: ptr(int64(1)), UptimeSeconds: ptr(int64(1))}, at, until}
				s.ClockSkew = Sample[time.Duration]{time.Second, at, until}
				s.Load = Sample[Load]{Load{ptr(int64(10000 * (i + 1)))}, at, until}
				s.Config = Sample[ClusterConfig]{ClusterConfig{LoadLimit: ptr(int64(120000))}, at, until}
				s.Alarms = Sample[[]Alarm]{[]Alarm{{Type: ptr("databaseClusternodeOutofSync")}, {Type: ptr("newerThanUs")}}, at, until}
				s.Calls = Sample[CallSummary]{CallSummary{ByType: map[string]int64{"coSpace": 2}, Total: 2, Correlators: []string{"shared", b.Name},
					ParticipantsLocal: ptr(int64(7)), RecordingMeetings: []string{"shared", b.Name}, StreamingMeetings: []string{},
					UnrecordedMeetings: []string{"shared", "forgotten"}, LargestMeeting: ptr(int64(4))}, at, until}
				turn := []TurnState{{"turn1", "cms", ptr(true), ptr(7 * time.Millisecond), ptr(int64(3))}, {"turn2", "expressway", ptr(false), nil, nil}}
				s.TurnServers = Sample[[]TurnState]{append(turn, turn[0]), at, until}
				s.WebBridges = Sample[[]DeviceState]{[]DeviceState{{"wb1", "success", ptr(true), nil}, {"wb2", "unused", nil, nil}}, at, until}
				s.Database = Sample[Database]{Database{Nodes: []DatabaseNode{{Hostname: ptr("db1"), Up: ptr(true), SyncBehind: ptr(int64(-1))}, {Hostname: ptr("db2"), Up: ptr(true), SyncBehind: ptr(int64(0))}}}, at, until}
				s.MediaModules = Sample[MediaModules]{MediaModules{7, 6}, at, until}
			})
			l.SetEvents(c.Name, b.Name, true, at)
		}
		l.UpdateCluster(c.Name, func(s *ClusterState) {
			s.Groups = Sample[map[string]string]{groups, at, until}
			s.Features = Sample[[]Feature]{[]Feature{{Name: "callBridge", Status: ptr("activated"), Expiry: &Date{at}}, {Name: "recording", Status: ptr("strange")}}, at, until}
			s.Usage = Sample[UsageTotals]{UsageTotals{PMP: 500, SMP6000: 6*3330 + 1000 + 2000, Recording: 1000, Streaming: 1000, PMPAssigned: ptr(int64(45))}, at, until}
		})
	}
	l.SetPool("main", Sample[PoolState]{PoolState{InUse: map[string]float64{"smp": 1.5}, OverageDays: ptr(int64(0))}, at, until})
	return l
}

func TestMetricsOfALargeDeployment(t *testing.T) {
	clock := time.Now()
	l := deployment(func() time.Time { return clock })
	m := NewMetrics(l)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	problems, err := testutil.GatherAndLint(registry)
	// The interface page fixes this name: compliance is counted in days.
	problems = slices.DeleteFunc(problems, func(p promlint.Problem) bool { return p.Metric == "cms_license_overage_days" })
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
	if n := testutil.CollectAndCount(m); n >= 5000 || n < 2000 {
		t.Errorf("%d series for 24 bridges, want less than 5000", n)
	} else {
		t.Logf("%d series", n)
	}
	l.CountRecord("cluster0", "cb0", "callStart")
	l.CountRecord("cluster0", "cb0", "tenthType")
	l.CountLegEnd("cluster0", "cb0", "remoteTeardown")
	l.CountRecord("cluster0", "stranger", "callStart")
	l.CountLegSeconds("cluster0", "cb0", 300, 75.5)
	l.CountPhoneLeg("cluster0", "cb0", "outgoing")
	l.SetNextIndex("cluster0", "cb0", 97)
	expect := func(text string, names ...string) {
		t.Helper()
		if err := testutil.CollectAndCompare(only(m, "cluster0", "cb0"), strings.NewReader(text), names...); err != nil {
			t.Error(err)
		}
	}
	help := func(name string) string {
		i := slices.IndexFunc(Families(), func(f Family) bool { return f.Name == name })
		return fmt.Sprintf("# HELP %s %s\n# TYPE %s %s\n", name, strings.ReplaceAll(Families()[i].Help, `"`, `"`), name, Families()[i].Kind)
	}
	expect(help("cms_cdr_records_behind")+"cms_cdr_records_behind{call_bridge=\"cb0\",cms_cluster=\"cluster0\"} 3\n", "cms_cdr_records_behind")
	expect(help("cms_call_bridge_existing_conference_threshold")+"cms_call_bridge_existing_conference_threshold{call_bridge=\"cb0\",cms_cluster=\"cluster0\"} 96000\n", "cms_call_bridge_existing_conference_threshold")

	value := func(name string, labels ...string) float64 { return find(t, registry, name, labels...) }
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{1, "cms_cdr_records_total", []string{"cluster0", "cb0", "callStart"}},
		{1, "cms_cdr_records_total", []string{"cluster0", "cb0", "other"}},
		{0, "cms_cdr_records_total", []string{"cluster0", "cb1", "streamingEnd"}},
		{1, "cms_alarm_active", []string{"cluster0", "cb0", "databaseClusterNodeOutOfSync"}},
		{1, "cms_alarm_active", []string{"cluster0", "cb0", "other"}},
		{0, "cms_alarm_active", []string{"cluster0", "cb0", "turnServerUnavailable"}},
		// Twelve bridges share one meeting and have one each of their own.
		{13, "cms_meetings", []string{"cluster0"}},
		{1000, "cms_call_bridge_media_bytes_per_second", []string{"cluster0", "cb0", "audio", "rx"}},
		// group0 carries 10 to 60 thousand; without the busiest 5 x 120000 less 210000.
		{1, "cms_call_bridge_group_info", []string{"cluster0", "cb7", "group1"}},
		{390000, "cms_group_failover_headroom", []string{"cluster0", "group0"}},
		{0.5, "cms_license_reported_in_use", []string{"cluster0", "main", "pmp"}},
		{3.83, "cms_license_reported_in_use", []string{"cluster0", "main", "smp"}},
		{2, "cms_license_reported_in_use", []string{"cluster0", "main", "recording"}},
		{16, "cms_recorder_capacity_recordings", []string{"cluster0", "rec1"}},
		// A recorded meeting on twelve bridges is one recording.
		{13, "cms_recorder_recordings", []string{"cluster0", ""}},
		{0, "cms_streamer_streams", []string{"cluster0", ""}},
		// "shared" is recorded by another bridge, "forgotten" by none.
		{1, "cms_meetings_unrecorded", []string{"cluster0"}},
		// 4 TB at 1 GB an hour.
		{4000 * 3600, "cms_recorder_disk_recording_seconds", []string{"cluster0", "rec1"}},
		{75.5, "cms_call_leg_degraded_seconds_total", []string{"cluster0", "cb0"}},
		{300, "cms_call_leg_seconds_total", []string{"cluster0", "cb0"}},
		{1, "cms_call_leg_phone_starts_total", []string{"cluster0", "cb0", "outgoing"}},
	} {
		if got := value(c.name, c.labels...); got != c.want {
			t.Errorf("%s%v = %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	began := time.Now()
	if _, err := registry.Gather(); err != nil {
		t.Fatal(err)
	}
	t.Logf("one gather takes %s", time.Since(began))
	// Samples that nobody renews vanish; counters and the fact that a bridge was polled do not.
	clock = clock.Add(time.Hour)
	if got := testutil.CollectAndCount(m, "cms_call_bridge_call_legs", "cms_alarm_active", "cms_turn_server_reachable", "cms_group_failover_headroom", "cms_cdr_records_behind"); got != 0 {
		t.Errorf("%d series of samples an hour old", got)
	}
	l.Hold(Polls, "cluster0", "cb0", false)
	if got := testutil.CollectAndCount(m, "cms_call_bridge_tls_unverified"); got != 23 {
		t.Errorf("polls of %d bridges exposed after one lease was given up, want 23", got)
	}
	if got := testutil.CollectAndCount(m, "cms_cdr_duplicates_total"); got != 24 {
		t.Errorf("records of %d bridges exposed by who still counts them, want 24", got)
	}
	l.Hold(Records, "cluster0", "cb0", false)
	if got := testutil.CollectAndCount(m, "cms_cdr_duplicates_total"); got != 23 {
		t.Errorf("%d bridges exposed after one lease was given up, want 23", got)
	}
}

// only narrows a collector to one bridge.
func only(m *Metrics, cluster, bridge string) prometheus.Collector {
	inv := m.live.Inventory()
	for _, c := range inv.Clusters {
		for _, b := range c.Bridges {
			for _, feed := range Feeds() {
				m.live.Hold(feed, c.Name, b.Name, c.Name == cluster && b.Name == bridge)
			}
		}
	}
	defer func() {
		for _, c := range inv.Clusters {
			for _, b := range c.Bridges {
				for _, feed := range Feeds() {
					m.live.Hold(feed, c.Name, b.Name, true)
				}
			}
		}
	}()
	ch := make(chan prometheus.Metric, 10000)
	m.Collect(ch)
	close(ch)
	f := fixed{}
	for metric := range ch {
		f = append(f, metric)
	}
	return f
}

type fixed []prometheus.Metric

func (fixed) Describe(chan<- *prometheus.Desc) {}
func (f fixed) Collect(ch chan<- prometheus.Metric) {
	for _, m := range f {
		ch <- m
	}
}

// find returns the value of the series of a family with these label values, in any order, or fails.
func find(t *testing.T, g prometheus.Gatherer, name string, labels ...string) float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sorted := slices.Sorted(slices.Values(labels))
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var have []string
			for _, l := range m.GetLabel() {
				have = append(have, l.GetValue())
			}
			if slices.Equal(slices.Sorted(slices.Values(have)), sorted) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	t.Errorf("no series %s %v", name, labels)
	return -1
}

// A receiver that was added late has lost nothing; from then on each record the bridge makes and we do not get counts.
func TestBehindWithoutAnyRecord(t *testing.T) {
	l := deployment(time.Now)
	set := func(n int64) {
		l.Update("cluster0", "cb0", func(s *BridgeState) { s.Status.Value.CDRCorrelatorIndex = &n })
	}
	for _, c := range []struct{ index, want int64 }{{100, 0}, {130, 30}, {5, 0}, {9, 4}} {
		set(c.index)
		if got := *l.Snapshot().Bridges[0].Behind; got != c.want {
			t.Errorf("index %d: %d behind, want %d", c.index, got, c.want)
		}
	}
}

// TestEventCallsKeepWhatPollsTell: calls of the events do not hide what only polls know.
func TestEventCallsKeepWhatPollsTell(t *testing.T) {
	at := time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC)
	l := NewLive(Inventory{Clusters: []Cluster{{Name: "emea", Bridges: []Bridge{{Name: "cb1"}}}}}, func() time.Time { return at })
	polled := CallSummary{Total: 2, Correlators: []string{"a", "b"}, ParticipantsLocal: ptr(int64(7)), LargestMeeting: ptr(int64(5)), LargestLocal: ptr(int64(4)),
		RecordingMeetings: []string{}, StreamingMeetings: []string{}, UnrecordedMeetings: []string{"a"}}
	l.Update("emea", "cb1", func(s *BridgeState) { s.Calls = Sample[CallSummary]{polled, at, at.Add(time.Minute)} })
	l.SetEventCalls("emea", "cb1", CallSummary{Total: 1, Correlators: []string{"a"}, RecordingMeetings: []string{}, StreamingMeetings: []string{}}, time.Minute)
	bridges := l.Snapshot().Bridges
	got := bridges[0].Calls.Value
	if got.Total != 1 || got.ParticipantsLocal != polled.ParticipantsLocal || got.LargestMeeting != polled.LargestMeeting || got.LargestLocal != polled.LargestLocal {
		t.Errorf("calls with events: %+v", got)
	}
	if n, known := Unrecorded(bridges); n != 1 || !known {
		t.Errorf("unrecorded meetings: %d, known: %v", n, known)
	}
}
