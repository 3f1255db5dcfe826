package grafana

// licenseUseRow shows use against entitlement, and our count beside that of CMS.
func licenseUseRow() row {
	use := func(title, license, color string) panel {
		selector := `{` + ofPool + `,license="` + license + `"}`
		return panel{8, 9, graph(title, plain, "Ours, computed from call records; reported, what CMS itself counts; dashed, the entitlement. SMP counts in sixths.",
			series(`sum by (license_pool) (cms_license_in_use`+selector+`)`, "{{license_pool}}"),
			series(`sum by (license_pool) (cms_license_reported_in_use`+selector+`)`, "{{license_pool}} reported"),
			series(`sum by (license_pool) (cms_license_entitlement`+selector+`)`, "{{license_pool}} entitled")).
			OverrideByRegexp(".* entitled", asLimit()).OverrideByRegexp(".* reported", asMark(faint)).
			OverrideByRegexp("^\\S+$", coloredLine(color))}
	}
	return row{"Use", []panel{use("SMP in use", "smp", smpCol), use("PMP in use", "pmp", pmpCol), use("Recording and streaming", "recording", recCol)}}
}
