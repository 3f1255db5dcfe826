package app

import (
	"context"
	"slices"
	"time"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/licensing/keeper"
	"github.com/bridgewatch/bridgewatch/storage"
)

// pools are the license pools of a configuration with the clusters that use them.
func pools(c config.Config) ([]report.Pool, error) {
	inv, err := inventory(c)
	if err != nil {
		return nil, err
	}
	var list []report.Pool
	for _, name := range inv.Pools() {
		p := report.Pool{Name: name, Zone: time.UTC, Readings: licensing.DefaultReadings()}
		for _, cluster := range inv.Clusters {
			if cluster.LicensePool == name {
				p.Clusters = append(p.Clusters, cluster.Name)
			}
		}
		for _, configured := range c.LicensePools {
			if configured.Name == name {
				p.Zone, p.Readings, p.Entitlements, p.Groups = configured.DayBoundary.Std(), readings(configured.Readings), entitlements(configured), ownerGroups(configured)
			}
		}
		list = append(list, p)
	}
	for _, configured := range c.LicensePools { // one that no cluster uses has no use, which is an answer too
		known := false
		for _, p := range list {
			known = known || p.Name == configured.Name
		}
		if !known {
			list = append(list, report.Pool{Name: configured.Name, Zone: configured.DayBoundary.Std(), Readings: readings(configured.Readings), Entitlements: entitlements(configured)})
		}
	}
	return list, nil
}

func readings(r config.Readings) licensing.Readings {
	return licensing.Readings{
		SIPPointToPointFull: r.SIPPointToPoint == "full", RecordedAudioOnlyFull: r.RecordedAudioOnly == "full", VideoForLife: r.Video == "whole_life",
		UnknownIsAudio: r.UnknownVideo == "audio", LyncConferenceSixth: r.LyncConference == "sixth", GrantAnyTime: r.PMPGrant == "any_time",
		PMPEachCall: r.PMPCounts == "call", PMPCalls: r.PMPCalls, CaptureEach: r.RecordingCounts == "capture", PMPInUse: r.PMPCompares == "in_use",
		AllowedDays: r.AllowedOverageDays,
	}
}

func ownerGroups(pool config.LicensePool) []storage.OwnerGroup {
	var list []storage.OwnerGroup
	for _, g := range pool.OwnerGroups {
		group := storage.OwnerGroup{Name: g.Name, Owners: g.Owners}
		for _, tenant := range g.Tenants {
			group.Tenants = append(group.Tenants, cdr.ParseID(tenant))
		}
		list = append(list, group)
	}
	return list
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

// keeperConfig gives the keeper every cluster with the readings of its pool.
func keeperConfig(list []report.Pool) keeper.Config {
	out := keeper.DefaultConfig()
	out.Clusters = map[string]licensing.Readings{}
	for _, p := range list {
		for _, cluster := range p.Clusters {
			out.Clusters[cluster] = p.Readings
		}
	}
	return out
}

// runLicenses keeps license use until ctx ends, and tells the live state of it.
func (a *App) runLicenses(ctx context.Context) error {
	now := time.Now()
	for _, p := range a.pools { // known before anything is computed
		a.live.SetPool(p.Name, collector.Sample[collector.PoolState]{Value: collector.PoolState{Entitlement: entitled(p, now)}, At: now, Until: now.Add(poolStateAge)})
	}
	standing := &standings{app: a, days: map[string]standingDay{}}
	k := keeper.New(keeperConfig(a.pools), keeper.Deps{Store: a.Conn(), Kept: standing.tell, Log: a.log, Now: time.Now})
	return k.Run(ctx)
}

// standings tells the live state what pools use now and where they stand. The keeper's goroutine alone calls it.
type standings struct {
	app  *App
	days map[string]standingDay // by pool
}

// standingDay is what is asked for more rarely than use, as it takes the whole window.
type standingDay struct {
	made        time.Time
	overageDays *int64
	level       *int64
	assigned    map[string]float64
	// computed: license use of these days is computed from records.
	computed bool
}

// standingAge is how long the days of overage are believed: the day that runs may become one at any time.
const standingAge = time.Minute

// poolStateAge is how long a pool's state is believed without a new one.
const poolStateAge = 10 * time.Minute

func (s *standings) tell(ctx context.Context) {
	q := s.app.Store()
	now := time.Now()
	for _, p := range s.app.pools {
		state, err := s.state(ctx, q, p, now)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.app.log.Warn("what a license pool uses could not be asked for", "license_pool", p.Name, "error", err)
			continue
		}
		s.app.live.SetPool(p.Name, collector.Sample[collector.PoolState]{Value: state, At: now, Until: now.Add(poolStateAge)})
	}
}

func (s *standings) state(ctx context.Context, q *storage.Queries, p report.Pool, now time.Time) (collector.PoolState, error) {
	steps, err := q.LicenseUse(ctx, storage.LicensePeriod{Clusters: p.Clusters, From: now, To: now.Add(time.Millisecond)}, time.Millisecond)
	if err != nil {
		return collector.PoolState{}, err
	}
	known, ok := s.days[p.Name]
	if !ok || !known.computed || now.Sub(known.made) > standingAge {
		made, err := report.MakeStanding(ctx, q, p, now)
		if err != nil {
			return collector.PoolState{}, err
		}
		known = standingDay{made: now, overageDays: made.Overage.Days, level: made.Overage.EnforcementLevel, assigned: map[string]float64{}}
		until, err := q.LicenseProgress(ctx, p.Clusters)
		if err != nil {
			return collector.PoolState{}, err
		}
		// Up to yesterday, as today is a minute behind. On a quiet weekend nothing is in use, though no record says so.
		known.computed = made.Completeness.Records > 0 && until.After(licensing.DayOf(now, p.Zone).Add(-1).Start(p.Zone))
		if n := len(made.Days); n > 0 && made.Days[n-1].PMP.Assigned != nil {
			known.assigned["pmp"] = float64(*made.Days[n-1].PMP.Assigned)
		}
		s.days[p.Name] = known
	}
	state := collector.PoolState{Entitlement: entitled(p, now), OverageDays: known.overageDays, EnforcementLevel: known.level, Assigned: known.assigned}
	if known.computed {
		state.InUse = inUse(steps[0].Peaks, callsNow(s.app.live.Snapshot(), p.Clusters))
	}
	return state, nil
}

// inUse is use by license; nil, not known, where nothing is in use though bridges tell of calls: every call takes some license, so its records are still on their way.
func inUse(use licensing.Peaks, calls int64) map[string]float64 {
	if use.SMP.Value == 0 && use.PMP.Value == 0 && calls > 0 {
		return nil
	}
	return map[string]float64{"smp": float64(use.SMP.Value) / 6, "pmp": float64(use.PMP.Value), "recording": float64(use.Recording.Value)}
}

// callsNow is how many calls the bridges of some clusters tell of, over events or in answer to polls.
func callsNow(snap collector.Snapshot, clusters []string) (calls int64) {
	for _, b := range snap.Bridges {
		if slices.Contains(clusters, b.Cluster) {
			calls += b.Calls.Value.Total
		}
	}
	return calls
}

// entitled is what a pool holds now, by license. What an entry leaves out is not known.
func entitled(p report.Pool, now time.Time) map[string]float64 {
	e, _ := licensing.EntitledOn(p.Entitlements, licensing.DayOf(now, p.Zone))
	known := map[string]float64{}
	for license, n := range map[string]*int64{"pmp": e.PMP, "smp": e.SMP, "recording": e.Recording} {
		if n != nil {
			known[license] = float64(*n)
		}
	}
	return known
}
