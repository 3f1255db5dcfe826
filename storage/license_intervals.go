package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// The tables that the license keeper fills.
var (
	LicenseIntervals = Table{"license_intervals_data", LicenseInterval{}}
	LicenseUnits     = Table{"license_units_data", LicenseUnit{}}
)

// LicenseInterval is a time during which what a meeting takes does not change, as stored.
type LicenseInterval struct {
	StartDay     time.Time `ch:"start_day"`
	Cluster      string    `ch:"cms_cluster"`
	Meeting      uuid.UUID `ch:"call_correlator"`
	Part         uint16    `ch:"part"`
	From         time.Time `ch:"from"`
	Until        time.Time `ch:"until"`
	Name         string    `ch:"name"`
	Space        uuid.UUID `ch:"space_id"`
	Tenant       uuid.UUID `ch:"tenant_id"`
	OwnerID      uuid.UUID `ch:"owner_id"`
	OwnerName    string    `ch:"owner_name"`
	Licensed     *bool     `ch:"licensed"`
	Bridges      []string  `ch:"call_bridges"`
	License      string    `ch:"license"`
	SMPSixths    uint8     `ch:"smp_sixths"`
	SharedSixths uint8     `ch:"shared_sixths"`
	PMP          uint8     `ch:"pmp"`
	Recordings   uint8     `ch:"recordings"`
	Streams      uint8     `ch:"streams"`
	Rule         string    `ch:"rule"`
	Reading      string    `ch:"reading"`
	Version      uint64    `ch:"version"`
	Deleted      uint8     `ch:"is_deleted"`
}

// StillHolds is the end of an interval that has none yet.
func StillHolds() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }

// LicenseUnit notes up to when the facts of a day, or with AllDays those of all days, went into license intervals.
type LicenseUnit struct {
	Cluster    string    `ch:"cms_cluster"`
	StartDay   time.Time `ch:"start_day"`
	FactsUntil time.Time `ch:"facts_until"`
	Readings   string    `ch:"readings"`
	Version    uint64    `ch:"version"`
}

// AllDays is the StartDay of the note that every day is up to date.
func AllDays() time.Time { return time.Unix(0, 0).UTC() }

// LicenseKeeping is what the license keeper asks and writes.
type LicenseKeeping struct{ Conn driver.Conn }

// Now is the store's clock.
func (k LicenseKeeping) Now(ctx context.Context) (time.Time, error) {
	var now time.Time
	if err := k.Conn.QueryRow(ctx, "SELECT now('UTC')").Scan(&now); err != nil {
		return now, fmt.Errorf("ask the store's clock: %w", err)
	}
	return now, nil
}

// Progress is up to when everything of a cluster is in the intervals, and with which readings; zero where nothing is.
func (k LicenseKeeping) Progress(ctx context.Context, cluster string) (LicenseUnit, error) {
	c := newConditions()
	c.add("cms_cluster = {cluster:String}", "cluster", textParam(cluster))
	c.add("start_day = toDate(0)")
	rows, err := selectRows[LicenseUnit](c.within(ctx), NewQueries(k.Conn), "SELECT * FROM license_units_data FINAL "+c.where())
	if err != nil {
		return LicenseUnit{}, fmt.Errorf("query the progress of license use: %w", err)
	}
	if len(rows) == 0 {
		return LicenseUnit{Cluster: cluster, StartDay: AllDays()}, nil
	}
	return rows[0], nil
}

// Days are the UTC days on which meetings of a cluster began of which facts, the owner of their space, or the media of a leg, were written since; all with a zero since. Days that a
// meeting has left are among them.
func (k LicenseKeeping) Days(ctx context.Context, cluster string, since time.Time) ([]time.Time, error) {
	c := newConditions()
	c.add("cms_cluster = {cluster:String}", "cluster", textParam(cluster))
	sql := "SELECT DISTINCT toDate(start) AS day FROM calls_data " + c.where() + " ORDER BY day"
	if !since.IsZero() {
		c.params["since"] = since.UTC().Format(time.DateTime)
		const written = " WHERE cms_cluster = {cluster:String} AND written >= {since:DateTime('UTC')}"
		sql = fmt.Sprintf(`WITH touched AS (
	SELECT id FROM calls_data%[1]s
	UNION DISTINCT SELECT arrayJoin(arrayPushBack(calls, call_id)) AS id FROM call_legs_data%[1]s
	UNION DISTINCT SELECT call_id AS id FROM recordings_data%[1]s
	UNION DISTINCT SELECT call_id AS id FROM streams_data%[1]s
	UNION DISTINCT SELECT call_id AS id FROM leg_samples_data WHERE cms_cluster = {cluster:String} AND time >= {since:DateTime('UTC')}),
lowest AS (
	SELECT min(start) - INTERVAL 33 DAY AS at FROM (SELECT start FROM calls_data%[1]s UNION ALL SELECT start FROM call_legs_data%[1]s
		UNION ALL SELECT start FROM recordings_data%[1]s UNION ALL SELECT start FROM streams_data%[1]s))
SELECT DISTINCT toDate(start) AS day FROM calls_data%[1]s
UNION DISTINCT
SELECT toDate(min(start)) AS day FROM calls_data WHERE cms_cluster = {cluster:String} AND start >= (SELECT at FROM lowest) AND %[2]s IN
	(SELECT %[2]s FROM calls_data WHERE cms_cluster = {cluster:String} AND start >= (SELECT at FROM lowest) AND id IN (SELECT id FROM touched)) GROUP BY %[2]s
UNION DISTINCT
SELECT toDate(start) AS day FROM calls_data WHERE cms_cluster = {cluster:String} AND space_id IN (SELECT space_id FROM owners_data%[1]s)
ORDER BY day`, written, meetingKey)
	}
	rows, err := selectRows[struct {
		Day time.Time `ch:"day"`
	}](c.within(ctx), NewQueries(k.Conn), sql)
	if err != nil {
		return nil, fmt.Errorf("query the days whose license use changed: %w", err)
	}
	days := make([]time.Time, len(rows))
	for i, r := range rows {
		days[i] = r.Day.UTC()
	}
	return days, nil
}

// Stored are the intervals that are stored of the meetings that began on a UTC day.
func (k LicenseKeeping) Stored(ctx context.Context, cluster string, day time.Time) ([]LicenseInterval, error) {
	c := newConditions()
	c.add("cms_cluster = {cluster:String}", "cluster", textParam(cluster))
	c.add("start_day = {day:Date}", "day", day.Format(time.DateOnly))
	rows, err := selectRows[LicenseInterval](c.within(ctx), NewQueries(k.Conn), "SELECT * FROM license_intervals_data FINAL "+c.where())
	if err != nil {
		return nil, fmt.Errorf("query stored license intervals: %w", err)
	}
	return rows, nil
}

// Write stores intervals.
func (k LicenseKeeping) Write(ctx context.Context, rows []LicenseInterval) error {
	return insertAll(ctx, k.Conn, LicenseIntervals, rows)
}

// Note stores progress.
func (k LicenseKeeping) Note(ctx context.Context, unit LicenseUnit) error {
	return insertAll(ctx, k.Conn, LicenseUnits, []LicenseUnit{unit})
}

func insertAll[T any](ctx context.Context, conn driver.Conn, table Table, rows []T) error {
	if len(rows) == 0 {
		return nil
	}
	batch, err := conn.PrepareBatch(ctx, table.Insert())
	if err != nil {
		return fmt.Errorf("insert into %s: %w", table.Name, err)
	}
	defer batch.Close() //nolint:errcheck // after Send there is nothing left to fail
	for i := range rows {
		if err := batch.AppendStruct(&rows[i]); err != nil {
			return fmt.Errorf("insert into %s: %w", table.Name, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert into %s: %w", table.Name, err)
	}
	return nil
}

// EachLicenseInterval gives the intervals of a period to use, in order of time.
func (q *Queries) EachLicenseInterval(ctx context.Context, p LicensePeriod, use func(LicenseInterval) error) error {
	c, err := q.licenseIntervals(ctx, p)
	if err != nil {
		return err
	}
	rows, err := q.conn.Query(c.within(ctx), "SELECT * FROM license_intervals_data FINAL "+c.where()+" ORDER BY from, cms_cluster, call_correlator, part")
	if err != nil {
		return fmt.Errorf("query license intervals: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err below tells
	for rows.Next() {
		var i LicenseInterval
		if err := rows.ScanStruct(&i); err != nil {
			return fmt.Errorf("read license intervals: %w", err)
		}
		if err := use(i); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read license intervals: %w", err)
	}
	return nil
}
