package grafana

// recordingHistoryRow lists what was recorded and what is running.
func recordingHistoryRow() row {
	return row{"Recordings", []panel{
		{12, 9, list("In progress", "Recordings and streams that have not ended.",
			sqlTable(`SELECT start AS "Start", what AS "What", call_bridge AS "Call Bridge", toString(call_id) AS "Call"
FROM (
    SELECT start, 'recording' AS what, call_bridge, call_id FROM bridgewatch.recordings WHERE end IS NULL AND cms_cluster IN (${cms_cluster:singlequote})
    UNION ALL
    SELECT start, 'stream' AS what, call_bridge, call_id FROM bridgewatch.streams WHERE end IS NULL AND cms_cluster IN (${cms_cluster:singlequote})
)
ORDER BY "Start"`)).OverrideByName("Start", wide(170, unit("dateTimeAsIso")...)).OverrideByName("What", wide(100)).OverrideByName("Call Bridge", wide(120)).NoValue("none")},
		{12, 9, list("Latest recordings", "Recordings that began in the time range. One that ended without its own record is marked.",
			sqlTable(`SELECT start AS "Start", duration_seconds AS "Duration", call_bridge AS "Call Bridge", if(end_how IN ('', 'record'), '', end_how) AS "Ended by"
FROM bridgewatch.recordings
WHERE $__timeFilter(start) AND cms_cluster IN (${cms_cluster:singlequote})
ORDER BY start DESC
LIMIT 200`)).OverrideByName("Start", unit("dateTimeAsIso")).OverrideByName("Duration", unit("dtdurations"))},
	}}
}
