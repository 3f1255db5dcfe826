package grafana

// meetingsSearchRow finds a meeting and its call legs by text.
func meetingsSearchRow() row {
	const wanted = `cms_cluster IN (${cms_cluster:singlequote})`
	return row{"Meetings and call legs that match the search", []panel{
		{24, 9, list("Meetings", "Meetings that began in the time range and whose name or owner holds the search text. A meeting is all calls of one correlator.",
			sqlTable(`SELECT start AS "Start", end AS "End", name AS "Meeting", owner_name AS "Owner", call_type AS "Type", arrayStringConcat(call_bridges, ', ') AS "Call Bridges",
    if(recorded, 'recorded', '') AS "Recorded"
FROM bridgewatch.meetings
WHERE $__timeFilter(start) AND `+wanted+` AND (positionCaseInsensitiveUTF8(name, ${search:sqlstring}) > 0 OR positionCaseInsensitiveUTF8(owner_name, ${search:sqlstring}) > 0)
ORDER BY start DESC
LIMIT 200`)).OverrideByName("Start", unit("dateTimeAsIso")).OverrideByName("End", unit("dateTimeAsIso"))},
		{24, 10, list("Call legs", "Call legs of people that began in the time range, whose name, address or meeting holds the search text.",
			sqlTable(`SELECT start AS "Start", duration_seconds AS "Duration", display_name AS "Name", remote_party AS "Address", local_address AS "Dialled", call_bridge AS "Call Bridge",
    type AS "Type", end_reason AS "End reason", arrayStringConcat(alarms.type, ', ') AS "Alarms"
FROM bridgewatch.call_legs
WHERE $__timeFilter(start) AND `+wanted+` AND counts_as_person
    AND (positionCaseInsensitiveUTF8(display_name, ${search:sqlstring}) > 0 OR positionCaseInsensitiveUTF8(remote_party, ${search:sqlstring}) > 0
        OR call_id IN (SELECT id FROM bridgewatch.calls WHERE $__timeFilter(start) AND positionCaseInsensitiveUTF8(name, ${search:sqlstring}) > 0))
ORDER BY start DESC
LIMIT 500`)).OverrideByName("Start", wide(170, unit("dateTimeAsIso")...)).OverrideByName("Duration", wide(110, unit("dtdurations")...)).
			OverrideByName("Call Bridge", wide(120)).OverrideByName("Type", wide(80)).OverrideByName("End reason", wide(150))},
	}}
}
