package grafana

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// clusterBridgesRow is the cluster as a table, a line for each bridge.
func clusterBridgesRow() row {
	return row{"Call Bridges side by side", []panel{
		{24, 8, list("Call Bridges", "What each Call Bridge says about itself at the end of the time range.",
			labels(`sum by (call_bridge) (cms_call_bridge_up{`+inCluster+`})`),
			labels(`max by (call_bridge, version, platform) (cms_call_bridge_info{`+inCluster+`})`),
			labels(`sum by (call_bridge) (cms_call_bridge_media_processing_load{`+inCluster+`} / cms_call_bridge_load_limit)`),
			labels(`sum by (call_bridge) (cms_call_bridge_call_legs{`+inCluster+`})`),
			labels(`sum by (call_bridge) (cms_call_bridge_uptime_seconds{`+inCluster+`})`),
			labels(`sum by (call_bridge) (cms_call_bridge_clock_skew_seconds{`+inCluster+`})`),
			labels(`sum by (call_bridge) (cms_alarm_active{`+inCluster+`})`),
			labels(`max by (call_bridge, group) (cms_call_bridge_group_info{`+inCluster+`})`)).
			WithTransformation(joinBy("call_bridge")).
			WithTransformation(organize([]string{"call_bridge", "Value #A", "group", "version", "platform", "Value #C", "Value #D", "Value #E", "Value #F", "Value #G"},
				map[string]string{"call_bridge": "Call Bridge", "Value #A": "State", "group": "Group", "version": "Release", "platform": "Platform", "Value #C": "Load",
					"Value #D": "Call legs", "Value #E": "Uptime", "Value #F": "Clock is off by", "Value #G": "Alarms"},
				"Time", "Time 1", "Time 2", "Time 3", "Time 4", "Time 5", "Time 6", "Time 7", "Time 8", "Value #B", "Value #H")).
			OverrideByName("State", wide(90, colored(upDown()...)...)).OverrideByName("Group", wide(140)).OverrideByName("Release", wide(120)).OverrideByName("Call legs", wide(100)).
			OverrideByName("Load", []dashboard.DynamicConfigValue{property("unit", ratio), property("decimals", 0), cell("gauge"), property("min", 0), property("max", 1), loadSteps().property()}).
			OverrideByName("Uptime", []dashboard.DynamicConfigValue{property("unit", "dtdurations")}).
			OverrideByName("Clock is off by", []dashboard.DynamicConfigValue{property("unit", seconds), property("decimals", 1)}).
			OverrideByName("Alarms", wide(100, cell("color-text"), alarmSteps().property())).
			OverrideByName("Call Bridge", linkTo("call-bridge", "call_bridge"))},
	}}
}
