package storage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Completeness says how complete the records of each session are.
type Completeness struct {
	Sources []SessionCompleteness `json:"sources"`
}

// FirstRecord is the time of the first record of some clusters among the sources; zero where none is known.
func (c Completeness) FirstRecord(clusters []string) time.Time {
	var first time.Time
	for _, s := range c.Sources {
		if slices.Contains(clusters, s.Cluster) && (first.IsZero() || s.FirstTime.Before(first)) {
			first = s.FirstTime
		}
	}
	return first
}

// SessionCompleteness is one run of one Call Bridge.
type SessionCompleteness struct {
	Bridge          string    `ch:"call_bridge" json:"call_bridge"`
	Cluster         string    `ch:"cms_cluster" json:"cms_cluster"`
	Session         uuid.UUID `ch:"session" json:"session"`
	FirstIndex      int64     `ch:"first_index" json:"first_index"`
	LastIndex       int64     `ch:"last_index" json:"last_index"`
	FirstTime       time.Time `ch:"first_time" json:"first_time"`
	LastTime        time.Time `ch:"last_time" json:"last_time"`
	Records         int64     `ch:"records" json:"records"`
	Duplicates      int64     `ch:"duplicates" json:"duplicates"`
	ReportedMissing int64     `ch:"reported_missing" json:"reported_missing"`
	Missing         int64     `ch:"missing" json:"missing"`
	Gaps            []Gap     `ch:"gaps" json:"gaps"`
}

// Gap is a run of absent correlator indices.
type Gap struct {
	After    int64     `ch:"after" json:"after"`
	Count    int64     `ch:"count" json:"count"`
	Reported int64     `ch:"reported" json:"reported"`
	From     time.Time `ch:"from" json:"from"`
	To       time.Time `ch:"to" json:"to"`
}

// Records is the number of records known in all sessions.
func (c Completeness) Records() int64 {
	var n int64
	for _, s := range c.Sources {
		n += s.Records
	}
	return n
}

// Missing is the number of indices absent between first and last of each session.
func (c Completeness) Missing() int64 {
	var n int64
	for _, s := range c.Sources {
		n += s.Missing
	}
	return n
}

// Ratio is the share of records that are there, 0 to 1; nil where there is no session, as nothing is known then.
func (c Completeness) Ratio() *float64 {
	records, missing := c.Records(), c.Missing()
	if records+missing == 0 {
		return nil
	}
	ratio := float64(records) / float64(records+missing)
	return &ratio
}

// Completeness lists the sessions that have records in a period, or all where the period is open.
// The gaps listed are those that touch the period; records and duplicates are of the whole session, missing and reported_missing of the period.
func (q *Queries) Completeness(ctx context.Context, p Period) (Completeness, error) {
	c := newConditions()
	touches := "1"
	if !p.From.IsZero() {
		c.add("last_time >= {from:DateTime64(3, 'UTC')}", "from", timeText(p.From))
		touches += " AND gap.to >= {from:DateTime64(3, 'UTC')}"
	}
	if !p.To.IsZero() {
		c.add("first_time < {to:DateTime64(3, 'UTC')}", "to", timeText(p.To))
		touches += " AND gap.from < {to:DateTime64(3, 'UTC')}"
	}
	sql := fmt.Sprintf(`SELECT call_bridge, cms_cluster, session, first_index, last_index, first_time, last_time, records, duplicates,
	arraySum(gap -> gap.reported, in_period) AS reported_missing, arraySum(gap -> gap.count, in_period) AS missing, in_period AS gaps
FROM (SELECT *, arrayFilter(gap -> %s, gaps) AS in_period FROM cdr_sessions %s)
ORDER BY cms_cluster, call_bridge, first_time, session`, touches, c.where())
	sessions, err := selectRows[SessionCompleteness](c.within(ctx), q, sql)
	if err != nil {
		return Completeness{}, fmt.Errorf("query completeness: %w", err)
	}
	return Completeness{Sources: sessions}, nil
}
