package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// licenseCalendarRow shows the ninety days that compliance looks at, and the day that forms now.
func licenseCalendarRow() row {
	// An entitlement of none is exceeded by any use.
	share := func(used, entitled string) string {
		return `if(` + entitled + ` = 0, if(` + used + ` > 0, 9.99, 0), ` + used + ` / ` + entitled + `)`
	}
	full := from(good).at(0.9, caution).at(1.0001, bad)
	return row{"On the way to enforcement?", []panel{
		{16, 11, list("Overage calendar", "Peak of each of the last 90 license days as a share of the entitlement, SMP or PMP, whichever is fuller; the fullest of the pools chosen. Red: a day of overage; gray: not known.",
			sqlTable(`SELECT formatDateTime(toMonday(date), '%d %b') AS week, ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][toDayOfWeek(date)] AS day, used
FROM (SELECT toMonday(toDate($__toTime) - 89) + number AS date FROM numbers(98)) AS calendar
LEFT JOIN (
    SELECT day AS date, toNullable(max(greatest(ifNull(`+share("smp_sixths / 6", "smp_entitled")+`, 0), ifNull(`+share("pmp_compared", "pmp_entitled")+`, 0)))) AS used
    FROM `+licenseDays("90")+`
    WHERE smp_entitled IS NOT NULL OR pmp_entitled IS NOT NULL
    GROUP BY day
) AS days USING date
WHERE date <= toDate($__toTime) AND (SELECT count() FROM bridgewatch.license_entitlements WHERE license_pool IN (${license_pool:singlequote})) > 0
ORDER BY date`)).
			Unit(ratio).Decimals(0).Thresholds(full.orUnknown().builder()).ColorScheme(colorMode(dashboard.FieldColorModeIdThresholds)).
			WithTransformation(dashboard.DataTransformerConfig{Id: "groupingToMatrix", Options: map[string]any{"columnField": "week", "rowField": "day", "valueField": "used", "emptyValue": "null"}}).
			OverrideByRegexp(`^\d\d \w+$`, wide(64, cell("color-background"), property("custom.align", "center"))).
			OverrideByRegexp(`^day.week$`, wide(90, property("displayName", "Week of")))},
		{8, 11, bars("Today's peaks so far", ratio, "The highest use of the license day that forms now as a share of the entitlement; the fullest of the pools chosen. PMP: assigned to users.", full,
			sqlTable(`SELECT max(`+share("smp_sixths / 6", "smp_entitled")+`) AS "SMP", max(`+share("pmp_compared", "pmp_entitled")+`) AS "PMP", max(`+share("recording", "recording_entitled")+`) AS "Recording"
FROM `+licenseDays("2")+`
GROUP BY day
ORDER BY day DESC
LIMIT 1`)).Max(1).Decimals(0)},
	}}
}
