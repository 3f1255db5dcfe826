-- Facts: what the records add up to. One writer owns a session's facts; a row with a higher version replaces a lower one, and a
-- row that moved to another sort key is buried by a tombstone (docs/design.md, Facts). The zero UUID and '' mean "none" or "not known".

-- +goose Up
CREATE TABLE IF NOT EXISTS calls_data
(
    id                UUID                          COMMENT 'Call id (call/@id), one bridge''s',
    call_correlator   UUID                          COMMENT 'Same on all bridges that host the meeting',
    cms_cluster       LowCardinality(String)        COMMENT 'Cluster, as configured',
    call_bridge       LowCardinality(String)        COMMENT 'Bridge, as configured',
    call_bridge_id    UUID                          COMMENT 'GUID of the bridge; zero outside a cluster',
    session           UUID                          COMMENT 'Session of the bridge',
    name              String                        COMMENT 'Name of the call, normally the space''s',
    call_type         LowCardinality(String)        COMMENT 'coSpace, adHoc, forwarding, lyncConferencing, or as sent',
    space_id          UUID                          COMMENT 'Space the call is an instance of',
    owner_name        LowCardinality(String)        COMMENT 'Space owner''s name, free text',
    tenant_id         UUID                          COMMENT 'Owning tenant',
    cdr_tag           LowCardinality(String)        COMMENT 'Tag of the space',
    start             DateTime64(3, 'UTC')          COMMENT 'Start, bridge''s clock' CODEC(GCD, T64, ZSTD(1)),
    start_inferred    Bool                          COMMENT 'No callStart is known; start is the earliest that other records prove',
    end               Nullable(DateTime64(3, 'UTC')) COMMENT 'End, bridge''s clock; NULL while open' CODEC(GCD, T64, ZSTD(1)),
    end_inferred      Bool                          COMMENT 'No callEnd came',
    end_how           LowCardinality(String)        COMMENT 'record, call_end, new_session, orphan_timeout; empty while open',
    duration_seconds  Nullable(Int64)               COMMENT 'Seconds: from the record, else from the times; NULL while open' CODEC(T64, ZSTD(1)),
    legs_completed    Nullable(Int64)               COMMENT 'Legs that finished within the call (callLegsCompleted)' CODEC(T64, ZSTD(1)),
    legs_max_active   Nullable(Int64)               COMMENT 'Most legs at once (callLegsMaxActive)' CODEC(T64, ZSTD(1)),
    endpoint_recorded LowCardinality(String)        COMMENT 'endpointRecorded, as sent',
    recorded          Bool                          COMMENT 'A recording or a recorder''s leg belongs to it',
    streamed          Bool                          COMMENT 'A stream or a streamer''s leg belongs to it',
    version           UInt64                        COMMENT 'Four times the records known, plus the level of inference' CODEC(T64, ZSTD(1)),
    is_deleted        UInt8                         COMMENT '1: tombstone of a row that moved',
    written           DateTime('UTC') MATERIALIZED now() COMMENT 'When the row was written, store''s clock: what is computed from facts asks for it' CODEC(Delta, ZSTD(1)),
    INDEX by_id id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_correlator call_correlator TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_written written TYPE minmax GRANULARITY 4
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(start)
ORDER BY (toStartOfTenMinutes(start), id, session)
SETTINGS default_compression_codec = 'ZSTD(1)'
COMMENT 'Calls: one bridge''s part of a meeting';

CREATE VIEW IF NOT EXISTS calls AS SELECT * EXCEPT (version, is_deleted) FROM calls_data FINAL;

CREATE TABLE IF NOT EXISTS call_legs_data
(
    id                  UUID                           COMMENT 'Call leg id (callLeg/@id)',
    call_id             UUID                           COMMENT 'Last call it was in; zero if it never was in one',
    calls               Array(UUID)                    COMMENT 'All calls in order of entry, only if more than one',
    cms_cluster         LowCardinality(String)         COMMENT 'Cluster, as configured',
    call_bridge         LowCardinality(String)         COMMENT 'Bridge, as configured',
    call_bridge_id      UUID                           COMMENT 'GUID of the bridge; zero outside a cluster',
    session             UUID                           COMMENT 'Session of the bridge',
    display_name        String                         COMMENT 'Display name, last known; empty if unknown' CODEC(ZSTD(6)),
    display_name_raw    LowCardinality(String)         COMMENT 'As sent, where display_name differs from it',
    remote_party        String                         COMMENT 'Far end''s address' CODEC(ZSTD(6)),
    remote_address      String                         COMMENT 'Caller''s or callee''s address by direction; empty where equal to remote_party',
    local_address       LowCardinality(String)         COMMENT 'What the caller dialled, or our caller id',
    type                LowCardinality(String)         COMMENT 'sip, acano, or as sent',
    sub_type            LowCardinality(String)         COMMENT 'lync, avaya, distributionLink, lyncDistribution, webApp, or as sent',
    lync_sub_type       LowCardinality(String)         COMMENT 'audioVideo, applicationSharing, instantMessaging',
    direction           LowCardinality(String)         COMMENT 'incoming (far end called in), outgoing',
    guest               Nullable(Bool)                 COMMENT 'Joined as a guest (guestConnection); NULL: not said',
    recording           Bool                           COMMENT 'Feeds a recorder',
    streaming           Bool                           COMMENT 'Feeds a streamer',
    counts_as_person    Bool                           COMMENT 'False for recorders, streamers, distribution links, Lync sharing, scanners',
    scanner             Bool                           COMMENT 'Never in a call, refused within seconds: a SIP scanner',
    ivr                 Bool                           COMMENT 'Was in the IVR',
    lobby               Bool                           COMMENT 'Waited in the lobby',
    cdr_tag             LowCardinality(String)         COMMENT 'Tag of the leg',
    owner_id            LowCardinality(String)         COMMENT 'Id set by a managing system',
    group_id            UUID                           COMMENT 'Id of the participant to the API and the events, and of a Lync user''s legs together (groupId); zero where equal to id',
    sip_call_id         String                         COMMENT 'SIP Call-ID',
    replaces_sip_call_id String                        COMMENT 'Call-ID of the dialog it replaced',
    can_move            Nullable(Bool)                 COMMENT 'May be moved by the API; NULL: not said',
    moved_call_leg      UUID                           COMMENT 'Leg it was moved from',
    moved_call_leg_call_bridge UUID                    COMMENT 'Bridge that leg was on',
    confirmation_status LowCardinality(String)         COMMENT 'notRequired, required, confirmed, rejected, or as sent',
    start               DateTime64(3, 'UTC')           COMMENT 'Start, bridge''s clock' CODEC(GCD, T64, ZSTD(1)),
    start_inferred      Bool                           COMMENT 'No callLegStart is known; start = end - duration, or the earliest record',
    connected           Nullable(DateTime64(3, 'UTC')) EPHEMERAL COMMENT 'First state connected; kept as connected_after',
    connected_after     Nullable(Int64) DEFAULT toUnixTimestamp64Milli(connected) - toUnixTimestamp64Milli(start) COMMENT 'First state connected: milliseconds after start' CODEC(GCD, T64, ZSTD(1)),
    joined              Nullable(DateTime64(3, 'UTC')) EPHEMERAL COMMENT 'First record that names call_id; kept as joined_after',
    joined_after        Nullable(Int64) DEFAULT toUnixTimestamp64Milli(joined) - toUnixTimestamp64Milli(start) COMMENT 'First record that names call_id: milliseconds after start' CODEC(GCD, T64, ZSTD(1)),
    activated           Nullable(DateTime64(3, 'UTC')) EPHEMERAL COMMENT 'First seen in a call and out of the lobby; kept as activated_after',
    activated_after     Nullable(Int64) DEFAULT toUnixTimestamp64Milli(activated) - toUnixTimestamp64Milli(start) COMMENT 'First seen in a call and out of the lobby: milliseconds after start' CODEC(GCD, T64, ZSTD(1)),
    end                 Nullable(DateTime64(3, 'UTC')) EPHEMERAL COMMENT 'End, bridge''s clock; NULL while open; kept as end_beyond',
    end_beyond          Nullable(Int64) DEFAULT toUnixTimestamp64Milli(end) - toUnixTimestamp64Milli(start) - 1000 * ifNull(duration_seconds, 0) COMMENT 'End: milliseconds after start and duration_seconds; NULL while open' CODEC(GCD, T64, ZSTD(1)),
    end_inferred        Bool                           COMMENT 'No callLegEnd came',
    end_how             LowCardinality(String)         COMMENT 'record, call_end, new_session, orphan_timeout; empty while open',
    end_reason          LowCardinality(String)         COMMENT 'reason of callLegEnd, as sent',
    remote_teardown     Nullable(Bool)                 COMMENT 'Far end ended it; NULL: not said',
    duration_seconds    Nullable(Int64)                COMMENT 'Seconds from start to end, ringing, IVR and lobby included; NULL while open' CODEC(T64, ZSTD(1)),
    activated_seconds   Nullable(Int64) EPHEMERAL      COMMENT 'Seconds activated in a call (activatedDuration); kept as inactive_seconds',
    inactive_seconds    Nullable(Int64) DEFAULT ifNull(duration_seconds, 0) - activated_seconds COMMENT 'duration_seconds less the seconds activated in a call' CODEC(T64, ZSTD(1)),
    max_screens         Nullable(Int64)                COMMENT 'Most screens of the far end' CODEC(T64, ZSTD(1)),
    encrypted_media     Nullable(Bool)                 COMMENT 'Some media was encrypted; NULL: not said',
    unencrypted_media   Nullable(Bool)                 COMMENT 'Some media was in the clear; NULL: not said',
    main_video_viewer_percent        Nullable(Float32) COMMENT 'Share of the leg''s life receiving main video, 0-100; NULL: none',
    main_video_contributor_percent   Nullable(Float32) COMMENT 'Share of the leg''s life sending main video, 0-100; NULL: none',
    presentation_viewer_percent      Nullable(Float32) COMMENT 'Share of the leg''s life receiving content, 0-100; NULL: none',
    presentation_contributor_percent Nullable(Float32) COMMENT 'Share of the leg''s life sending content, 0-100; NULL: none',
    multistream_video_percent        Nullable(Float32) COMMENT 'Share of the leg''s life with several video streams, 0-100; NULL: none',
    alarms              Array(Tuple(type LowCardinality(String), duration_percent Nullable(Float32))) COMMENT 'Quality alarms and their share of the leg''s life, 0-100',
    rx_audio_codec      LowCardinality(String)         COMMENT 'Audio received by the server',
    tx_audio_codec      LowCardinality(String)         COMMENT 'Audio sent by the server',
    rx_video_codec      LowCardinality(String)         COMMENT 'Video received by the server',
    tx_video_codec      LowCardinality(String)         COMMENT 'Video sent by the server',
    rx_video_width      Nullable(Int64)                COMMENT 'Largest picture received, pixels' CODEC(T64, ZSTD(1)),
    rx_video_height     Nullable(Int64)                COMMENT 'Largest picture received, pixels' CODEC(T64, ZSTD(1)),
    tx_video_width      Nullable(Int64)                COMMENT 'Largest picture sent, pixels' CODEC(T64, ZSTD(1)),
    tx_video_height     Nullable(Int64)                COMMENT 'Largest picture sent, pixels' CODEC(T64, ZSTD(1)),
    rx_audio_burst_seconds Nullable(Float32)           COMMENT 'Audio in bursts of loss, probably seconds',
    rx_audio_burst_density Nullable(Float32)           COMMENT 'Density of loss in bursts',
    rx_audio_gap_seconds   Nullable(Float32)           COMMENT 'Audio between bursts, probably seconds',
    rx_audio_gap_density   Nullable(Float32)           COMMENT 'Density of loss between bursts',
    rx_video_burst_seconds Nullable(Float32)           COMMENT 'Video in bursts of loss, probably seconds',
    rx_video_burst_density Nullable(Float32)           COMMENT 'Density of loss in bursts',
    rx_video_gap_seconds   Nullable(Float32)           COMMENT 'Video between bursts, probably seconds',
    rx_video_gap_density   Nullable(Float32)           COMMENT 'Density of loss between bursts',
    version             UInt64                         COMMENT 'Four times the records known, plus the level of inference' CODEC(T64, ZSTD(1)),
    is_deleted          UInt8                          COMMENT '1: tombstone of a row that moved',
    written             DateTime('UTC') MATERIALIZED now()  COMMENT 'When the row was written, store''s clock: what is computed from facts asks for it' CODEC(Delta, ZSTD(1)),
    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_call call_id TYPE bloom_filter(0.001) GRANULARITY 4,
    INDEX by_written written TYPE minmax GRANULARITY 4
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(start)
ORDER BY (toStartOfTenMinutes(start), call_id, id, session)
SETTINGS index_granularity = 2048, default_compression_codec = 'ZSTD(1)'
COMMENT 'Call legs: one connection of one party to one bridge';

-- call_legs_rows has the columns that are written, from those that are kept. Times a few seconds apart are kept as differences: a leg takes a third less.
CREATE VIEW IF NOT EXISTS call_legs_rows AS
SELECT
    id, call_id, calls, cms_cluster, call_bridge, call_bridge_id, session, display_name, display_name_raw, remote_party, remote_address,
    local_address, type, sub_type, lync_sub_type, direction, guest, recording, streaming, counts_as_person, scanner, ivr, lobby, cdr_tag, owner_id,
    group_id, sip_call_id, replaces_sip_call_id, can_move, moved_call_leg, moved_call_leg_call_bridge, confirmation_status, start, start_inferred,
    addMilliseconds(start, connected_after) AS connected, addMilliseconds(start, joined_after) AS joined,
    addMilliseconds(start, activated_after) AS activated, addMilliseconds(start, end_beyond + 1000 * ifNull(duration_seconds, 0)) AS end,
    end_inferred, end_how, end_reason, remote_teardown, duration_seconds, ifNull(duration_seconds, 0) - inactive_seconds AS activated_seconds,
    max_screens, encrypted_media, unencrypted_media, main_video_viewer_percent, main_video_contributor_percent, presentation_viewer_percent,
    presentation_contributor_percent, multistream_video_percent, alarms, rx_audio_codec, tx_audio_codec, rx_video_codec, tx_video_codec,
    rx_video_width, rx_video_height, tx_video_width, tx_video_height, rx_audio_burst_seconds, rx_audio_burst_density, rx_audio_gap_seconds,
    rx_audio_gap_density, rx_video_burst_seconds, rx_video_burst_density, rx_video_gap_seconds, rx_video_gap_density, version, is_deleted
FROM call_legs_data FINAL;

CREATE VIEW IF NOT EXISTS call_legs AS SELECT * EXCEPT (version, is_deleted) FROM call_legs_rows;

CREATE TABLE IF NOT EXISTS recordings_data
(
    id               UUID                           COMMENT 'Recording id',
    call_id          UUID                           COMMENT 'Call recorded',
    call_leg_id      UUID                           COMMENT 'Leg that feeds the recorder',
    cms_cluster      LowCardinality(String)         COMMENT 'Cluster, as configured',
    call_bridge      LowCardinality(String)         COMMENT 'Bridge, as configured',
    call_bridge_id   UUID                           COMMENT 'GUID of the bridge; zero outside a cluster',
    session          UUID                           COMMENT 'Session of the bridge',
    path             String                         COMMENT 'File path without extension',
    recorder_url     LowCardinality(String)         COMMENT 'Recorder''s address (2.x)',
    recorder_uri     LowCardinality(String)         COMMENT 'SIP recorder''s address (3.x)',
    start            DateTime64(3, 'UTC')           COMMENT 'Start, bridge''s clock',
    start_inferred   Bool                           COMMENT 'No recordingStart is known',
    end              Nullable(DateTime64(3, 'UTC')) COMMENT 'End, bridge''s clock; NULL while open',
    end_inferred     Bool                           COMMENT 'No recordingEnd came',
    end_how          LowCardinality(String)         COMMENT 'record, leg_end, call_end, new_session, orphan_timeout; empty while open',
    duration_seconds Nullable(Int64)                COMMENT 'Seconds; NULL while open',
    version          UInt64                         COMMENT 'Four times the records known, plus the level of inference',
    is_deleted       UInt8                          COMMENT '1: tombstone of a row that moved',
    written          DateTime('UTC') MATERIALIZED now()  COMMENT 'When the row was written, store''s clock: what is computed from facts asks for it' CODEC(Delta, ZSTD(1)),
    INDEX by_call call_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_written written TYPE minmax GRANULARITY 4
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(start)
ORDER BY (toStartOfTenMinutes(start), id, session)
COMMENT 'Recordings of calls';

CREATE VIEW IF NOT EXISTS recordings AS SELECT * EXCEPT (version, is_deleted) FROM recordings_data FINAL;

CREATE TABLE IF NOT EXISTS streams_data
(
    id               UUID                           COMMENT 'Streaming id',
    call_id          UUID                           COMMENT 'Call streamed',
    call_leg_id      UUID                           COMMENT 'Leg that feeds the streamer',
    cms_cluster      LowCardinality(String)         COMMENT 'Cluster, as configured',
    call_bridge      LowCardinality(String)         COMMENT 'Bridge, as configured',
    call_bridge_id   UUID                           COMMENT 'GUID of the bridge; zero outside a cluster',
    session          UUID                           COMMENT 'Session of the bridge',
    stream_url       LowCardinality(String)         COMMENT 'Target: scheme and host only, as the rest is a secret',
    streamer_url     LowCardinality(String)         COMMENT 'Streamer''s address (2.x)',
    streamer_uri     LowCardinality(String)         COMMENT 'SIP streamer''s address (3.x)',
    start            DateTime64(3, 'UTC')           COMMENT 'Start, bridge''s clock',
    start_inferred   Bool                           COMMENT 'No streamingStart is known',
    end              Nullable(DateTime64(3, 'UTC')) COMMENT 'End, bridge''s clock; NULL while open',
    end_inferred     Bool                           COMMENT 'No streamingEnd came',
    end_how          LowCardinality(String)         COMMENT 'record, leg_end, call_end, new_session, orphan_timeout; empty while open',
    duration_seconds Nullable(Int64)                COMMENT 'Seconds; NULL while open',
    version          UInt64                         COMMENT 'Four times the records known, plus the level of inference',
    is_deleted       UInt8                          COMMENT '1: tombstone of a row that moved',
    written          DateTime('UTC') MATERIALIZED now()  COMMENT 'When the row was written, store''s clock: what is computed from facts asks for it' CODEC(Delta, ZSTD(1)),
    INDEX by_call call_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_written written TYPE minmax GRANULARITY 4
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(start)
ORDER BY (toStartOfTenMinutes(start), id, session)
COMMENT 'Streams of calls';

CREATE VIEW IF NOT EXISTS streams AS SELECT * EXCEPT (version, is_deleted) FROM streams_data FINAL;

CREATE TABLE IF NOT EXISTS cdr_sessions_data
(
    session          UUID                   COMMENT 'Session GUID: one run of one Call Bridge',
    cms_cluster      LowCardinality(String) COMMENT 'Cluster, as configured',
    call_bridge      LowCardinality(String) COMMENT 'Bridge, as configured',
    call_bridge_id   UUID                   COMMENT 'GUID of the bridge; zero outside a cluster',
    source           LowCardinality(String) COMMENT 'Bridge whose token was used',
    source_cluster   LowCardinality(String) COMMENT 'Cluster of that bridge',
    first_index      Int64                  COMMENT 'Lowest correlatorIndex known',
    last_index       Int64                  COMMENT 'Highest correlatorIndex known',
    first_missing    Int64                  COMMENT 'Indices that the bridge says it discarded before the lowest one known',
    first_index_time DateTime64(3, 'UTC')   COMMENT 'Time of the record with the lowest index',
    last_index_time  DateTime64(3, 'UTC')   COMMENT 'Time of the record with the highest index',
    first_time       DateTime64(3, 'UTC')   COMMENT 'Earliest record time known',
    last_time        DateTime64(3, 'UTC')   COMMENT 'Latest record time known',
    records          Int64                  COMMENT 'Distinct records known',
    duplicates       Int64                  COMMENT 'Copies received beyond the first',
    reported_missing Int64                  COMMENT 'Missing indices that the bridge itself reported',
    missing          Int64                  COMMENT 'Indices absent between first and last',
    gaps             Array(Tuple(after Int64, count Int64, reported Int64, from DateTime64(3, 'UTC'), to DateTime64(3, 'UTC')))
                                            COMMENT 'Runs of absent indices, in order',
    superseded       Bool                   COMMENT 'A later session of the same bridge is known',
    version          UInt64                 COMMENT 'Grows with every change'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY session
COMMENT 'Completeness of the records of each session';

CREATE VIEW IF NOT EXISTS cdr_sessions AS SELECT * EXCEPT version FROM cdr_sessions_data FINAL;

CREATE VIEW IF NOT EXISTS cdr_gaps AS
SELECT session, cms_cluster, call_bridge, gap.after AS after, gap.count AS count, gap.reported AS reported, gap.from AS from, gap.to AS to
FROM cdr_sessions_data FINAL
ARRAY JOIN gaps AS gap;

CREATE VIEW IF NOT EXISTS meetings AS
SELECT
    call_correlator,
    min(c.cms_cluster)                             AS cms_cluster,
    argMin(c.name, (c.start, c.id))                AS name,
    argMin(c.call_type, (c.start, c.id))           AS call_type,
    argMin(c.space_id, (c.start, c.id))            AS space_id,
    argMin(c.owner_name, (c.start, c.id))          AS owner_name,
    argMin(c.tenant_id, (c.start, c.id))           AS tenant_id,
    min(c.start)                                   AS start,
    if(countIf(c.end IS NULL) > 0, NULL, max(c.end)) AS end,
    max(c.end_inferred)                            AS end_inferred,
    arraySort(groupUniqArray(c.call_bridge))       AS call_bridges,
    count()                                        AS calls,
    max(c.recorded)                                AS recorded,
    max(c.streamed)                                AS streamed
FROM calls AS c
WHERE call_correlator != toUUID('00000000-0000-0000-0000-000000000000')
GROUP BY call_correlator
SETTINGS prefer_column_name_to_alias = 1;

-- Those meetings whose first call began in [from, to), without looking at all others: for lists over years. Calls of one meeting that begin more
-- than 32 days apart are taken for several.
CREATE VIEW IF NOT EXISTS meetings_between AS
SELECT
    call_correlator,
    min(c.cms_cluster)                             AS cms_cluster,
    argMin(c.name, (c.start, c.id))                AS name,
    argMin(c.call_type, (c.start, c.id))           AS call_type,
    argMin(c.space_id, (c.start, c.id))            AS space_id,
    argMin(c.owner_name, (c.start, c.id))          AS owner_name,
    argMin(c.tenant_id, (c.start, c.id))           AS tenant_id,
    min(c.start)                                   AS start,
    if(countIf(c.end IS NULL) > 0, NULL, max(c.end)) AS end,
    max(c.end_inferred)                            AS end_inferred,
    arraySort(groupUniqArray(c.call_bridge))       AS call_bridges,
    count()                                        AS calls,
    max(c.recorded)                                AS recorded,
    max(c.streamed)                                AS streamed
FROM calls AS c
WHERE call_correlator != toUUID('00000000-0000-0000-0000-000000000000')
  AND c.start >= {from:DateTime64(3, 'UTC')} - INTERVAL 32 DAY AND c.start < {to:DateTime64(3, 'UTC')} + INTERVAL 32 DAY
  AND call_correlator IN (SELECT call_correlator FROM calls_data WHERE start >= {from:DateTime64(3, 'UTC')} AND start < {to:DateTime64(3, 'UTC')})
GROUP BY call_correlator
HAVING min(c.start) >= {from:DateTime64(3, 'UTC')} AND min(c.start) < {to:DateTime64(3, 'UTC')}
SETTINGS prefer_column_name_to_alias = 1;
