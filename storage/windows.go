package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
)

// A list is asked for newest first and a page at a time. Over years of data the store must not sort all that matches to give its newest hundred rows, so
// a page is gathered in windows of time, from the newest back, until it is full: each window is a short stretch of the sort key.

// window is a stretch of time to look at, to exclusive; slots, where given, are the starts of those ten minutes in it that need be looked at. The zero window is all time.
type window struct {
	from, to time.Time
	slots    []time.Time
}

// clause is the window as a condition.
func (w window) clause() string {
	if w.to.IsZero() {
		return "1"
	}
	clause := "start >= {window_from:DateTime64(3, 'UTC')} AND start < {window_to:DateTime64(3, 'UTC')}"
	if w.slots != nil {
		clause += " AND toStartOfTenMinutes(start) IN {slots:Array(DateTime('UTC'))}"
	}
	return clause
}

// within adds the condition's parameters.
func (w window) within(params clickhouse.Parameters) {
	if w.to.IsZero() {
		return
	}
	params["window_from"], params["window_to"] = timeText(w.from), timeText(w.to)
	if w.slots != nil {
		params["slots"] = timeArray(w.slots)
	}
}

// windows gives the next older window; false after the oldest.
type windows func(ctx context.Context) (window, bool, error)

// slot is the first part of the sort keys: rows of the same ten minutes lie together (storage/migrations/0002_facts.sql).
const (
	slot        = 10 * time.Minute
	slotSeconds = int64(slot / time.Second)
)

// firstWindow is more than a page commonly needs; each window after it is windowGrowth times as long, so that a search for what is rare looks at all of
// the period in a few steps.
const (
	firstWindow  = 24 * time.Hour
	windowGrowth = 8
	widestWindow = 150 * 365 * 24 * time.Hour // all times that a record may have
)

// wider is the width after this one.
func wider(width time.Duration) time.Duration {
	if width > widestWindow/windowGrowth {
		return widestWindow
	}
	return width * windowGrowth
}

// stretches are the windows between the bounds, to exclusive.
func stretches(from, to time.Time) windows {
	width := firstWindow
	return func(context.Context) (window, bool, error) {
		if !from.Before(to) {
			return window{}, false, nil
		}
		begin := to.Add(-width)
		if begin.Before(from) {
			begin = from
		}
		w := window{from: begin, to: to}
		to = begin
		width = wider(width)
		return w, true, nil
	}
}

// firstLookBack is the time whose texts are looked through first; further back each stretch is windowGrowth times as long.
const firstLookBack = 32 * 24 * time.Hour

// slotsWithText are windows of the tens of minutes in which legs with a text in a name or address started, count of them at first: each holds a leg,
// if it was not replaced since.
func (q *Queries) slotsWithText(text string, from, to time.Time, count int) windows {
	lookBack := firstLookBack
	return func(ctx context.Context) (window, bool, error) {
		for from.Before(to) {
			begin := later(from, to.Add(-lookBack))
			slots, err := q.textSlots(ctx, text, begin, to, count)
			if err != nil {
				return window{}, false, err
			}
			end := to
			if len(slots) < count { // there are no more as far as we looked
				to = begin
				lookBack = wider(lookBack)
			} else {
				to = later(begin, slots[len(slots)-1])
			}
			if len(slots) == 0 {
				continue
			}
			w := window{from: later(begin, slots[len(slots)-1]), to: earlier(end, slots[0].Add(slot)), slots: slots}
			count *= windowGrowth
			return w, true, nil
		}
		return window{}, false, nil
	}
}

// textSlots are the newest tens of minutes of [from, to) in which legs with a text in a name or address may have started, newest first.
func (q *Queries) textSlots(ctx context.Context, text string, from, to time.Time, count int) ([]time.Time, error) {
	var rows []struct {
		Slot uint32 `ch:"slot"`
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{
		"text": textParam(text), "from": timeText(from), "to": timeText(to),
		"first": strconv.FormatInt(from.Unix()/slotSeconds, 10), "last": strconv.FormatInt((to.Unix()-1)/slotSeconds, 10),
	}))
	err := q.conn.Select(ctx, &rows, "SELECT arrayJoin(bitmapToArray(all)) AS slot FROM (SELECT groupBitmapMergeState(slots) AS all FROM parties_data "+
		"WHERE month >= toStartOfMonth({from:DateTime64(3, 'UTC')}) AND month <= toStartOfMonth({to:DateTime64(3, 'UTC')}) AND position(value, lowerUTF8({text:String})) > 0) "+
		"WHERE slot >= {first:UInt32} AND slot <= {last:UInt32} ORDER BY slot DESC LIMIT "+strconv.Itoa(count))
	if err != nil {
		return nil, fmt.Errorf("query when a text occurs: %w", err)
	}
	slots := make([]time.Time, len(rows))
	for i, r := range rows {
		slots[i] = time.Unix(int64(r.Slot)*slotSeconds, 0).UTC()
	}
	return slots, nil
}

// span is the stretch of a table in which a page may lie: the period, the cursor, and what the table holds.
func (q *Queries) span(ctx context.Context, table Table, period Period, after *Cursor) (from, to time.Time, err error) {
	var rows []struct {
		Oldest time.Time `ch:"oldest"`
		Newest time.Time `ch:"newest"`
	}
	if err := q.conn.Select(ctx, &rows, "SELECT min(start) AS oldest, max(start) AS newest FROM "+table.Name); err != nil {
		return from, to, fmt.Errorf("query the span of %s: %w", table.Name, err)
	}
	if len(rows) == 0 || rows[0].Newest.Unix() <= 0 {
		return from, to, nil // empty
	}
	from, to = rows[0].Oldest, rows[0].Newest.Add(time.Millisecond)
	if !period.From.IsZero() {
		from = later(from, period.From)
	}
	if !period.To.IsZero() {
		to = earlier(to, period.To)
	}
	if after != nil {
		to = earlier(to, after.Start.Add(time.Millisecond))
	}
	return from, to, nil
}

// listView is a view that is listed, and the sort key of the table behind it.
type listView struct {
	name, key, keyType string
}

var (
	callList = listView{"calls", "toStartOfTenMinutes(start), id, session", "Tuple(DateTime('UTC'), UUID, UUID)"}
	legList  = listView{"call_legs", "toStartOfTenMinutes(start), call_id, id, session", "Tuple(DateTime('UTC'), UUID, UUID, UUID)"}
)

// listed is what a list is made of before its rows are read.
type listed struct {
	Start time.Time `ch:"start"`
	ID    uuid.UUID `ch:"id"`
	Key   string    `ch:"key"` // the sort key as text
}

// pageIn gathers one page, newest first, window by window: first which rows, by the few columns that decide, then all columns of those. A store that
// deduplicates while it reads would otherwise read every column of every row that it looks at.
//
// narrow, where given, adds to the conditions what follows from the window.
func pageIn[T any](ctx context.Context, q *Queries, view listView, c *conditions, next windows, after *Cursor, limit int, position func(T) Cursor,
	narrow func(w window, c *conditions) error) ([]T, *Cursor, error) {
	if after != nil {
		c.add("start <= {after_start:DateTime64(3, 'UTC')} AND (start, id) < ({after_start:DateTime64(3, 'UTC')}, {after_id:UUID})",
			"after_start", timeText(after.Start), "after_id", after.ID.String())
	}
	found, err := gather(ctx, next, limit, func(w window, count int) ([]listed, error) {
		here := &conditions{clauses: append(slices.Clone(c.clauses), w.clause()), params: maps.Clone(c.params)}
		w.within(here.params)
		if narrow != nil {
			if err := narrow(w, here); err != nil {
				return nil, err
			}
		}
		rows, err := selectRows[listed](here.within(ctx), q, fmt.Sprintf("SELECT start, id, toString((%s)) AS key FROM %s %s ORDER BY start DESC, id DESC LIMIT %d",
			view.key, view.name, here.where(), count))
		if err != nil {
			return nil, fmt.Errorf("query %s: %w", view.name, err)
		}
		return rows, nil
	})
	if err != nil || len(found) == 0 {
		return []T{}, nil, err
	}
	more := len(found) > limit
	found = found[:min(limit, len(found))]
	keys := make([]string, len(found))
	for i, row := range found {
		keys[i] = row.Key
	}
	whole := newConditions()
	whole.add("("+view.key+") IN {keys:Array("+view.keyType+")} AND start >= {oldest:DateTime64(3, 'UTC')} AND start <= {newest:DateTime64(3, 'UTC')}",
		"keys", "["+strings.Join(keys, ",")+"]", "oldest", timeText(found[len(found)-1].Start), "newest", timeText(found[0].Start))
	rows, err := selectRows[T](whole.within(ctx), q, fmt.Sprintf("SELECT %s FROM (SELECT * FROM %s %s) ORDER BY start DESC, id DESC", columnsOf[T](), view.name, whole.where()))
	if err != nil {
		return nil, nil, fmt.Errorf("query rows of %s: %w", view.name, err)
	}
	if !more || len(rows) == 0 {
		return rows, nil, nil
	}
	cursor := position(rows[len(rows)-1])
	return rows, &cursor, nil
}

// gather collects one row more than a page from windows, newest first.
func gather[T any](ctx context.Context, next windows, limit int, fetch func(w window, count int) ([]T, error)) ([]T, error) {
	var list []T
	for len(list) <= limit {
		w, more, err := next(ctx)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		rows, err := fetch(w, limit+1-len(list))
		if err != nil {
			return nil, err
		}
		list = append(list, rows...)
	}
	return list, nil
}

func timeArray(times []time.Time) string {
	var text strings.Builder
	text.WriteByte('[')
	for i, t := range times {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(t.Format("'2006-01-02 15:04:05'"))
	}
	text.WriteByte(']')
	return text.String()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
