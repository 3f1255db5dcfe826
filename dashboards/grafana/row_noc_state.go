package grafana

// nocStateRow is the row of lamps: green is fine, from five meters.
func nocStateRow() row {
	return row{"Is anything wrong?", []panel{
		{4, 5, lamp("Call Bridges down", plain, "Call Bridges whose last poll failed. Each one's meetings moved to the others or ended.", noneIsGood(),
			now(`count(cms_call_bridge_up{`+inCluster+`}) - sum(cms_call_bridge_up{`+inCluster+`})`, ""))},
		{4, 5, lamp("CMS alarms", plain, "Alarms that the Call Bridges report now, of any kind.", alarmSteps(),
			now(`sum(cms_alarm_active{`+inCluster+`})`, ""))},
		{4, 5, lamp("Highest load", ratio, "Load of the busiest Call Bridge as a share of its limit. Above 80 % a bridge in a group turns callers away.", loadSteps(),
			now(`max(cms_call_bridge_media_processing_load{`+inCluster+`} / cms_call_bridge_load_limit)`, "")).Decimals(0)},
		{4, 5, lamp("Records missing", plain, "Call detail records that a bridge made and that never arrived. Figures of those times are incomplete.", from(good).at(1, caution),
			now(`sum(cms_cdr_records_missing{`+inCluster+`})`, ""))},
		{4, 5, enforcement("License enforcement", "")},
		{4, 5, lamp("Data is", seconds, "Age of the newest heartbeat that went through the whole pipeline: how far these screens lag behind.", from(good).at(120, caution).at(300, bad),
			now(`max(bridgewatch_pipeline_lag_seconds{stage="query"})`, "")).Decimals(0)},
	}}
}
