package grafana

// licenseDays is a SQL query of the license days of the pools chosen, from some days before the end of the time range to its end: our own peaks from license
// intervals, the servers' from their snapshots, and the entitlement. A day before the first meeting that we know has no row, and a pool of which a cluster
// is still to be computed has none.
//
// Intervals are summed as they begin and end, with what holds at each midnight of the pool; both of the midnights that a change of the clocks may mean are looked at.
func licenseDays(days string) string {
	offset := func(unix string) string {
		return `zone_offset[greatest(1, arrayLastIndex(since -> toUnixTimestamp(since) <= ` + unix + `, zone_from))]`
	}
	const pools = `(SELECT license_pool, arrayJoin(any(cms_clusters)) AS cms_cluster, any(zone_from) AS zone_from, any(zone_offset) AS zone_offset
            FROM bridgewatch.license_entitlements WHERE license_pool IN (${license_pool:singlequote})
                AND hasAll((SELECT groupArray(cms_cluster) FROM bridgewatch.license_units_data WHERE start_day = toDate(0)), cms_clusters) GROUP BY license_pool)`
	return `(
    SELECT own.license_pool AS license_pool, own.day AS day, own.smp_sixths AS smp_sixths, own.pmp AS pmp, own.recording AS recording,
        r.smp_counted AS smp_reported, r.recording_counted AS recording_reported, r.pmp_assigned AS pmp_assigned,
        e.smp AS smp_entitled, e.pmp AS pmp_entitled, e.recording AS recording_entitled, if(e.pmp_compares = 'in_use', toNullable(own.pmp), pmp_assigned) AS pmp_compared
    FROM (
        SELECT license_pool, toDate(toDateTime(at + ` + offset("at") + `, 'UTC')) AS day, max(smp) AS smp_sixths, max(pmp) AS pmp, max(rec) AS recording
        FROM (
            SELECT license_pool, any(zone_from) AS zone_from, any(zone_offset) AS zone_offset, intDiv(toUnixTimestamp64Milli(t), 1000) AS at,
                sum(sum(d_smp)) OVER w AS smp, sum(sum(d_pmp)) OVER w AS pmp, sum(sum(d_rec)) OVER w AS rec, max(max(is_real)) OVER w AS known
            FROM (
                SELECT license_pool, zone_from, zone_offset, t, sign * smp_sixths AS d_smp, sign * pmp AS d_pmp, sign * (recordings + streams) AS d_rec, 1 AS is_real
                FROM bridgewatch.license_intervals AS i
                INNER JOIN ` + pools + ` AS p USING cms_cluster
                ARRAY JOIN [from, ifNull(to, toDateTime64('2200-01-01 00:00:00', 3, 'UTC'))] AS t, [toInt64(1), toInt64(-1)] AS sign
                WHERE start_day > toDate($__toTime) - ` + days + ` - 8 AND t <= $__toTime
                UNION ALL
                SELECT license_pool, zone_from, zone_offset, fromUnixTimestamp64Milli(toInt64(arrayJoin([midnight - ` + offset("midnight - 43200") + `, midnight - ` + offset("midnight + 43200") + `])) * 1000, 'UTC') AS t, 0, 0, 0, 0
                FROM (SELECT DISTINCT license_pool, zone_from, zone_offset, (toInt64(toDate($__toTime)) - number) * 86400 AS midnight FROM ` + pools + ` AS p CROSS JOIN numbers(` + days + ` + 1) AS n)
                WHERE t <= $__toTime
            )
            GROUP BY license_pool, t
            WINDOW w AS (PARTITION BY license_pool ORDER BY t)
        )
        GROUP BY license_pool, day
        HAVING max(known) = 1 AND day > toDate($__toTime) - ` + days + `
    ) AS own
    LEFT JOIN (SELECT *, toNullable(smp_peak_sixths) AS smp_counted, toNullable(recording_peak) AS recording_counted FROM bridgewatch.license_days_reported) AS r ON r.license_pool = own.license_pool AND r.day = own.day
    ASOF LEFT JOIN bridgewatch.license_entitlements AS e ON e.license_pool = own.license_pool AND own.day >= e.valid_from
)`
}
