package grafana

// meetingsLiveRow is how much ran at a time, up to now.
func meetingsLiveRow() row {
	return row{"How busy was it?", []panel{
		{8, 7, graph("Meetings", plain, "Distinct meetings over each cluster.", series(`cms_meetings{`+inCluster+`}`, "{{cms_cluster}}"))},
		{8, 7, graph("Participants", plain, "People in meetings, by kind of client.", series(`sum by (client) (cms_participants{`+inCluster+`})`, "{{client}}"))},
		{8, 7, graph("Largest meeting", plain, "Participants of the largest call of each bridge, those on other bridges included. Cisco supports 2600.",
			series(`cms_conference_participants_max{`+inCluster+`}`, "{{call_bridge}}"))},
	}}
}
