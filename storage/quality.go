package storage

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// QualityUse is the media quality of some call legs of people that began in a period.
type QualityUse struct {
	// Of is what the legs have in common: all, day, bridge, audio_codec, video_codec, client or network; Key is which, empty where it is not known.
	Of  string `ch:"of"`
	Key string `ch:"key"`
	// Legs that were connected; Judged are those whose end record, which brings the alarms, is there; Alarmed of these had any.
	Legs    uint64 `ch:"legs"`
	Judged  uint64 `ch:"judged"`
	Alarmed uint64 `ch:"alarmed"`
	// Legs by alarm.
	PacketLoss uint64 `ch:"packet_loss"`
	Jitter     uint64 `ch:"jitter"`
	RoundTrip  uint64 `ch:"round_trip"`
	Other      uint64 `ch:"other"`
	// Seconds of the judged legs' lives, and of these under an alarm, at most.
	Seconds    float64 `ch:"seconds"`
	BadSeconds float64 `ch:"bad_seconds"`
}

// qualitySQL is the legs of a scope with what is known of their quality. Alarms of one leg may have held at the same time or not: the sum of their shares, up to the whole leg, is
// what was bad at most. An alarm that does not say how long it held counts for the whole leg.
//
// The network is that of the far address where its host is an IP address: /24, or /48 of IPv6. A mapped IPv4 address is IPv4.
func qualitySQL(clusters string) string {
	return fmt.Sprintf(`(SELECT id, call_id, cms_cluster, call_bridge, start, rx_audio_codec, rx_video_codec, %s AS client, end_how = 'record' AS judged,
	if(judged, toFloat64(ifNull(duration_seconds, 0)), 0) AS life, life * least(100, arraySum(a -> ifNull(a.duration_percent, 100), alarms)) / 100 AS bad_life, arrayMap(a -> lower(a.type), alarms) AS kinds,
	extract(if(remote_address = '', remote_party, remote_address), '^(?:sips?:)?(?:.*@)?([^@;?]*)') AS host,
	toIPv6OrNull(multiIf(host LIKE '[%%', extract(host, '^\\[([^\\]]*)\\]'), match(host, '^[0-9.]+:[0-9]+$'), splitByChar(':', host)[1], host)) AS address,
	multiIf(address IS NULL, '', startsWith(IPv6NumToString(assumeNotNull(address)), '::ffff:'),
		concat(IPv4NumToString(bitAnd(toUInt32(toIPv4OrDefault(substring(IPv6NumToString(assumeNotNull(address)), 8))), 0xffffff00)), '/24'),
		concat(IPv6NumToString(IPv6CIDRToRange(assumeNotNull(address), 48).1), '/48')) AS network
FROM call_legs
WHERE %s AND start >= {from:DateTime64(3, 'UTC')} AND start < {to:DateTime64(3, 'UTC')} AND counts_as_person AND connected IS NOT NULL)`, clientSQL, clusters)
}

// Quality sums the legs of a scope: all, by day, bridge, received codecs, client and network; of networks those with most minutes under an alarm.
func (q *Queries) Quality(ctx context.Context, s Scope, networks int) ([]QualityUse, error) {
	c := s.conditions()
	c.params["top"] = strconv.Itoa(networks)
	rows, err := selectRows[QualityUse](c.within(ctx), q, fmt.Sprintf(`
SELECT of, key, legs, judged, alarmed, packet_loss, jitter, round_trip, other, seconds, bad_seconds FROM (
	SELECT of, key, count() AS legs, countIf(l.judged) AS judged, countIf(l.judged AND notEmpty(kinds)) AS alarmed, countIf(l.judged AND has(kinds, 'packetloss')) AS packet_loss, countIf(l.judged AND has(kinds, 'excessivejitter')) AS jitter,
		countIf(l.judged AND has(kinds, 'highroundtriptime')) AS round_trip, countIf(l.judged AND arrayExists(k -> k NOT IN ('packetloss', 'excessivejitter', 'highroundtriptime'), kinds)) AS other,
		sum(life) AS seconds, sum(bad_life) AS bad_seconds, row_number() OVER (PARTITION BY of ORDER BY bad_seconds DESC, seconds DESC, legs DESC, key) AS rank
	FROM %s AS l
	ARRAY JOIN ['all', 'day', 'bridge', 'audio_codec', 'video_codec', 'client', 'network'] AS of,
		['', toString(toDate(start, {zone:String})), concat(cms_cluster, '\n', call_bridge), rx_audio_codec, rx_video_codec, client, network] AS key
	GROUP BY of, key)
WHERE of != 'network' OR rank <= {top:UInt64}
ORDER BY of, if(of = 'day', key, ''), rank`, qualitySQL(c.clauses[0])))
	if err != nil {
		return nil, fmt.Errorf("query media quality: %w", err)
	}
	return rows, nil
}

// BadMeeting is a meeting some of whose legs had alarms.
type BadMeeting struct {
	Cluster        string    `ch:"cms_cluster" json:"cms_cluster"`
	CallCorrelator uuid.UUID `ch:"meeting" json:"call_correlator"`
	Name           string    `ch:"name" json:"name"`
	Host           string    `ch:"owner_name" json:"owner_name"`
	Start          time.Time `ch:"start" json:"start"`
	Bridges        []string  `ch:"call_bridges" json:"call_bridges"`
	Legs           uint64    `ch:"legs" json:"legs"`
	Judged         uint64    `ch:"judged" json:"judged"`
	Alarmed        uint64    `ch:"alarmed" json:"alarmed"`
	Seconds        float64   `ch:"seconds" json:"seconds"`
	BadSeconds     float64   `ch:"bad_seconds" json:"bad_seconds"`
}

// WorstMeetings are those of a scope whose legs had most time under alarms, the worst first.
func (q *Queries) WorstMeetings(ctx context.Context, s Scope, limit int) ([]BadMeeting, error) {
	c := s.conditions()
	rows, err := selectRows[BadMeeting](c.within(ctx), q, fmt.Sprintf(`
SELECT any(c.cms_cluster) AS cms_cluster, if(c.call_correlator = toUUID('00000000-0000-0000-0000-000000000000'), c.id, c.call_correlator) AS meeting, argMin(c.name, (c.start, c.id)) AS name,
	argMin(c.owner_name, (c.start, c.id)) AS owner_name, min(c.start) AS start, arraySort(groupUniqArray(c.call_bridge)) AS call_bridges,
	sum(l.legs) AS legs, sum(l.told) AS judged, sum(l.alarmed) AS alarmed, sum(l.seconds) AS seconds, sum(l.bad_seconds) AS bad_seconds
FROM (SELECT * FROM calls WHERE %[1]s AND start >= {from:DateTime64(3, 'UTC')} - %[2]s AND start < {to:DateTime64(3, 'UTC')} + INTERVAL 1 DAY) AS c
INNER JOIN (SELECT call_id, count() AS legs, countIf(judged) AS told, countIf(judged AND notEmpty(kinds)) AS alarmed, sum(life) AS seconds, sum(bad_life) AS bad_seconds FROM %[3]s GROUP BY call_id) AS l ON l.call_id = c.id
GROUP BY meeting HAVING alarmed > 0
ORDER BY bad_seconds DESC, alarmed DESC, start, meeting LIMIT %[4]d`, c.clauses[0], longestMeeting, qualitySQL(c.clauses[0]), limit))
	if err != nil {
		return nil, fmt.Errorf("query meetings by media quality: %w", err)
	}
	return rows, nil
}
