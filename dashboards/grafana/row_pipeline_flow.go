package grafana

// pipelineFlowRow follows the records from listener to store.
func pipelineFlowRow() row {
	return row{"Flow", []panel{
		{8, 8, graph("Lag by stage", seconds, "Age of the newest heartbeat that reached each stage: the first that rises is the broken one.",
			series(`max by (stage) (bridgewatch_pipeline_lag_seconds)`, "{{stage}}"))},
		{8, 8, graph("Records received", perSecond, "Records accepted per second from each bridge, without duplicates.",
			series(`sum by (call_bridge) (rate(cms_cdr_records_total{`+inCluster+`}[$__rate_interval]))`, "{{call_bridge}}"))},
		{8, 8, graph("Waiting to be stored", sizeBytes, "Bytes on the bus that the writer has not acknowledged yet, by stream.",
			series(`bridgewatch_bus_pending_bytes`, "{{stream}}"))},
		{8, 8, graph("Rows stored", perSecond, "Rows inserted per second into the tables of records and calls.", series(`sum by (table) (rate(bridgewatch_writer_rows_total{table=~"cdr_bodies_data|cdr_records_data|calls_data|call_legs_data"}[$__rate_interval]))`, "{{table}}"))},
		{8, 8, graph("Failures", perSecond, "Inserts that failed and were repeated, and publishes that the bus refused.",
			series(`sum(rate(bridgewatch_writer_insert_failures_total[$__rate_interval]))`, "inserts"),
			series(`sum by (reason) (rate(bridgewatch_bus_publish_errors_total[$__rate_interval]))`, "publish: {{reason}}")).AxisSoftMax(1)},
		{8, 8, graph("Duplicates and refusals", perSecond, "Records received again, and requests that the CDR listener refused, by reason.",
			series(`sum(rate(cms_cdr_duplicates_total{`+inCluster+`}[$__rate_interval]))`, "duplicates"),
			series(`sum by (reason) (rate(bridgewatch_receiver_refused_requests_total[$__rate_interval]))`, "refused: {{reason}}")).AxisSoftMax(1)},
	}}
}
