package grafana

import (
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
	return b.WithVariable(choice("cms_cluster", "Cluster", `label_values(cms_call_bridge_up, cms_cluster)`))
}

func bridges(b *dashboard.DashboardBuilder) *dashboard.DashboardBuilder {
	return b.WithVariable(choice("call_bridge", "Call Bridge", `label_values(cms_call_bridge_up{`+inCluster+`}, call_bridge)`))
}

func pools(b *dashboard.DashboardBuilder) *dashboard.DashboardBuilder {
	return b.WithVariable(choice("license_pool", "License pool", `label_values(cms_license_in_use, license_pool)`))
}

func choice(name, label, values string) *dashboard.QueryVariableBuilder {
	all := "$__all"
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(metricsSource()).
		Query(dashboard.StringOrMap{String: &values}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortNaturalAsc).Multi(true).IncludeAll(true).
		Current(dashboard.VariableOption{Text: dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}}, Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{all}}})
}

// search is a text box; SQL takes it by ${search:sqlstring}, which quotes it.
func search(b *dashboard.DashboardBuilder) *dashboard.DashboardBuilder {
	empty := ""
	return b.WithVariable(dashboard.NewTextBoxVariableBuilder("search").Label("Search").DefaultValue(dashboard.StringOrMap{String: &empty}))
}
