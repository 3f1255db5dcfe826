package grafana

// pipelineGapsRow lists what is not there, and what could not be read.
func pipelineGapsRow() row {
	return row{"Completeness", []panel{
		{12, 9, list("Gaps", "Runs of records that are absent, the latest first. Reported: the bridge itself said that it discarded them.",
			sqlTable(`SELECT to AS "Until", from AS "From", call_bridge AS "Call Bridge", count AS "Records", reported AS "Reported"
FROM bridgewatch.cdr_gaps
WHERE $__timeFilter(to) AND cms_cluster IN (${cms_cluster:singlequote})
ORDER BY to DESC
LIMIT 200`)).OverrideByName("Until", unit("dateTimeAsIso")).OverrideByName("From", unit("dateTimeAsIso")).NoValue("no gap")},
		{12, 9, list("Quarantine", "Bodies that were not, or not wholly, understood. They are kept byte for byte.",
			sqlTable(`SELECT received AS "Received", source AS "Call Bridge", reason AS "Reason", records_kept AS "Records kept"
FROM bridgewatch.cdr_quarantine
WHERE $__timeFilter(received) AND cms_cluster IN (${cms_cluster:singlequote})
ORDER BY received DESC
LIMIT 200`)).OverrideByName("Received", unit("dateTimeAsIso")).NoValue("empty")},
	}}
}
