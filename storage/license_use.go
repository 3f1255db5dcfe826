package storage

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/licensing"
)

// LicensePeriod is a period of some clusters, those of a pool. To is exclusive.
type LicensePeriod struct {
	Clusters []string
	From, To time.Time
}

// intervals is a condition for intervals that overlap the period, and the parameters for it. Meetings may have begun long before; which is the first day to look at is
// asked first, so that a period reads little more than its own days.
func (q *Queries) licenseIntervals(ctx context.Context, p LicensePeriod) (*conditions, error) {
	c := newConditions()
	c.add("cms_cluster IN {clusters:Array(String)}", "clusters", stringArray(p.Clusters))
	c.add("until > {from:DateTime64(3, 'UTC')}", "from", timeText(p.From))
	c.add("from < {to:DateTime64(3, 'UTC')}", "to", timeText(p.To))
	c.add("start_day <= toDate({to:DateTime64(3, 'UTC')})")
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

// UseBin is the license use of a stretch of time: its peaks, and what was in use at its end.
type UseBin struct {
	// Bin is the position of the stretch.
	Bin   int64
	Peaks licensing.Peaks
	Last  licensing.Use
	// Started is the sixths of shared licenses of all that began in it.
	Started int64
}

// licenseBins sums intervals over the whole period and cuts the levels into bins; a bin in which nothing changes is not in the result.
func (q *Queries) licenseBins(ctx context.Context, p LicensePeriod, bin string, params map[string]string) ([]UseBin, error) {
	c, err := q.licenseIntervals(ctx, p)
	if err != nil {
		return nil, err
	}
	for name, value := range params {
		c.params[name] = value
	}
	rows, err := selectRows[struct {
		Bin   int64     `ch:"bin"`
		SMP   int64     `ch:"smp_peak"`
		SMPAt time.Time `ch:"smp_at"`
		PMP   int64     `ch:"pmp_peak"`
		PMPAt time.Time `ch:"pmp_at"`
		Cap   int64     `ch:"cap_peak"`
		CapAt time.Time `ch:"cap_at"`
		Recs  int64     `ch:"cap_recordings"`
		Strs  int64     `ch:"cap_streams"`
		Str   int64     `ch:"str_peak"`
		StrAt time.Time `ch:"str_at"`
		LSMP  int64     `ch:"last_smp"`
		LPMP  int64     `ch:"last_pmp"`
		LRec  int64     `ch:"last_rec"`
		LStr  int64     `ch:"last_str"`
		Began int64     `ch:"started"`
	}](c.within(ctx), q, fmt.Sprintf(`
SELECT %s AS bin,
	max(smp) AS smp_peak, argMin(t, (-smp, t)) AS smp_at, max(pmp) AS pmp_peak, argMin(t, (-pmp, t)) AS pmp_at,
	max(rec + str) AS cap_peak, argMin(t, (-rec - str, t)) AS cap_at, argMin(rec, (-rec - str, t)) AS cap_recordings, argMin(str, (-rec - str, t)) AS cap_streams,
	max(str) AS str_peak, argMin(t, (-str, t)) AS str_at,
	argMax(smp, t) AS last_smp, argMax(pmp, t) AS last_pmp, argMax(rec, t) AS last_rec, argMax(str, t) AS last_str, sum(up) AS started
FROM (
	SELECT t, up, sum(d_smp) OVER w AS smp, sum(d_pmp) OVER w AS pmp, sum(d_rec) OVER w AS rec, sum(d_str) OVER w AS str
	FROM (
		SELECT t, sum(sign * smp_sixths) AS d_smp, sum(sign * pmp) AS d_pmp, sum(sign * recordings) AS d_rec, sum(sign * streams) AS d_str,
			sumIf(smp_sixths, sign > 0) AS up
		FROM (SELECT from, until, toInt64(smp_sixths) AS smp_sixths, toInt64(pmp) AS pmp, toInt64(recordings) AS recordings, toInt64(streams) AS streams
			FROM license_intervals_data FINAL %s)
		ARRAY JOIN [greatest(from, {from:DateTime64(3, 'UTC')}), until] AS t, [toInt64(1), toInt64(-1)] AS sign
		WHERE t < {to:DateTime64(3, 'UTC')}
		GROUP BY t)
	WINDOW w AS (ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))
GROUP BY bin ORDER BY bin`, bin, c.where()))
	if err != nil {
		return nil, fmt.Errorf("query license use: %w", err)
	}
	bins := make([]UseBin, len(rows))
	for i, r := range rows {
		bins[i] = UseBin{Bin: r.Bin, Started: r.Began, Last: licensing.Use{SMPSixths: r.LSMP, PMP: r.LPMP, Recordings: r.LRec, Streams: r.LStr}, Peaks: licensing.Peaks{
			SMP: licensing.Peak{Value: r.SMP, At: r.SMPAt}, PMP: licensing.Peak{Value: r.PMP, At: r.PMPAt}, Recording: licensing.Peak{Value: r.Cap, At: r.CapAt},
			Streaming: licensing.Peak{Value: r.Str, At: r.StrAt}, Recordings: r.Recs, Streams: r.Strs}}
	}
	return bins, nil
}

// LicenseDays are the peaks of every license day of a zone in a period, in order. A day on which nothing changed has what the one before left.
func (q *Queries) LicenseDays(ctx context.Context, p LicensePeriod, zone *time.Location) ([]licensing.DayPeaks, error) {
	bins, err := q.licenseBins(ctx, p, "toInt64(toDate(t, {zone:String}))", map[string]string{"zone": zone.String()})
	if err != nil {
		return nil, err
	}
	byDay := make(map[licensing.Day]UseBin, len(bins))
	for _, b := range bins {
		byDay[licensing.DayOf(time.Unix(b.Bin*86400, 0), time.UTC)] = b
	}
	var days []licensing.DayPeaks
	var carried licensing.Use
	for _, day := range licensing.Days(p.From, p.To, zone) {
		d := licensing.DayPeaks{Day: day}
		start := later(day.Start(zone), p.From)
		b, found := byDay[day]
		d.Peaks.See(licensing.Level{At: start, Use: carried})
		if found {
			d.Peaks.Raise(b.Peaks)
			carried = b.Last
		}
		days = append(days, d)
	}
	return days, nil
}

// LicenseUse is the use in steps of a period, in order: the peaks of each. The first step begins at the period's start.
func (q *Queries) LicenseUse(ctx context.Context, p LicensePeriod, step time.Duration) ([]licensing.StepPeaks, error) {
	bins, err := q.licenseBins(ctx, p, "intDiv(toUnixTimestamp64Milli(t) - {origin:Int64}, {step:Int64})",
		map[string]string{"origin": strconv.FormatInt(p.From.UnixMilli(), 10), "step": strconv.FormatInt(step.Milliseconds(), 10)})
	if err != nil {
		return nil, err
	}
	var steps []licensing.StepPeaks
	var carried licensing.Use
	for at, next := p.From, 0; at.Before(p.To); at = at.Add(step) {
		s := licensing.StepPeaks{Time: at, Carried: carried.SMPSixths}
		s.Peaks.See(licensing.Level{At: at, Use: carried})
		if next < len(bins) && bins[next].Bin == int64(len(steps)) {
			s.Peaks.Raise(bins[next].Peaks)
			s.Started = bins[next].Started
			carried = bins[next].Last
			next++
		}
		steps = append(steps, s)
	}
	return steps, nil
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

// OwnerUse is what the meetings of one owner took in a period.
type OwnerUse struct {
	Owner   string     `ch:"owner_name" json:"owner"`
	OwnerID *uuid.UUID `ch:"owner_id" none:"zero" json:"owner_id"`
	Tenant  *uuid.UUID `ch:"tenant_id" none:"zero" json:"tenant_id"`
	// Licensed now: of the owner's latest meeting; nil where not known.
	Licensed *bool  `ch:"licensed" json:"licensed"`
	Meetings uint64 `ch:"meetings" json:"meetings"`
	// SMPHours and PMPHours are license hours.
	SMPHours float64 `ch:"smp_hours" json:"smp_hours"`
	PMPHours float64 `ch:"pmp_hours" json:"pmp_hours"`
	// RecordingHours of recordings and streams.
	RecordingHours float64 `ch:"recording_hours" json:"recording_hours"`
}

// LicenseOwners are the owners whose meetings took most of shared licenses in a period, and after them the others.
func (q *Queries) LicenseOwners(ctx context.Context, p LicensePeriod, limit int) ([]OwnerUse, error) {
	c, err := q.licenseIntervals(ctx, p)
	if err != nil {
		return nil, err
	}
	rows, err := selectRows[OwnerUse](c.within(ctx), q, fmt.Sprintf(`SELECT %s FROM (
SELECT owner_id, if(owner_id = toUUID('00000000-0000-0000-0000-000000000000'), '', any(owner_name)) AS owner_name, tenant_id, argMax(licensed, from) AS licensed,
	uniqExact(call_correlator) AS meetings, sum(smp_sixths * seconds) / 21600 AS smp_hours, sum(pmp * seconds) / 3600 AS pmp_hours, sum((recordings + streams) * seconds) / 3600 AS recording_hours
FROM (SELECT *, dateDiff('millisecond', greatest(from, {from:DateTime64(3, 'UTC')}), least(until, {to:DateTime64(3, 'UTC')})) / 1000 AS seconds
	FROM license_intervals_data FINAL %s)
GROUP BY owner_id, tenant_id)
ORDER BY smp_hours DESC, pmp_hours DESC, owner_id LIMIT %d`, columnsOf[OwnerUse](), c.where(), limit))
	if err != nil {
		return nil, fmt.Errorf("query license use by owner: %w", err)
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
