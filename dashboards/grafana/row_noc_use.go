package grafana

// nocUseRow shows what runs on the bridges, and what it costs in licenses.
func nocUseRow() row {
	return row{"What does it hit?", []panel{
		{8, 8, graph("Call legs", plain, "Call legs on each bridge now: people, and links between bridges.",
			series(`cms_call_bridge_call_legs{`+inCluster+`}`, "{{call_bridge}}"))},
		{8, 8, graph("Licenses in use", plain, "Licenses that the running meetings take, by pool. SMP counts in sixths. Dashed: what CMS itself counts.",
			series(`cms_license_in_use`, "{{license_pool}} {{license}}"),
			series(`sum by (license_pool, license) (cms_license_reported_in_use)`, "{{license_pool}} {{license}} reported")).
			OverrideByRegexp(".* smp", coloredLine(smpCol)).OverrideByRegexp(".* pmp", coloredLine(pmpCol)).OverrideByRegexp(".* recording", coloredLine(recCol)).
			OverrideByRegexp(".* smp reported", asMark(smpCol)).OverrideByRegexp(".* pmp reported", asMark(pmpCol)).OverrideByRegexp(".* recording reported", asMark(recCol))},
		{8, 8, graph("Records per second", perSecond, "Call detail records accepted from each bridge. Silence while calls run means that a receiver is not reached.",
			series(`sum by (call_bridge) (rate(cms_cdr_records_total{`+inCluster+`}[$__rate_interval]))`, "{{call_bridge}}"))},
	}}
}
