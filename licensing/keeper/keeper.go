// Package keeper keeps license_intervals up to date with the facts: it computes the days on which something changed anew and writes the differences.
package keeper

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// Config says what is kept.
type Config struct {
	// Clusters with the readings of their pools.
	Clusters map[string]licensing.Readings
	// Every is the pause between two rounds; a round that took long is followed by ten times its length, but no more than two minutes.
	Every time.Duration
}

// DefaultConfig keeps nothing, every 30 seconds.
func DefaultConfig() Config { return Config{Every: 30 * time.Second} }

// Deps are what the composition root gives the keeper.
type Deps struct {
	// Store has the facts and takes the intervals.
	Store driver.Conn
	// Kept is called after each round in which everything was brought up to date; nil: nobody asks.
	Kept func(ctx context.Context)
	Log  *slog.Logger
	Now  func() time.Time
}

// Keeper computes license use from the facts. One runs at a time (the writer's lease).
type Keeper struct {
	cfg     Config
	deps    Deps
	store   storage.LicenseKeeping
	queries *storage.Queries
}

// New makes a keeper; nothing is read or written before Run.
func New(cfg Config, deps Deps) *Keeper {
	return &Keeper{cfg, deps, storage.LicenseKeeping{Conn: deps.Store}, storage.NewQueries(deps.Store)}
}

// Run keeps until ctx ends. A round that fails is tried again: what it had not written is found again.
func (k *Keeper) Run(ctx context.Context) error {
	for {
		began := time.Now()
		if err := k.Round(ctx); err != nil && ctx.Err() == nil {
			k.deps.Log.Warn("license use could not be brought up to date; it is tried again", "error", err)
		} else if err == nil && k.deps.Kept != nil {
			k.deps.Kept(ctx)
		}
		timer := time.NewTimer(max(k.cfg.Every, min(10*time.Since(began), longestPause)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// longestPause keeps the present from growing old where a round takes long.
const longestPause = 2 * time.Minute

// visible is how long after its time of writing, at the latest, a row is taken to be found by queries.
const visible = 2 * time.Minute

// Round brings every cluster up to date.
func (k *Keeper) Round(ctx context.Context) error {
	for cluster, readings := range k.cfg.Clusters {
		if err := k.cluster(ctx, cluster, readings); err != nil {
			return fmt.Errorf("license use of cluster %s: %w", cluster, err)
		}
	}
	return nil
}

func (k *Keeper) cluster(ctx context.Context, cluster string, readings licensing.Readings) error {
	done, err := k.store.Progress(ctx, cluster)
	if err != nil {
		return err
	}
	now, err := k.store.Now(ctx)
	if err != nil {
		return err
	}
	since := done.FactsUntil
	made := fmt.Sprintf("%+v", readings)
	if done.Readings != made {
		since = time.Time{} // everything may come out otherwise
	}
	days, err := k.store.Days(ctx, cluster, since)
	if err != nil {
		return err
	}
	if err := k.days(ctx, cluster, readings, days, now); err != nil {
		return err
	}
	return k.store.Note(ctx, storage.LicenseUnit{Cluster: cluster, StartDay: storage.AllDays(), FactsUntil: now.Add(-visible), Readings: made, Version: version(k.deps.Now())})
}

func version(now time.Time) uint64 { return uint64(now.UnixMicro()) } //nolint:gosec // after 1970

// days computes days: the present ones first, for those who watch, then all in order, as what a day's meetings hold of their owners' licenses decides on the next day's.
func (k *Keeper) days(ctx context.Context, cluster string, readings licensing.Readings, days []time.Time, now time.Time) error {
	today := now.UTC().Truncate(24 * time.Hour)
	if len(days) > 3 {
		k.deps.Log.Info("license use is computed", "cms_cluster", cluster, "days", len(days))
		for _, day := range days {
			if day.Before(today.AddDate(0, 0, -1)) {
				continue
			}
			if _, err := k.day(ctx, cluster, readings, day); err != nil {
				return err
			}
		}
	}
	todo := map[time.Time]bool{}
	for _, day := range days {
		todo[day] = true
	}
	for len(todo) > 0 {
		var day time.Time
		for d := range todo {
			if day.IsZero() || d.Before(day) {
				day = d
			}
		}
		delete(todo, day)
		changed, err := k.day(ctx, cluster, readings, day)
		if err != nil {
			return err
		}
		if next := day.AddDate(0, 0, 1); changed && !next.After(today) {
			todo[next] = true
		}
	}
	return nil
}

// day computes the meetings that began on a UTC day and writes what differs. It tells whether something did.
func (k *Keeper) day(ctx context.Context, cluster string, readings licensing.Readings, day time.Time) (changed bool, err error) {
	meetings, earlier, err := k.load(ctx, cluster, day)
	if err != nil {
		return false, err
	}
	stored, err := k.store.Stored(ctx, cluster, day)
	if err != nil {
		return false, err
	}
	type place struct {
		meeting uuid.UUID
		part    uint16
	}
	known := make(map[place]storage.LicenseInterval, len(stored))
	for _, row := range stored {
		known[place{row.Meeting, row.Part}] = row
	}
	asOf := k.deps.Now().UTC().Truncate(time.Millisecond).Add(farAhead)
	own := make(map[*licensing.Meeting]bool, len(meetings))
	for _, m := range meetings {
		own[m] = true
	}
	written := version(k.deps.Now())
	var rows []storage.LicenseInterval
	parts := map[*licensing.Meeting]uint16{}
	for _, i := range licensing.Intervals(slices.Concat(meetings, earlier), readings, asOf) {
		if !own[i.Meeting] {
			continue
		}
		row := rowOf(i, day, asOf)
		row.Part = parts[i.Meeting]
		parts[i.Meeting]++
		at := place{row.Meeting, row.Part}
		was, found := known[at]
		delete(known, at)
		if found && same(was, row) {
			continue
		}
		row.Version = max(written, was.Version+1)
		rows = append(rows, row)
	}
	for _, row := range known { // no longer
		row.Version, row.Deleted = max(written, row.Version+1), 1
		rows = append(rows, row)
	}
	return len(rows) > 0, k.store.Write(ctx, rows)
}

// farAhead is later than any bridge's clock: what has not ended is computed as if it went on till then, and stored without an end.
const farAhead = 24 * time.Hour

// rowOf is an interval as stored; one that ends at asOf because its meeting goes on has no end yet.
func rowOf(i licensing.Interval, day, asOf time.Time) storage.LicenseInterval {
	m := i.Meeting
	row := storage.LicenseInterval{StartDay: day, Cluster: m.Cluster, Meeting: m.ID, From: i.From.UTC(), Until: i.To.UTC(), Name: m.Name, Space: m.Space, Tenant: m.Tenant,
		OwnerName: m.OwnerName, Bridges: m.Bridges, License: string(i.License), SMPSixths: uint8(i.Sixths), SharedSixths: uint8(i.Shared), PMP: uint8(i.Personal), //nolint:gosec // 0 to 6
		Recordings: small(i.Recordings), Streams: small(i.Streams), Rule: string(i.Rule), Reading: string(i.Reading)}
	if o := m.Owner; o != nil {
		row.OwnerID, row.Licensed = o.ID, o.Licensed
		if o.Name != "" {
			row.OwnerName = o.Name
		}
	}
	if m.End().IsZero() && i.To.Equal(asOf) {
		row.Until = storage.StillHolds()
	}
	return row
}

// small is a count of captures of one meeting; more than 255 at once have no meaning.
func small(n int64) uint8 { return uint8(min(n, 255)) } //nolint:gosec // bounded

func same(a, b storage.LicenseInterval) bool {
	licensed := a.Licensed == nil && b.Licensed == nil || a.Licensed != nil && b.Licensed != nil && *a.Licensed == *b.Licensed
	return licensed && a.From.Equal(b.From) && a.Until.Equal(b.Until) && a.Name == b.Name && a.Space == b.Space && a.Tenant == b.Tenant && a.OwnerID == b.OwnerID &&
		a.OwnerName == b.OwnerName && slices.Equal(a.Bridges, b.Bridges) && a.License == b.License && a.SMPSixths == b.SMPSixths && a.SharedSixths == b.SharedSixths &&
		a.PMP == b.PMP && a.Recordings == b.Recordings && a.Streams == b.Streams && a.Rule == b.Rule && a.Reading == b.Reading
}

// load gives the meetings that began on a day, and those earlier ones that may have held the licenses of their owners.
func (k *Keeper) load(ctx context.Context, cluster string, day time.Time) (meetings, earlier []*licensing.Meeting, err error) {
	end := day.AddDate(0, 0, 1)
	found, err := k.queries.LicenseMeetings(ctx, storage.MeetingChoice{Cluster: cluster, Began: storage.Period{From: day, To: end}})
	if err != nil {
		return nil, nil, err
	}
	owners := map[uuid.UUID]bool{}
	for _, m := range found {
		if start := m.Start(); start.Before(day) || !start.Before(end) {
			continue // another day's
		}
		meetings = append(meetings, m)
		if m.Owner != nil && m.Owner.Licensed != nil && *m.Owner.Licensed {
			owners[m.Owner.ID] = true
		}
	}
	seen := map[uuid.UUID]bool{}
	add := func(list []*licensing.Meeting, before time.Time) (first time.Time, ids []uuid.UUID) {
		for _, m := range list {
			if m.Owner == nil || !owners[m.Owner.ID] || seen[m.ID] || !m.Start().Before(before) {
				continue
			}
			seen[m.ID] = true
			earlier = append(earlier, m)
			if start := m.Start(); first.IsZero() || start.Before(first) {
				first = start
			}
			if !slices.Contains(ids, m.Owner.ID) {
				ids = append(ids, m.Owner.ID)
			}
		}
		return first, ids
	}
	ids := slices.Collect(maps.Keys(owners))
	for at := day; len(ids) > 0 && at.After(day.Add(-storage.LongestMeeting)); { // those that lived at the day's start, and what lived when these began
		var alive []*licensing.Meeting
		for some := range slices.Chunk(ids, ownersAQuery) {
			found, err := k.queries.LicenseMeetings(ctx, storage.MeetingChoice{Cluster: cluster, Alive: at, Owners: some, CallsOnly: true})
			if err != nil {
				return nil, nil, err
			}
			alive = append(alive, found...)
		}
		first, holders := add(alive, day)
		for some := range slices.Chunk(holders, ownersAQuery) {
			between, err := k.queries.LicenseMeetings(ctx, storage.MeetingChoice{Cluster: cluster, Began: storage.Period{From: first, To: at}, Owners: some, CallsOnly: true})
			if err != nil {
				return nil, nil, err
			}
			add(between, day)
		}
		at, ids = first, holders
	}
	return meetings, earlier, nil
}

// ownersAQuery fit into the address of a query.
const ownersAQuery = 1000
