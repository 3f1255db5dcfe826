package storage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/licensing"
)

// LongestMeeting is how long after its first call a meeting may have another, and how far back meetings that go on are looked for.
const LongestMeeting = 32 * 24 * time.Hour

// MeetingChoice selects whole meetings of a cluster for license use: those of which a call began in Began, or was alive at Alive. Owners, where given, are the
// only ones whose spaces count.
type MeetingChoice struct {
	Cluster string
	Began   Period
	Alive   time.Time
	Owners  []uuid.UUID
	// CallsOnly leaves out legs, recordings and streams: for meetings that are asked for because of the licenses of their owners.
	CallsOnly bool
}

// meetingKey is the meeting a call is of: releases before 1.7 send no correlator.
const meetingKey = "if(call_correlator = toUUID('00000000-0000-0000-0000-000000000000'), id, call_correlator)"

// conditions on calls_data; what they find is a superset, as rows that were replaced are found too.
func (m MeetingChoice) conditions() (c *conditions, from, to time.Time) {
	c = newConditions()
	c.add("cms_cluster = {cluster:String}", "cluster", textParam(m.Cluster))
	if m.Alive.IsZero() {
		from, to = m.Began.From, m.Began.To
	} else {
		from, to = m.Alive.Add(-LongestMeeting), m.Alive.Add(time.Millisecond)
		c.add("(end IS NULL OR end > {alive:DateTime64(3, 'UTC')})", "alive", timeText(m.Alive))
	}
	c.add("start >= {from:DateTime64(3, 'UTC')} AND start < {to:DateTime64(3, 'UTC')}", "from", timeText(from), "to", timeText(to))
	if m.Owners != nil {
		c.add("space_id IN (SELECT space_id FROM owners_data WHERE cms_cluster = {cluster:String} AND owner_id IN {owners:Array(UUID)})", "owners", uuidArray(m.Owners))
	}
	return c, from, to
}

// LicenseMeetings loads meetings with what decides what they take of licenses, in order of start. Their owners are those at the start; a space whose first known
// owner was seen later is taken to have had that one before.
func (q *Queries) LicenseMeetings(ctx context.Context, choice MeetingChoice) ([]*licensing.Meeting, error) {
	c, from, to := choice.conditions()
	c.params["wide_from"], c.params["wide_to"] = timeText(from.Add(-LongestMeeting)), timeText(to.Add(LongestMeeting))
	wide := fmt.Sprintf("cms_cluster = {cluster:String} AND start >= {wide_from:DateTime64(3, 'UTC')} AND start < {wide_to:DateTime64(3, 'UTC')} "+
		"AND %[1]s IN (SELECT %[1]s FROM calls_data %[2]s)", meetingKey, c.where())
	ids := "SELECT id FROM calls_data WHERE " + wide
	calls, err := selectRows[struct {
		Meeting uuid.UUID  `ch:"meeting"`
		ID      uuid.UUID  `ch:"id"`
		Bridge  string     `ch:"call_bridge"`
		Type    string     `ch:"call_type"`
		Space   uuid.UUID  `ch:"space_id"`
		Tenant  uuid.UUID  `ch:"tenant_id"`
		Name    string     `ch:"name"`
		Owner   string     `ch:"owner_name"`
		Start   time.Time  `ch:"start"`
		End     *time.Time `ch:"end"`
	}](c.within(ctx), q, fmt.Sprintf("SELECT %s AS meeting, id, call_bridge, call_type, space_id, tenant_id, name, owner_name, start, end FROM calls WHERE %s ORDER BY start, id", meetingKey, wide))
	if err != nil {
		return nil, fmt.Errorf("query calls for licenses: %w", err)
	}
	var list []*licensing.Meeting
	byID, ofCall := map[uuid.UUID]*licensing.Meeting{}, make(map[uuid.UUID]*licensing.Meeting, len(calls))
	first, last := to, from // of all calls found
	for _, call := range calls {
		m := byID[call.Meeting]
		if m == nil {
			m = &licensing.Meeting{ID: call.Meeting, Cluster: choice.Cluster, CallType: call.Type}
			byID[call.Meeting] = m
			list = append(list, m)
		}
		ofCall[call.ID] = m
		if m.Name == "" { // the first call that knows it
			m.Name = call.Name
		}
		if m.Space == uuid.Nil {
			m.Space = call.Space
		}
		if m.Tenant == uuid.Nil {
			m.Tenant = call.Tenant
		}
		if m.OwnerName == "" {
			m.OwnerName = call.Owner
		}
		if !slices.Contains(m.Bridges, call.Bridge) {
			m.Bridges = append(m.Bridges, call.Bridge)
		}
		span := licensing.Span{From: call.Start}
		if call.End != nil {
			span.To = *call.End
			last = later(last, *call.End)
		} else {
			last = later(last, call.Start.Add(LongestMeeting))
		}
		first = earlier(first, call.Start)
		m.Calls = append(m.Calls, span)
	}
	if len(list) == 0 {
		return nil, nil
	}
	c.params["legs_from"], c.params["legs_to"] = timeText(first.Add(-longestLeg)), timeText(last)
	if !choice.CallsOnly {
		if err := q.licenseLegs(ctx, c, ids, ofCall); err != nil {
			return nil, err
		}
	}
	if err := q.licenseOwners(ctx, c, wide, list); err != nil {
		return nil, err
	}
	for _, m := range list {
		slices.Sort(m.Bridges)
	}
	return list, nil
}

// longestLeg is how long before its call a leg may have begun: in the IVR, in the lobby, or in another call.
const longestLeg = 24 * time.Hour

// licenseLegs adds participants, recordings and streams. A leg that used video says so when it ends: until then, and where no end came, it is not known.
func (q *Queries) licenseLegs(ctx context.Context, c *conditions, ids string, ofCall map[uuid.UUID]*licensing.Meeting) error {
	const started = "cms_cluster = {cluster:String} AND start >= {legs_from:DateTime64(3, 'UTC')} AND start < {legs_to:DateTime64(3, 'UTC')}"
	legs, err := selectRows[struct {
		ID          uuid.UUID  `ch:"id"`
		Call        uuid.UUID  `ch:"call"`
		Participant uuid.UUID  `ch:"participant"`
		Kind        uint8      `ch:"kind"`
		Video       uint8      `ch:"video"`
		From        time.Time  `ch:"from"`
		To          *time.Time `ch:"to"`
	}](c.within(ctx), q, fmt.Sprintf(`
SELECT id, call, if(group_id = toUUID('00000000-0000-0000-0000-000000000000'), id, group_id) AS participant,
	multiIf(recording OR streaming, %d, sub_type = 'lync', %d, type = 'acano' OR sub_type = 'webApp', %d, %d) AS kind,
	multiIf(rx_video_codec != '' OR tx_video_codec != '' OR main_video_viewer_percent > 0 OR main_video_contributor_percent > 0 OR presentation_viewer_percent > 0
		OR presentation_contributor_percent > 0 OR multistream_video_percent > 0, %d, end IS NULL OR end_inferred, %d, %d) AS video,
	if(call = call_id, ifNull(joined, start), start) AS from, if(call = call_id, end, ifNull(joined, end)) AS to
FROM (SELECT *, arrayJoin(if(empty(calls), [call_id], calls)) AS call FROM call_legs WHERE %s AND (counts_as_person OR recording OR streaming))
WHERE call IN (%s) ORDER BY from, id`,
		licensing.CaptureLeg, licensing.LyncLeg, licensing.WebAppLeg, licensing.SIPLeg, licensing.Yes, licensing.Unknown, licensing.No, started, ids))
	if err != nil {
		return fmt.Errorf("query legs for licenses: %w", err)
	}
	var untold []uuid.UUID
	for _, l := range legs {
		if licensing.Known(l.Video) == licensing.Unknown {
			untold = append(untold, l.ID)
		}
	}
	silent, err := q.withoutVideo(ctx, c, untold)
	if err != nil {
		return err
	}
	for _, l := range legs {
		m := ofCall[l.Call]
		if m == nil {
			continue // of a call that another row replaced
		}
		m.Legs = append(m.Legs, licensing.Leg{Span: spanOf(l.From, l.To), Kind: licensing.LegKind(l.Kind), Video: licensing.Known(l.Video), NoVideo: silent[l.ID], Participant: l.Participant})
	}
	captures, err := selectRows[struct {
		Call   uuid.UUID  `ch:"call_id"`
		Stream bool       `ch:"stream"`
		From   time.Time  `ch:"start"`
		To     *time.Time `ch:"end"`
	}](c.within(ctx), q, fmt.Sprintf(`SELECT call_id, false AS stream, start, end FROM recordings WHERE %[1]s AND call_id IN (%[2]s)
UNION ALL SELECT call_id, true AS stream, start, end FROM streams WHERE %[1]s AND call_id IN (%[2]s)
UNION ALL SELECT call_id, streaming AS stream, ifNull(joined, call_legs.start) AS start, end FROM call_legs
	WHERE %[3]s AND (recording OR streaming) AND call_id IN (%[2]s)
	AND id NOT IN (SELECT call_leg_id FROM recordings WHERE %[1]s) AND id NOT IN (SELECT call_leg_id FROM streams WHERE %[1]s)`, started, ids,
		"cms_cluster = {cluster:String} AND call_legs.start >= {legs_from:DateTime64(3, 'UTC')} AND call_legs.start < {legs_to:DateTime64(3, 'UTC')}"))
	if err != nil {
		return fmt.Errorf("query recordings and streams for licenses: %w", err)
	}
	for _, r := range captures {
		switch m := ofCall[r.Call]; {
		case m == nil:
		case r.Stream:
			m.Streams = append(m.Streams, spanOf(r.From, r.To))
		default:
			m.Recordings = append(m.Recordings, spanOf(r.From, r.To))
		}
	}
	return nil
}

// seenHolds is how long it is believed what the API said of a leg: bridges are asked for the status of legs every minute, unless they answer slowly.
const seenHolds = 5 * time.Minute

// withoutVideo is when some legs, by the API's status of each, had audio and no video. Only what was answered is a witness: a leg that nobody asked for is not in it.
func (q *Queries) withoutVideo(ctx context.Context, of *conditions, legs []uuid.UUID) (map[uuid.UUID][]licensing.Span, error) {
	found := map[uuid.UUID][]licensing.Span{}
	for some := range slices.Chunk(legs, legsAQuery) {
		c := newConditions()
		c.add("cms_cluster = {cluster:String} AND time >= {legs_from:DateTime64(3, 'UTC')}", "cluster", of.params["cluster"], "legs_from", of.params["legs_from"])
		c.add("call_leg_id IN {legs:Array(UUID)}", "legs", uuidArray(some))
		rows, err := selectRows[struct {
			Leg   uuid.UUID `ch:"call_leg_id"`
			Time  time.Time `ch:"time"`
			Audio bool      `ch:"audio"`
			Video bool      `ch:"video"`
		}](c.within(ctx), q, `SELECT call_leg_id, time, countIf(stream IN ('rx_audio', 'tx_audio')) > 0 AS audio, countIf(stream IN ('rx_video', 'tx_video', 'rx_presentation', 'tx_presentation')) > 0 AS video
FROM leg_samples_data `+c.where()+` GROUP BY call_leg_id, time ORDER BY call_leg_id, time`)
		if err != nil {
			return nil, fmt.Errorf("query the media of legs: %w", err)
		}
		for i, r := range rows {
			if !r.Audio || r.Video {
				continue
			}
			until := r.Time.Add(seenHolds)
			if i+1 < len(rows) && rows[i+1].Leg == r.Leg {
				until = earlier(until, rows[i+1].Time)
			}
			found[r.Leg] = append(found[r.Leg], licensing.Span{From: r.Time, To: until})
		}
	}
	return found, nil
}

// legsAQuery fit into the address of a query.
const legsAQuery = 1000

func spanOf(from time.Time, to *time.Time) licensing.Span {
	s := licensing.Span{From: from}
	if to != nil {
		s.To = *to
	}
	return s
}

// licenseOwners sets the owners that the spaces had when the meetings began.
func (q *Queries) licenseOwners(ctx context.Context, c *conditions, wide string, list []*licensing.Meeting) error {
	type state struct {
		Space    uuid.UUID `ch:"space_id"`
		From     time.Time `ch:"valid_from"`
		ID       uuid.UUID `ch:"owner_id"`
		Name     string    `ch:"owner_name"`
		Licensed *uint8    `ch:"has_license"`
	}
	rows, err := selectRows[state](c.within(ctx), q, "SELECT space_id, valid_from, owner_id, owner_name, has_license FROM owners_data FINAL "+
		"WHERE cms_cluster = {cluster:String} AND NOT deleted AND space_id IN (SELECT space_id FROM calls_data WHERE "+wide+") ORDER BY space_id, valid_from")
	if err != nil {
		return fmt.Errorf("query owners for licenses: %w", err)
	}
	known := map[uuid.UUID][]state{}
	for _, r := range rows {
		known[r.Space] = append(known[r.Space], r)
	}
	for _, m := range list {
		states := known[m.Space]
		if m.Space == uuid.Nil || len(states) == 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(states, m.Start(), func(s state, t time.Time) int {
			if s.From.After(t) {
				return 1
			}
			return -1
		})
		s := states[max(0, at-1)]
		m.Owner = &licensing.Owner{ID: s.ID, Name: s.Name}
		if s.Licensed != nil {
			licensed := *s.Licensed != 0
			m.Owner.Licensed = &licensed
		}
	}
	return nil
}
