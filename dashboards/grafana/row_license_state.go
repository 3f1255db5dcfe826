package grafana

// licenseStateRow is where the pool stands.
func licenseStateRow() row {
	share := func(license string) query {
		return now(`max(sum by (license_pool, license) (cms_license_in_use{`+ofPool+`,license="`+license+`"}) / on (license_pool, license) cms_license_entitlement)`, "")
	}
	full := from(good).at(0.9, caution).at(1.0001, bad)
	return row{"Where do we stand?", []panel{
		{4, 5, lamp("SMP in use", ratio, "Shared licenses in use as a share of the entitlement; the fullest of the pools chosen.", full, share("smp")).Decimals(0).NoValue("no entitlement")},
		{4, 5, lamp("PMP assigned", ratio, "Personal licenses assigned to users as a share of the entitlement; what compliance is believed to compare.", full,
			now(`max(cms_license_assigned{`+ofPool+`,license="pmp"} / cms_license_entitlement)`, "")).Decimals(0).NoValue("no entitlement")},
		{4, 5, lamp("Recording in use", ratio, "Recordings and streams as a share of the entitlement.", full, share("recording")).Decimals(0).NoValue("no entitlement")},
		{4, 5, lamp("Overage days", plain, "Days of the last 90 on which SMP or PMP exceeded the entitlement. Up to 15 are tolerated.", from(good).at(8, caution).at(15, bad),
			now(`max(cms_license_overage_days{`+ofPool+`})`, "")).NoValue("not known")},
		{4, 5, lamp("Days left", plain, "Days of overage that are left before enforcement begins.", from(bad).at(1, caution).at(8, good),
			now(`15 - max(cms_license_overage_days{`+ofPool+`})`, "")).NoValue("not known")},
		{4, 5, lamp("Enforcement", plain, "Level of enforcement: 0 none, 1 notice, 2 prompts on joining, 3 permanent.", from(good).at(1, caution).at(2, bad),
			now(`max(cms_license_enforcement_level{`+ofPool+`})`, "")).NoValue("not known")},
	}}
}
