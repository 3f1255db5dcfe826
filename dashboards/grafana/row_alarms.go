package grafana

// alarmsRow is the history of alarms.
func alarmsRow() row {
	return row{"Alarms", []panel{
		{16, 8, timeline("When", "Alarms that bridges have reported in the time range, and faults that Bridgewatch found itself.", activeClear(),
			series(`max by (call_bridge, alarm) (cms_alarm_active{`+inCluster+`}) and max by (call_bridge, alarm) (max_over_time(cms_alarm_active{`+inCluster+`}[$__range])) > 0`, "{{call_bridge}} {{alarm}}"),
			series(`max by (call_bridge, fault) (cms_fault_active{`+inCluster+`}) and max by (call_bridge, fault) (max_over_time(cms_fault_active{`+inCluster+`}[$__range])) > 0`, "{{call_bridge}} {{fault}}")).NoValue("no alarm")},
		{8, 8, list("By kind", "How often each kind held in the time range, and how long it took to clear.",
			sqlTable(`SELECT type AS "Kind", count() AS "Raised", countIf(cleared IS NULL) AS "Active", avg(dateDiff('second', raised, cleared)) AS "Time to clear"
FROM bridgewatch.alarms
WHERE raised <= $__toTime AND ifNull(cleared, now64(3)) >= $__fromTime AND cms_cluster IN (${cms_cluster:singlequote})
GROUP BY type
ORDER BY "Raised" DESC`)).OverrideByName("Raised", wide(80)).OverrideByName("Active", wide(80)).OverrideByName("Time to clear", wide(130, unit("dtdurations")...))},
		{24, 12, list("History", "Every alarm that held in the time range, the latest first. Seen by: cms where the bridge reported it itself, else what found it.",
			sqlTable(`SELECT raised AS "Raised", cleared AS "Cleared", dateDiff('second', raised, ifNull(cleared, now64(3))) AS "Lasted", call_bridge AS "Call Bridge", type AS "Kind", failure_reason AS "Reason", subject AS "About", source AS "Seen by"
FROM bridgewatch.alarms
WHERE raised <= $__toTime AND ifNull(cleared, now64(3)) >= $__fromTime AND cms_cluster IN (${cms_cluster:singlequote})
ORDER BY raised DESC
LIMIT 500`)).OverrideByName("Raised", wide(170, unit("dateTimeAsIso")...)).OverrideByName("Cleared", wide(170, unit("dateTimeAsIso")...)).
			OverrideByName("Lasted", wide(120, unit("dtdurations")...)).OverrideByName("Call Bridge", wide(120, linkTo("call-bridge", "call_bridge")...)).OverrideByName("Reason", wide(170)).OverrideByName("About", wide(310)).OverrideByName("Seen by", wide(90))},
	}}
}
