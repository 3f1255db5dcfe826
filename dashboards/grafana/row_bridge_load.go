package grafana

// bridgeLoadRow is the load of one machine against its thresholds.
func bridgeLoadRow() row {
	return row{"Load", []panel{
		{12, 9, graph("Load, thresholds and limit", loadUnits, "Media processing load in load units, with the limit (dashed) and the two thresholds of a Call Bridge Group.",
			series(`cms_call_bridge_media_processing_load{`+onBridge+`}`, "{{call_bridge}}"),
			series(`max(cms_call_bridge_new_conference_threshold{`+onBridge+`})`, "new meetings go elsewhere"),
			series(`max(cms_call_bridge_existing_conference_threshold{`+onBridge+`})`, "callers refused"),
			series(`max(cms_call_bridge_load_limit{`+onBridge+`})`, "limit")).
			OverrideByName("limit", asLimit()).OverrideByName("callers refused", asMark(caution)).OverrideByName("new meetings go elsewhere", asMark(neutral))},
		{12, 9, graph("Call legs", plain, "Call legs, those that are degraded now, and those that link to other bridges.",
			series(`cms_call_bridge_call_legs{`+onBridge+`}`, "{{call_bridge}}"),
			series(`cms_call_bridge_call_legs_degraded{`+onBridge+`}`, "{{call_bridge}} degraded"),
			series(`cms_call_bridge_distribution_legs{`+onBridge+`}`, "{{call_bridge}} links"))},
		{8, 8, graph("Ended legs by quality", plain, "Call legs that ended within the hour before, by the best video of either direction; audio where there was none.",
			series(`sum by (quality) (cms_call_leg_mix{`+onBridge+`})`, "{{quality}}"))},
		{8, 8, graph("Media", bytesPerS, "Media bytes per second; received means by the server. From the bridge's own bit rates.",
			series(`sum by (media, direction) (cms_call_bridge_media_bytes_per_second{`+onBridge+`})`, "{{media}} {{direction}}"))},
		{8, 8, graph("Calls by type", plain, "Calls on the bridge now, by type.", series(`sum by (call_type) (cms_conferences{`+onBridge+`})`, "{{call_type}}"))},
		{8, 8, list("Reasons of ends", "Call legs that ended in the time range, by the reason the bridge gave.",
			labels(`sort_desc(round(sum by (reason) (increase(cms_call_leg_ends_total{`+onBridge+`}[$__range]))) > 0)`)).
			WithTransformation(organize([]string{"reason", "Value"}, map[string]string{"reason": "Reason", "Value": "Call legs"}, "Time")).OverrideByName("Call legs", wide(110))},
		{8, 8, graph("Call legs set up", perSecond, "Call legs set up per second, by kind of client, without links between bridges.",
			series(`sum by (client) (rate(cms_call_leg_starts_total{`+onBridge+`}[$__rate_interval]))`, "{{client}}"))},
		{8, 8, graph("Participants by client", plain, "People hosted by the bridge now, by kind of client.", series(`sum by (client) (cms_participants{`+onBridge+`})`, "{{client}}"))},
	}}
}
