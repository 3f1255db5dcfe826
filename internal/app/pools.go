package app

import (
	"context"
	"time"

	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// poolsTold is how often all entries are told to the store again, poolsEvery how soon it is tried again where that failed.
const (
	poolsTold  = 24 * time.Hour
	poolsEvery = time.Minute
)

// runPools tells the store what the configuration entitles each license pool to, until ctx ends. Metrics have it from runLicenses.
func (a *App) runPools(ctx context.Context) error {
	var told time.Time
	for {
		now := time.Now()
		if now.Sub(told) >= poolsTold {
			if rows := entitlementRows(a.options.Config, a.pools, now); len(rows) == 0 {
				told = now
			} else if err := a.bus.PublishRows(ctx, bus.Subject("status", "pools", "entitlements"), storage.TableLicenseEntitlements, rows); err == nil {
				told = now
			} else if ctx.Err() == nil {
				a.log.Warn("entitlements not published; tried again in a minute", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(poolsEvery):
		}
	}
}

// entitlementRows are all entries of all pools. A pool without any has one that knows nothing, so that its days can be told.
func entitlementRows(c config.Config, known []report.Pool, now time.Time) []storage.LicenseEntitlement {
	var rows []storage.LicenseEntitlement
	for _, pool := range c.LicensePools {
		zone := pool.DayBoundary.Std()
		since, offsets := storage.ZoneOffsets(zone, now.AddDate(-10, 0, 0), now.AddDate(2, 0, 0))
		list := entitlements(pool)
		if len(list) == 0 {
			list = []licensing.Entitlement{{From: licensing.DayOf(time.Unix(0, 0), time.UTC)}}
		}
		for _, e := range list {
			rows = append(rows, storage.LicenseEntitlement{
				LicensePool: pool.Name, ValidFrom: e.From.Start(time.UTC), PMP: e.PMP, SMP: e.SMP, Recording: e.Recording,
				DayBoundary: zone.String(), ZoneFrom: since, ZoneOffset: offsets, PMPCompares: pool.Readings.PMPCompares,
				CMSClusters: clustersOf(known, pool.Name), Written: now.UTC(),
			})
		}
	}
	return rows
}

// clustersOf are the clusters that use a pool.
func clustersOf(known []report.Pool, name string) []string {
	for _, p := range known {
		if p.Name == name {
			return p.Clusters
		}
	}
	return nil
}
