package grafana

// bridgeHealthRow shows what the bridge reports about itself and its neighbors.
func bridgeHealthRow() row {
	return row{"Health", []panel{
		{12, 8, timeline("Alarms", "Alarms that the bridge has reported in the time range.", states("1", "active", bad, "0", "clear", good),
			series(`cms_alarm_active{`+onBridge+`} and max_over_time(cms_alarm_active{`+onBridge+`}[$__range]) > 0`, "{{call_bridge}} {{alarm}}")).NoValue("no alarm")},
		{12, 8, timeline("Database, TURN and Web Bridges", "Devices as the bridges chosen see them: down where one of them does not reach it.", upDown(),
			series(`min by (node) (cms_database_node_up{`+onBridge+`})`, "database {{node}}"), series(`min by (turn_server) (cms_turn_server_reachable{`+onBridge+`})`, "TURN {{turn_server}}"),
			series(`min by (web_bridge) (cms_web_bridge_reachable{`+onBridge+`})`, "{{web_bridge}}"))},
		{12, 7, graph("Uptime", seconds, "A line that falls to zero is a restart.", series(`cms_call_bridge_uptime_seconds{`+onBridge+`}`, "{{call_bridge}}"))},
		{12, 7, graph("Clock", seconds, "The bridge's clock less ours. Records carry the bridge's time.", series(`cms_call_bridge_clock_skew_seconds{`+onBridge+`}`, "{{call_bridge}}"))},
	}}
}
