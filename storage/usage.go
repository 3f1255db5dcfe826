package storage

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Scope is what a report looks at: a period, to exclusive, of some clusters, all where none is named.
type Scope struct {
	Clusters []string
	From, To time.Time
	// Zone whose days and hours are meant.
	Zone *time.Location
	// Now ends what is still open.
	Now time.Time
}

// conditions has the scope's parameters, and the condition on clusters as its only clause.
func (s Scope) conditions() *conditions {
	c := newConditions()
	c.add("(empty({clusters:Array(String)}) OR cms_cluster IN {clusters:Array(String)})", "clusters", stringArray(s.Clusters),
		"from", timeText(s.From), "to", timeText(s.To), "now", timeText(s.Now), "zone", s.Zone.String())
	return c
}

// longestMeeting is how long before a report's period a meeting may have begun whose people are still there; meetings_between draws the same line.
const longestMeeting = "INTERVAL 32 DAY"

// clientSQL is the kind of client of a leg.
const clientSQL = "multiIf(type = 'acano' OR lower(sub_type) = 'webapp', 'webapp', lower(sub_type) = 'lync', 'lync', type = 'sip', 'sip', 'other')"

// inCallSQL is when somebody entered the call of a leg: not while in the lobby, which is NULL for one who never left it. Releases that do not tell of
// activation have no lobby to tell of.
const inCallSQL = "ifNull(activated, if(lobby, NULL, ifNull(joined, start)))"

// heldSQL is the meetings of a scope: a row each, of all bridges. people is exact up to 2; judged says that whether somebody failed to come can be told.
// Meetings and calls may have begun before the period; what counts is clipped to it.
func heldSQL(clusters string) string {
	const zero = "toUUID('00000000-0000-0000-0000-000000000000')"
	return fmt.Sprintf(`
SELECT any(cluster) AS cms_cluster, meeting, argMin(name, (began, id)) AS name, argMin(space, (began, id)) AS space_id, argMin(owner, (began, id)) AS owner_name, argMin(kind, (began, id)) AS call_type,
	min(began) AS start, if(countIf(end IS NULL) > 0, NULL, max(end)) AS end, length(arrayDistinct(arrayFlatten(groupArray(who)))) AS people,
	sum(joins) AS joins, sum(seconds) AS seconds, sum(waited) AS waited, start >= {from:DateTime64(3, 'UTC')} AND start < {to:DateTime64(3, 'UTC')} AS begun,
	begun AND min(told) AND call_type NOT IN ('forwarding', 'lyncConferencing') AS judged, judged AND people < 2 AS no_show
FROM (
	SELECT c.cms_cluster AS cluster, if(call_correlator = %[1]s, id, call_correlator) AS meeting, id, name, space_id AS space, owner_name AS owner, call_type AS kind, start AS began, end,
		NOT start_inferred AND end_how = 'record' AND NOT arrayExists(gap -> gap.1 <= c.end AND gap.2 >= c.start, gaps) AS told
	FROM (SELECT * FROM calls WHERE %[2]s AND start >= {from:DateTime64(3, 'UTC')} - %[3]s AND start < {to:DateTime64(3, 'UTC')} + INTERVAL 1 DAY) AS c
	LEFT JOIN (SELECT cms_cluster, call_bridge, groupArray((from, to)) AS gaps FROM cdr_gaps WHERE %[2]s GROUP BY cms_cluster, call_bridge) AS g USING (cms_cluster, call_bridge)
) AS c
LEFT JOIN (
	SELECT call, groupUniqArray(2)(person) AS who, countIf(here >= {from:DateTime64(3, 'UTC')} AND here < {to:DateTime64(3, 'UTC')}) AS joins,
		sumIf(greatest(0, dateDiff('millisecond', greatest(assumeNotNull(here), {from:DateTime64(3, 'UTC')}), least(until, {to:DateTime64(3, 'UTC')}))), here IS NOT NULL) / 1000 AS seconds,
		sum(dateDiff('millisecond', joined, until)) / 1000 AS waited
	FROM (
		SELECT call, if(remote_party = '' AND display_name = '', cityHash64(id), cityHash64(remote_party, display_name)) AS person, ifNull(l.joined, l.start) AS joined,
			if(call = call_id, %[4]s, NULL) AS here, ifNull(l.end, {now:DateTime64(3, 'UTC')}) AS until
		FROM (SELECT *, arrayJoin(if(empty(calls), [call_id], calls)) AS call FROM call_legs
			WHERE %[2]s AND counts_as_person AND call_id != %[1]s AND start >= {from:DateTime64(3, 'UTC')} - %[3]s AND start < {to:DateTime64(3, 'UTC')} + INTERVAL 1 DAY) AS l)
	GROUP BY call
) AS l ON l.call = c.id
GROUP BY meeting
HAVING begun OR seconds > 0 OR joins > 0`, zero, clusters, longestMeeting, inCallSQL)
}

// MeetingUse is what some meetings of a period came to.
type MeetingUse struct {
	// Of is what the meetings have in common: all, space, host, call_type, or begun for the quarter of an hour in which they began; Key is which.
	Of  string `ch:"of"`
	Key string `ch:"key"`
	// Name of the space or host, that of the last meeting; Host of the space.
	Name string `ch:"name"`
	Host string `ch:"host"`
	// Meetings that began in the period; Judged are those of which it is known whether two people came, NoShows those to which they did not, Empty those
	// to which nobody came.
	Meetings uint64 `ch:"meetings"`
	Judged   uint64 `ch:"judged"`
	NoShows  uint64 `ch:"no_shows"`
	Empty    uint64 `ch:"empty"`
	// Joins are entries of people within the period, PersonSeconds the time they stayed within it, WaitedSeconds the time those alone waited.
	Joins         uint64  `ch:"joins"`
	PersonSeconds float64 `ch:"seconds"`
	WaitedSeconds float64 `ch:"waited"`
}

// MeetingUse sums the meetings of a scope: all, by quarter of an hour of their beginning, by type, and by the spaces and hosts whose people stayed longest.
func (q *Queries) MeetingUse(ctx context.Context, s Scope, top int) ([]MeetingUse, error) {
	c := s.conditions()
	c.params["top"] = strconv.Itoa(top)
	rows, err := selectRows[MeetingUse](c.within(ctx), q, fmt.Sprintf(`
SELECT of, key, name, host, meetings, judged, no_shows, empty, joins, seconds, waited FROM (
	SELECT of, key, argMax(m.name, m.start) AS name, argMax(m.owner_name, m.start) AS host, countIf(m.begun) AS meetings, countIf(m.judged) AS judged, countIf(m.no_show) AS no_shows,
		countIf(m.no_show AND m.people = 0) AS empty, sum(m.joins) AS joins, sum(m.seconds) AS seconds, sumIf(m.waited, m.no_show) AS waited,
		row_number() OVER (PARTITION BY of ORDER BY seconds DESC, meetings DESC, key) AS rank
	FROM (%s) AS m
	ARRAY JOIN ['all', 'space', 'host', 'call_type', if(begun, 'begun', '')] AS of,
		['', if(space_id = toUUID('00000000-0000-0000-0000-000000000000'), '', toString(space_id)), owner_name, call_type, toString(toUnixTimestamp(toStartOfFifteenMinutes(start)))] AS key
	WHERE of != ''
	GROUP BY of, key)
WHERE of NOT IN ('space', 'host') OR rank <= {top:UInt64}
ORDER BY of, rank`, heldSQL(c.clauses[0])))
	if err != nil {
		return nil, fmt.Errorf("query the use of meetings: %w", err)
	}
	return rows, nil
}

// NoShow is a meeting to which fewer than two people ever came.
type NoShow struct {
	Cluster        string     `ch:"cms_cluster" json:"cms_cluster"`
	CallCorrelator uuid.UUID  `ch:"meeting" json:"call_correlator"`
	Name           string     `ch:"name" json:"name"`
	SpaceID        *uuid.UUID `ch:"space_id" none:"zero" json:"space_id"`
	Host           string     `ch:"owner_name" json:"owner_name"`
	Start          time.Time  `ch:"start" json:"start"`
	End            *time.Time `ch:"end" json:"end"`
	People         uint64     `ch:"people" json:"people"`
	WaitedSeconds  float64    `ch:"waited" json:"waited_seconds"`
}

// NoShows are those of a scope, the longest wait first.
func (q *Queries) NoShows(ctx context.Context, s Scope, limit int) ([]NoShow, error) {
	c := s.conditions()
	rows, err := selectRows[NoShow](c.within(ctx), q, fmt.Sprintf("SELECT %s FROM (SELECT * FROM (%s) WHERE no_show ORDER BY waited DESC, start, meeting LIMIT %d)",
		columnsOf[NoShow](), heldSQL(c.clauses[0]), limit))
	if err != nil {
		return nil, fmt.Errorf("query meetings to which nobody else came: %w", err)
	}
	return rows, nil
}

// QuarterUse is what people did in a quarter of an hour of UTC, on the scale on which all time zones agree.
type QuarterUse struct {
	Start  time.Time
	Client string
	// Joins are entries; PersonSeconds the time people were in calls.
	Joins         uint64
	PersonSeconds float64
	// Peak is the most people at once, at PeakAt first.
	Peak   int64
	PeakAt time.Time
}

// PeopleUse is the people in calls by quarter of an hour, in order, for each kind of client and, with Client empty, for all together. Quarters in which nobody was there are in it.
func (q *Queries) PeopleUse(ctx context.Context, s Scope) ([]QuarterUse, error) {
	c := s.conditions()
	const quarter = 900
	rows, err := selectRows[struct {
		Client  string    `ch:"client"`
		Quarter int64     `ch:"quarter"`
		Net     int64     `ch:"net"`
		Partial float64   `ch:"partial"`
		Peak    int64     `ch:"peak"`
		PeakAt  time.Time `ch:"peak_at"`
		Joins   uint64    `ch:"joins"`
	}](c.within(ctx), q, fmt.Sprintf(`
SELECT client, intDiv(toUnixTimestamp64Milli(t), 900000) AS quarter, sum(step) AS net, sum(step * (900000 * (quarter + 1) - toUnixTimestamp64Milli(t))) / 1000 AS partial,
	max(level) AS peak, argMin(t, (-level, t)) AS peak_at, sum(entered) AS joins
FROM (
	SELECT client, t, step, entered, sum(step) OVER (PARTITION BY client ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS level
	FROM (
		SELECT client, t, sum(sign) AS step, countIf(sign > 0 AND fresh) AS entered
		FROM (SELECT arrayJoin(['', %[3]s]) AS client, %[4]s AS here, ifNull(end, {now:DateTime64(3, 'UTC')}) AS until
			FROM call_legs WHERE %[1]s AND counts_as_person AND call_id != toUUID('00000000-0000-0000-0000-000000000000')
			AND start >= {from:DateTime64(3, 'UTC')} - %[2]s AND start < {to:DateTime64(3, 'UTC')} AND here < until AND until > {from:DateTime64(3, 'UTC')})
		ARRAY JOIN [greatest(assumeNotNull(here), {from:DateTime64(3, 'UTC')}), until] AS t, [toInt64(1), toInt64(-1)] AS sign, [here >= {from:DateTime64(3, 'UTC')}, false] AS fresh
		WHERE t < {to:DateTime64(3, 'UTC')}
		GROUP BY client, t))
GROUP BY client, quarter ORDER BY client, quarter`, c.clauses[0], longestMeeting, clientSQL, inCallSQL))
	if err != nil {
		return nil, fmt.Errorf("query people in calls: %w", err)
	}
	var list []QuarterUse
	for i := 0; i < len(rows); {
		client, level := rows[i].Client, int64(0)
		for at := s.From.Truncate(quarter * time.Second); at.Before(s.To); at = at.Add(quarter * time.Second) {
			begins, ends := later(at, s.From), earlier(at.Add(quarter*time.Second), s.To)
			u := QuarterUse{Start: at.UTC(), Client: client, Peak: level, PeakAt: begins.UTC(), PersonSeconds: float64(level) * ends.Sub(begins).Seconds()}
			if i < len(rows) && rows[i].Client == client && rows[i].Quarter == at.Unix()/quarter {
				r := rows[i]
				i++
				cut := float64(r.Net) * (at.Add(quarter * time.Second).Sub(ends)).Seconds() // beyond the end of the period
				u.PersonSeconds += r.Partial - cut
				u.Joins = r.Joins
				if r.Peak > u.Peak {
					u.Peak, u.PeakAt = r.Peak, r.PeakAt
				}
				level += r.Net
			}
			list = append(list, u)
		}
		for i < len(rows) && rows[i].Client == client { // not possible: every row lies in the period
			i++
		}
	}
	return list, nil
}
