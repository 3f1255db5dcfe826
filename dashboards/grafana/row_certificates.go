package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/table"
)

// certificatesRow shows how long each certificate lasts.
func certificatesRow() row {
	return row{"Certificates", []panel{{24, 8, certificateList(true)}}}
}

// certificateList is the watched end points of the chosen clusters, the soonest end first; complete says what covers and trusts them, too.
func certificateList(complete bool) *table.PanelBuilder {
	days := labels(`sum by (endpoint, cms_cluster) ((cms_certificate_not_after_timestamp_seconds{` + inCluster + `} - time()) / 86400)`)
	daysLeft := []dashboard.DynamicConfigValue{property("decimals", 0), cell("color-text"), from(bad).at(7, caution).at(21, good).property()}
	if !complete {
		return list("Certificates", "Days until each watched certificate of the cluster ends.", days).
			WithTransformation(organize([]string{"endpoint", "Value"}, map[string]string{"endpoint": "End point", "Value": "Days left"}, "Time", "cms_cluster")).
			OverrideByName("Days left", wide(100, daysLeft...))
	}
	return list("Certificates", "Days until each watched certificate ends, and whether it covers the name that was asked for.", days,
		labels(`sum by (endpoint) (cms_certificate_name_matches{`+inCluster+`})`),
		labels(`sum by (endpoint) (cms_certificate_chain_valid{`+inCluster+`})`)).
		WithTransformation(joinBy("endpoint")).
		WithTransformation(organize([]string{"endpoint", "cms_cluster", "Value #A", "Value #B", "Value #C"},
			map[string]string{"endpoint": "End point", "cms_cluster": "Cluster", "Value #A": "Days left", "Value #B": "Name", "Value #C": "Chain"}, "Time", "Time 1", "Time 2", "Time 3")).
		OverrideByName("Days left", daysLeft).
		OverrideByName("Name", colored(states("1", "covered", good, "0", "not covered", bad)...)).
		OverrideByName("Chain", colored(states("1", "trusted", good, "0", "not trusted", caution)...))
}
