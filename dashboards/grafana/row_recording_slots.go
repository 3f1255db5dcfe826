package grafana

// recordingSlotsRow shows the slots of recorders and streamers.
func recordingSlotsRow() row {
	full := from(good).at(0.7, caution).at(0.9, bad)
	return row{"Slots", []panel{
		{8, 8, bars("Slots in use", ratio, "Recordings and streams now as a share of what the recorders and streamers of each cluster can make at once, from their CPUs, memory and limits.", full,
			now(`sum by (cms_cluster) (cms_recorder_recordings{`+inCluster+`}) / sum by (cms_cluster) (cms_recorder_capacity_recordings)`, "{{cms_cluster}} recorders"),
			now(`sum by (cms_cluster) (cms_streamer_streams{`+inCluster+`}) / sum by (cms_cluster) (cms_streamer_capacity_streams)`, "{{cms_cluster}} streamers")).Max(1).Decimals(0)},
		{8, 8, number("Disk lasts", "dtdurations", "How long the recorders' whole disks last with the recordings that run now, from their configured size and resolution.", from(bad).at(86400, caution).at(7*86400, good),
			now(`sum by (cms_cluster) (cms_recorder_disk_recording_seconds{`+inCluster+`}) / (sum by (cms_cluster) (cms_recorder_recordings{`+inCluster+`}) > 0)`, "{{cms_cluster}}")).NoValue("nothing is recorded")},
		{8, 8, graph("Recording licenses", plain, "Recordings and streams together, against the entitlement (dashed).",
			series(`sum by (license_pool) (cms_license_in_use{license="recording"})`, "{{license_pool}}"),
			series(`sum by (license_pool) (cms_license_entitlement{license="recording"})`, "{{license_pool}} entitled")).
			OverrideByRegexp(".* entitled", asLimit()).OverrideByRegexp("^\\S+$", coloredLine(recCol))},
		{8, 8, graph("Recordings", plain, "Recordings in progress by cluster and recorder; without a name where CMS does not say which. Dashed: what the cluster's recorders can make.",
			series(`cms_recorder_recordings{`+inCluster+`}`, "{{cms_cluster}} {{recorder}}"),
			series(`sum by (cms_cluster) (cms_recorder_capacity_recordings{`+inCluster+`})`, "{{cms_cluster}} slots")).
			OverrideByRegexp(".* slots", asLimit())},
		{8, 8, graph("Streams", plain, "Streams in progress by cluster and streamer. Dashed: what the cluster's streamers can make.",
			series(`cms_streamer_streams{`+inCluster+`}`, "{{cms_cluster}} {{streamer}}"),
			series(`sum by (cms_cluster) (cms_streamer_capacity_streams{`+inCluster+`})`, "{{cms_cluster}} slots")).
			OverrideByRegexp(".* slots", asLimit())},
		{8, 8, graph("Not recorded", plain, "Meetings that are to be recorded and that no bridge has recorded for a minute: no slot, no license, or no recorder.",
			series(`cms_meetings_unrecorded{`+inCluster+`}`, "{{cms_cluster}}")).AxisSoftMax(1)},
	}}
}
