package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// licenseSpan is a stored interval as far as it adds up. Times are Unix milliseconds.
type licenseSpan struct {
	from, until int64
	// uses are SMP sixths, PMP, recordings and streams, a byte each from the lowest on.
	uses uint32
	// Of wide passes alone: part is four times the interval's position in its meeting, plus 0 or 1 where its owner has no license or one, and 2 where that is not known.
	part                   uint32
	owner, tenant, meeting uuid.UUID
}

func (s *licenseSpan) sixths() uint8     { return uint8(s.uses) }
func (s *licenseSpan) pmp() uint8        { return uint8(s.uses >> 8) }
func (s *licenseSpan) recordings() uint8 { return uint8(s.uses >> 16) }
func (s *licenseSpan) streams() uint8    { return uint8(s.uses >> 24) }

// The columns of a licenseSpan. Each costs a fortieth of a microsecond a row, so those that few want are left out.
const (
	narrowSpan = "toUnixTimestamp64Milli(from), toUnixTimestamp64Milli(until), toUInt32(smp_sixths + 256 * pmp + 65536 * recordings + 16777216 * streams)"
	wideSpan   = narrowSpan + ", toUInt32(4 * part + ifNull(toUInt8(licensed), 2)), owner_id, tenant_id, call_correlator"
)

// spansAtOnce is about how many intervals a pass has in memory at once, three times: one lot is read, one waits, one is added up.
const spansAtOnce = 200_000

// licensePass reads the intervals of a period once, a few days at a time. Use gets the intervals of one lot of days after the other.
func (q *Queries) licensePass(ctx context.Context, p LicensePeriod, wide bool, use func(lot licenseLot, spans []licenseSpan)) error {
	lots, err := q.licenseLots(ctx, p)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	type readLot struct {
		licenseLot
		spans []licenseSpan
	}
	read := make(chan readLot)
	g.Go(func() error {
		defer close(read)
		for _, lot := range lots {
			spans, err := q.licenseSpans(ctx, p, lot, wide)
			if err != nil {
				return err
			}
			select {
			case read <- readLot{lot, spans}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error {
		for l := range read {
			use(l.licenseLot, l.spans)
		}
		return nil
	})
	return g.Wait()
}

// licenseLot is some days on which meetings began, and how many rows these have at most.
type licenseLot struct {
	first, last time.Time
	rows        uint64
}

// settled is the end of the last day: intervals of later lots begin then or later.
func (l licenseLot) settled() time.Time { return l.last.AddDate(0, 0, 1) }

// licenseLots divides a period into lots of days. Meetings may have begun long before it: the first days are those of meetings that were not over.
func (q *Queries) licenseLots(ctx context.Context, p LicensePeriod) ([]licenseLot, error) {
	c := licenseOverlap(p)
	days, err := selectRows[struct {
		Day  time.Time `ch:"start_day"`
		Rows uint64    `ch:"rows"`
	}](c.within(ctx), q, "SELECT start_day, count() AS rows FROM license_intervals_data "+c.where()+" GROUP BY start_day ORDER BY start_day")
	if err != nil {
		return nil, fmt.Errorf("query the days of license use: %w", err)
	}
	var lots []licenseLot
	for _, d := range days {
		if n := len(lots); n > 0 && lots[n-1].rows+d.Rows <= spansAtOnce {
			lots[n-1].last, lots[n-1].rows = d.Day, lots[n-1].rows+d.Rows
			continue
		}
		lots = append(lots, licenseLot{d.Day, d.Day, d.Rows})
	}
	return lots, nil
}

// licenseOverlap is the condition for intervals that overlap a period.
func licenseOverlap(p LicensePeriod) *conditions {
	c := newConditions()
	c.add("cms_cluster IN {clusters:Array(String)}", "clusters", stringArray(p.Clusters))
	c.add("until > {from:DateTime64(3, 'UTC')}", "from", timeText(p.From))
	c.add("from < {to:DateTime64(3, 'UTC')}", "to", timeText(p.To))
	c.add("start_day <= toDate({to:DateTime64(3, 'UTC')})")
	return c
}

func (q *Queries) licenseSpans(ctx context.Context, p LicensePeriod, lot licenseLot, wide bool) ([]licenseSpan, error) {
	c := licenseOverlap(p)
	c.add("start_day >= {first:Date} AND start_day <= {last:Date}", "first", lot.first.Format(time.DateOnly), "last", lot.last.Format(time.DateOnly))
	var s licenseSpan
	columns, into := narrowSpan, []any{&s.from, &s.until, &s.uses}
	if wide {
		columns, into = wideSpan, append(into, &s.part, &s.owner, &s.tenant, &s.meeting)
	}
	rows, err := q.conn.Query(c.within(ctx), "SELECT "+columns+" FROM license_intervals_data FINAL "+c.where())
	if err != nil {
		return nil, fmt.Errorf("query license intervals: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err below tells
	spans := make([]licenseSpan, 0, lot.rows)
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("read license intervals: %w", err)
		}
		spans = append(spans, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read license intervals: %w", err)
	}
	return spans, nil
}
