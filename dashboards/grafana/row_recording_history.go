package grafana

// recordingHistoryRow lists what was recorded and what is running.
func recordingHistoryRow() row {
	const ours = `cms_cluster IN (${cms_cluster:singlequote})`
	return row{"Recordings and streams", []panel{
		{12, 10, list("In progress", "Recordings and streams that have not ended.",
			sqlTable(`SELECT r.start AS "Start", what AS "What", c.name AS "Meeting", r.call_bridge AS "Call Bridge"
FROM (
    SELECT start, 'recording' AS what, call_bridge, call_id FROM bridgewatch.recordings WHERE end IS NULL AND `+ours+`
    UNION ALL
    SELECT start, 'stream' AS what, call_bridge, call_id FROM bridgewatch.streams WHERE end IS NULL AND `+ours+`
) AS r
LEFT JOIN (
    SELECT id, name FROM bridgewatch.calls
    WHERE id IN (SELECT call_id FROM bridgewatch.recordings WHERE end IS NULL AND `+ours+` UNION ALL SELECT call_id FROM bridgewatch.streams WHERE end IS NULL AND `+ours+`)
) AS c ON c.id = r.call_id
ORDER BY r.start
LIMIT 200`)).OverrideByName("Start", wide(170, unit("dateTimeAsIso")...)).OverrideByName("What", wide(90)).OverrideByName("Meeting", words()).OverrideByName("Call Bridge", wide(120)).NoValue("none")},
		{12, 10, list("Ended", "Recordings and streams that began in the time range and ended, the latest first. One without a record of its end is marked.",
			sqlTable(`SELECT r.start AS "Start", r.duration_seconds AS "Duration", what AS "What", c.name AS "Meeting", arrayMap(host -> if(match(host, '^[\\d\\[]'), host, extract(host, '^[^.:/]*')), [replaceRegexpOne(r.device, '^(\\w+://|[^@]*@)', '')])[1] AS "Device", if(r.end_how = 'record', '', r.end_how) AS "Ended by"
FROM (
    SELECT start, duration_seconds, 'recording' AS what, if(recorder_uri = '', recorder_url, recorder_uri) AS device, end_how, call_id FROM bridgewatch.recordings WHERE $__timeFilter(start) AND end IS NOT NULL AND `+ours+`
    UNION ALL
    SELECT start, duration_seconds, 'stream', if(streamer_uri = '', streamer_url, streamer_uri), end_how, call_id FROM bridgewatch.streams WHERE $__timeFilter(start) AND end IS NOT NULL AND `+ours+`
) AS r
LEFT JOIN (SELECT id, name FROM bridgewatch.calls WHERE start >= $__fromTime - INTERVAL 1 DAY AND start <= $__toTime) AS c ON c.id = r.call_id
ORDER BY r.start DESC
LIMIT 200`)).OverrideByName("Start", wide(160, unit("dateTimeAsIso")...)).OverrideByName("Duration", wide(100, unit("dtdurations")...)).OverrideByName("What", wide(80)).OverrideByName("Meeting", words()).OverrideByName("Device", wide(120)).OverrideByName("Ended by", wide(100))},
	}}
}
