package grafana

// boards is the table of contents: every dashboard, the question it answers, and its rows.
func boards() []board {
	return []board{
		{
			name: "noc", title: "Bridgewatch / NOC wall",
			question: "Is anything wrong, what does it hit, and how much room is left?",
			from:     "now-3h", refresh: "30s",
			vars: []variable{dataSources, clusters, marks},
			rows: []row{nocStateRow(), nocLoadRow(), nocUseRow()},
		},
		{
			name: "cluster", title: "Bridgewatch / Cluster",
			question: "How do the bridges of a cluster compare, and would the loss of one fit?",
			from:     "now-6h", refresh: "1m",
			vars: []variable{dataSources, clusters, marks},
			rows: []row{clusterBridgesRow(), clusterLoadRow(), clusterRoomRow()},
		},
		{
			name: "call-bridge", title: "Bridgewatch / Call Bridge",
			question: "How is this one machine?",
			from:     "now-6h", refresh: "1m",
			vars: []variable{dataSources, clusters, oneBridge, marks},
			rows: []row{bridgeStateRow(), bridgeLoadRow(), bridgeHealthRow()},
		},
		{
			name: "licenses", title: "Bridgewatch / Licenses",
			question: "How many licenses do we use, and are we heading for enforcement?",
			from:     "now-24h", refresh: "5m",
			vars: []variable{dataSources, pools},
			rows: []row{licenseStateRow(), licenseUseRow(), licenseCalendarRow(), licenseHistoryRow()},
		},
		{
			name: "recording", title: "Bridgewatch / Recording and streaming",
			question: "Is there room for the next recording, and what was recorded?",
			from:     "now-24h", refresh: "1m",
			vars: []variable{dataSources, keptClusters, marks},
			rows: []row{recordingSlotsRow(), recordingHistoryRow()},
		},
		{
			name: "meetings", title: "Bridgewatch / Meetings",
			question: "What happened to that meeting, and to that caller?",
			from:     "now-24h", refresh: "1m",
			vars: []variable{dataSources, keptClusters, marks, search, meeting},
			rows: []row{meetingsSearchRow(), meetingRow(), meetingsLiveRow()},
		},
		{
			name: "quality", title: "Bridgewatch / Media quality",
			question: "Who hears and sees badly, and what do they share?",
			from:     "now-24h", refresh: "5m",
			vars: []variable{dataSources, keptClusters, keptClusterBridges, marks},
			rows: []row{qualityNowRow(), qualityWhoRow()},
		},
		{
			name: "alarms", title: "Bridgewatch / Alarms",
			question: "Which alarms were there, and how long did they last?",
			from:     "now-24h", refresh: "1m",
			vars: []variable{dataSources, keptClusters, marks},
			rows: []row{alarmsRow()},
		},
		{
			name: "edge", title: "Bridgewatch / Edge and web app",
			question: "Can people from outside get in?",
			from:     "now-6h", refresh: "1m",
			vars: []variable{dataSources, clusters, marks},
			rows: []row{edgeRow(), certificatesRow()},
		},
		{
			name: "pipeline", title: "Bridgewatch / Pipeline",
			question: "Can these screens be trusted?",
			from:     "now-6h", refresh: "30s",
			vars: []variable{dataSources, clusters, marks},
			rows: []row{pipelineStateRow(), pipelineFlowRow(), pipelineGapsRow()},
		},
	}
}
