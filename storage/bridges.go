package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// BridgeNow is what was last seen of one Call Bridge. What was never told is nil.
type BridgeNow struct {
	Cluster string `ch:"cms_cluster" json:"cms_cluster"`
	Bridge  string `ch:"call_bridge" json:"call_bridge"`
	// Up tells whether it answered the last poll; nil where it was not polled within a week.
	Up *bool `ch:"up" json:"up"`
	// SampledAt is when it last answered a poll, LastRecord the time of its newest call detail record.
	SampledAt  *time.Time `ch:"sampled_at" json:"sampled_at"`
	LastRecord *time.Time `ch:"last_record" json:"last_record"`
	Version    *string    `ch:"software_version" json:"version"`
	// UptimeSeconds and the rest are of SampledAt; loads in load units.
	UptimeSeconds    *int64   `ch:"uptime_seconds" json:"uptime_seconds"`
	ClockSkewSeconds *float64 `ch:"clock_skew_seconds" json:"clock_skew_seconds"`
	Load             *int64   `ch:"media_processing_load" json:"media_processing_load"`
	LoadLimit        *int64   `ch:"load_limit" json:"load_limit"`
	CallLegs         *int64   `ch:"call_legs_active" json:"call_legs"`
	Conferences      *int64   `ch:"conferences" json:"conferences"`
	Participants     *int64   `ch:"participants_local" json:"participants"`
	// Alarms that hold now, by type.
	Alarms []string `ch:"alarms" json:"alarms"`
}

// BridgesNow are the bridges of which a sample, a record or an alarm of the last week is known, by cluster and name.
func (q *Queries) BridgesNow(ctx context.Context) ([]BridgeNow, error) {
	rows, err := selectRows[BridgeNow](ctx, q, `
SELECT cms_cluster, call_bridge, CAST(argMax(polled_up, polled), 'Nullable(Bool)') AS up, max(at) AS sampled_at, max(record) AS last_record,
	tupleElement(argMaxIf(tuple(s_version), at, sampled), 1) AS software_version, tupleElement(argMaxIf(tuple(s_uptime), at, sampled), 1) AS uptime_seconds,
	tupleElement(argMaxIf(tuple(s_skew), at, sampled), 1) AS clock_skew_seconds, tupleElement(argMaxIf(tuple(s_load), at, sampled), 1) AS media_processing_load,
	tupleElement(argMaxIf(tuple(s_limit), at, sampled), 1) AS load_limit, tupleElement(argMaxIf(tuple(s_legs), at, sampled), 1) AS call_legs_active,
	tupleElement(argMaxIf(tuple(s_conferences), at, sampled), 1) AS conferences, tupleElement(argMaxIf(tuple(s_participants), at, sampled), 1) AS participants_local,
	arraySort(groupUniqArrayIf(alarm, alarm != '')) AS alarms
FROM (
	SELECT cms_cluster, call_bridge, toNullable(up) AS polled_up, toNullable(time) AS polled, up = 1 AS sampled, if(up = 1, toNullable(time), NULL) AS at, CAST(NULL, 'Nullable(DateTime64(3, ''UTC''))') AS record, toNullable(toString(software_version)) AS s_version, uptime_seconds AS s_uptime,
		clock_skew_seconds AS s_skew, media_processing_load AS s_load, load_limit AS s_limit, call_legs_active AS s_legs, conferences AS s_conferences, participants_local AS s_participants, '' AS alarm
	FROM bridge_samples_data WHERE time >= now() - INTERVAL 7 DAY
	UNION ALL
	SELECT cms_cluster, call_bridge, NULL, NULL, false, NULL, toNullable(last_time), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '' FROM cdr_sessions WHERE last_time >= now() - INTERVAL 7 DAY
	UNION ALL
	SELECT cms_cluster, call_bridge, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, toString(type) FROM alarms WHERE active AND call_bridge != '')
GROUP BY cms_cluster, call_bridge ORDER BY cms_cluster, call_bridge`)
	if err != nil {
		return nil, fmt.Errorf("query bridges: %w", err)
	}
	return rows, nil
}

// AlarmInterval is a time during which a fault held.
type AlarmInterval struct {
	ID            uuid.UUID  `ch:"alarm_id" json:"id"`
	Cluster       string     `ch:"cms_cluster" json:"cms_cluster"`
	Bridge        string     `ch:"call_bridge" json:"call_bridge"`
	Source        string     `ch:"source" json:"source"`
	Type          string     `ch:"type" json:"type"`
	Raised        time.Time  `ch:"raised" json:"raised"`
	Cleared       *time.Time `ch:"cleared" json:"cleared"`
	LastSeen      time.Time  `ch:"last_seen" json:"last_seen"`
	FailureReason string     `ch:"failure_reason" json:"failure_reason"`
	Subject       string     `ch:"subject" json:"subject"`
	CallID        *uuid.UUID `ch:"call_id" none:"zero" json:"call_id"`
	Detail        string     `ch:"detail" json:"detail"`
}

// AlarmFilter selects alarms. Zero fields do not select.
type AlarmFilter struct {
	// Period within which the fault held, if only for a part of it.
	Period Period
	Active bool
	// Bridge, Cluster and Type are names.
	Bridge, Cluster, Type string
	After                 *Cursor
	Limit                 int
}

// Alarms lists faults, the newest first, and the cursor of the next page, nil on the last.
func (q *Queries) Alarms(ctx context.Context, f AlarmFilter) ([]AlarmInterval, *Cursor, error) {
	c := newConditions()
	if !f.Period.From.IsZero() {
		c.add("(cleared IS NULL OR cleared >= {from:DateTime64(3, 'UTC')})", "from", timeText(f.Period.From))
	}
	if !f.Period.To.IsZero() {
		c.add("raised < {to:DateTime64(3, 'UTC')}", "to", timeText(f.Period.To))
	}
	if f.Active {
		c.add("active")
	}
	for column, value := range map[string]string{"call_bridge": f.Bridge, "cms_cluster": f.Cluster, "type": f.Type} {
		if value != "" {
			c.add(fmt.Sprintf("%[1]s = {%[1]s:String}", column), column, textParam(value))
		}
	}
	if f.After != nil {
		c.add("(raised, alarm_id) < ({after_start:DateTime64(3, 'UTC')}, {after_id:UUID})", "after_start", timeText(f.After.Start), "after_id", f.After.ID.String())
	}
	rows, err := selectRows[AlarmInterval](c.within(ctx), q, fmt.Sprintf("SELECT %s FROM (SELECT * FROM alarms %s) ORDER BY raised DESC, alarm_id DESC LIMIT %d", columnsOf[AlarmInterval](), c.where(), f.Limit+1))
	if err != nil {
		return nil, nil, fmt.Errorf("query alarms: %w", err)
	}
	if len(rows) <= f.Limit {
		return rows, nil, nil
	}
	rows = rows[:f.Limit]
	last := rows[f.Limit-1]
	return rows, &Cursor{last.Raised, last.ID}, nil
}
