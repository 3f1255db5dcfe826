package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// ordinaryDays lets three bridges live through days without a fault, with the noise that real ones have: a daily curve, records on
// their way, lost packets, a few scanners. It returns the alerts of any severity that fired.
func ordinaryDays(ctx context.Context, days int) (fired []string, evaluated int, err error) {
	w, err := newWorld(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer w.close()
	random := rand.New(rand.NewPCG(7, 11)) //nolint:gosec // the same days every time
	counters := map[string]float64{}
	for minute := range days * 24 * 60 {
		at := epoch.Add(time.Duration(minute) * step)
		if err := w.tick(ctx, at, ordinary(at, random, counters)); err != nil {
			return nil, evaluated, err
		}
		evaluated++
		for _, name := range w.firing() {
			if !slices.Contains(fired, name) {
				fired = append(fired, name)
			}
		}
	}
	return fired, evaluated, nil
}

// ordinary is what the exposer shows in one minute.
func ordinary(at time.Time, random *rand.Rand, counters map[string]float64) []sample {
	var samples []sample
	put := func(value float64, name string, pairs ...string) {
		samples = append(samples, sample{labels.FromStrings(append([]string{"__name__", name}, pairs...)...), value})
	}
	count := func(by float64, name string, pairs ...string) {
		key := fmt.Sprint(name, pairs)
		counters[key] += by
		put(counters[key], name, pairs...)
	}
	poisson := func(mean float64) float64 { // near enough for means of this size
		return math.Max(0, math.Round(mean+math.Sqrt(mean)*random.NormFloat64()))
	}
	hour := float64(at.Hour()) + float64(at.Minute())/60
	busy := math.Exp(-math.Pow((hour-10)/2, 2)) + 0.8*math.Exp(-math.Pow((hour-15)/2, 2)) // two peaks
	if day := at.Weekday(); day == time.Saturday || day == time.Sunday {
		busy *= 0.05
	}
	age := at.Sub(epoch).Seconds()
	unix := float64(at.Unix())
	for i := range 3 {
		b := []string{"cms_cluster", "emea", "call_bridge", fmt.Sprint("cb", i+1)}
		with := func(more ...string) []string { return append(slices.Clone(b), more...) }
		legs := poisson(2 + 50*busy)
		put(1, "cms_call_bridge_up", b...)
		put(86400*30+age, "cms_call_bridge_uptime_seconds", b...)
		put(random.Float64()*2-1, "cms_call_bridge_clock_skew_seconds", b...)
		put(1000*legs*(0.8+0.2*random.Float64()), "cms_call_bridge_media_processing_load", b...)
		put(120000, "cms_call_bridge_load_limit", b...)
		put(72000, "cms_call_bridge_new_conference_threshold", b...)
		put(96000, "cms_call_bridge_existing_conference_threshold", b...)
		put(legs, "cms_call_bridge_call_legs", b...)
		put(math.Floor(legs*0.03), "cms_call_bridge_call_legs_degraded", b...)
		put(math.Floor(legs*0.1), "cms_call_bridge_distribution_legs", b...)
		put(1, "cms_call_bridge_group_info", with("group", "g1")...)
		put(legs/3, "cms_conference_participants_max", b...)
		ended := poisson(legs / 15)
		count(ended, "cms_call_bridge_call_legs_completed_total", b...)
		count(ended, "cms_call_leg_ends_total", with("reason", "remoteTeardown")...)
		count(poisson(0.5), "cms_call_leg_ends_total", with("reason", "unknownDestination")...)
		wrong := 0.0
		if random.IntN(200) == 0 {
			wrong = 1
		}
		count(wrong, "cms_call_leg_ends_total", with("reason", "incorrectPasscode")...)
		lossy := 0.0
		for range int(ended) {
			if random.IntN(50) == 0 {
				lossy++
			}
		}
		count(lossy, "cms_call_leg_quality_alarms_total", with("alarm", "packetLoss")...)
		count(ended*900, "cms_call_leg_seconds_total", b...)
		count(lossy*200, "cms_call_leg_degraded_seconds_total", b...)
		count(poisson(legs/100), "cms_call_leg_phone_starts_total", with("direction", "outgoing")...)
		for _, kind := range []string{"callBridgeConnectionFailure", "databaseConnectionError", "turnServerUnavailable", "other"} {
			put(0, "cms_alarm_active", with("alarm", kind)...)
		}
		put(7, "cms_media_modules", b...)
		put(7, "cms_media_modules_working", b...)
		put(1, "cms_turn_server_reachable", with("turn_server", "t1")...)
		put(1, "cms_web_bridge_reachable", with("web_bridge", "w1")...)
		put(1, "cms_database_node_up", with("node", "db1")...)
		put(poisson(2000), "cms_database_node_behind_bytes", with("node", "db1")...)
		put(1, "cms_cdr_receiver_registered", b...)
		put(1, "cms_events_connected", b...)
		put(float64(random.IntN(4)), "cms_cdr_records_behind", b...) // records on their way
		put(3, "cms_cdr_records_missing", b...)
		count(0, "cms_cdr_malformed_bodies_total", b...)
	}
	put(100000, "cms_group_failover_headroom", "cms_cluster", "emea", "group", "g1")
	put(unix+200*86400, "cms_certificate_not_after_timestamp_seconds", "cms_cluster", "emea", "endpoint", "join.example.org:443")
	put(1, "cms_certificate_name_matches", "cms_cluster", "emea", "endpoint", "join.example.org:443")
	put(1, "cms_scheduler_up", "cms_cluster", "emea", "scheduler", "s1")
	midnight := at.Truncate(24 * time.Hour) // CMM moves the expiry once a day
	put(float64(midnight.Unix()+90*86400), "cms_license_feature_expiry_timestamp_seconds", "cms_cluster", "emea", "call_bridge", "", "feature", "callBridge")
	for license, peak := range map[string]float64{"smp": 15, "pmp": 30, "recording": 6} {
		use := math.Round(6*peak*busy*0.9) / 6
		put(use, "cms_license_in_use", "license_pool", "main", "license", license)
		put(math.Max(0, use-0.5*random.Float64()), "cms_license_reported_in_use", "license_pool", "main", "cms_cluster", "emea", "license", license)
		put(peak*1.4, "cms_license_entitlement", "license_pool", "main", "license", license)
	}
	put(40, "cms_license_assigned", "license_pool", "main", "license", "pmp")
	put(2, "cms_license_overage_days", "license_pool", "main")
	put(0, "cms_license_enforcement_level", "license_pool", "main")
	put(math.Round(8*busy), "cms_recorder_recordings", "cms_cluster", "emea", "recorder", "r1")
	put(4000*3600, "cms_recorder_disk_recording_seconds", "cms_cluster", "emea", "recorder", "r1")
	put(0, "cms_meetings_unrecorded", "cms_cluster", "emea")
	put(16, "cms_recorder_capacity_recordings", "cms_cluster", "emea", "recorder", "r1")
	put(5+float64(random.IntN(55)), "bridgewatch_pipeline_lag_seconds", "stage", "query")
	put(1e5*busy, "bridgewatch_bus_pending_bytes", "stream", "CDR")
	put(1e10, "bridgewatch_bus_budget_bytes", "stream", "CDR")
	count(0, "bridgewatch_writer_insert_failures_total", "table", "calls_data")
	count(0, "bridgewatch_writer_dead_letters_total", "stream", "CDR")
	count(poisson(0.2), "bridgewatch_receiver_refused_requests_total", "reason", "path")
	return samples
}
