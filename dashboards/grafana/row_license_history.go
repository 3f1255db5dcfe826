package grafana

// licenseHistoryRow shows the days behind us, the features and who hosts most.
func licenseHistoryRow() row {
	return row{"History", []panel{
		{24, 8, dailyColumns("Daily peaks as CMS reports them", plain, "Highest five-minute sum over the servers of a pool, a sixth for audio-only and point-to-point calls; the busiest of the pools chosen, in its own license days.",
			sqlTable(`SELECT toString(day) AS date, max(smp_peak_sixths) / 6 AS "SMP", max(pmp_peak) AS "PMP", max(recording_peak) AS "Recording"
FROM bridgewatch.license_days_reported
WHERE license_pool IN (${license_pool:singlequote}) AND day >= toDate($__fromTime) AND day <= toDate($__toTime)
GROUP BY day
ORDER BY day`)).XField("date").Decimals(1).
			OverrideByName("SMP", coloredLine(smpCol)).OverrideByName("PMP", coloredLine(pmpCol)).OverrideByName("Recording", coloredLine(recCol))},
		{12, 9, list("Licensed features", "State and expiry of each feature. While all is well an expiry slides along at 90 days; one that stands still counts down.",
			sqlTable(`SELECT cms_cluster AS "Cluster", call_bridge AS "Call Bridge", feature AS "Feature", argMax(status, time) AS "Status", argMax(expiry, time) AS "Expiry"
FROM bridgewatch.license_features
WHERE time > $__toTime - INTERVAL 1 DAY AND time <= $__toTime
GROUP BY cms_cluster, call_bridge, feature
ORDER BY "Expiry"`)).OverrideByName("Expiry", unit(fromNow)).OverrideByName("Cluster", wide(100)).OverrideByName("Call Bridge", wide(110)).OverrideByName("Status", wide(110))},
		{12, 9, list("Who hosts most", "Owners of the spaces whose meetings lasted longest in the time range. An owner without a PMP takes SMP licenses.",
			sqlTable(`SELECT if(owner_name = '', '(no owner)', owner_name) AS "Owner", count() AS "Meetings", sum(dateDiff('second', start, end)) AS "Duration"
FROM bridgewatch.meetings
WHERE $__timeFilter(start) AND end IS NOT NULL
GROUP BY owner_name
ORDER BY "Duration" DESC
LIMIT 20`)).OverrideByName("Duration", unit("dtdurations"))},
	}}
}
