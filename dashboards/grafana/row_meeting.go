package grafana

// meetingRow is one meeting: who came and went when, and on which terms.
func meetingRow() row {
	const calls = `bridgewatch.calls WHERE call_correlator = ` + chosen
	// A leg begins at most some minutes before its meeting; the time keeps the rest of the store out.
	const legs = `bridgewatch.call_legs
WHERE call_id IN (SELECT id FROM ` + calls + `) AND start >= (SELECT min(start) - INTERVAL 1 HOUR FROM ` + calls + `)`
	const people = `(SELECT if(display_name = '', extract(remote_party, '^[^@;]*'), display_name) AS who, start, ifNull(activated, joined) AS entered, end FROM ` + legs + ` AND counts_as_person
    ORDER BY start LIMIT 20)`
	return row{"The meeting chosen", []panel{
		{16, 13, timeline("Timeline", "When the first twenty people of the meeting were connected. Choose a meeting by its name in the list above, or at the top of the page.",
			states("1", "waiting", caution, "2", "in the meeting", good),
			sqlSeries(`SELECT time, who, max(multiIf(time < start OR time >= end, NULL, time >= entered, 2, 1)) AS "Value"
FROM (SELECT DISTINCT arrayJoin(arrayFilter(t -> t IS NOT NULL, [toNullable(start), entered, end])) AS time FROM `+people+`) AS moments
CROSS JOIN `+people+` AS people
GROUP BY time, who
ORDER BY time`)).NoValue("no meeting")},
		{8, 13, list("What happened", "The meeting's calls, call legs, recordings and streams in the order of time, on all bridges.",
			sqlTable(`SELECT time AS "Time", what AS "What", who AS "Who"
FROM (
    SELECT start AS time, 'call begins' AS what, call_bridge AS who FROM `+calls+`
    UNION ALL SELECT assumeNotNull(end), if(end_inferred, 'call ends (inferred)', 'call ends'), call_bridge FROM `+calls+` AND end IS NOT NULL
    UNION ALL SELECT start, if(counts_as_person, 'connects', 'link'), if(display_name = '', extract(remote_party, '^[^@;]*'), display_name) FROM `+legs+`
    UNION ALL SELECT assumeNotNull(end), if(end_reason = '', 'leaves', concat('leaves: ', end_reason)), if(display_name = '', extract(remote_party, '^[^@;]*'), display_name) FROM `+legs+` AND end IS NOT NULL
    UNION ALL SELECT start, 'recording begins', call_bridge FROM bridgewatch.recordings WHERE call_id IN (SELECT id FROM `+calls+`)
    UNION ALL SELECT assumeNotNull(end), 'recording ends', call_bridge FROM bridgewatch.recordings WHERE call_id IN (SELECT id FROM `+calls+`) AND end IS NOT NULL
    UNION ALL SELECT start, 'stream begins', call_bridge FROM bridgewatch.streams WHERE call_id IN (SELECT id FROM `+calls+`)
    UNION ALL SELECT assumeNotNull(end), 'stream ends', call_bridge FROM bridgewatch.streams WHERE call_id IN (SELECT id FROM `+calls+`) AND end IS NOT NULL
)
ORDER BY "Time"
LIMIT 500`)).OverrideByName("Time", wide(90, unit("time:HH:mm:ss")...)).OverrideByName("What", wide(190)).OverrideByName("Who", words())},
		{24, 10, list("Call legs", "All call legs of the meeting. Picture: the largest received. Alarms: what the media suffered from.",
			sqlTable(`SELECT start AS "Start", duration_seconds AS "Duration", if(display_name = '', '(no name)', display_name) AS "Name", remote_party AS "Address", call_bridge AS "Call Bridge",
    trim(concat(type, ' ', sub_type)) AS "Client", rx_audio_codec AS "Audio", if(rx_video_height IS NULL, '', concat(toString(rx_video_width), 'x', toString(rx_video_height))) AS "Picture",
    end_reason AS "End reason", arrayStringConcat(alarms.type, ', ') AS "Alarms"
FROM `+legs+`
ORDER BY start
LIMIT 500`)).OverrideByName("Start", wide(160, unit("dateTimeAsIso")...)).OverrideByName("Duration", wide(100, unit("dtdurations")...)).OverrideByName("Name", wide(190, words()...)).OverrideByName("Address", words()).OverrideByName("Call Bridge", wide(110)).
			OverrideByName("Client", wide(150)).OverrideByName("Audio", wide(70)).OverrideByName("Picture", wide(100)).OverrideByName("End reason", wide(185)).OverrideByName("Alarms", wide(150))},
	}}
}
