package grafana

// pipelineGapsRow lists what is not there, and what could not be read.
func pipelineGapsRow() row {
	return row{"Completeness", []panel{
		{14, 9, list("Completeness by session", "Each run of a Call Bridge that sent records in the time range, and each run of records that is absent from it. Reported: the bridge itself said that it discarded them.",
			sqlTable(`SELECT s.call_bridge AS "Call Bridge", s.first_time AS "Since", s.records AS "Records", s.duplicates AS "Duplicates", s.missing AS "Missing",
    if(gap.count = 0, NULL, gap.from) AS "Gap from", nullIf(gap.count, 0) AS "In the gap", nullIf(gap.reported, 0) AS "Reported"
FROM bridgewatch.cdr_sessions AS s
LEFT ARRAY JOIN s.gaps AS gap
WHERE s.last_time >= $__fromTime AND s.first_time <= $__toTime AND s.cms_cluster IN (${cms_cluster:singlequote})
ORDER BY gap.to DESC, s.call_bridge, s.first_time DESC
LIMIT 200`)).OverrideByName("Since", wide(150, unit("dateTimeAsIso")...)).OverrideByName("Gap from", unit("dateTimeAsIso")).
			OverrideByName("Call Bridge", wide(110)).OverrideByName("Records", wide(80)).OverrideByName("Duplicates", wide(100)).OverrideByName("In the gap", wide(90)).OverrideByName("Reported", wide(90)).
			OverrideByName("Missing", wide(90, cell("color-text"), noneIsGood().property()))},
		{10, 9, list("Quarantine", "Bodies that were not, or not wholly, understood. They are kept byte for byte.",
			sqlTable(`SELECT received AS "Received", source AS "Call Bridge", reason AS "Reason", records_kept AS "Records kept"
FROM bridgewatch.cdr_quarantine
WHERE $__timeFilter(received) AND cms_cluster IN (${cms_cluster:singlequote})
ORDER BY received DESC
LIMIT 200`)).OverrideByName("Received", wide(160, unit("dateTimeAsIso")...)).OverrideByName("Call Bridge", wide(110)).OverrideByName("Records kept", wide(110)).NoValue("empty")},
	}}
}
