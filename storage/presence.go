package storage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Presence is a participant who was in a call at some instant, as the API shows it. Times are UTC.
type Presence struct {
	CallID uuid.UUID `ch:"call_id" json:"-"`
	// ID is the participant's GUID, the same on all bridges of the meeting.
	ID        uuid.UUID `ch:"participant_id" json:"id"`
	Name      string    `ch:"name" json:"name"`
	URI       string    `ch:"uri" json:"uri"`
	Direction string    `ch:"direction" json:"direction"`
	// Client is sip, webapp, lync or other; Capture is recorder, streamer, or empty for a person.
	Client  string `ch:"client" json:"client"`
	Capture string `ch:"capture" json:"capture"`
	// HostBridge is the bridge that hosts the participant; rosters list the whole distributed meeting. Empty: not known.
	HostBridge string     `ch:"host_bridge" json:"host_bridge"`
	Joined     time.Time  `ch:"joined" json:"joined"`
	Left       *time.Time `ch:"left" json:"left"`
	// Seen is when the participant was last known to be there; Stale says that it was before the instant that was asked for.
	Seen  time.Time `ch:"seen" json:"seen"`
	Stale bool      `ch:"stale" json:"stale"`
	// Source is events, or cdr where no roster of the call was followed at that time.
	Source string `ch:"source" json:"source"`
}

// OpenStay is how long after it was last seen a stay without an end is believed: the rows of stays that last are written again every five minutes.
const OpenStay = 6 * time.Minute

// stayedAt selects the stays of an instant.
const stayedAt = "joined <= {at:DateTime64(3, 'UTC')} AND if(left IS NULL, seen > {at:DateTime64(3, 'UTC')} - toIntervalSecond({open:UInt32}), left > {at:DateTime64(3, 'UTC')})"

func (c *conditions) stayedAt(at time.Time) {
	c.add(stayedAt, "at", timeText(at), "open", fmt.Sprint(int(OpenStay.Seconds())))
}

// PresencesAt lists who was in each of some calls at an instant: from their rosters, and from their legs for calls of which no roster is known.
func (q *Queries) PresencesAt(ctx context.Context, at time.Time, calls []Call) (map[uuid.UUID][]Presence, error) {
	found := make(map[uuid.UUID][]Presence, len(calls))
	if len(calls) == 0 {
		return found, nil
	}
	c := newConditions()
	c.add("call_id IN {calls:Array(UUID)}", "calls", uuidArray(callIDs(calls)))
	c.stayedAt(at)
	rows, err := selectRows[Presence](c.within(ctx), q, `SELECT call_id, participant_id, name, uri, direction, client, capture, host_bridge, joined, left, seen,
    seen < {at:DateTime64(3, 'UTC')} AND (left IS NULL OR reason IN ('unconfirmed', 'call_gone', 'rest')) AS stale, 'events' AS source
FROM (SELECT * FROM participants `+c.where()+`) ORDER BY call_id, name, participant_id, joined DESC LIMIT 1 BY call_id, participant_id`)
	if err != nil {
		return nil, fmt.Errorf("query participants at %s: %w", at.Format(time.RFC3339), err)
	}
	for _, p := range rows {
		found[p.CallID] = append(found[p.CallID], p)
	}
	calls = slices.DeleteFunc(slices.Clone(calls), func(c Call) bool { return found[c.ID] != nil })
	if len(calls) == 0 {
		return found, nil
	}
	first := slices.MinFunc(calls, func(a, b Call) int { return a.Start.Compare(b.Start) }).Start
	legs := newConditions()
	legs.add("call_id IN {calls:Array(UUID)} AND start >= {from:DateTime64(3, 'UTC')} AND start <= {at:DateTime64(3, 'UTC')}",
		"calls", uuidArray(callIDs(calls)), "from", timeText(first.Add(-legBeforeCall)), "at", timeText(at))
	legs.add("counts_as_person AND ifNull(joined, connected) <= {at:DateTime64(3, 'UTC')} AND (end IS NULL OR end > {at:DateTime64(3, 'UTC')})")
	rows, err = selectRows[Presence](legs.within(ctx), q, `SELECT call_id, if(group_id = defaultValueOfArgumentType(group_id), id, group_id) AS participant_id, display_name AS name,
    remote_party AS uri, direction, multiIf(type = 'acano', 'webapp', sub_type = 'lync', 'lync', type = 'sip', 'sip', 'other') AS client, '' AS capture,
    call_bridge AS host_bridge, assumeNotNull(ifNull(joined, connected)) AS joined, end AS left, {at:DateTime64(3, 'UTC')} AS seen, false AS stale, 'cdr' AS source
FROM (SELECT * FROM call_legs `+legs.where()+`) ORDER BY call_id, name, participant_id, joined LIMIT 1 BY call_id, participant_id`)
	if err != nil {
		return nil, fmt.Errorf("query call legs at %s: %w", at.Format(time.RFC3339), err)
	}
	for _, p := range rows {
		found[p.CallID] = append(found[p.CallID], p)
	}
	return found, nil
}

func callIDs(calls []Call) []uuid.UUID {
	ids := make([]uuid.UUID, len(calls))
	for i, c := range calls {
		ids[i] = c.ID
	}
	return ids
}

// CallsAt lists the calls that were going on at an instant, newest first, and the cursor of the next page: those of the records, and those that only rosters
// know, which have no owner and begin, as far as is known, when the first of those still there joined.
func (q *Queries) CallsAt(ctx context.Context, f CallFilter) ([]Call, *Cursor, error) {
	recorded, next, err := q.Calls(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	if f.Space != uuid.Nil { // rosters do not tell spaces
		return recorded, next, nil
	}
	c := newConditions()
	c.stayedAt(f.At)
	c.add("call_id NOT IN (SELECT id FROM calls WHERE start <= {at:DateTime64(3, 'UTC')} AND (end IS NULL OR end > {at:DateTime64(3, 'UTC')}))")
	equal(c, "call_bridge", "bridge", f.Bridge)
	equal(c, "cms_cluster", "cluster", f.Cluster)
	having := newConditions()
	if f.Text != "" {
		having.add("(positionCaseInsensitiveUTF8(name, {text:String}) > 0 OR has_text)")
	}
	if f.After != nil {
		having.add("(start, id) < ({start:DateTime64(3, 'UTC')}, {id:UUID})")
		c.params["start"], c.params["id"] = timeText(f.After.Start), f.After.ID.String()
	}
	c.params["text"] = textParam(f.Text)
	rows, err := selectRows[rosterCall](c.within(ctx), q, fmt.Sprintf(`SELECT call_id AS id, any(call_correlator) AS correlator, any(cms_cluster) AS cms_cluster, any(call_bridge) AS call_bridge,
    any(call_name) AS name, min(joined) AS start, max(positionCaseInsensitiveUTF8(p.name, {text:String}) > 0 OR positionCaseInsensitiveUTF8(uri, {text:String}) > 0) AS has_text
FROM (SELECT * FROM participants %s) AS p GROUP BY call_id %s ORDER BY start DESC, id DESC LIMIT %d`, c.where(), having.having(), f.Limit+1))
	if err != nil {
		return nil, nil, fmt.Errorf("query calls of rosters at %s: %w", f.At.Format(time.RFC3339), err)
	}
	for _, r := range rows {
		recorded = append(recorded, r.call())
	}
	slices.SortFunc(recorded, func(a, b Call) int { return Cursor{b.Start, b.ID}.Compare(Cursor{a.Start, a.ID}) })
	if len(recorded) > f.Limit {
		recorded = recorded[:f.Limit]
		last := recorded[f.Limit-1]
		next = &Cursor{last.Start, last.ID}
	}
	return recorded, next, nil
}

// rosterCall is a call of which only a roster is known.
type rosterCall struct {
	ID         uuid.UUID `ch:"id"`
	Correlator uuid.UUID `ch:"correlator"`
	Cluster    string    `ch:"cms_cluster"`
	Bridge     string    `ch:"call_bridge"`
	Name       string    `ch:"name"`
	Start      time.Time `ch:"start"`
	HasText    bool      `ch:"has_text"`
}

func (r rosterCall) call() Call {
	c := Call{ID: r.ID, Cluster: r.Cluster, Bridge: r.Bridge, Name: r.Name, Start: r.Start, StartInferred: true}
	if r.Correlator != uuid.Nil {
		c.CallCorrelator = &r.Correlator
	}
	return c
}

// CallsByID are calls by their ids, as far as they are known; of several sessions with the same id the newest. They must have started at or after since.
func (q *Queries) CallsByID(ctx context.Context, since time.Time, ids []uuid.UUID) (map[uuid.UUID]Call, error) {
	c := newConditions()
	c.add("id IN {calls:Array(UUID)} AND start >= {since:DateTime64(3, 'UTC')}", "calls", uuidArray(ids), "since", timeText(since))
	rows, err := selectRows[Call](c.within(ctx), q, fmt.Sprintf("SELECT %s FROM (SELECT * FROM calls %s) ORDER BY start", columnsOf[Call](), c.where()))
	if err != nil {
		return nil, fmt.Errorf("query calls by id: %w", err)
	}
	found := make(map[uuid.UUID]Call, len(rows))
	for _, call := range rows {
		found[call.ID] = call
	}
	return found, nil
}

// OpenFact is a call, leg or recording that had not ended.
type OpenFact struct {
	ID      uuid.UUID `ch:"id"`
	Cluster string    `ch:"cms_cluster"`
	Bridge  string    `ch:"call_bridge"`
	// Correlator and Start of a call; CallID of a recording.
	Correlator uuid.UUID `ch:"correlator"`
	CallID     uuid.UUID `ch:"call_id"`
	Start      time.Time `ch:"start"`
}

// OpenFacts lists what began at or after since and has not ended.
func (q *Queries) OpenFacts(ctx context.Context, since time.Time) (calls, legs, recordings []OpenFact, err error) {
	none := "defaultValueOfTypeName('UUID')"
	for _, of := range []struct {
		to                      *[]OpenFact
		table, correlator, call string
	}{{&calls, "calls", "call_correlator", none}, {&legs, "call_legs", none, none}, {&recordings, "recordings", none, "call_id"}} {
		c := newConditions()
		c.add("end IS NULL AND start >= {since:DateTime64(3, 'UTC')}", "since", timeText(since))
		if *of.to, err = selectRows[OpenFact](c.within(ctx), q, fmt.Sprintf("SELECT id, cms_cluster, call_bridge, %s AS correlator, %s AS call_id, start FROM %s %s",
			of.correlator, of.call, of.table, c.where())); err != nil {
			return nil, nil, nil, fmt.Errorf("query open %s: %w", of.table, err)
		}
	}
	return calls, legs, recordings, nil
}
