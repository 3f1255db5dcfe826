package grafana

import "github.com/grafana/grafana-foundation-sdk/go/stat"

// licenseStateRow is where the pool stands.
func licenseStateRow() row {
	full := from(good).at(0.9, caution).at(1.0001, bad)
	return row{"Where do we stand?", []panel{
		{4, 5, lamp("SMP in use", ratio, "Shared licenses in use as a share of the entitlement; the fullest of the pools chosen. CMS's own count where ours is not there.", full, licenseShare("cms_license_in_use", "smp")).
			Decimals(0).NoValue("not known")},
		{4, 5, lamp("PMP assigned", ratio, "Personal licenses assigned to users as a share of the entitlement; what compliance is believed to compare.", full, licenseShare("cms_license_assigned", "pmp")).
			Decimals(0).NoValue("not known")},
		{4, 5, lamp("Recording in use", ratio, "Recordings and streams as a share of the entitlement; the fullest of the pools chosen.", full, licenseShare("cms_license_in_use", "recording")).
			Decimals(0).NoValue("not known")},
		{4, 5, lamp("Overage days", plain, "Days of the last 90 on which SMP or PMP exceeded the entitlement, by what CMS itself counted. Up to 15 are tolerated.", from(good).at(8, caution).at(16, bad),
			sqlTable(overageDays("days"))).NoValue("not known")},
		{4, 5, lamp("Days left", plain, "Days of overage that are left before enforcement begins.", from(bad).at(1, caution).at(8, good),
			sqlTable(overageDays("greatest(15 - days, 0)"))).NoValue("not known")},
		{4, 5, enforcement("Enforcement")},
	}}
}

// licenseShare is the use of a license as a share of its entitlement: ours, else what CMS reports.
func licenseShare(metric, license string) query {
	selector := `{` + ofPool + `,license="` + license + `"}`
	reported := map[string]string{"cms_license_in_use": "cms_license_reported_in_use", "cms_license_assigned": "cms_license_reported_assigned"}[metric]
	return now(`max((sum by (license_pool, license) (`+metric+selector+`) or sum by (license_pool, license) (`+reported+selector+`)) / on (license_pool, license) cms_license_entitlement)`, "")
}

// overageDays is an expression of the days of overage of the worst pool chosen.
func overageDays(expr string) string {
	return `SELECT ` + expr + ` AS days_shown
FROM (
    SELECT countIf(overage) AS days
    FROM bridgewatch.license_days_reported
    WHERE license_pool IN (${license_pool:singlequote}) AND day > toDate($__toTime) - 90 AND day <= toDate($__toTime)
    GROUP BY license_pool
    HAVING countIf(overage IS NOT NULL) > 0
    ORDER BY days DESC
    LIMIT 1
)`
}

// enforcement is the level that the guide's rules (17.1.1, 17.1.2) give for what CMS reports of its features and its license use; the worst cluster.
func enforcement(title string) *stat.PanelBuilder {
	return lamp(title, plain, "Level of enforcement of the worst cluster: 0 none, 1 notice, 2 prompts on joining, 3 permanent prompts. From the features' expiry and the days of overage.",
		from(good).at(1, caution).at(2, bad), sqlTable(`SELECT multiIf(licensed, if(days > 15, 1, 0), expired_lately, 2, 3) AS level
FROM (
    SELECT cms_cluster, max(status IN ('activated', 'grace')) AS licensed, max(status = 'expired' AND expiry > $__toTime - INTERVAL 90 DAY) AS expired_lately
    FROM (
        SELECT cms_cluster, call_bridge, feature, argMax(f.status, f.time) AS status, argMax(f.expiry, f.time) AS expiry
        FROM bridgewatch.license_features AS f
        WHERE f.time > $__toTime - INTERVAL 1 DAY AND f.time <= $__toTime AND f.feature IN ('callBridge', 'callBridgeNoEncryption')
        GROUP BY cms_cluster, call_bridge, feature
    )
    GROUP BY cms_cluster
) AS features
LEFT JOIN (
    SELECT cms_cluster, max(days) AS days
    FROM (SELECT license_pool, countIf(overage) AS days FROM bridgewatch.license_days_reported WHERE day > toDate($__toTime) - 90 AND day <= toDate($__toTime) GROUP BY license_pool) AS pools
    INNER JOIN (SELECT DISTINCT license_pool, arrayJoin(cms_clusters) AS cms_cluster FROM bridgewatch.license_entitlements) AS uses USING license_pool
    GROUP BY cms_cluster
) AS overages USING cms_cluster
ORDER BY level DESC
LIMIT 1`)).NoValue("not known")
}
