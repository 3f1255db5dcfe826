package grafana

// qualityWhoRow narrows bad quality down to what the sufferers share.
func qualityWhoRow() row {
	const bad = `countIf(notEmpty(alarms)) AS "With alarm", count() AS "Legs", countIf(notEmpty(alarms)) / count() AS "Share"
FROM bridgewatch.call_legs
WHERE $__timeFilter(start) AND cms_cluster IN (${cms_cluster:singlequote}) AND call_bridge IN (${call_bridge:singlequote}) AND end IS NOT NULL AND counts_as_person
`
	by := func(title, description, name, expr string) panel {
		return panel{8, 9, list(title, description,
			sqlTable(`SELECT `+expr+` AS "`+name+`", `+bad+`GROUP BY "`+name+`"
ORDER BY "With alarm" DESC
LIMIT 20`)).OverrideByName(name, words()).OverrideByName("Share", wide(80, shareCell()...)).OverrideByName("With alarm", wide(100)).OverrideByName("Legs", wide(70))}
	}
	return row{"Who suffers?", []panel{
		by("By Call Bridge", "Legs that ended with a quality alarm, by bridge: its own host or network.", "Call Bridge", `call_bridge`),
		by("By client and audio codec", "Legs that ended with a quality alarm, by kind of client and codec.", "Client", `arrayStringConcat(arrayFilter(x -> x != '', [type, sub_type, if(rx_audio_codec = '', '(no audio)', rx_audio_codec)]), ' ')`),
		by("By network", "Legs that ended with a quality alarm, by host of the far address, of a numeric one its first three parts: a site's link.", "Network",
			`arrayMap(host -> multiIf(match(host, '^\\d+\\.\\d+\\.\\d+\\.\\d+'), extract(host, '^\\d+\\.\\d+\\.\\d+'), match(host, '^\\[?\\w*:\\w*:'), extract(host, '^\\[?(\\w*:\\w*:\\w*)'), host),
    [extract(remote_party, '([^@;>]*)(?:;[^@]*)?>?$')])[1]`),
		{24, 9, list("Worst meetings", "Calls of the time range with the most legs that suffered.",
			sqlTable(`SELECT any(c.start) AS "Start", any(c.name) AS "Meeting", any(c.call_bridge) AS "Call Bridge", countIf(notEmpty(l.alarms)) AS "With alarm", count() AS "Legs", countIf(notEmpty(l.alarms)) / count() AS "Share",
    toString(any(c.call_correlator)) AS "Id", toString(toUnixTimestamp64Milli(any(c.start)) - 60000) AS "From", toString(toUnixTimestamp64Milli(any(ifNull(c.end, now64(3)))) + 60000) AS "To"
FROM bridgewatch.call_legs AS l
INNER JOIN (SELECT id, start, end, name, call_bridge, call_correlator FROM bridgewatch.calls WHERE start >= $__fromTime - INTERVAL 1 DAY AND start <= $__toTime) AS c ON c.id = l.call_id
WHERE $__timeFilter(l.start) AND l.cms_cluster IN (${cms_cluster:singlequote}) AND l.call_bridge IN (${call_bridge:singlequote}) AND l.counts_as_person
GROUP BY l.call_id
HAVING "With alarm" > 0
ORDER BY "With alarm" DESC
LIMIT 50`)).OverrideByName("Start", wide(170, unit("dateTimeAsIso")...)).OverrideByName("Call Bridge", wide(140)).OverrideByName("With alarm", wide(110)).OverrideByName("Legs", wide(90)).
			OverrideByName("Share", wide(100, shareCell()...)).OverrideByName("Meeting", words(linkToMeeting()...)).
			OverrideByName("Id", unseen()).OverrideByName("From", unseen()).OverrideByName("To", unseen())},
	}}
}
