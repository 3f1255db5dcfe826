package storage

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
)

// MeetingSummary is one meeting in a list.
type MeetingSummary struct {
	CallCorrelator uuid.UUID  `ch:"call_correlator" json:"call_correlator"`
	Cluster        string     `ch:"cms_cluster" json:"cms_cluster"`
	Name           string     `ch:"name" json:"name"`
	CallType       string     `ch:"call_type" json:"call_type"`
	SpaceID        *uuid.UUID `ch:"space_id" none:"zero" json:"space_id"`
	OwnerName      string     `ch:"owner_name" json:"owner_name"`
	Start          time.Time  `ch:"start" json:"start"`
	End            *time.Time `ch:"end" json:"end"`
	EndInferred    bool       `ch:"end_inferred" json:"end_inferred"`
	CallBridges    []string   `ch:"call_bridges" json:"call_bridges"`
	Calls          uint64     `ch:"calls" json:"calls"`
	Recorded       bool       `ch:"recorded" json:"recorded"`
	Streamed       bool       `ch:"streamed" json:"streamed"`
}

// MeetingFilter selects meetings. Zero fields do not select.
type MeetingFilter struct {
	// Period in which the meeting started.
	Period Period
	// Text in the name or the owner, in any case.
	Text  string
	After *Cursor
	Limit int
}

// Meetings lists meetings, newest first, and the cursor of the next page, nil on the last.
func (q *Queries) Meetings(ctx context.Context, f MeetingFilter) ([]MeetingSummary, *Cursor, error) {
	c := newConditions()
	if f.Text != "" {
		c.add("("+contains("name")+" OR "+contains("owner_name")+")", "text", textParam(f.Text))
	}
	if f.After != nil {
		c.add("(start, call_correlator) < ({after_start:DateTime64(3, 'UTC')}, {after_id:UUID})",
			"after_start", timeText(f.After.Start), "after_id", f.After.ID.String())
	}
	from, to, err := q.span(ctx, CallFacts, f.Period, f.After)
	if err != nil {
		return nil, nil, err
	}
	rows, err := gather(ctx, stretches(from, to), f.Limit, func(w window, count int) ([]MeetingSummary, error) {
		params := maps.Clone(c.params)
		w.within(params)
		sql := fmt.Sprintf("SELECT %s FROM (SELECT * FROM meetings_between(from = {window_from:DateTime64(3, 'UTC')}, to = {window_to:DateTime64(3, 'UTC')}) %s "+
			"ORDER BY start DESC, call_correlator DESC LIMIT %d)", columnsOf[MeetingSummary](), c.where(), count)
		rows, err := selectRows[MeetingSummary](clickhouse.Context(ctx, clickhouse.WithParameters(params)), q, sql)
		if err != nil {
			return nil, fmt.Errorf("query meetings: %w", err)
		}
		return rows, nil
	})
	if err != nil || len(rows) == 0 {
		return []MeetingSummary{}, nil, err
	}
	if len(rows) <= f.Limit {
		return rows, nil, nil
	}
	rows = rows[:f.Limit]
	last := rows[f.Limit-1]
	return rows, &Cursor{last.Start, last.CallCorrelator}, nil
}
