package app

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// PoolOf is the pool of that name, or the only one where name is empty.
func PoolOf(c config.Config, name string) (config.LicensePool, error) {
	if name == "" && len(c.LicensePools) == 1 {
		return c.LicensePools[0], nil
	}
	var names []string
	for _, p := range c.LicensePools {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	if name == "" {
		return config.LicensePool{}, fmt.Errorf("say which license pool with --pool: %s", strings.Join(names, ", "))
	}
	return config.LicensePool{}, fmt.Errorf("no license pool %q; there are %s", name, strings.Join(names, ", "))
}

// LicenseReport makes the true-up report of a pool over [from, to).
func LicenseReport(ctx context.Context, c config.Config, pool config.LicensePool, from, to time.Time, log *slog.Logger) (report.License, error) {
	var made report.License
	err := withStore(ctx, Options{Config: c, Log: log}, func(ctx context.Context, options *clickhouse.Options) error {
		conn, err := clickhouse.Open(options)
		if err != nil {
			return fmt.Errorf("open ClickHouse: %w", err)
		}
		defer conn.Close() //nolint:errcheck // only read from
		q := storage.NewQueries(conn)
		period := storage.Period{From: from, To: to}
		snapshots, err := q.LicenseSnapshots(ctx, clustersOf(c, pool.Name), storage.Period{From: from.Add(-licensing.LongestPause), To: to.Add(licensing.LongestPause)})
		if err != nil {
			return err
		}
		known, err := q.Completeness(ctx, period)
		if err != nil {
			return err
		}
		made = report.NewLicense(report.LicenseInput{
			Pool: pool.Name, From: from, To: to, Zone: pool.DayBoundary.Std(), GeneratedAt: time.Now(), Snapshots: snapshots,
			Completeness: report.Completeness{Ratio: known.Ratio(), Records: known.Records(), Missing: known.Missing()},
			Entitlements: entitlements(pool),
		})
		return nil
	})
	return made, err
}

// clustersOf are the clusters that use a pool.
func clustersOf(c config.Config, pool string) []string {
	var names []string
	for _, cluster := range c.Clusters {
		if cluster.LicensePool == pool {
			names = append(names, cluster.Name)
		}
	}
	return names
}

func entitlements(pool config.LicensePool) []licensing.Entitlement {
	count := func(n *int) *int64 {
		if n == nil {
			return nil
		}
		v := int64(*n)
		return &v
	}
	var list []licensing.Entitlement
	for _, e := range pool.Entitlements {
		list = append(list, licensing.Entitlement{From: licensing.Day(e.From.String()), PMP: count(e.PMP), SMP: count(e.SMP), Recording: count(e.Recording)})
	}
	return list
}
