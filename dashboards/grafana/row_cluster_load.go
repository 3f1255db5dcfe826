package grafana

// clusterLoadRow compares the bridges of a cluster.
func clusterLoadRow() row {
	return row{"Load", []panel{
		{12, 9, graph("Load against limit", ratio, "Media processing load of each bridge as a share of its limit. Dashed: where callers of running meetings are turned away by default.",
			series(`cms_call_bridge_media_processing_load{`+inCluster+`} / cms_call_bridge_load_limit`, "{{call_bridge}}"),
			series(`max(cms_call_bridge_existing_conference_threshold{`+inCluster+`} / cms_call_bridge_load_limit)`, "refuses callers")).
			OverrideByName("refuses callers", asLimit()).Max(1)},
		{12, 9, graph("Call legs", plain, "Call legs on each bridge, links to other bridges among them.",
			series(`cms_call_bridge_call_legs{`+inCluster+`}`, "{{call_bridge}}"))},
	}}
}
