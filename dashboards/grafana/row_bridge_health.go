package grafana

// bridgeHealthRow shows what the bridge reports about itself and its neighbors.
func bridgeHealthRow() row {
	return row{"Health", []panel{
		{12, 8, timeline("Alarms", "Alarms that the bridge has reported in the time range, and faults that Bridgewatch found.", activeClear(),
			series(`cms_alarm_active{`+onBridge+`} and max_over_time(cms_alarm_active{`+onBridge+`}[$__range]) > 0`, "{{alarm}}"),
			series(`cms_fault_active{`+onBridge+`} and max_over_time(cms_fault_active{`+onBridge+`}[$__range]) > 0`, "{{fault}}")).NoValue("no alarm")},
		{12, 8, timeline("Database, TURN and Web Bridges", "Devices as the bridge sees them: down where it does not reach one.", upDown(),
			series(`min by (node) (cms_database_node_up{`+onBridge+`})`, "database {{node}}"), series(`min by (turn_server) (cms_turn_server_reachable{`+onBridge+`})`, "TURN {{turn_server}}"),
			series(`min by (web_bridge) (cms_web_bridge_reachable{`+onBridge+`})`, "{{web_bridge}}"))},
		{8, 8, graph("Clock", seconds, "The bridge's clock less ours. Records carry the bridge's time.", series(`cms_call_bridge_clock_skew_seconds{`+onBridge+`}`, "{{call_bridge}}"))},
		{8, 8, list("Starts", "When the bridge started, by the uptime it reported in the time range: more than one line is a restart.",
			sqlTable(`SELECT min(time) - toIntervalSecond(argMin(up_for, time)) AS "Started", call_bridge AS "Call Bridge", max(up_for) AS "Ran for", argMax(version, time) AS "Release"
FROM (
    SELECT *, sum(up_for < before) OVER (PARTITION BY call_bridge ORDER BY time) AS run
    FROM (
        SELECT s.time AS time, s.call_bridge AS call_bridge, assumeNotNull(s.uptime_seconds) AS up_for, s.software_version AS version,
            lagInFrame(up_for) OVER (PARTITION BY s.call_bridge ORDER BY s.time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
        FROM bridgewatch.bridge_samples AS s
        WHERE $__timeFilter(s.time) AND s.cms_cluster IN (${cms_cluster:singlequote}) AND s.call_bridge IN (${call_bridge:singlequote}) AND s.uptime_seconds IS NOT NULL
    )
)
GROUP BY call_bridge, run
ORDER BY "Started" DESC
LIMIT 50`)).OverrideByName("Started", wide(150, unit("dateTimeAsIso")...)).OverrideByName("Call Bridge", wide(100)).OverrideByName("Ran for", wide(90, unit("dtdurations")...))},
		{8, 8, certificateList(false)},
	}}
}
