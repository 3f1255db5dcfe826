package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

const (
	prometheusPlugin = "prometheus"
	clickhousePlugin = "grafana-clickhouse-datasource"
)

// The data sources are variables of every dashboard, so that an import asks for nothing.
func metricsSource() common.DataSourceRef { return source(prometheusPlugin, "${metrics}") }
func historySource() common.DataSourceRef { return source(clickhousePlugin, "${history}") }

func source(plugin, uid string) common.DataSourceRef {
	return common.DataSourceRef{Type: &plugin, Uid: &uid}
}

// query becomes a panel's target once the panel has given it a letter.
type query func(refID string) cog.Builder[variants.Dataquery]

// series is a PromQL expression over the time range.
func series(expr, legend string) query {
	return func(refID string) cog.Builder[variants.Dataquery] {
		return prometheus.NewDataqueryBuilder().RefId(refID).Datasource(metricsSource()).Expr(expr).LegendFormat(legend).Range()
	}
}

// now is a PromQL expression at the end of the time range.
func now(expr, legend string) query {
	return func(refID string) cog.Builder[variants.Dataquery] {
		return prometheus.NewDataqueryBuilder().RefId(refID).Datasource(metricsSource()).Expr(expr).LegendFormat(legend).Instant()
	}
}

// labels is now, as rows of a table.
func labels(expr string) query {
	return func(refID string) cog.Builder[variants.Dataquery] {
		return prometheus.NewDataqueryBuilder().RefId(refID).Datasource(metricsSource()).Expr(expr).Instant().Format(prometheus.PromQueryFormatTable)
	}
}

// How the ClickHouse plugin shapes an answer; a number in its JSON.
const (
	asSeries = 0
	asTable  = 1
)

// sqlTable is a SQL query for a table.
func sqlTable(text string) query { return sqlQuery(text, asTable) }

// sqlSeries is a SQL query for series over time: columns time, labels, numbers; ordered by time.
func sqlSeries(text string) query { return sqlQuery(text, asSeries) }

func sqlQuery(text string, format int) query {
	return func(refID string) cog.Builder[variants.Dataquery] {
		return ClickHouseQuery{RefID: refID, Datasource: historySource(), EditorType: "sql", RawSQL: text, Format: format, PluginVersion: "4.0.0"}
	}
}

// ClickHouseQuery is a target of the plugin grafana-clickhouse-datasource, for which the SDK has no type.
type ClickHouseQuery struct {
	// RefID is the target's letter.
	RefID string `json:"refId"`
	// Datasource names the plugin and the data source.
	Datasource common.DataSourceRef `json:"datasource"`
	// EditorType is "sql".
	EditorType string `json:"editorType"`
	// RawSQL holds the plugin's macros unexpanded.
	RawSQL string `json:"rawSql"`
	// Format is 0 for time series and 1 for a table: a number, not a string.
	Format int `json:"format"`
	// PluginVersion that the query was written for.
	PluginVersion string `json:"pluginVersion"`
}

// ImplementsDataqueryVariant marks the type for the SDK.
func (ClickHouseQuery) ImplementsDataqueryVariant() {}

// DataqueryType is the plugin's name.
func (ClickHouseQuery) DataqueryType() string { return clickhousePlugin }

// Validate has nothing to complain about.
func (ClickHouseQuery) Validate() error { return nil }

// Equals compares all fields.
func (q ClickHouseQuery) Equals(other variants.Dataquery) bool {
	o, ok := other.(ClickHouseQuery)
	return ok && q.Datasource.Equals(o.Datasource) && q.RefID == o.RefID && q.RawSQL == o.RawSQL && q.Format == o.Format &&
		q.EditorType == o.EditorType && q.PluginVersion == o.PluginVersion
}

// Build makes the query its own builder.
func (q ClickHouseQuery) Build() (variants.Dataquery, error) { return q, nil }
