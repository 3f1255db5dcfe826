package grafana

import "github.com/grafana/grafana-foundation-sdk/go/stat"

// licenseStateRow is where the pool stands.
func licenseStateRow() row {
	share := func(metric, license string) query {
		return now(`max(`+metric+`{`+ofPool+`,license="`+license+`"} / on (license_pool, license) cms_license_entitlement)`, "")
	}
	full := from(good).at(0.9, caution).at(1.0001, bad)
	return row{"Where do we stand?", []panel{
		{4, 5, lamp("SMP in use", ratio, "Shared licenses in use now as a share of the entitlement; the fullest of the pools chosen.", full, share("cms_license_in_use", "smp")).Decimals(0).NoValue("not known")},
		{4, 5, lamp("PMP assigned", ratio, "Personal licenses assigned to users as a share of the entitlement; what compliance is believed to compare.", full,
			share("cms_license_assigned", "pmp")).Decimals(0).NoValue("not known")},
		{4, 5, lamp("Recording in use", ratio, "Recordings and streams now as a share of the entitlement; the fullest of the pools chosen.", full, share("cms_license_in_use", "recording")).Decimals(0).NoValue("not known")},
		{4, 5, lamp("Overage days", plain, "Days of the last 90 on which SMP or PMP exceeded the entitlement; the worst of the pools chosen. Up to 15 are tolerated.", from(good).at(8, caution).at(16, bad),
			now(`max(cms_license_overage_days{`+ofPool+`})`, "")).NoValue("not known")},
		{4, 5, lamp("Days left", plain, "Days of overage that are left before enforcement begins.", from(bad).at(1, caution).at(8, good),
			now(`15 - max(cms_license_overage_days{`+ofPool+`})`, "")).NoValue("not known")},
		{4, 5, enforcement("Enforcement", `{`+ofPool+`}`)},
	}}
}

// enforcement is the lamp of the worst level of some pools.
func enforcement(title, selector string) *stat.PanelBuilder {
	return lamp(title, plain, "Level of enforcement of the worst license pool: 0 none, 1 notice, 2 prompts on joining, 3 permanent prompts.",
		from(good).at(1, caution).at(2, bad), now(`max(cms_license_enforcement_level`+selector+`)`, "")).NoValue("not known")
}
