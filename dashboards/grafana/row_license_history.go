package grafana

// licenseHistoryRow shows the days behind us, the features and who hosts most.
func licenseHistoryRow() row {
	return row{"History", []panel{
		{24, 8, dailyColumns("Daily peaks of sixty days", plain, "Peak of each license day up to the end of the time range: ours, computed from call records to the second, and what the servers counted every five minutes; the busiest of the pools chosen.",
			sqlTable(`SELECT toString(day) AS date, max(smp_sixths) / 6 AS "SMP", max(smp_reported) / 6 AS "SMP as CMS counts", max(pmp) AS "PMP", max(recording) AS "Recording"
FROM `+licenseDays("60")+`
GROUP BY day
ORDER BY day`)).XField("date").Decimals(1).
			OverrideByName("SMP", coloredLine(smpCol)).OverrideByName("SMP as CMS counts", coloredLine(unknown)).OverrideByName("PMP", coloredLine(pmpCol)).OverrideByName("Recording", coloredLine(recCol))},
		{12, 9, list("Who takes licenses", "Owners whose meetings took most of shared licenses in the time range, and the rule of the longest meeting. smp_owner_without_pmp: a personal license would end it.",
			sqlTable(`SELECT if(owner_name = '', '(no owner)', owner_name) AS "Owner", uniqExact(call_correlator) AS "Meetings", sum(smp_sixths * seconds) / 6 AS "SMP time", sum(pmp * seconds) AS "PMP time",
    argMax(rule, smp_sixths * seconds) AS "Rule"
FROM (
    SELECT owner_name, call_correlator, smp_sixths, pmp, rule, dateDiff('second', greatest(from, toDateTime64($__fromTime, 3)), least(ifNull(to, now64(3)), toDateTime64($__toTime, 3))) AS seconds
    FROM bridgewatch.license_intervals
    WHERE start_day >= toDate($__fromTime) - 8 AND from < $__toTime AND ifNull(to, now64(3)) > $__fromTime
        AND cms_cluster IN (SELECT arrayJoin(cms_clusters) FROM bridgewatch.license_entitlements WHERE license_pool IN (${license_pool:singlequote}))
)
GROUP BY owner_name
ORDER BY "SMP time" DESC
LIMIT 50`)).OverrideByName("Owner", words()).OverrideByName("Meetings", wide(90)).OverrideByName("SMP time", wide(110, unit("dtdurations")...)).OverrideByName("PMP time", wide(110, unit("dtdurations")...)).OverrideByName("Rule", wide(190))},
		{12, 9, list("Licensed features", "State and expiry of each feature. While all is well an expiry slides along at 90 days; one that stands still counts down.",
			sqlTable(`SELECT cms_cluster AS "Cluster", call_bridge AS "Call Bridge", feature AS "Feature", argMax(status, time) AS "Status", argMax(expiry, time) AS "Expiry"
FROM bridgewatch.license_features
WHERE time > $__toTime - INTERVAL 1 DAY AND time <= $__toTime
GROUP BY cms_cluster, call_bridge, feature
ORDER BY "Expiry"`)).OverrideByName("Expiry", unit(fromNow)).OverrideByName("Cluster", wide(100)).OverrideByName("Call Bridge", wide(110)).OverrideByName("Status", wide(110))},
	}}
}
