package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/migrations"
)

// databaseName of the embedded engine, and of a server whose address names none.
const databaseName = "bridgewatch"

// externalStore are the connection options of the configured ClickHouse.
func externalStore(c config.ClickHouse) (*clickhouse.Options, error) {
	options, err := clickhouse.ParseDSN(c.URL.Reveal())
	if err != nil {
		return nil, errors.New("clickhouse.url cannot be read; want clickhouse://user:pass@host:9000/bridgewatch") // the parser repeats the password
	}
	if options.Auth.Database == "" || options.Auth.Database == "default" {
		options.Auth.Database = databaseName
	}
	if password := c.Secret(); !password.IsZero() {
		options.Auth.Password = password.Reveal()
	}
	if options.TLS, err = clientTLS(c.TLS, options.TLS != nil); err != nil {
		return nil, fmt.Errorf("clickhouse.tls: %w", err)
	}
	if c.Cluster != "" {
		if options.Settings == nil {
			options.Settings = clickhouse.Settings{}
		}
		maps.Copy(options.Settings, migrations.ClusterSettings())
	}
	options.DialTimeout = 10 * time.Second
	options.ReadTimeout = 5 * time.Minute
	return options, nil
}

// prepareStore makes the database, brings its schema up to date and applies the retention; with the name of a cluster, on all of its servers. It may run any
// number of times.
func prepareStore(ctx context.Context, options *clickhouse.Options, cluster string, retention config.Retention, log *slog.Logger) (driver.Conn, error) {
	on, suffix := "", ""
	up := migrations.Up
	if cluster != "" {
		on, suffix = " ON CLUSTER '"+cluster+"'", migrations.LocalSuffix
		up = func(ctx context.Context, db *sql.DB) ([]string, error) {
			return migrations.UpCluster(ctx, db, migrations.Cluster{Name: cluster, Database: options.Auth.Database})
		}
	}
	first := *options
	first.Auth.Database = "default"
	server, err := clickhouse.Open(&first)
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	err = server.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quoted(options.Auth.Database)+on)
	server.Close() //nolint:errcheck // nothing was written on it
	if err != nil {
		return nil, fmt.Errorf("create database %s: %w", options.Auth.Database, err)
	}
	db := clickhouse.OpenDB(options)
	applied, err := up(ctx, db)
	db.Close() //nolint:errcheck // the error of Up tells more
	if err != nil {
		return nil, err
	}
	if len(applied) > 0 {
		log.Info("database schema brought up to date", "migrations", len(applied))
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	if err := applyRetention(ctx, conn, suffix, on, retention, log); err != nil {
		conn.Close() //nolint:errcheck // the error above tells more
		return nil, err
	}
	return conn, nil
}

func quoted(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}

// ttl says by which column a table's rows age, and which key of the configuration says how long they are kept.
type ttl struct {
	table, column string
	keep          func(config.Retention) config.Duration
	// span is how many days a row covers from the one in its column on: it is needed for as long as the last of them.
	span int64
}

// longestKept is the longest time to live in days; what is to be kept for longer is kept for ever. The store counts the end of a row's life in seconds of 32
// bits, which last until 2106, and takes one beyond for long past: the whole table would go at once.
const longestKept = 50 * 365

func raw(r config.Retention) config.Duration        { return r.Raw }
func facts(r config.Retention) config.Duration      { return r.Facts }
func samples(r config.Retention) config.Duration    { return r.Samples }
func timelines(r config.Retention) config.Duration  { return r.Events }
func syslogs(r config.Retention) config.Duration    { return r.Syslog }
func quarantine(r config.Retention) config.Duration { return r.Quarantine }

// ttls of all tables whose rows age. Tables of migrations that this list lacks keep their rows for ever; license_units_data is a note of progress, whose day is none.
var ttls = []ttl{
	{"cdr_bodies_data", "received", raw, 0},
	{"cdr_records_data", "received", raw, 0},
	{"cdr_quarantine_data", "received", quarantine, 0},
	{"calls_data", "start", facts, 0},
	{"call_legs_data", "start", facts, 0},
	{"parties_data", "month", facts, 31},
	{"recordings_data", "start", facts, 0},
	{"streams_data", "start", facts, 0},
	{"alarms_data", "raised", facts, 0},
	{"license_intervals_data", "start_day", facts, 0},
	{"bridge_samples_data", "time", samples, 0},
	{"license_samples_data", "time", samples, 0},
	{"personal_license_samples_data", "time", samples, 0},
	{"license_features_data", "time", samples, 0},
	{"device_samples_data", "time", samples, 0},
	{"call_samples_data", "time", samples, 0},
	{"leg_samples_data", "time", samples, 0},
	{"certificates_data", "time", samples, 0},
	{"syslog_data", "received", syslogs, 0},
	{"syslog_stats_data", "time", samples, 0},
	{"events_data", "time", timelines, 0},
	{"participants_data", "joined", timelines, 0},
}

// applyRetention sets the time to live of the tables where it differs from what is configured, as setting it rewrites data. On a cluster suffix ends the names of
// the tables that hold rows, and on says where they are.
func applyRetention(ctx context.Context, conn driver.Conn, suffix, on string, retention config.Retention, log *slog.Logger) error {
	for _, t := range ttls {
		table := t.table + suffix
		var definition string
		err := conn.QueryRow(ctx, "SELECT any(create_table_query) FROM system.tables WHERE database = currentDatabase() AND name = '"+table+"' AND "+
			"(database, name) IN (SELECT database, table FROM system.columns WHERE name = '"+t.column+"')").Scan(&definition)
		if err != nil {
			return fmt.Errorf("read the definition of %s: %w", table, err)
		}
		if definition == "" {
			continue // a table or column that this schema does not have
		}
		days := max(1, int64(t.keep(retention).Std().Hours()/24)) + t.span
		if days > longestKept {
			if strings.Contains(definition, " TTL ") {
				if err := conn.Exec(ctx, "ALTER TABLE "+table+on+" REMOVE TTL"); err != nil {
					return fmt.Errorf("keep all of %s: %w", table, err)
				}
			}
			continue
		}
		clause := fmt.Sprintf("TTL toDateTime(%s) + toIntervalDay(%d)", t.column, days)
		if strings.Contains(definition, clause) {
			continue
		}
		if err := conn.Exec(ctx, "ALTER TABLE "+table+on+" MODIFY "+clause); err != nil {
			return fmt.Errorf("set the retention of %s: %w", table, err)
		}
		log.Debug("retention set", "table", table, "days", days)
	}
	return nil
}
