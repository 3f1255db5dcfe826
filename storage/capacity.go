package storage

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"
)

// BridgeLoadDay is the load of one Call Bridge on one day, as its polls tell. A figure that is nil was not answered.
type BridgeLoadDay struct {
	Cluster string    `ch:"cms_cluster"`
	Bridge  string    `ch:"call_bridge"`
	Day     time.Time `ch:"day"`
	// Stretches of ten minutes in which a poll was answered with the load, and with the legs.
	Stretches uint64 `ch:"stretches"`
	// Polls that were made, and of them those that were answered.
	Polls    uint64 `ch:"polls"`
	Answered uint64 `ch:"answered"`
	// Load is the highest, in load units, at LoadAt first, with the Limit then in force; Typical is the 95th percentile of the answers.
	Load    *int64     `ch:"peak_load"`
	LoadAt  *time.Time `ch:"load_at"`
	Limit   *int64     `ch:"peak_limit"`
	Typical *int64     `ch:"typical_load"`
	// Ratio is the highest load by the limit at the time, at RatioAt first.
	Ratio   *float64   `ch:"peak_ratio"`
	RatioAt *time.Time `ch:"ratio_at"`
	// OverNew, OverExisting and OverLimit are stretches of ten minutes in which the load was seen above the threshold for new conferences, that for participants of existing ones, and the limit; nil
	// where no answer could be held against it.
	OverNew      *uint64 `ch:"over_new"`
	OverExisting *uint64 `ch:"over_existing"`
	OverLimit    *uint64 `ch:"over_limit"`
	// Legs is the most call legs at once, at LegsAt first.
	Legs   *int64     `ch:"peak_legs"`
	LegsAt *time.Time `ch:"legs_at"`
}

// StretchSeconds are the stretches of time in which one answer is enough to know of a bridge: the longest poll_interval that is allowed.
const StretchSeconds = 600

// sampledSQL is the polls of a scope.
func sampledSQL(clusters string) string {
	return "(SELECT *, intDiv(toUnixTimestamp64Milli(time), 1000 * {stretch:Int64}) AS stretch FROM bridge_samples_data FINAL WHERE " + clusters +
		" AND time >= {from:DateTime64(3, 'UTC')} AND time < {to:DateTime64(3, 'UTC')})"
}

// BridgeLoadDays are the days of every bridge of a scope on which it was polled, in order.
func (q *Queries) BridgeLoadDays(ctx context.Context, s Scope) ([]BridgeLoadDay, error) {
	c := s.conditions()
	c.params["stretch"] = strconv.Itoa(StretchSeconds)
	over := func(line string) string {
		return fmt.Sprintf("if(countIf(media_processing_load IS NOT NULL AND %[1]s IS NOT NULL) = 0, NULL, uniqExactIf(stretch, media_processing_load > %[1]s))", line)
	}
	rows, err := selectRows[BridgeLoadDay](c.within(ctx), q, fmt.Sprintf(`
SELECT cms_cluster, call_bridge, toDate(time, {zone:String}) AS day, uniqExactIf(stretch, media_processing_load IS NOT NULL) AS stretches, count() AS polls, countIf(up) AS answered,
	max(media_processing_load) AS peak_load, if(peak_load IS NULL, NULL, argMin(time, (isNull(media_processing_load), -media_processing_load, time))) AS load_at,
	if(peak_load IS NULL, NULL, tupleElement(argMin(tuple(load_limit), (isNull(media_processing_load), -media_processing_load, time)), 1)) AS peak_limit,
	quantileExactHigh(0.95)(media_processing_load) AS typical_load,
	max(media_processing_load / nullIf(load_limit, 0)) AS peak_ratio,
	if(peak_ratio IS NULL, NULL, argMin(time, (isNull(media_processing_load / nullIf(load_limit, 0)), -media_processing_load / nullIf(load_limit, 0), time))) AS ratio_at,
	%s AS over_new, %s AS over_existing, %s AS over_limit,
	max(call_legs_active) AS peak_legs, if(peak_legs IS NULL, NULL, argMin(time, (isNull(call_legs_active), -call_legs_active, time))) AS legs_at
FROM %s GROUP BY cms_cluster, call_bridge, day ORDER BY cms_cluster, call_bridge, day`,
		over("new_conference_threshold"), over("existing_conference_threshold"), over("load_limit"), sampledSQL(c.clauses[0])))
	if err != nil {
		return nil, fmt.Errorf("query the load of bridges by day: %w", err)
	}
	return rows, nil
}

// BridgeOf names a Call Bridge as the configuration does.
type BridgeOf struct{ Cluster, Bridge string }

// BridgeGroups are the Call Bridge Groups that bridges of a scope were in at its end; a bridge that is not in the answer is not known to be in any.
func (q *Queries) BridgeGroups(ctx context.Context, s Scope) (map[BridgeOf]string, error) {
	c := s.conditions()
	rows, err := selectRows[struct {
		Cluster string `ch:"cms_cluster"`
		Bridge  string `ch:"call_bridge"`
		Object  string `ch:"object"`
		ID      string `ch:"object_id"`
		Field   string `ch:"field"`
		Value   string `ch:"newest"`
	}](c.within(ctx), q, `SELECT cms_cluster, call_bridge, object, object_id, field, ifNull(argMax(tuple(value), valid_from).1, '') AS newest FROM settings
WHERE `+c.clauses[0]+` AND (object, field) IN (('cluster', 'uniqueName'), ('callBridge', 'name'), ('callBridge', 'callBridgeGroup'), ('callBridgeGroup', 'name')) AND valid_from < {to:DateTime64(3, 'UTC')}
GROUP BY cms_cluster, call_bridge, object, object_id, field`)
	if err != nil {
		return nil, fmt.Errorf("query groups of bridges: %w", err)
	}
	type thing struct{ cluster, id string }
	names, groupOf, groupNames := map[thing]string{}, map[thing]string{}, map[thing]string{}
	configured := map[BridgeOf]string{} // by the name that CMS itself has for it
	for _, r := range rows {
		switch r.Object + " " + r.Field {
		case "cluster uniqueName":
			configured[BridgeOf{r.Cluster, r.Value}] = r.Bridge
		case "callBridge name":
			names[thing{r.Cluster, r.ID}] = r.Value
		case "callBridge callBridgeGroup":
			groupOf[thing{r.Cluster, r.ID}] = r.Value
		case "callBridgeGroup name":
			groupNames[thing{r.Cluster, r.ID}] = r.Value
		}
	}
	groups := map[BridgeOf]string{}
	for bridge, group := range groupOf {
		of := BridgeOf{bridge.cluster, names[bridge]}
		if name, renamed := configured[of]; renamed {
			of.Bridge = name
		}
		if group != "" {
			groups[of] = cmp.Or(groupNames[thing{bridge.cluster, group}], group)
		}
	}
	return groups, nil
}

// HeadroomDay is what was left of a group of bridges on a day, had its busiest one died at the worst moment.
type HeadroomDay struct {
	Cluster string    `ch:"cms_cluster"`
	Group   string    `ch:"member_of"`
	Day     time.Time `ch:"day"`
	// Stretches of ten minutes in which load and limit of all bridges of the group are known, or all polls of a bridge failed while others answered: it is then
	// taken for dead, and neither carries nor could take load.
	Stretches uint64 `ch:"stretches"`
	// Headroom is the lowest sum of the survivors' limits less the load of all, in load units, in the stretch that begins At; Busiest is the bridge that dies, Bridges how many there were with it.
	// Below is in how many stretches it was negative.
	Headroom int64 `ch:"headroom"`
	// Load of all then.
	Load    int64     `ch:"load"`
	At      time.Time `ch:"at"`
	Busiest string    `ch:"busiest"`
	Bridges uint64    `ch:"bridges"`
	Below   uint64    `ch:"below"`
}

// HeadroomDays are the days of every group of a scope; bridges in no group form the group "". In a stretch of ten minutes a bridge counts with its highest load.
// A stretch that does not tell of a bridge of which the day's others do says nothing and is left out.
func (q *Queries) HeadroomDays(ctx context.Context, s Scope, groups map[BridgeOf]string) ([]HeadroomDay, error) {
	c := s.conditions()
	c.params["stretch"] = strconv.Itoa(StretchSeconds)
	var of, is []string
	for bridge, group := range groups {
		of, is = append(of, bridge.Cluster+"\n"+bridge.Bridge), append(is, group)
	}
	if len(of) == 0 { // an empty array has no type to look up in
		of, is = []string{"\n"}, []string{""}
	}
	c.params["bridges"], c.params["groups"] = stringArray(of), stringArray(is)
	rows, err := selectRows[HeadroomDay](c.within(ctx), q, fmt.Sprintf(`
WITH known AS (
	SELECT cms_cluster, transform(concat(cms_cluster, '\n', call_bridge), {bridges:Array(String)}, {groups:Array(String)}, '') AS member_of, call_bridge, stretch, any(toDate(toDateTime(stretch * {stretch:Int64}), {zone:String})) AS day,
		max(up) = 0 AS down, maxIf(media_processing_load, load_limit IS NOT NULL) AS load, argMaxIf(load_limit, (media_processing_load, time), media_processing_load IS NOT NULL) AS most
	FROM %[1]s GROUP BY cms_cluster, member_of, call_bridge, stretch)
SELECT cms_cluster, member_of, day, count() AS stretches, min(room) AS headroom, argMin(toDateTime64(k.stretch * {stretch:Int64}, 3, 'UTC'), (room, stretch)) AS at, argMin(busiest, (room, stretch)) AS busiest,
	argMin(alive, (room, stretch)) AS bridges, argMin(total, (room, stretch)) AS load, countIf(room < 0) AS below
FROM (
	SELECT cms_cluster, member_of, day, stretch, count() AS polled, countIf(load IS NULL AND NOT down) AS silent, countIf(load IS NOT NULL) AS alive, argMaxIf(call_bridge, (load, most), load IS NOT NULL) AS busiest,
		assumeNotNull(sum(load)) AS total, assumeNotNull(sumIf(most, load IS NOT NULL) - argMaxIf(most, (load, most), load IS NOT NULL) - sum(load)) AS room
	FROM known GROUP BY cms_cluster, member_of, day, stretch) AS k
INNER JOIN (SELECT cms_cluster, member_of, day, uniqExact(call_bridge) AS wanted FROM known GROUP BY cms_cluster, member_of, day) AS w USING (cms_cluster, member_of, day)
WHERE polled = wanted AND silent = 0 AND alive > 0
GROUP BY cms_cluster, member_of, day ORDER BY cms_cluster, member_of, day`, sampledSQL(c.clauses[0])))
	if err != nil {
		return nil, fmt.Errorf("query the fail-over headroom by day: %w", err)
	}
	return rows, nil
}

// CaptureDay is the most recordings, or streams, of a cluster at once on a day, by call records.
type CaptureDay struct {
	Cluster string    `ch:"cms_cluster"`
	Day     time.Time `ch:"day"`
	Stream  bool      `ch:"stream"`
	Peak    int64     `ch:"peak"`
	At      time.Time `ch:"peak_at"`
	Begun   uint64    `ch:"begun"`
	// Left is how many run on when the last change of the day is over.
	Left int64 `ch:"remaining"`
}

// CaptureDays are the days of a scope on which a recording or a stream began or ended, in order. What runs into the period changes at its start.
func (q *Queries) CaptureDays(ctx context.Context, s Scope) ([]CaptureDay, error) {
	c := s.conditions()
	within := c.clauses[0] + " AND start >= {from:DateTime64(3, 'UTC')} - " + longestMeeting + " AND start < {to:DateTime64(3, 'UTC')}"
	rows, err := selectRows[CaptureDay](c.within(ctx), q, fmt.Sprintf(`
SELECT cms_cluster, stream, toDate(t, {zone:String}) AS day, max(level) AS peak, argMin(t, (-level, t)) AS peak_at, sum(fresh) AS begun, argMax(level, t) AS remaining
FROM (
	SELECT cms_cluster, stream, t, fresh, sum(step) OVER (PARTITION BY cms_cluster, stream ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS level
	FROM (
		SELECT cms_cluster, stream, t, sum(sign) AS step, countIf(sign > 0 AND start >= {from:DateTime64(3, 'UTC')}) AS fresh
		FROM (
			SELECT cms_cluster, false AS stream, start, ifNull(end, {now:DateTime64(3, 'UTC')}) AS until FROM recordings WHERE %[1]s
			UNION ALL SELECT cms_cluster, true AS stream, start, ifNull(end, {now:DateTime64(3, 'UTC')}) AS until FROM streams WHERE %[1]s)
		ARRAY JOIN [greatest(start, {from:DateTime64(3, 'UTC')}), until] AS t, [toInt64(1), toInt64(-1)] AS sign
		WHERE until > {from:DateTime64(3, 'UTC')} AND start < until AND t < {to:DateTime64(3, 'UTC')}
		GROUP BY cms_cluster, stream, t))
GROUP BY cms_cluster, stream, day ORDER BY cms_cluster, stream, day`, within))
	if err != nil {
		return nil, fmt.Errorf("query recordings and streams by day: %w", err)
	}
	return rows, nil
}
