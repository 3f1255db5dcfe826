package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// variable adds one variable to a dashboard.
type variable func(*dashboard.DashboardBuilder) *dashboard.DashboardBuilder

// Selectors of the chosen cluster, bridges and pools, in PromQL. The variables have no "all" value of their own: "all" lists the
// values, which works in a PromQL regular expression and in SQL's IN alike.
const (
	inCluster = `cms_cluster=~"$cms_cluster"`
	onBridge  = `cms_cluster=~"$cms_cluster",call_bridge=~"$call_bridge"`
	ofPool    = `license_pool=~"$license_pool"`
)

func dataSources(b *dashboard.DashboardBuilder) *dashboard.DashboardBuilder {
	return b.WithVariable(dashboard.NewDatasourceVariableBuilder("metrics").Label("Prometheus").Type(prometheusPlugin)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("history").Label("ClickHouse").Type(clickhousePlugin))
}

func clusters(b *dashboard.DashboardBuilder) *dashboard.DashboardBuilder {
	return b.WithVariable(choice("cms_cluster", "Cluster", metricsSource(), `label_values(cms_call_bridge_up, cms_cluster)`))
}

// oneBridge chooses a single bridge, the first unless another is chosen.
func oneBridge(b *dashboard.DashboardBuilder) *dashboard.DashboardBuilder {
	values := `label_values(cms_call_bridge_up{` + inCluster + `}, call_bridge)`
	return b.WithVariable(dashboard.NewQueryVariableBuilder("call_bridge").Label("Call Bridge").Datasource(metricsSource()).
		Query(dashboard.StringOrMap{String: &values}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortNaturalAsc))
}

// Boards of history have their choices from the store: Prometheus names what it has in the time range, which may be longer ago than it remembers.
const keptBridges = `FROM (SELECT cms_cluster, call_bridge FROM bridgewatch.cdr_sessions UNION ALL SELECT cms_cluster, call_bridge FROM bridgewatch.settings)`

func keptClusters(b *dashboard.DashboardBuilder) *dashboard.DashboardBuilder {
	return b.WithVariable(choice("cms_cluster", "Cluster", historySource(), `SELECT DISTINCT cms_cluster `+keptBridges+` WHERE cms_cluster != ''`))
}

func keptClusterBridges(b *dashboard.DashboardBuilder) *dashboard.DashboardBuilder {
	return b.WithVariable(choice("call_bridge", "Call Bridge", historySource(), `SELECT DISTINCT call_bridge `+keptBridges+` WHERE call_bridge != '' AND cms_cluster IN (${cms_cluster:singlequote})`))
}

func pools(b *dashboard.DashboardBuilder) *dashboard.DashboardBuilder {
	return b.WithVariable(choice("license_pool", "License pool", historySource(), `SELECT DISTINCT license_pool FROM bridgewatch.license_entitlements`))
}

func choice(name, label string, source common.DataSourceRef, values string) *dashboard.QueryVariableBuilder {
	all := "$__all"
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source).
		Query(dashboard.StringOrMap{String: &values}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortNaturalAsc).Multi(true).IncludeAll(true).
		Current(dashboard.VariableOption{Text: dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}}, Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{all}}})
}

// What was typed or chosen, in SQL. Encoded, so that no quote and no backslash in it can leave the string.
const (
	searched = `decodeURLComponent('${search:percentencode}')`
	chosen   = `toUUIDOrZero('${meeting:percentencode}')`
)

// search is a text box.
func search(b *dashboard.DashboardBuilder) *dashboard.DashboardBuilder {
	empty := ""
	return b.WithVariable(dashboard.NewTextBoxVariableBuilder("search").Label("Search").DefaultValue(dashboard.StringOrMap{String: &empty}))
}

// meeting is one of the meetings that match the search, the newest unless another is chosen. The plugin takes the first column as the value.
func meeting(b *dashboard.DashboardBuilder) *dashboard.DashboardBuilder {
	sql := `SELECT toString(call_correlator) AS id, concat(formatDateTime(start, '%F %R'), ' UTC ', name) AS text
FROM bridgewatch.meetings
WHERE ` + matchingMeetings + `
ORDER BY start DESC
LIMIT 1000`
	return b.WithVariable(dashboard.NewQueryVariableBuilder("meeting").Label("Meeting").Datasource(historySource()).
		Query(dashboard.StringOrMap{String: &sql}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortDisabled))
}

// matchingMeetings began in the time range and hold the search text in their name or owner, or in the name or address of somebody who took part.
const matchingMeetings = `$__timeFilter(start) AND cms_cluster IN (${cms_cluster:singlequote})
    AND (` + searched + ` = '' OR positionCaseInsensitiveUTF8(name, ` + searched + `) > 0 OR positionCaseInsensitiveUTF8(owner_name, ` + searched + `) > 0
        OR call_correlator IN (SELECT call_correlator FROM bridgewatch.calls WHERE $__timeFilter(start) AND id IN (SELECT call_id FROM bridgewatch.call_legs WHERE $__timeFilter(start)
            AND (positionCaseInsensitiveUTF8(display_name, ` + searched + `) > 0 OR positionCaseInsensitiveUTF8(remote_party, ` + searched + `) > 0))))`

// marks are the alarms and restarts of the chosen clusters, drawn on every panel over time: when they were raised, as an alarm that stands for
// days would color all of every graph.
func marks(b *dashboard.DashboardBuilder) *dashboard.DashboardBuilder {
	const alarms = `SELECT raised AS time, concat(call_bridge, ': ', type) AS text
FROM bridgewatch.alarms
WHERE $__timeFilter(raised) AND cms_cluster IN (${cms_cluster:singlequote})
ORDER BY time`
	const restarts = `SELECT min(s.time) AS time, concat(s.call_bridge, ' restarted') AS text
FROM bridgewatch.bridge_samples AS s
WHERE $__timeFilter(s.time) AND s.cms_cluster IN (${cms_cluster:singlequote}) AND s.uptime_seconds < 120
GROUP BY s.call_bridge, toStartOfFifteenMinutes(s.time)
ORDER BY time`
	return b.Annotation(mark("Alarms", bad, alarms)).Annotation(mark("Restarts", caution, restarts))
}

func mark(name, color, sql string) *dashboard.AnnotationQueryBuilder {
	return dashboard.NewAnnotationQueryBuilder().Name(name).Enable(true).IconColor(color).Datasource(historySource()).
		Target(sqlTable(sql)("Anno"))
}
