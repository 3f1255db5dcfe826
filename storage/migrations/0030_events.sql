-- What Call Bridges tell over their events interface: a timeline of changes, and who was in which call.

-- +goose Up
CREATE TABLE IF NOT EXISTS events_data
(
    time            DateTime64(3, 'UTC')   COMMENT 'When the message was received (UTC); messages carry no time' CODEC(DoubleDelta, ZSTD(1)),
    sequence        UInt64                 COMMENT 'Tells changes of one instant apart' CODEC(DoubleDelta, ZSTD(1)),
    cms_cluster     LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    call_bridge     LowCardinality(String) COMMENT 'Bridge that told of it',
    kind            LowCardinality(String) COMMENT 'call_started, call_changed, call_ended, participant_added, participant_joined, participant_changed, participant_left; connected, settled, lost, refused, unsupported: of the connection; witness_differs, witness_agrees: element names the finding, to says why',
    call_id         UUID                   COMMENT 'Call GUID on that bridge; zero: none' CODEC(ZSTD(1)),
    call_correlator UUID                   COMMENT 'The meeting; zero: none or not told' CODEC(ZSTD(1)),
    participant_id  UUID                   COMMENT 'Participant GUID, the same on all bridges; zero: none' CODEC(ZSTD(1)),
    name            String                 COMMENT 'Name of the participant or the call' CODEC(ZSTD(1)),
    element         LowCardinality(String) COMMENT 'Element that changed; activeSpeaker is sampled',
    `from`          String                 COMMENT 'Its value before; empty: not told' CODEC(ZSTD(1)),
    `to`            String                 COMMENT 'Its value now; empty: unset' CODEC(ZSTD(1)),
    reason          LowCardinality(String) COMMENT 'Why something ended, in the bridge''s words; unconfirmed, call_gone, deactivated, rest: concluded by us',
    at_snapshot     UInt8                  COMMENT '1: learnt from a snapshot or over REST, so it happened earlier than time'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, time, sequence)
COMMENT 'Timeline of changes from the events interface';

CREATE VIEW IF NOT EXISTS events AS
SELECT * FROM events_data FINAL;

CREATE TABLE IF NOT EXISTS participants_data
(
    cms_cluster     LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    call_bridge     LowCardinality(String) COMMENT 'Bridge whose roster listed the participant; rosters list the whole meeting',
    call_id         UUID                   COMMENT 'Call GUID on that bridge' CODEC(ZSTD(1)),
    call_correlator UUID                   COMMENT 'The meeting; zero: not told' CODEC(ZSTD(1)),
    participant_id  UUID                   COMMENT 'Participant GUID, the same on all bridges' CODEC(ZSTD(1)),
    call_name       String                 COMMENT 'Name of the call' CODEC(ZSTD(1)),
    name            String                 COMMENT 'Display name, the last that was not empty' CODEC(ZSTD(1)),
    uri             String                 COMMENT 'Remote address' CODEC(ZSTD(1)),
    direction       LowCardinality(String) COMMENT 'incoming, outgoing; web app users show as outgoing',
    client          LowCardinality(String) COMMENT 'sip, webapp, other: a guess',
    capture         LowCardinality(String) COMMENT 'recorder, streamer; empty: a person',
    host_bridge     LowCardinality(String) COMMENT 'Bridge that hosts the participant; empty where not known',
    joined          DateTime64(3, 'UTC')   COMMENT 'When it was first seen connected (UTC)' CODEC(DoubleDelta, ZSTD(1)),
    at_snapshot     UInt8                  COMMENT '1: it was there when we began to look, so it joined earlier than joined',
    `left`          Nullable(DateTime64(3, 'UTC')) COMMENT 'When the roster dropped it (UTC); NULL: not told' CODEC(DoubleDelta, ZSTD(1)),
    seen            DateTime64(3, 'UTC')   COMMENT 'Last time it was known to be there (UTC)' CODEC(DoubleDelta, ZSTD(1)),
    reason          LowCardinality(String) COMMENT 'Why it left, in the bridge''s words; unconfirmed, call_gone, rest: concluded by us',
    version         UInt64                 COMMENT 'Time of writing, microseconds; the highest stands' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(joined)
ORDER BY (cms_cluster, call_bridge, call_id, participant_id, joined)
COMMENT 'Stays of participants in calls, as rosters told them';

CREATE VIEW IF NOT EXISTS participants AS
SELECT * FROM participants_data FINAL;

-- The legs of participants on the bridge that hosts them: a leg's groupId is the participant's id (cms-cdr.md §2.3), and for app legs it is the leg's own.
CREATE VIEW IF NOT EXISTS participant_legs AS
SELECT p.cms_cluster AS cms_cluster, p.call_bridge AS call_bridge, p.call_id AS call_id, p.call_correlator AS call_correlator, p.participant_id AS participant_id,
    p.name AS name, p.uri AS uri, p.joined AS joined, p.left AS left, l.id AS leg_id, l.start AS leg_start, l.end AS leg_end, l.end_reason AS leg_end_reason
FROM participants AS p
INNER JOIN call_legs AS l ON l.call_id = p.call_id AND if(l.group_id = toUUID('00000000-0000-0000-0000-000000000000'), l.id, l.group_id) = p.participant_id
WHERE l.start <= ifNull(p.left, p.seen) AND (l.end IS NULL OR l.end >= p.joined);
