package grafana

// pipelineStateRow says whether the screens can be trusted.
func pipelineStateRow() row {
	return row{"Can these screens be trusted?", []panel{
		{6, 5, lamp("Data is", seconds, "Age of the newest heartbeat that went through the whole pipeline.", from(good).at(120, caution).at(300, bad),
			now(`max(bridgewatch_pipeline_lag_seconds{stage="query"})`, "")).Decimals(0).NoValue("no heartbeat")},
		{6, 5, lamp("Records behind", plain, "Records that bridges have made and we have not received: the worst bridge.", from(good).at(6, caution).at(100, bad),
			now(`max(cms_cdr_records_behind{`+inCluster+`})`, ""))},
		{6, 5, lamp("Records missing", plain, "Records absent between the first and the last received. A gap that is filled later closes.", from(good).at(1, caution),
			now(`sum(cms_cdr_records_missing{`+inCluster+`})`, ""))},
		{6, 5, lamp("Bus in use", ratio, "Share of the bus's disk budget that waits to be stored. When it is full bridges are answered 503.", from(good).at(0.5, caution).at(0.9, bad),
			now(`max(bridgewatch_bus_pending_bytes / bridgewatch_bus_budget_bytes)`, "")).Decimals(0)},
	}}
}
