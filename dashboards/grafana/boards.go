package grafana

// boards is the table of contents: every dashboard, the question it answers, and its rows.
func boards() []board {
	return []board{
		{
			name: "noc", title: "Bridgewatch / NOC wall",
			question: "Is anything wrong, what does it hit, and how much room is left?",
			from:     "now-3h", refresh: "30s",
			vars: []variable{dataSources, clusters},
			rows: []row{nocStateRow(), nocLoadRow(), nocUseRow()},
		},
	}
}
