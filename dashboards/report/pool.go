package report

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// Pool is a license pool: what the clusters of one virtual account share.
type Pool struct {
	Name     string
	Clusters []string
	// Zone of a license day.
	Zone         *time.Location
	Readings     licensing.Readings
	Entitlements []licensing.Entitlement
	// Groups of owners that use is added up by.
	Groups []storage.OwnerGroup
}

// PoolNamed is the pool of that name, or the only one where name is empty.
func PoolNamed(list []Pool, name string) (Pool, error) {
	if name == "" && len(list) == 1 {
		return list[0], nil
	}
	var names []string
	for _, p := range list {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	if name == "" {
		return Pool{}, fmt.Errorf("say which license pool: %s", strings.Join(names, ", "))
	}
	return Pool{}, fmt.Errorf("no license pool %q; there are %s", name, strings.Join(names, ", "))
}

// PeakOf is the instant of the highest use of shared licenses on a license day, the first of several.
func PeakOf(ctx context.Context, q *storage.Queries, p Pool, day licensing.Day) (time.Time, error) {
	to := day.End(p.Zone)
	if now := time.Now(); to.After(now) {
		to = now.Truncate(time.Millisecond)
	}
	from := day.Start(p.Zone)
	if !from.Before(to) {
		return time.Time{}, fmt.Errorf("%s has not begun", day)
	}
	days, err := q.LicenseDays(ctx, storage.LicensePeriod{Clusters: p.Clusters, From: from, To: to}, p.Zone)
	if err != nil {
		return time.Time{}, err
	}
	return days[0].Peaks.SMP.At, nil
}
