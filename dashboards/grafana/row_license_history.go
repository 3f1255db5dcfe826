package grafana

// licenseHistoryRow shows the days behind us, the features and who hosts most.
func licenseHistoryRow() row {
	return row{"History", []panel{
		{24, 8, dailyColumns("Daily peaks as CMS reports them", plain, "Highest five-minute sum over the hosts of a cluster, a sixth for audio-only and point-to-point calls. Days are UTC.",
			sqlTable(`SELECT toString(toDate(bin)) AS day, max(smp) AS "SMP", max(rec) AS "Recording"
FROM (
    SELECT toStartOfFiveMinutes(time) AS bin, toFloat64(sum(smp_full) + (sum(smp_audio) + sum(smp_ptp)) / 6) AS smp, toFloat64(sum(rec) + sum(str)) AS rec
    FROM bridgewatch.license_samples
    WHERE $__timeFilter(time)
    GROUP BY bin
)
GROUP BY day
ORDER BY day`)).XField("day").
			OverrideByName("SMP", coloredLine(smpCol)).OverrideByName("Recording", coloredLine(recCol))},
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
