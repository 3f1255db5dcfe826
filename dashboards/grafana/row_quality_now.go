package grafana

// qualityNowRow shows what people suffer now, and the objective.
func qualityNowRow() row {
	return row{"Now", []panel{
		{5, 8, lamp("Good minutes", ratio, "Share of the time that ended call legs lived in which no quality alarm held. The objective is 98 %.", from(bad).at(0.95, caution).at(0.98, good),
			now(`1 - sum(increase(cms_call_leg_degraded_seconds_total{`+onBridge+`}[$__range])) / sum(increase(cms_call_leg_seconds_total{`+onBridge+`}[$__range]))`, "")).Decimals(1).NoValue("no leg ended")},
		{5, 8, lamp("Legs without packet loss", ratio, "Share of the call legs that ended in the time range without a packet loss alarm.", from(bad).at(0.9, caution).at(0.95, good),
			now(`1 - sum(increase(cms_call_leg_quality_alarms_total{`+onBridge+`,alarm="packetLoss"}[$__range])) / sum(increase(cms_call_leg_ends_total{`+onBridge+`}[$__range]))`, "")).Decimals(1).NoValue("no leg ended")},
		{7, 8, graph("Degraded legs now", plain, "Call legs that carry a quality alarm at this moment, as each bridge counts them.",
			series(`cms_call_bridge_call_legs_degraded{`+onBridge+`}`, "{{call_bridge}}"))},
		{7, 8, graph("Legs that ended with an alarm", perSecond, "Call legs per second that ended with a quality alarm, by kind.",
			series(`sum by (alarm) (rate(cms_call_leg_quality_alarms_total{`+onBridge+`}[$__rate_interval]))`, "{{alarm}}"))},
		{12, 8, graph("Packet loss of degraded legs", ratio, "Mean and worst packet loss of the call legs that carried a quality alarm when they were polled, by Call Bridge.",
			sqlSeries(degraded("packet_loss_percent / 100")))},
		{12, 8, graph("Jitter of degraded legs", seconds, "Mean and worst jitter of the call legs that carried a quality alarm when they were polled, by Call Bridge.",
			sqlSeries(degraded("jitter_seconds")))},
	}}
}

// degraded is the mean and the worst of a column of the samples that pollers take of legs with an alarm.
func degraded(column string) string {
	return `SELECT $__timeInterval(time) AS time, call_bridge, avg(value) AS "mean", max(value) AS "worst"
FROM (SELECT s.time AS time, s.call_bridge AS call_bridge, s.` + column + ` AS value FROM bridgewatch.leg_samples AS s
    WHERE $__timeFilter(s.time) AND s.cms_cluster IN (${cms_cluster:singlequote}) AND s.call_bridge IN (${call_bridge:singlequote}))
WHERE value IS NOT NULL
GROUP BY time, call_bridge
ORDER BY time`
}
