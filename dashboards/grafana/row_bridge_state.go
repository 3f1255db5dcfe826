package grafana

// bridgeStateRow is one machine in six numbers.
func bridgeStateRow() row {
	return row{"State", []panel{
		{4, 4, lamp("Answers", plain, "Whether the last poll of the Call Bridge succeeded.", zeroIsBad(), now(`min(cms_call_bridge_up{`+onBridge+`})`, "")).Mappings(upDown())},
		{4, 4, number("Uptime", "dtdurations", "Time since the server started.", anyIsFine(), now(`min(cms_call_bridge_uptime_seconds{`+onBridge+`})`, ""))},
		{4, 4, lamp("Load", ratio, "Media processing load as a share of the limit.", loadSteps(),
			now(`max(cms_call_bridge_media_processing_load{`+onBridge+`} / cms_call_bridge_load_limit)`, "")).Decimals(0)},
		{4, 4, number("Call legs", plain, "Call legs on the bridge now.", anyIsFine(), now(`sum(cms_call_bridge_call_legs{`+onBridge+`})`, ""))},
		{4, 4, lamp("Media modules lost", plain, "Media modules that do not work, by the bridge's syslog. Not known where syslog is not received.", noneIsGood(),
			now(`sum(cms_media_modules{`+onBridge+`} - cms_media_modules_working)`, "")).NoValue("not known")},
		{4, 4, lamp("Alarms", plain, "Alarms that the bridge reports now.", alarmSteps(), now(`sum(cms_alarm_active{`+onBridge+`})`, ""))},
	}}
}
