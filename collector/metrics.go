package collector

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bridgewatch/bridgewatch/collector/capacity"
	"github.com/bridgewatch/bridgewatch/collector/witness"
)

// Kind is the type of a metric.
type Kind string

// The kinds of metrics that are exposed.
const (
	Gauge   Kind = "gauge"
	Counter Kind = "counter"
)

// Family describes one metric: what docs/metrics.md says and what HELP says.
type Family struct {
	Name   string
	Kind   Kind
	Labels []string
	// Help names the CMS field and the unit.
	Help string
}

// Families returns every metric that Metrics exposes. Names and labels are fixed by the interface page; those it does not name are ours.
func Families() []Family {
	bridge := []string{"cms_cluster", "call_bridge"}
	with := func(more ...string) []string { return append(slices.Clone(bridge), more...) }
	cluster := func(more ...string) []string { return append([]string{"cms_cluster"}, more...) }
	pool := []string{"license_pool"}
	poolLicense := []string{"license_pool", "license"}
	return []Family{
		{"cms_call_bridge_up", Gauge, bridge, "1 if the last poll of the Call Bridge (/system/status) succeeded, else 0."},
		{"cms_call_bridge_info", Gauge, with("version", "platform"), "Always 1; labels carry status/softwareVersion and the configured platform."},
		{"cms_call_bridge_uptime_seconds", Gauge, bridge, "Seconds since the server started (status/uptimeSeconds)."},
		{"cms_call_bridge_clock_skew_seconds", Gauge, bridge, "The bridge's clock (status/cdrTime, whole seconds) less the collector's, in seconds."},
		{"cms_call_bridge_media_processing_load", Gauge, bridge, "Media load (load/mediaProcessingLoad), in load units."},
		{"cms_call_bridge_load_limit", Gauge, bridge, "Load limit in force, in load units: cluster/loadLimit, else the operator's override, else the capacity catalogue."},
		{"cms_call_bridge_load_limit_info", Gauge, with("source"), "Always 1; source says where the load limit comes from: bridge, operator or catalogue."},
		{"cms_call_bridge_new_conference_threshold", Gauge, bridge, "Load above which new conferences are refused or disfavored (loadLimit x newConferenceLoadLimitBasisPoints), in load units."},
		{"cms_call_bridge_existing_conference_threshold", Gauge, bridge, "Load above which participants of conferences it hosts are refused (loadLimit x existingConferenceLoadLimitBasisPoints), in load units."},
		{"cms_call_bridge_group_info", Gauge, with("group"), "Always 1; the Call Bridge Group that the bridge is in, empty for none."},
		{"cms_call_bridge_call_legs", Gauge, bridge, "Call legs now (status/callLegsActive); distribution links are believed to be among them."},
		{"cms_call_bridge_call_legs_max", Gauge, bridge, "Most call legs at once since the server started (status/callLegsMaxActive)."},
		{"cms_call_bridge_call_legs_completed_total", Counter, bridge, "Call legs completed since the server started (status/callLegsCompleted)."},
		{"cms_call_bridge_call_legs_degraded", Gauge, bridge, "Call legs that carry a quality alarm now (callLegs?alarms=all, total)."},
		{"cms_call_bridge_capacity_calls", Gauge, with("quality"), "Calls of one quality that the platform carries, from the capacity catalogue."},
		{"cms_call_bridge_room_calls", Gauge, with("quality"), "More calls that fit below the load limit were all of that quality; derived cost model: 2000, 1000, 500, 54.5 load units a leg."},
		{"cms_call_bridge_room_at_mix_calls", Gauge, with("quality"), "More calls of each quality that fit together below the load limit when they come in the proportions of cms_call_leg_mix; derived cost model."},
		{"cms_call_leg_mix", Gauge, with("quality"), "Call legs that ended within the last hour, by best video quality of either direction (callLegEnd rxVideo, txVideo); audio where there was none."},
		{"cms_call_bridge_media_bytes_per_second", Gauge, with("media", "direction"), "Media rate in bytes per second (status/audioBitRate..., videoBitRate..., bit/s on the wire); rx is received by the server."},
		{"cms_call_bridge_distribution_legs", Gauge, bridge, "Distribution links to other bridges now (syslog STATS sip.peer)."},
		{"cms_call_bridge_distribution_load", Gauge, bridge, "Load units that the links to other bridges take, were each of them as heavy as the bridge's average leg (load / callLegsActive); derived."},
		{"cms_call_bridge_call_legs_per_second", Gauge, bridge, "Call legs set up per second (syslog STATS callLegsPS)."},
		{"cms_call_leg_starts_total", Counter, with("client"), "Call legs set up (callLegStart), by kind of client; links between bridges are not counted."},
		{"cms_call_setup_peak_per_second", Gauge, cluster("client"), "Most calls set up over the cluster in any one second of the last five minutes (times of callLegStart), by kind of client: sip (all but the web app) or webapp."},
		{"cms_call_setup_limit_per_second", Gauge, cluster("client"), "Calls a second that may be set up over the cluster: sip 40, webapp 20; expressway 6 for each configured Expressway cluster, of which webapp calls from outside are a part."},
		{"cms_call_bridge_tls_unverified", Gauge, bridge, "1 if the configuration tells us not to check the bridge's identity, else 0."},
		{"cms_group_failover_headroom", Gauge, cluster("group"), "Load units left below the sum of load limits after the group's busiest bridge dies; negative would not fit. Bridges in no group form the group \"\"."},
		{"cms_group_failover_stranded_participants", Gauge, cluster("group"), "Participants of the group's busiest bridge that could not rejoin were it to die, shared out by load."},
		{"cms_conferences", Gauge, with("call_type"), "Calls on the bridge now, by call/callType."},
		{"cms_participants", Gauge, with("client"), "Participants hosted by the bridge now, by kind of client; other where the kind is not known."},
		{"cms_meetings", Gauge, cluster(), "Distinct meetings (call/callCorrelator) on the cluster's bridges now."},
		{"cms_meetings_unrecorded", Gauge, cluster(), "Distinct meetings now that are to be recorded (call/recording true) and that no bridge has recorded (call/recordingStatus false) for a minute."},
		{"cms_conference_participants_max", Gauge, bridge, "Participants, local and remote, of the largest call on the bridge (numParticipantsLocal + numParticipantsRemote)."},
		{"cms_conference_participants_limit", Gauge, cluster(), "Most participants of one conference over the cluster (2600)."},
		{"cms_conference_local_participants_max", Gauge, bridge, "Participants on this bridge of the call that has most of them here (numParticipantsLocal)."},
		{"cms_conference_local_participants_limit", Gauge, bridge, "Most HD participants of one conference on this bridge, from the capacity catalogue."},
		{"cms_call_bridge_participant_limit", Gauge, bridge, "Participants beyond which new incoming SIP calls are refused (cluster/participantLimit); absent where unset."},
		{"cms_cluster_hd_calls_limit", Gauge, cluster(), "Most 720p30 calls over a cluster (21000; 16800 where the catalogue has only older platforms for its bridges)."},
		{"cms_alarm_active", Gauge, with("alarm"), "1 while the bridge reports an alarm of this type (/system/alarms), else 0."},
		{"cms_fault_active", Gauge, with("fault"), "1 while a fault that Bridgewatch found itself holds (an interval in alarms is open), 0 while it does not; absent where nobody looked. Faults of a cluster have an empty call_bridge."},
		{"cms_media_modules", Gauge, bridge, "Media modules of the server (syslog, media module status)."},
		{"cms_media_modules_working", Gauge, bridge, "Media modules that work (syslog, media module status)."},
		{"cms_recorder_recordings", Gauge, cluster("recorder"), "Recordings now (recorder status/activeRecordings up to 2.9, else calls with recordingStatus true; recorder is empty where it is not known)."},
		{"cms_recorder_capacity_recordings", Gauge, cluster("recorder"), "Recordings the recorder can make at once, from its configured size."},
		{"cms_recorder_disk_recording_seconds", Gauge, cluster("recorder"), "Seconds of one recording that the recorder's whole configured disk holds, at its resolution. How full it is, CMS does not tell."},
		{"cms_recorder_disk_seconds", Gauge, cluster("recorder"), "Seconds that the recorder's whole configured disk lasts at the present number of recordings; absent while nothing is recorded, or where it is not known which recorder does."},
		{"cms_recorder_disk_low", Gauge, with("recorder"), "1 if the recorder says that it is short of disk (recorder status lowDiskSpace), else 0; absent where unused. Up to 2.9."},
		{"cms_streamer_streams", Gauge, cluster("streamer"), "Streams now (streamer status/activeStreams up to 2.9, else calls with streamingStatus true; streamer is empty where it is not known)."},
		{"cms_streamer_capacity_streams", Gauge, cluster("streamer"), "Streams the streamer can make at once, from its configured size."},
		{"cms_edge_capacity_calls", Gauge, cluster("edge", "quality"), "External web app calls the Edge, or the cluster of Expressways, carries, from the capacity catalogue."},
		{"cms_webapp_external_calls", Gauge, cluster("via"), "Web app calls from outside now, as TURN allocations (numAllocations) on servers of that type, summed over the bridges: edge (types cms, acano) or expressway. One call may hold more than one allocation."},
		{"cms_webapp_external_capacity_calls", Gauge, cluster("via", "quality"), "External web app calls that all configured Edges, or Expressways, carry together, from the capacity catalogue."},
		{"cms_turn_server_reachable", Gauge, with("turn_server"), "1 if the bridge reaches the TURN server on all its addresses, else 0."},
		{"cms_turn_server_round_trip_seconds", Gauge, with("turn_server"), "Round-trip time to the TURN server in seconds (roundTripTimeMs), the longest of its addresses."},
		{"cms_turn_server_allocations", Gauge, with("turn_server"), "Active TURN allocations (numAllocations), summed over its addresses."},
		{"cms_web_bridge_reachable", Gauge, with("web_bridge"), "1 if the bridge is connected to the Web Bridge (status success), 0 if it failed; absent where unused."},
		{"cms_recorder_reachable", Gauge, with("recorder"), "1 if the bridge is connected to the recorder (status success), 0 if it failed; absent where unused. Up to 2.9."},
		{"cms_streamer_reachable", Gauge, with("streamer"), "1 if the bridge is connected to the streamer (status success), 0 if it failed; absent where unused. Up to 2.9."},
		{"cms_database_node_up", Gauge, with("node"), "1 if the bridge sees the database node (database/cluster/node/up), else 0."},
		{"cms_database_node_behind_bytes", Gauge, with("node"), "Bytes the database node is behind (syncBehind); absent where unknown."},
		{"cms_scheduler_up", Gauge, cluster("scheduler"), "1 if the scheduler's status document says UP, else 0."},
		{"cms_certificate_not_after_timestamp_seconds", Gauge, cluster("endpoint"), "End of the certificate's validity, as a Unix time in seconds."},
		{"cms_certificate_name_matches", Gauge, cluster("endpoint"), "1 if the certificate covers the name that was asked for, else 0."},
		{"cms_certificate_chain_valid", Gauge, cluster("endpoint"), "1 if the certificate's chain leads to a trusted root now, else 0."},
		{"cms_license_in_use", Gauge, poolLicense, "Licenses in use, sixths as fractions, computed from call records."},
		{"cms_license_assigned", Gauge, poolLicense, "Licenses assigned to users."},
		{"cms_license_entitlement", Gauge, poolLicense, "Licenses the pool is entitled to, from the configuration."},
		{"cms_license_reported_in_use", Gauge, []string{"cms_cluster", "license_pool", "license"}, "Licenses in use as CMS itself counts (MPLicenseUsage, newest complete five minutes, summed over hosts; audio-only and point-to-point as sixths)."},
		{"cms_license_reported_assigned", Gauge, []string{"cms_cluster", "license_pool", "license"}, "Licenses assigned to users as CMS itself counts (MPLicenseUsage/pmpAssigned, else multipartyLicensing/personalLicenses)."},
		{"cms_license_overage_days", Gauge, pool, "Days in the last 90 on which SMP or PMP use exceeded the entitlement."},
		{"cms_license_enforcement_level", Gauge, pool, "Enforcement level, 0 to 3."},
		{"cms_license_feature_expiry_timestamp_seconds", Gauge, with("feature"), "Expiry of a licensed feature as a Unix time in seconds (clusterLicensing, call_bridge empty; before 3.0 the bridge's licensing)."},
		{"cms_license_feature_status", Gauge, with("feature", "status"), "1 for the status the feature is in: activated, grace, expired, noLicense or other."},
		{"cms_cdr_records_total", Counter, with("record"), "CDR records accepted after de-duplication, by record type."},
		{"cms_cdr_duplicates_total", Counter, bridge, "CDR records that had been stored before."},
		{"cms_cdr_malformed_bodies_total", Counter, bridge, "CDR bodies that could not, or not wholly, be understood."},
		{"cms_cdr_records_missing", Gauge, bridge, "CDR records missing between the first and the last received (correlatorIndex); shrinks when a gap is filled."},
		{"cms_cdr_records_behind", Gauge, bridge, "The bridge's next CDR index (status/cdrCorrelatorIndex) less the one expected next here."},
		{"cms_cdr_last_record_timestamp_seconds", Gauge, bridge, "Time of the newest CDR record of the bridge, as a Unix time in seconds."},
		{"cms_cdr_receiver_registered", Gauge, bridge, "1 if our receiver is in the bridge's table of CDR receivers (/system/cdrReceivers), else 0."},
		{"cms_call_leg_ends_total", Counter, with("reason"), "Call legs that ended, by callLegEnd/reason."},
		{"cms_call_leg_quality_alarms_total", Counter, with("alarm"), "Quality alarms in callLegEnd records, by type."},
		{"cms_call_leg_seconds_total", Counter, bridge, "Seconds that ended call legs lived (callLegEnd/durationSeconds)."},
		{"cms_call_leg_degraded_seconds_total", Counter, bridge, "Seconds of them in which a quality alarm held (callLegEnd/alarm durationPercentage, the longest alarm of a leg; the whole leg where it is not said)."},
		{"cms_call_leg_phone_starts_total", Counter, with("direction"), "Call legs that began with a telephone number at the far end (callLegStart/remoteParty), by callLegStart/direction."},
		{"cms_events_connected", Gauge, bridge, "1 if the events WebSocket to the bridge is connected, else 0."},
		{"cms_events_last_message_timestamp_seconds", Gauge, bridge, "When the last message came over the events WebSocket, as a Unix time in seconds."},
		{"cms_witness_difference", Gauge, with("witnesses", "fact"), "What two of the witnesses of a bridge (cdr, events, api) disagree on: meetings or recordings that one of them lacks for longer than it may lag, legs by number."},
		{"cms_witness_finding", Gauge, with("finding"), "1 while holding the witnesses of a bridge against one another finds cdr_off, events_off, api_off or clock_off, else 0."},
	}
}

// Metrics is the Prometheus collector over a live state. Every collect is built fresh from one snapshot, so what vanished vanishes.
type Metrics struct {
	live  *Live
	descs map[string]family
}

type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// NewMetrics returns the collector of a live state; register it once.
func NewMetrics(live *Live) *Metrics {
	m := &Metrics{live: live, descs: make(map[string]family)}
	for _, f := range Families() {
		kind := prometheus.GaugeValue
		if f.Kind == Counter {
			kind = prometheus.CounterValue
		}
		m.descs[f.Name] = family{prometheus.NewDesc(f.Name, f.Help, f.Labels, nil), kind}
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range m.descs {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector. It reads memory only: a scrape never calls a bridge.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	snap := m.live.Snapshot()
	e := &exposition{metrics: m, ch: ch, seen: make(map[string]bool)}
	for _, b := range snap.Bridges {
		e.bridge(b)
	}
	for _, c := range m.live.Inventory().Clusters {
		i := slices.IndexFunc(snap.Clusters, func(s ClusterState) bool { return s.Cluster == c.Name })
		if i < 0 {
			continue
		}
		var bridges []BridgeSnapshot
		for _, b := range snap.Bridges {
			if b.Cluster == c.Name {
				bridges = append(bridges, b)
			}
		}
		e.cluster(c, snap.Clusters[i], bridges)
		e.limits(c, bridges)
		e.faults(c.Name, "", snap.Faults[c.Name])
	}
	for _, c := range m.live.Inventory().Clusters {
		if slices.ContainsFunc(snap.Bridges, func(b BridgeSnapshot) bool { return b.Cluster == c.Name && b.Held[Records] }) {
			for _, kind := range SetupClients() {
				e.add("cms_call_setup_peak_per_second", float64(snap.SetupPeaks[c.Name][kind]), c.Name, kind)
			}
		}
	}
	for _, c := range snap.Certificates {
		if !c.NotAfter.IsZero() {
			e.add("cms_certificate_not_after_timestamp_seconds", unix(c.NotAfter), c.Cluster, c.Endpoint)
		}
		e.optionalBool("cms_certificate_name_matches", c.NameMatches, c.Cluster, c.Endpoint)
		e.optionalBool("cms_certificate_chain_valid", c.ChainValid, c.Cluster, c.Endpoint)
	}
	for name, p := range snap.Pools {
		e.byLicense("cms_license_in_use", name, p.InUse)
		e.byLicense("cms_license_assigned", name, p.Assigned)
		e.byLicense("cms_license_entitlement", name, p.Entitlement)
		e.optional("cms_license_overage_days", p.OverageDays, name)
		e.optional("cms_license_enforcement_level", p.EnforcementLevel, name)
	}
}

// exposition writes one collect. A series that would come twice (two devices of one name) is written once: Prometheus refuses a scrape with duplicates whole.
type exposition struct {
	metrics *Metrics
	ch      chan<- prometheus.Metric
	seen    map[string]bool
}

func (e *exposition) add(name string, value float64, labels ...string) {
	f, ok := e.metrics.descs[name]
	if !ok {
		panic(fmt.Sprintf("metric %s is not in Families", name))
	}
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	key := name + "\x00" + strings.Join(labels, "\x00")
	if e.seen[key] {
		return
	}
	e.seen[key] = true
	e.ch <- prometheus.MustNewConstMetric(f.desc, f.kind, value, labels...)
}

func (e *exposition) optional(name string, value *int64, labels ...string) {
	if value != nil {
		e.add(name, float64(*value), labels...)
	}
}

func (e *exposition) optionalBool(name string, value *bool, labels ...string) {
	if value != nil {
		e.add(name, number(*value), labels...)
	}
}

func (e *exposition) byLicense(name, pool string, values map[string]float64) {
	for license, v := range values {
		e.add(name, v, pool, license)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (e *exposition) bridge(b BridgeSnapshot) {
	c, n := b.Cluster, b.Bridge
	if up, known := b.Up(); known {
		e.add("cms_call_bridge_up", number(up), c, n)
	}
	if b.Held[Polls] {
		e.add("cms_call_bridge_tls_unverified", number(b.TLSUnverified), c, n)
	}
	if !b.Status.At.IsZero() {
		s := b.Status.Value
		e.add("cms_call_bridge_info", 1, c, n, text(s.SoftwareVersion), b.Inventory.Platform)
		e.optional("cms_call_bridge_uptime_seconds", s.UptimeSeconds, c, n)
		e.optional("cms_call_bridge_call_legs", s.CallLegsActive, c, n)
		e.optional("cms_call_bridge_call_legs_max", s.CallLegsMaxActive, c, n)
		e.optional("cms_call_bridge_call_legs_completed_total", s.CallLegsCompleted, c, n)
		e.rate(s.AudioBitRateIncoming, c, n, "audio", "rx")
		e.rate(s.AudioBitRateOutgoing, c, n, "audio", "tx")
		e.rate(s.VideoBitRateIncoming, c, n, "video", "rx")
		e.rate(s.VideoBitRateOutgoing, c, n, "video", "tx")
	}
	if !b.ClockSkew.At.IsZero() {
		e.add("cms_call_bridge_clock_skew_seconds", b.ClockSkew.Value.Seconds(), c, n)
	}
	e.load(b)
	if !b.DegradedLegs.At.IsZero() {
		e.add("cms_call_bridge_call_legs_degraded", float64(b.DegradedLegs.Value), c, n)
	}
	if !b.Alarms.At.IsZero() {
		active := make(map[string]bool)
		for _, a := range b.Alarms.Value {
			active[AlarmLabel(text(a.Type))] = true
		}
		for _, kind := range append(AlarmTypes(), Other) {
			e.add("cms_alarm_active", number(active[kind]), c, n, kind)
		}
	}
	e.faults(c, n, b.Faults)
	e.calls(b)
	e.devices(b)
	if !b.MediaModules.At.IsZero() {
		e.add("cms_media_modules", float64(b.MediaModules.Value.Total), c, n)
		e.add("cms_media_modules_working", float64(b.MediaModules.Value.Working), c, n)
	}
	if !b.SyslogStats.At.IsZero() {
		e.optional("cms_call_bridge_distribution_legs", b.SyslogStats.Value.DistributionLegs, c, n)
		links, legs, load := b.SyslogStats.Value.DistributionLegs, b.Status.Value.CallLegsActive, b.Load.Value.MediaProcessingLoad
		if links != nil && legs != nil && load != nil && *legs > 0 {
			// STATS is some minutes older than the rest: there may have been more links than there are legs now.
			e.add("cms_call_bridge_distribution_load", float64(*load)*min(float64(*links)/float64(*legs), 1), c, n)
		}
		if v := b.SyslogStats.Value.LegsPerSecond; v != nil {
			e.add("cms_call_bridge_call_legs_per_second", *v, c, n)
		}
	}
	e.features(c, n, b.LicenseFile)
	e.records(b)
	if !b.Events.At.IsZero() {
		e.add("cms_events_connected", number(b.Events.Value.Connected), c, n)
		if last := b.Events.Value.LastMessage; !last.IsZero() {
			e.add("cms_events_last_message_timestamp_seconds", unix(last), c, n)
		}
	}
	if !b.Witness.At.IsZero() {
		for _, pair := range witness.Pairs() {
			for _, fact := range witness.Facts() {
				if differ, known := b.Witness.Value.Differences[pair][fact]; known {
					e.add("cms_witness_difference", float64(differ), c, n, pair.String(), string(fact))
				}
			}
		}
		for _, f := range witness.Findings() {
			e.add("cms_witness_finding", number(b.Witness.Value.Found[f]), c, n, string(f))
		}
	}
}

func (e *exposition) faults(cluster, bridge string, open map[string]int) {
	for kind, n := range open {
		e.add("cms_fault_active", number(n > 0), cluster, bridge, kind)
	}
}

// rate exposes bit/s as bytes per second.
func (e *exposition) rate(bits *int64, labels ...string) {
	if bits != nil {
		e.add("cms_call_bridge_media_bytes_per_second", float64(*bits)/8, labels...)
	}
}

func (e *exposition) load(b BridgeSnapshot) {
	c, n := b.Cluster, b.Bridge
	load := b.Load.Value.MediaProcessingLoad
	e.optional("cms_call_bridge_media_processing_load", load, c, n)
	if b.LoadLimitSource != capacity.Unknown {
		e.add("cms_call_bridge_load_limit", float64(b.LoadLimit), c, n)
		e.add("cms_call_bridge_load_limit_info", 1, c, n, string(b.LoadLimitSource))
		cfg := b.Config.Value
		e.add("cms_call_bridge_new_conference_threshold",
			float64(capacity.Threshold(b.LoadLimit, cfg.NewConferenceBasis, capacity.DefaultNewConferenceBasis)), c, n)
		e.add("cms_call_bridge_existing_conference_threshold",
			float64(capacity.Threshold(b.LoadLimit, cfg.ExistingConferenceBasis, capacity.DefaultExistingConferenceBasis)), c, n)
		if load != nil {
			for _, q := range capacity.Qualities() {
				e.add("cms_call_bridge_room_calls", float64(capacity.Room(*load, b.LoadLimit, q)), c, n, string(q))
			}
			if b.Held[Records] {
				for q, calls := range capacity.RoomAtMix(*load, b.LoadLimit, b.Mix) {
					e.add("cms_call_bridge_room_at_mix_calls", float64(calls), c, n, string(q))
				}
			}
		}
	}
	if b.Held[Polls] {
		e.optional("cms_call_bridge_participant_limit", b.Config.Value.ParticipantLimit, c, n)
	}
	if platform, err := capacity.Find(b.Inventory.Platform); err == nil {
		if f := platform.HDPerConference; f != nil {
			e.add("cms_conference_local_participants_limit", float64(f.Value), c, n)
		}
		for _, q := range capacity.Qualities() {
			if f, printed := platform.Calls[q]; printed {
				e.add("cms_call_bridge_capacity_calls", float64(f.Value), c, n, string(q))
			}
		}
	}
}

// Clients are the kinds of participants.
func Clients() []string { return []string{"sip", "webapp", "lync", Other} }

func (e *exposition) calls(b BridgeSnapshot) {
	c, n := b.Cluster, b.Bridge
	if !b.Calls.At.IsZero() {
		if b.Calls.Value.ByType != nil {
			for _, kind := range append(CallTypes(), Other) {
				e.add("cms_conferences", float64(b.Calls.Value.ByType[kind]), c, n, kind)
			}
		}
		e.optional("cms_conference_participants_max", b.Calls.Value.LargestMeeting, c, n)
		e.optional("cms_conference_local_participants_max", b.Calls.Value.LargestLocal, c, n)
	}
	switch {
	case !b.Participants.At.IsZero():
		for _, kind := range Clients() {
			e.add("cms_participants", float64(b.Participants.Value[kind]), c, n, kind)
		}
	case b.Held[Events] && !b.Calls.At.IsZero() && b.Calls.Value.ParticipantsLocal != nil:
		// The calls say how many, not of what kind. Where another instance has the events, it alone tells.
		e.add("cms_participants", float64(*b.Calls.Value.ParticipantsLocal), c, n, Other)
	}
}

func (e *exposition) devices(b BridgeSnapshot) {
	c, n := b.Cluster, b.Bridge
	for _, t := range b.TurnServers.Value {
		e.optionalBool("cms_turn_server_reachable", t.Reachable, c, n, t.Name)
		if t.RoundTrip != nil {
			e.add("cms_turn_server_round_trip_seconds", t.RoundTrip.Seconds(), c, n, t.Name)
		}
		e.optional("cms_turn_server_allocations", t.Allocations, c, n, t.Name)
	}
	for _, d := range b.WebBridges.Value {
		e.optionalBool("cms_web_bridge_reachable", d.Reachable, c, n, d.Name)
	}
	for _, d := range b.Recorders.Value {
		e.optionalBool("cms_recorder_reachable", d.Reachable, c, n, d.Name)
		if d.Reachable != nil {
			e.add("cms_recorder_disk_low", number(d.Status == "lowDiskSpace"), c, n, d.Name)
		}
	}
	for _, d := range b.Streamers.Value {
		e.optionalBool("cms_streamer_reachable", d.Reachable, c, n, d.Name)
	}
	for _, node := range b.Database.Value.Nodes {
		if node.Hostname == nil {
			continue
		}
		e.optionalBool("cms_database_node_up", node.Up, c, n, *node.Hostname)
		if node.SyncBehind != nil && *node.SyncBehind >= 0 {
			e.optional("cms_database_node_behind_bytes", node.SyncBehind, c, n, *node.Hostname)
		}
	}
}

// FeatureStatuses are the states of a licensed feature.
func FeatureStatuses() []string { return []string{"activated", "grace", "expired", "noLicense"} }

// features exposes licensed features: of a bridge, or of a cluster with an empty bridge.
func (e *exposition) features(cluster, bridge string, features Sample[[]Feature]) {
	for _, f := range features.Value {
		if f.Expiry != nil {
			e.add("cms_license_feature_expiry_timestamp_seconds", unix(f.Expiry.Time), cluster, bridge, f.Name)
		}
		if f.Status != nil {
			status := closed(*f.Status, FeatureStatuses())
			for _, s := range append(FeatureStatuses(), Other) {
				e.add("cms_license_feature_status", number(s == status), cluster, bridge, f.Name, s)
			}
		}
	}
}

func (e *exposition) records(b BridgeSnapshot) {
	c, n := b.Cluster, b.Bridge
	e.optional("cms_cdr_records_behind", b.Behind, c, n)
	if !b.CDRReceivers.At.IsZero() {
		e.optionalBool("cms_cdr_receiver_registered", b.CDRReceivers.Value.Ours, c, n)
	}
	if !b.Held[Records] {
		return
	}
	for _, kind := range append(RecordTypes(), Other) {
		e.add("cms_cdr_records_total", float64(b.Records[kind]), c, n, kind)
	}
	for _, kind := range Clients() {
		e.add("cms_call_leg_starts_total", float64(b.LegStarts[kind]), c, n, kind)
	}
	for _, q := range capacity.Qualities() {
		e.add("cms_call_leg_mix", float64(b.Mix[q]), c, n, string(q))
	}
	for _, kind := range append(LegEndReasons(), Other) {
		e.add("cms_call_leg_ends_total", float64(b.LegEnds[kind]), c, n, kind)
	}
	for _, kind := range append(QualityAlarms(), Other) {
		e.add("cms_call_leg_quality_alarms_total", float64(b.QualityAlarms[kind]), c, n, kind)
	}
	for _, direction := range append(Directions(), Other) {
		e.add("cms_call_leg_phone_starts_total", float64(b.PhoneLegs[direction]), c, n, direction)
	}
	e.add("cms_call_leg_seconds_total", float64(b.LegSeconds), c, n)
	e.add("cms_call_leg_degraded_seconds_total", b.DegradedSeconds, c, n)
	e.add("cms_cdr_duplicates_total", float64(b.Duplicates), c, n)
	e.add("cms_cdr_malformed_bodies_total", float64(b.Malformed), c, n)
	e.add("cms_cdr_records_missing", float64(b.Missing), c, n)
	if !b.LastRecord.IsZero() {
		e.add("cms_cdr_last_record_timestamp_seconds", unix(b.LastRecord), c, n)
	}
}

func (e *exposition) cluster(inv Cluster, state ClusterState, bridges []BridgeSnapshot) {
	c := inv.Name
	if meetings, known := Meetings(bridges); known {
		e.add("cms_meetings", float64(meetings), c)
	}
	if meetings, known := Unrecorded(bridges); known {
		e.add("cms_meetings_unrecorded", float64(meetings), c)
	}
	if !state.Groups.At.IsZero() {
		for _, b := range bridges {
			e.add("cms_call_bridge_group_info", 1, c, b.Bridge, groupOf(state, b))
		}
	}
	for _, f := range Failover(state, bridges) {
		if len(f.Unknown) > 0 {
			continue
		}
		e.add("cms_group_failover_headroom", float64(f.Headroom), c, f.Group)
		e.optional("cms_group_failover_stranded_participants", f.Stranded, c, f.Group)
	}
	e.features(c, "", state.Features)
	e.reported(inv, state, bridges)
	e.slots(inv, bridges)
	for _, s := range state.Schedulers {
		e.add("cms_scheduler_up", number(s.Value.Up), c, s.Value.Name)
	}
}

// Meetings counts distinct meetings over the bridges of a cluster; known is false where no bridge has told its calls.
func Meetings(bridges []BridgeSnapshot) (count int, known bool) {
	distinct := make(map[string]bool)
	for _, b := range bridges {
		if b.Calls.At.IsZero() {
			continue
		}
		known = true
		for _, id := range b.Calls.Value.Correlators {
			distinct[id] = true
		}
	}
	return len(distinct), known
}

// Unrecorded counts the meetings that are to be recorded while no bridge of the cluster records them; known is false while a bridge has not told its calls.
func Unrecorded(bridges []BridgeSnapshot) (count int, known bool) {
	wanted := make(map[string]bool)
	for _, b := range bridges {
		if b.Calls.At.IsZero() {
			continue // a bridge that is down records nothing
		}
		if b.Calls.Value.RecordingMeetings == nil || b.Calls.Value.UnrecordedMeetings == nil {
			return 0, false
		}
		known = true
		for _, id := range b.Calls.Value.UnrecordedMeetings {
			wanted[id] = true
		}
	}
	for _, b := range bridges {
		for _, id := range b.Calls.Value.RecordingMeetings {
			delete(wanted, id)
		}
	}
	return len(wanted), known
}

// groupOf is the Call Bridge Group of a bridge. The database knows the bridge by its uniqueName, we by its configured name.
func groupOf(state ClusterState, b BridgeSnapshot) string {
	if name := b.Config.Value.UniqueName; name != nil {
		return state.Groups.Value[*name]
	}
	return state.Groups.Value[b.Bridge]
}

// Failover computes the fail-over of the groups of one cluster. While the grouping is not known no group has a figure.
func Failover(state ClusterState, bridges []BridgeSnapshot) []capacity.Failover {
	if state.Groups.At.IsZero() {
		return nil
	}
	members := make([]capacity.Member, 0, len(bridges))
	for _, b := range bridges {
		up, known := b.Up()
		m := capacity.Member{Name: b.Bridge, Group: groupOf(state, b), Down: known && !up, Load: b.Load.Value.MediaProcessingLoad}
		if b.LoadLimitSource != capacity.Unknown {
			m.Limit = &b.LoadLimit
		}
		if !b.Calls.At.IsZero() {
			m.Participants = b.Calls.Value.ParticipantsLocal
		}
		members = append(members, m)
	}
	return capacity.FailoverByGroup(members)
}

func (e *exposition) reported(inv Cluster, state ClusterState, bridges []BridgeSnapshot) {
	var assigned *int64
	if !state.Usage.At.IsZero() {
		u := state.Usage.Value
		e.add("cms_license_reported_in_use", u.PMP.Float(), inv.Name, inv.LicensePool, "pmp")
		e.add("cms_license_reported_in_use", float64(u.SMP6000)/6000, inv.Name, inv.LicensePool, "smp")
		e.add("cms_license_reported_in_use", (u.Recording + u.Streaming).Float(), inv.Name, inv.LicensePool, "recording")
		assigned = u.PMPAssigned
	}
	// personalLicenses is the same on every node of the cluster: one is enough.
	for _, b := range bridges {
		if assigned == nil {
			assigned = b.MultipartyLicensing.Value.PersonalLicenses
		}
	}
	e.optional("cms_license_reported_assigned", assigned, inv.Name, inv.LicensePool, "pmp")
}

// slots exposes recorders and streamers: their capacity by configuration; what they do from the devices' own status where the release has it (the figure is of the whole
// device, so the largest any bridge sees), else one sum for the cluster.
func (e *exposition) slots(inv Cluster, bridges []BridgeSnapshot) {
	for _, r := range inv.Recorders {
		if s, err := r.Slots(); err == nil {
			e.add("cms_recorder_capacity_recordings", float64(s.Count), inv.Name, r.Name)
		}
	}
	for _, s := range inv.Streamers {
		if slots, err := s.Slots(); err == nil {
			e.add("cms_streamer_capacity_streams", float64(slots.Count), inv.Name, s.Name)
		}
	}
	recordings, streams := make(map[string]int64), make(map[string]int64)
	// A meeting that spans bridges is recorded once.
	recording, streaming := make(map[string]bool), make(map[string]bool)
	known := false
	for _, b := range bridges {
		busiest(recordings, b.Recorders.Value)
		busiest(streams, b.Streamers.Value)
		if b.Calls.Value.RecordingMeetings == nil {
			continue
		}
		known = true
		for _, id := range b.Calls.Value.RecordingMeetings {
			recording[id] = true
		}
		for _, id := range b.Calls.Value.StreamingMeetings {
			streaming[id] = true
		}
	}
	if len(recordings) == 0 && known {
		recordings[""] = int64(len(recording))
	}
	if len(streams) == 0 && known {
		streams[""] = int64(len(streaming))
	}
	e.disks(inv.Name, inv.Recorders, recordings)
	for name, n := range recordings {
		e.add("cms_recorder_recordings", float64(n), inv.Name, name)
	}
	for name, n := range streams {
		e.add("cms_streamer_streams", float64(n), inv.Name, name)
	}
}

func busiest(most map[string]int64, devices []DeviceState) {
	for _, d := range devices {
		if d.Active != nil {
			most[d.Name] = max(most[d.Name], *d.Active)
		}
	}
}

// MetricsPage returns the table of metrics as Markdown, for docs/metrics.md.
func MetricsPage() string {
	var b strings.Builder
	b.WriteString("| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range Families() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Kind, strings.Join(quoteAll(f.Labels), ", "), strings.ReplaceAll(f.Help, "|", `\|`))
	}
	return b.String()
}

func quoteAll(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = "`" + n + "`"
	}
	return out
}
