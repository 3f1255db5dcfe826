package collector

import (
	"slices"
	"strings"

	"github.com/bridgewatch/bridgewatch/collector/capacity"
)

// limits exposes what a cluster can do, beside its bridges, and how far the ways in from outside are used.
func (e *exposition) limits(inv Cluster, bridges []BridgeSnapshot) {
	c := inv.Name
	e.add("cms_conference_participants_limit", capacity.MaxConferenceParticipants, c)
	e.add("cms_cluster_hd_calls_limit", float64(hdCallsLimit(inv)), c)
	e.add("cms_call_setup_limit_per_second", capacity.SetupRateSIP, c, "sip")
	e.add("cms_call_setup_limit_per_second", capacity.SetupRateWebApp, c, "webapp")
	carried := make(map[string]capacity.Figures)
	expressways := 0
	for _, edge := range inv.Edges {
		calls, err := edge.Calls()
		if err != nil {
			continue // The configuration is checked; what slips through has no figure.
		}
		if edge.Via() == capacity.ViaExpressway {
			expressways++
		}
		if carried[edge.Via()] == nil {
			carried[edge.Via()] = make(capacity.Figures)
		}
		for _, q := range capacity.Qualities() {
			e.add("cms_edge_capacity_calls", float64(calls[q].Value), c, edge.Name, string(q))
			sum := carried[edge.Via()][q]
			sum.Value += calls[q].Value
			carried[edge.Via()][q] = sum
		}
	}
	if expressways > 0 {
		e.add("cms_call_setup_limit_per_second", float64(expressways*capacity.SetupRateExpressway), c, "expressway")
	}
	for via, sums := range carried {
		for q, sum := range sums {
			e.add("cms_webapp_external_capacity_calls", float64(sum.Value), c, via, string(q))
		}
	}
	for via, n := range ExternalCalls(bridges) {
		e.add("cms_webapp_external_calls", float64(n), c, via)
	}
}

// hdCallsLimit is lower for a cluster of which all bridges are known to be older ones.
func hdCallsLimit(inv Cluster) int64 {
	older := func(b Bridge) bool {
		name := strings.ToLower(strings.TrimSpace(b.Platform))
		return strings.HasSuffix(name, "-m4") || strings.HasSuffix(name, "-m5v1")
	}
	if len(inv.Bridges) > 0 && !slices.ContainsFunc(inv.Bridges, func(b Bridge) bool { return !older(b) }) {
		return capacity.MaxClusterHDCallsOld
	}
	return capacity.MaxClusterHDCalls
}

// ExternalCalls sums TURN allocations over the bridges, by the way in that the type of the TURN server stands for. Each bridge tells of its own allocations (inferred).
// A way on which no bridge told anything is absent.
func ExternalCalls(bridges []BridgeSnapshot) map[string]int64 {
	ways := map[string]string{"cms": capacity.ViaEdge, "acano": capacity.ViaEdge, "expressway": capacity.ViaExpressway}
	calls := make(map[string]int64)
	for _, b := range bridges {
		for _, t := range b.TurnServers.Value {
			if via, known := ways[t.Type]; known && t.Allocations != nil {
				calls[via] += *t.Allocations
			}
		}
	}
	return calls
}

// disks exposes how long the disks of recorders last. Where the cluster has one recorder, what is recorded is recorded there, whatever the bridges call it.
func (e *exposition) disks(cluster string, recorders []capacity.Recorder, recordings map[string]int64) {
	const hour = 3600
	for _, r := range recorders {
		if hours, ok := r.DiskRecordingHours(); ok {
			e.add("cms_recorder_disk_recording_seconds", hours*hour, cluster, r.Name)
		}
		n, known := recordings[r.Name]
		if !known && len(recorders) == 1 && len(recordings) == 1 {
			for _, only := range recordings {
				n = only
			}
		}
		if hours, ok := r.DiskHours(r.Disk, n); ok {
			e.add("cms_recorder_disk_seconds", hours*hour, cluster, r.Name)
		}
	}
}
