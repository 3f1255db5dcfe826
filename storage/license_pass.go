package storage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/bridgewatch/bridgewatch/licensing"
)

// licenseSpan is a stored interval as far as it adds up. Times are Unix milliseconds.
type licenseSpan struct {
	from, until int64
	// bits are SMP sixths, PMP, recordings and streams, a byte each from the lowest on. Of passes with owners besides, from bit 32 on: 0 or 1 where the meeting's owner has no license or one, 2
	// where that is not known; bit 34, whether it is the meeting's first interval; and from bit 48 on the day on which the meeting began, counted from 1970.
	bits uint64
	// Of passes with owners.
	owner, tenant uuid.UUID
	// Of passes with owners, and there of the first days alone.
	meeting uuid.UUID
}

func (s *licenseSpan) sixths() uint8     { return uint8(s.bits) }
func (s *licenseSpan) pmp() uint8        { return uint8(s.bits >> 8) }
func (s *licenseSpan) recordings() uint8 { return uint8(s.bits >> 16) }
func (s *licenseSpan) streams() uint8    { return uint8(s.bits >> 24) }
func (s *licenseSpan) licensed() uint8   { return uint8(s.bits >> 32 & 3) }
func (s *licenseSpan) first() bool       { return s.bits>>34&1 == 1 }
func (s *licenseSpan) day() uint16       { return uint16(s.bits >> 48) }

// The columns of a licenseSpan. Each costs a fortieth of a microsecond a row, so they are few, and those that are not wanted are left out.
const (
	spanTimes = "toUnixTimestamp64Milli(from), toUnixTimestamp64Milli(until), "
	spanUse   = "smp_sixths + bitShiftLeft(toUInt64(pmp), 8) + bitShiftLeft(toUInt64(recordings), 16) + bitShiftLeft(toUInt64(streams), 24)"
	spanOwner = " + bitShiftLeft(toUInt64(ifNull(toUInt8(licensed), 2)), 32) + bitShiftLeft(toUInt64(part = 0), 34) + bitShiftLeft(toUInt64(toUInt16(start_day)), 48), owner_id, tenant_id"
)

// licensePass reads the intervals of a period once, one lot of days after the other. They are added to the first sweep; use,
// where not nil, gets them with their owners, some at a time, in no order, and must not keep them; those of meetings that began on the day of early or before are told their meetings. All
// sweeps are settled lot by lot, and finished.
func (q *Queries) licensePass(ctx context.Context, p LicensePeriod, early time.Time, use func([]licenseSpan), sweeps ...*licensing.Sweep) error {
	lots, err := q.licenseLots(ctx, p)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	read, used := make(chan spanBlock, spanBlocks), make(chan []licenseSpan, spanBlocks)
	for range spanBlocks {
		used <- make([]licenseSpan, 0, spanBlockRows)
	}
	g.Go(func() error {
		defer close(read)
		for _, lot := range lots {
			if err := q.licenseSpans(ctx, p, lot, use != nil, !lot.first.After(early), read, used); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		for b := range read {
			if b.first {
				sweeps[0].Grow(int(b.lot.rows)) //nolint:gosec // a million or so
			}
			for i := range b.spans {
				s := &b.spans[i]
				sweeps[0].Add(s.from, s.until, s.sixths(), s.pmp(), s.recordings(), s.streams())
			}
			if use != nil {
				use(b.spans)
			}
			if b.last {
				for _, sweep := range sweeps {
					sweep.Settle(b.lot.settled())
				}
			}
			used <- b.spans[:0] // has room for all there are
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	for _, sweep := range sweeps {
		sweep.Finish()
	}
	return nil
}

// spanBlock is some of the intervals of a lot; they are given back when they are used.
type spanBlock struct {
	lot   licenseLot
	spans []licenseSpan
	// Of the lot: the first block, the last.
	first, last bool
}

const (
	// spanBlocks of spanBlockRows are read ahead of what is added up.
	spanBlocks    = 4
	spanBlockRows = 32_768
	// lotRows is about how many intervals a lot has. Replacing rows as they are read costs a tenth of a second a query besides what it costs a row; a lot's intervals wait, sixteen bytes
	// for each of their ends, until all of them are there.
	lotRows = 1_000_000
)

// licenseLot is some days on which meetings began, and how many rows these have at most.
type licenseLot struct {
	first, last time.Time
	rows        uint64
}

// settled is the end of the last day: intervals of later lots begin then or later.
func (l licenseLot) settled() time.Time { return l.last.AddDate(0, 0, 1) }

// licenseLots divides a period into lots of days. Meetings may have begun long before it: the first days are those of meetings that were not over.
func (q *Queries) licenseLots(ctx context.Context, p LicensePeriod) ([]licenseLot, error) {
	c := newConditions()
	c.add("cms_cluster IN {clusters:Array(String)}", "clusters", stringArray(p.Clusters))
	c.add("start_day <= toDate({to:DateTime64(3, 'UTC')})", "to", timeText(p.To))
	c.params["from"] = timeText(p.From)
	// What began after the period's first day is in it: counting that reads no times.
	const from = "{from:DateTime64(3, 'UTC')}"
	type dayRows struct {
		Day  time.Time `ch:"start_day"`
		Rows uint64    `ch:"rows"`
	}
	days, err := selectRows[dayRows](c.within(ctx), q, "SELECT start_day, count() AS rows FROM license_intervals_data "+c.where()+" AND start_day > toDate("+from+") GROUP BY start_day"+
		" UNION ALL SELECT start_day, count() AS rows FROM license_intervals_data "+c.where()+" AND start_day <= toDate("+from+") AND until > "+from+" GROUP BY start_day")
	if err != nil {
		return nil, fmt.Errorf("query the days of license use: %w", err)
	}
	slices.SortFunc(days, func(a, b dayRows) int { return a.Day.Compare(b.Day) })
	var lots []licenseLot
	for _, d := range days {
		if n := len(lots); n > 0 && lots[n-1].rows+d.Rows <= q.lotRows {
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

// licenseSpans reads a lot, with owners and their meetings where these are wanted.
func (q *Queries) licenseSpans(ctx context.Context, p LicensePeriod, lot licenseLot, owners, meetings bool, read chan<- spanBlock, used <-chan []licenseSpan) error {
	c := licenseOverlap(p)
	c.add("start_day >= {first:Date} AND start_day <= {last:Date}", "first", lot.first.Format(time.DateOnly), "last", lot.last.Format(time.DateOnly))
	var s licenseSpan
	columns, into := spanTimes+spanUse, []any{&s.from, &s.until, &s.bits}
	if owners {
		columns, into = columns+spanOwner, append(into, &s.owner, &s.tenant)
		if meetings {
			columns, into = columns+", call_correlator", append(into, &s.meeting)
		}
	}
	rows, err := q.conn.Query(c.within(ctx), "SELECT "+columns+" FROM license_intervals_data FINAL "+c.where())
	if err != nil {
		return fmt.Errorf("query license intervals: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err below tells
	block := spanBlock{lot: lot, spans: <-used, first: true}
	send := func() error {
		select {
		case read <- block:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for rows.Next() {
		if len(block.spans) == spanBlockRows {
			if err := send(); err != nil {
				return err
			}
			block.spans, block.first = <-used, false
		}
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read license intervals: %w", err)
		}
		block.spans = append(block.spans, s)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read license intervals: %w", err)
	}
	block.last = true
	return send()
}
