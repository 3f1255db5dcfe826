package grafana

// recordingSlotsRow shows the slots of recorders and streamers.
func recordingSlotsRow() row {
	full := from(good).at(0.7, caution).at(0.9, bad)
	return row{"Slots", []panel{
		{8, 8, bars("Recorders", ratio, "Recordings now as a share of what the recorder can make at once, from its CPUs, memory and limit.", full,
			now(`cms_recorder_recordings{`+inCluster+`} / cms_recorder_capacity_recordings`, "{{recorder}}")).Max(1).Decimals(0)},
		{8, 8, bars("Streamers", ratio, "Streams now as a share of what the streamer can make at once.", full,
			now(`cms_streamer_streams{`+inCluster+`} / cms_streamer_capacity_streams`, "{{streamer}}")).Max(1).Decimals(0)},
		{8, 8, graph("Recording licenses", plain, "Recordings and streams together, against the entitlement (dashed).",
			series(`sum by (license_pool) (cms_license_in_use{license="recording"})`, "{{license_pool}}"),
			series(`sum by (license_pool) (cms_license_entitlement{license="recording"})`, "{{license_pool}} entitled")).
			OverrideByRegexp(".* entitled", asLimit())},
		{12, 8, graph("Recordings", plain, "Recordings in progress by cluster and recorder; unnamed where CMS does not say which.",
			series(`cms_recorder_recordings{`+inCluster+`}`, "{{cms_cluster}} {{recorder}}"))},
		{12, 8, graph("Streams", plain, "Streams in progress by cluster and streamer.",
			series(`cms_streamer_streams{`+inCluster+`}`, "{{cms_cluster}} {{streamer}}"))},
	}}
}
