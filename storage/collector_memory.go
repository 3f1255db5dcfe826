package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// UsageRange is the span of stored license snapshots of one host.
type UsageRange struct{ First, Last time.Time }

// CollectorMemory tells the poller what an earlier run stored, so that old alarms are cleared and history is not read twice.
type CollectorMemory struct{ Conn driver.Conn }

// OpenAlarms returns the alarms of a cluster that were not cleared.
func (m CollectorMemory) OpenAlarms(ctx context.Context, cluster string) ([]Alarm, error) {
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"cluster": textParam(cluster)}))
	rows, err := m.Conn.Query(ctx, `SELECT cms_cluster, call_bridge, source, alarm_id, type, raised, last_seen, failure_reason, subject, call_id, detail, version
FROM alarms WHERE cms_cluster = {cluster:String} AND cleared IS NULL`)
	if err != nil {
		return nil, fmt.Errorf("open alarms of cluster %q: %w", cluster, err)
	}
	defer rows.Close()
	var out []Alarm
	for rows.Next() {
		var a Alarm
		if err := rows.Scan(&a.CMSCluster, &a.CallBridge, &a.Source, &a.AlarmID, &a.Type, &a.Raised, &a.LastSeen, &a.FailureReason, &a.Subject, &a.CallID, &a.Detail, &a.Version); err != nil {
			return nil, fmt.Errorf("open alarms of cluster %q: %w", cluster, err)
		}
		out = append(out, a)
	}
	return out, rows.Err()
}

// UsageKnown returns, by host, the first and last license snapshot stored.
func (m CollectorMemory) UsageKnown(ctx context.Context, cluster string) (map[uuid.UUID]UsageRange, error) {
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"cluster": textParam(cluster)}))
	rows, err := m.Conn.Query(ctx, `SELECT host_id, min(time), max(time) FROM license_samples_data WHERE cms_cluster = {cluster:String} GROUP BY host_id`)
	if err != nil {
		return nil, fmt.Errorf("stored license history of cluster %q: %w", cluster, err)
	}
	defer rows.Close()
	out := make(map[uuid.UUID]UsageRange)
	for rows.Next() {
		var host uuid.UUID
		var r UsageRange
		if err := rows.Scan(&host, &r.First, &r.Last); err != nil {
			return nil, fmt.Errorf("stored license history of cluster %q: %w", cluster, err)
		}
		out[host] = r
	}
	return out, rows.Err()
}
