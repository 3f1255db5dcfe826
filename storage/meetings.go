package storage

import (
	"context"
	"fmt"
	"time"

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
	startedIn(c, f.Period)
	if f.Text != "" {
		c.add("(positionCaseInsensitiveUTF8(name, {text:String}) > 0 OR positionCaseInsensitiveUTF8(owner_name, {text:String}) > 0)", "text", f.Text)
	}
	if f.After != nil {
		c.add("(start, call_correlator) < ({after_start:DateTime64(3, 'UTC')}, {after_id:UUID})",
			"after_start", timeText(f.After.Start), "after_id", f.After.ID.String())
	}
	sql := fmt.Sprintf("SELECT %s FROM (SELECT * FROM meetings %s ORDER BY start DESC, call_correlator DESC LIMIT %d)",
		columnsOf[MeetingSummary](), c.where(), f.Limit+1)
	rows, err := selectRows[MeetingSummary](c.within(ctx), q, sql)
	if err != nil {
		return nil, nil, fmt.Errorf("query meetings: %w", err)
	}
	if len(rows) <= f.Limit {
		return rows, nil, nil
	}
	rows = rows[:f.Limit]
	last := rows[f.Limit-1]
	return rows, &Cursor{last.Start, last.CallCorrelator}, nil
}
