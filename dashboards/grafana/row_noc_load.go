package grafana

// nocLoadRow shows which bridges run and how full they are.
func nocLoadRow() row {
	return row{"How much room is left?", []panel{
		{12, 7, timeline("Call Bridges", "Whether each Call Bridge answered its polls.", upDown(),
			series(`cms_call_bridge_up{`+inCluster+`}`, "{{call_bridge}}")).OverrideByRegexp(".*", linkToBridge())},
		{12, 7, bars("Load against limit", ratio, "Media processing load as a share of the bridge's load limit. New conferences are turned away from 50 %, all callers from 80 % (defaults).", loadSteps(),
			now(`sort_desc(cms_call_bridge_media_processing_load{`+inCluster+`} / cms_call_bridge_load_limit)`, "{{call_bridge}}")).Max(1).Decimals(0).OverrideByRegexp(".*", linkToBridge())},
	}}
}
