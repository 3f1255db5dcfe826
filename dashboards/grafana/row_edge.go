package grafana

// edgeRow shows what stands between the bridges and the outside.
func edgeRow() row {
	return row{"TURN, Web Bridges and schedulers", []panel{
		{12, 8, timeline("Reachable", "TURN servers and Web Bridges as each Call Bridge sees them, and schedulers.", upDown(),
			series(`min by (turn_server) (cms_turn_server_reachable{`+inCluster+`})`, "TURN {{turn_server}}"),
			series(`min by (web_bridge) (cms_web_bridge_reachable{`+inCluster+`})`, "{{web_bridge}}"),
			series(`cms_scheduler_up{`+inCluster+`}`, "scheduler {{scheduler}}"))},
		{12, 8, graph("Round trip to TURN servers", seconds, "Longest round trip from any Call Bridge to each TURN server.",
			series(`max by (turn_server) (cms_turn_server_round_trip_seconds{`+inCluster+`})`, "{{turn_server}}"))},
		{8, 8, graph("TURN allocations", plain, "Active allocations on each TURN server.", series(`max by (turn_server) (cms_turn_server_allocations{`+inCluster+`})`, "{{turn_server}}"))},
		{8, 8, graph("Web app participants", plain, "People in meetings by web app, by bridge, from inside and outside.",
			series(`cms_participants{`+inCluster+`,client="webapp"}`, "{{call_bridge}}"))},
		{8, 8, graph("Web app calls from outside", plain, "TURN allocations for web app calls through edges or Expressways. Dashed: the calls that they carry at 720p30, by the capacity catalogue.",
			series(`sum by (via) (cms_webapp_external_calls{`+inCluster+`})`, "via {{via}}"),
			series(`sum by (via) (cms_webapp_external_capacity_calls{`+inCluster+`,quality="720p30"})`, "{{via}} carries")).
			OverrideByRegexp(".* carries", asLimit())},
	}}
}
