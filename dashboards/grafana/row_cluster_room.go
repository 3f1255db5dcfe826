package grafana

// clusterRoomRow shows what is left, and what would be left after a loss.
func clusterRoomRow() row {
	return row{"Room", []panel{
		{8, 8, graph("Fail-over headroom", loadUnits, "Load units left below the sum of the limits were the group's busiest bridge to die now. Below zero, people could not rejoin.",
			series(`cms_group_failover_headroom{`+inCluster+`}`, "{{cms_cluster}} {{group}}"))},
		{8, 8, bars("Room for 720p calls", plain, "More 720p30 calls that fit below each bridge's limit, were all of that quality (derived cost model).", anyIsFine(),
			now(`sort_desc(cms_call_bridge_room_calls{`+inCluster+`,quality="720p30"})`, "{{call_bridge}}")).OverrideByRegexp(".*", linkToBridge())},
		{8, 8, graph("Links between bridges", plain, "Distribution legs: the price of meetings that are spread over bridges. From syslog.",
			series(`cms_call_bridge_distribution_legs{`+inCluster+`}`, "{{call_bridge}}"))},
	}}
}
