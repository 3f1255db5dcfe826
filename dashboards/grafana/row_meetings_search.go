package grafana

// meetingsSearchRow finds a meeting by text. A click on its name chooses it for the row below and zooms the time range to it.
func meetingsSearchRow() row {
	return row{"Meetings that match the search", []panel{
		{24, 10, list("Meetings", "Meetings that began in the time range and hold the search text in name, owner, or a name or address of those who took part. Click a name to choose it.",
			sqlTable(`SELECT start AS "Start", dateDiff('second', start, ifNull(end, now64(3))) AS "Duration", name AS "Meeting", owner_name AS "Owner", call_type AS "Type",
    arrayStringConcat(call_bridges, ', ') AS "Call Bridges", arrayStringConcat(arrayFilter(x -> x != '', [if(end IS NULL, 'going on', ''), if(recorded, 'recorded', ''), if(streamed, 'streamed', '')]), ', ') AS "State",
    toString(call_correlator) AS "Id", toString(toUnixTimestamp64Milli(start) - 60000) AS "From", toString(toUnixTimestamp64Milli(ifNull(end, now64(3))) + 60000) AS "To"
FROM bridgewatch.meetings
WHERE `+matchingMeetings+`
ORDER BY start DESC
LIMIT 200`)).OverrideByName("Start", wide(170, unit("dateTimeAsIso")...)).OverrideByName("Duration", wide(130, unit("dtdurations")...)).
			OverrideByName("Meeting", words(linkToMeeting()...)).OverrideByName("Owner", words()).OverrideByName("Type", wide(130)).OverrideByName("Call Bridges", wide(230)).OverrideByName("State", wide(150)).
			OverrideByName("Id", unseen()).OverrideByName("From", unseen()).OverrideByName("To", unseen())},
	}}
}
