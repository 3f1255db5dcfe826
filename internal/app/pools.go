package app

import (
	"context"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// poolsEvery is how often the entitlement in force is looked at, poolsTold how often all entries are told to the store again.
const (
	poolsEvery = time.Minute
	poolsTold  = 24 * time.Hour
)

// runPools tells metrics and store what the configuration entitles each license pool to, until ctx ends.
func (a *App) runPools(ctx context.Context) error {
	var told time.Time
	for {
		now := time.Now()
		for _, pool := range a.options.Config.LicensePools {
			a.live.SetPool(pool.Name, collector.Sample[collector.PoolState]{Value: collector.PoolState{Entitlement: entitledNow(pool, now)}, At: now, Until: now.Add(3 * poolsEvery)})
		}
		if now.Sub(told) >= poolsTold {
			if rows := entitlementRows(a.options.Config, now); len(rows) == 0 {
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

// entitledNow is the entry in force, by license. What it leaves out is not known.
func entitledNow(pool config.LicensePool, now time.Time) map[string]float64 {
	e, _ := licensing.EntitledOn(entitlements(pool), licensing.DayOf(now, pool.DayBoundary.Std()))
	known := map[string]float64{}
	for license, n := range map[string]*int64{"pmp": e.PMP, "smp": e.SMP, "recording": e.Recording} {
		if n != nil {
			known[license] = float64(*n)
		}
	}
	return known
}

// entitlementRows are all entries of all pools. A pool without any has one that knows nothing, so that its days can be told.
func entitlementRows(c config.Config, now time.Time) []storage.LicenseEntitlement {
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
				CMSClusters: clustersOf(c, pool.Name), Written: now.UTC(),
			})
		}
	}
	return rows
}
