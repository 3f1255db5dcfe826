package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// LicensePeriod is a period of some clusters, those of a pool. To is exclusive.
type LicensePeriod struct {
	Clusters []string
	From, To time.Time
}

// intervals is a condition for intervals that overlap the period, and the parameters for it. Meetings may have begun long before; which is the first day to look at is
// asked first, so that a period reads little more than its own days.
func (q *Queries) licenseIntervals(ctx context.Context, p LicensePeriod) (*conditions, error) {
	c := licenseOverlap(p)
	first, err := selectRows[struct {
		Day time.Time `ch:"day"`
	}](c.within(ctx), q, "SELECT min(start_day) AS day FROM license_intervals_data "+c.where())
	if err != nil {
		return nil, fmt.Errorf("query the first day of license use: %w", err)
	}
	c.add("start_day >= {first:Date}", "first", first[0].Day.Format(time.DateOnly))
	return c, nil
}

// LicenseProgress is up to when facts are in the license intervals of all these clusters; zero where one is not computed at all.
func (q *Queries) LicenseProgress(ctx context.Context, clusters []string) (time.Time, error) {
	c := newConditions()
	c.add("cms_cluster IN {clusters:Array(String)}", "clusters", stringArray(clusters))
	c.add("start_day = toDate(0)")
	rows, err := selectRows[struct {
		Clusters uint64    `ch:"clusters"`
		Until    time.Time `ch:"until"`
	}](c.within(ctx), q, "SELECT count() AS clusters, min(facts_until) AS until FROM license_units_data FINAL "+c.where())
	if err != nil {
		return time.Time{}, fmt.Errorf("query the progress of license use: %w", err)
	}
	if len(clusters) == 0 || rows[0].Clusters < uint64(len(clusters)) {
		return time.Time{}, nil
	}
	return rows[0].Until, nil
}

// ExplainedMeeting is what one meeting takes at an instant, and why.
type ExplainedMeeting struct {
	CallCorrelator uuid.UUID  `ch:"call_correlator" json:"call_correlator"`
	Cluster        string     `ch:"cms_cluster" json:"cms_cluster"`
	Name           string     `ch:"name" json:"name"`
	Owner          string     `ch:"owner_name" json:"owner"`
	OwnerID        *uuid.UUID `ch:"owner_id" none:"zero" json:"owner_id"`
	Bridges        []string   `ch:"call_bridges" json:"call_bridges"`
	Start          time.Time  `ch:"start" json:"start"`
	From           time.Time  `ch:"from" json:"from"`
	To             *time.Time `ch:"to" json:"to"`
	License        string     `ch:"license" json:"license"`
	Sixths         uint8      `ch:"smp_sixths" json:"sixths"`
	PMP            uint8      `ch:"pmp" json:"pmp"`
	Recordings     uint8      `ch:"recordings" json:"recordings"`
	Streams        uint8      `ch:"streams" json:"streams"`
	Rule           string     `ch:"rule" json:"rule"`
	Reading        string     `ch:"reading" json:"reading"`
}

// ExplainLicenses are the meetings that take a license, or are recorded or streamed, at an instant: those that take most first.
func (q *Queries) ExplainLicenses(ctx context.Context, clusters []string, at time.Time) ([]ExplainedMeeting, error) {
	c, err := q.licenseIntervals(ctx, LicensePeriod{clusters, at, at.Add(time.Millisecond)})
	if err != nil {
		return nil, err
	}
	rows, err := selectRows[ExplainedMeeting](c.within(ctx), q, fmt.Sprintf(`SELECT %s FROM (
	SELECT *, nullIf(until, toDateTime64('2200-01-01 00:00:00', 3, 'UTC')) AS to FROM license_intervals_data FINAL %s) AS i
INNER JOIN (SELECT cms_cluster, call_correlator, min(from) AS start FROM license_intervals_data FINAL
	WHERE cms_cluster IN {clusters:Array(String)} AND start_day >= {first:Date} AND start_day <= toDate({to:DateTime64(3, 'UTC')}) AND part = 0 GROUP BY cms_cluster, call_correlator) AS begun
USING (cms_cluster, call_correlator)
ORDER BY smp_sixths DESC, pmp DESC, start, call_correlator`, columnsOf[ExplainedMeeting](), c.where()))
	if err != nil {
		return nil, fmt.Errorf("query what takes licenses: %w", err)
	}
	return rows, nil
}

// LicenseFeatureState is the newest state of a licensed feature of one cluster.
type LicenseFeatureState struct {
	Cluster string     `ch:"cms_cluster"`
	Feature string     `ch:"feature"`
	Status  string     `ch:"status"`
	Expiry  *time.Time `ch:"expiry"`
	// Slope is days by which the expiry moved on a day over the last two weeks: 1 is healthy, 0 counts down; nil where less than two days were seen.
	Slope *float64 `ch:"slope"`
}

// LicenseFeatures are the features of some clusters as they were last seen before a time: from release 3.0 on the cluster's (clusterLicensing), before it the
// license files of the bridges, of which the first to expire stands.
func (q *Queries) LicenseFeatures(ctx context.Context, clusters []string, before time.Time) ([]LicenseFeatureState, error) {
	c := newConditions()
	c.add("cms_cluster IN {clusters:Array(String)}", "clusters", stringArray(clusters))
	c.add("time < {before:DateTime64(3, 'UTC')} AND time >= {before:DateTime64(3, 'UTC')} - INTERVAL 14 DAY", "before", timeText(before))
	rows, err := selectRows[LicenseFeatureState](c.within(ctx), q, `
SELECT cms_cluster, feature, argMin(newest, (call_bridge != '', expires)) AS status, tupleElement(argMin(tuple(until), (call_bridge != '', expires)), 1) AS expiry,
	tupleElement(argMin(tuple(moved), (call_bridge != '', expires)), 1) AS slope
FROM (
	SELECT cms_cluster, call_bridge, feature, argMax(f.status, f.time) AS newest, tupleElement(argMax(tuple(f.expiry), f.time), 1) AS until, tupleElement(argMin(tuple(f.expiry), f.time), 1) AS was,
		ifNull(until, toDateTime('2100-01-01 00:00:00', 'UTC')) AS expires, dateDiff('second', min(f.time), max(f.time)) AS seconds,
		if(seconds < 172800, NULL, dateDiff('second', was, until) / seconds) AS moved
	FROM license_features AS f `+c.where()+` GROUP BY cms_cluster, call_bridge, feature)
GROUP BY cms_cluster, feature ORDER BY cms_cluster, feature`)
	if err != nil {
		return nil, fmt.Errorf("query licensed features: %w", err)
	}
	return rows, nil
}
