CREATE TABLE IF NOT EXISTS bridgewatch.goose_db_version ON CLUSTER 'bridgewatch'
(
    version_id Int64,
    is_applied UInt8,
    date       Date DEFAULT now(),
    tstamp     DateTime DEFAULT now()
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}', '{shard}-{replica}')
ORDER BY version_id;

-- 0001_raw.sql
-- +goose Up
CREATE TABLE IF NOT EXISTS bridgewatch.cdr_bodies_data_local ON CLUSTER 'bridgewatch'
(
    body_id        UUID                    COMMENT 'Made by the receiver when the body arrived',
    part           UInt32                  COMMENT 'Position of this piece, from 1; bodies above the bus''s payload are cut by bytes',
    parts          UInt32                  COMMENT 'Number of pieces; 0 on a piece that is not the last of a body cut while it arrived',
    received       DateTime64(3, 'UTC')    COMMENT 'When the receiver had read the body (UTC, receiver''s clock)',
    source         LowCardinality(String)  COMMENT 'Bridge whose token was used, as named in the configuration',
    cms_cluster    LowCardinality(String)  COMMENT 'Cluster of that bridge, as named in the configuration',
    remote_address LowCardinality(String)  COMMENT 'Address the body came from',
    content_type   LowCardinality(String)  COMMENT 'Content-Type as sent',
    body           String                  COMMENT 'The bytes as sent' CODEC(ZSTD(3))
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (source, received, body_id, part)
COMMENT 'POST bodies of Call Bridges, byte for byte';

CREATE TABLE IF NOT EXISTS bridgewatch.cdr_bodies_data ON CLUSTER 'bridgewatch' AS bridgewatch.cdr_bodies_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'cdr_bodies_data_local', cityHash64((source, received, body_id, part)))
COMMENT 'POST bodies of Call Bridges, byte for byte';

CREATE VIEW IF NOT EXISTS bridgewatch.cdr_bodies ON CLUSTER 'bridgewatch' AS
SELECT body_id, part, parts, received, source, cms_cluster, remote_address, content_type, length(body) AS size, body
FROM bridgewatch.cdr_bodies_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.cdr_records_data_local ON CLUSTER 'bridgewatch'
(
    session           UUID                   COMMENT 'Session GUID of the running Call Bridge (records/@session)',
    correlator_index  Int64                  COMMENT 'Position among all records of the session, from 0 (record/@correlatorIndex)',
    record_index      Int64                  COMMENT 'Position in the sequence sent to the receiver that delivered it first (record/@recordIndex)',
    missing_before    Int64                  COMMENT 'Records the bridge says it discarded directly before this one (record/@numPreceedingRecordsMissing)',
    type              LowCardinality(String) COMMENT 'Record type, as sent',
    time              DateTime64(3, 'UTC')   COMMENT 'When the bridge made the record (bridge''s clock)',
    received          DateTime64(3, 'UTC')   COMMENT 'When the body that brought it first was read (receiver''s clock)',
    source            LowCardinality(String) COMMENT 'Bridge whose token was used',
    cms_cluster       LowCardinality(String) COMMENT 'Cluster of that bridge',
    call_bridge_id    UUID                   COMMENT 'GUID of the sending bridge (records/@callBridge); zero where not sent',
    object_id         UUID                   COMMENT 'Id of the call, call leg, recording or streaming that the record is about; zero where none',
    call_id           UUID                   COMMENT 'Call that the record names, or is about; zero where none',
    call_leg_id       UUID                   COMMENT 'Call leg that feeds the recorder or streamer, as a recording or streaming names it; zero where none',
    body_id           UUID                   COMMENT 'Body that brought it first',
    xml               String                 COMMENT 'The record element; stream keys are masked' CODEC(ZSTD(3)),
    INDEX by_object object_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_call call_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (session, correlator_index)
COMMENT 'Call detail records, one row each however often they were delivered';

CREATE TABLE IF NOT EXISTS bridgewatch.cdr_records_data ON CLUSTER 'bridgewatch' AS bridgewatch.cdr_records_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'cdr_records_data_local', cityHash64((session, correlator_index)))
COMMENT 'Call detail records, one row each however often they were delivered';

CREATE VIEW IF NOT EXISTS bridgewatch.cdr_records ON CLUSTER 'bridgewatch' AS
SELECT * FROM bridgewatch.cdr_records_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.cdr_quarantine_data_local ON CLUSTER 'bridgewatch'
(
    body_id        UUID                   COMMENT 'Body that was not, or not wholly, understood',
    part           UInt32                 COMMENT 'Position of this piece, from 1',
    parts          UInt32                 COMMENT 'Number of pieces',
    received       DateTime64(3, 'UTC')   COMMENT 'When the body was read',
    source         LowCardinality(String) COMMENT 'Bridge whose token was used',
    cms_cluster    LowCardinality(String) COMMENT 'Cluster of that bridge',
    remote_address LowCardinality(String) COMMENT 'Address the body came from',
    reason         String                 COMMENT 'What was wrong, for a person',
    position       Int64                  COMMENT 'Byte offset of the fault in the whole body',
    records_kept   UInt32                 COMMENT 'Records of the body that were understood and stored all the same',
    body           String                 COMMENT 'The bytes as sent' CODEC(ZSTD(3))
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (source, received, body_id, part)
COMMENT 'Bodies that were not, or not wholly, understood; bridgewatch import can feed them again';

CREATE TABLE IF NOT EXISTS bridgewatch.cdr_quarantine_data ON CLUSTER 'bridgewatch' AS bridgewatch.cdr_quarantine_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'cdr_quarantine_data_local', cityHash64((source, received, body_id, part)))
COMMENT 'Bodies that were not, or not wholly, understood; bridgewatch import can feed them again';

CREATE VIEW IF NOT EXISTS bridgewatch.cdr_quarantine ON CLUSTER 'bridgewatch' AS
SELECT body_id, part, parts, received, source, cms_cluster, remote_address, reason, position, records_kept, length(body) AS size, body
FROM bridgewatch.cdr_quarantine_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.heartbeats_data_local ON CLUSTER 'bridgewatch'
(
    sent   DateTime64(3, 'UTC') COMMENT 'When Bridgewatch posted the heartbeat to its own CDR listener',
    stored DateTime64(3, 'UTC') COMMENT 'When the writer took it from the bus'
)
ENGINE = ReplicatedReplacingMergeTree
ORDER BY sent
TTL toDateTime(sent) + INTERVAL 2 DAY
COMMENT 'The pipeline''s own heartbeats: how old the newest one here is tells how far behind the store is';

CREATE TABLE IF NOT EXISTS bridgewatch.heartbeats_data ON CLUSTER 'bridgewatch' AS bridgewatch.heartbeats_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'heartbeats_data_local', cityHash64(sent))
COMMENT 'The pipeline''s own heartbeats: how old the newest one here is tells how far behind the store is';

-- 0002_facts.sql
-- +goose Up
CREATE TABLE IF NOT EXISTS bridgewatch.calls_data_local ON CLUSTER 'bridgewatch'
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
ENGINE = ReplicatedReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(start)
ORDER BY (toStartOfTenMinutes(start), id, session)
SETTINGS default_compression_codec = 'ZSTD(1)'
COMMENT 'Calls: one bridge''s part of a meeting';

CREATE TABLE IF NOT EXISTS bridgewatch.calls_data ON CLUSTER 'bridgewatch' AS bridgewatch.calls_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'calls_data_local', cityHash64((toStartOfTenMinutes(start), id, session)))
COMMENT 'Calls: one bridge''s part of a meeting';

CREATE VIEW IF NOT EXISTS bridgewatch.calls ON CLUSTER 'bridgewatch' AS
SELECT * EXCEPT (version, is_deleted) FROM bridgewatch.calls_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.call_legs_data_local ON CLUSTER 'bridgewatch'
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
ENGINE = ReplicatedReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(start)
ORDER BY (toStartOfTenMinutes(start), call_id, id, session)
SETTINGS index_granularity = 2048, default_compression_codec = 'ZSTD(1)'
COMMENT 'Call legs: one connection of one party to one bridge';

CREATE TABLE IF NOT EXISTS bridgewatch.call_legs_data ON CLUSTER 'bridgewatch' AS bridgewatch.call_legs_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'call_legs_data_local', cityHash64((toStartOfTenMinutes(start), call_id, id, session)))
COMMENT 'Call legs: one connection of one party to one bridge';

CREATE VIEW IF NOT EXISTS bridgewatch.call_legs_rows ON CLUSTER 'bridgewatch' AS
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
FROM bridgewatch.call_legs_data FINAL;

CREATE VIEW IF NOT EXISTS bridgewatch.call_legs ON CLUSTER 'bridgewatch' AS
SELECT * EXCEPT (version, is_deleted) FROM bridgewatch.call_legs_rows;

CREATE TABLE IF NOT EXISTS bridgewatch.recordings_data_local ON CLUSTER 'bridgewatch'
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
ENGINE = ReplicatedReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(start)
ORDER BY (toStartOfTenMinutes(start), id, session)
COMMENT 'Recordings of calls';

CREATE TABLE IF NOT EXISTS bridgewatch.recordings_data ON CLUSTER 'bridgewatch' AS bridgewatch.recordings_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'recordings_data_local', cityHash64((toStartOfTenMinutes(start), id, session)))
COMMENT 'Recordings of calls';

CREATE VIEW IF NOT EXISTS bridgewatch.recordings ON CLUSTER 'bridgewatch' AS
SELECT * EXCEPT (version, is_deleted) FROM bridgewatch.recordings_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.streams_data_local ON CLUSTER 'bridgewatch'
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
ENGINE = ReplicatedReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(start)
ORDER BY (toStartOfTenMinutes(start), id, session)
COMMENT 'Streams of calls';

CREATE TABLE IF NOT EXISTS bridgewatch.streams_data ON CLUSTER 'bridgewatch' AS bridgewatch.streams_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'streams_data_local', cityHash64((toStartOfTenMinutes(start), id, session)))
COMMENT 'Streams of calls';

CREATE VIEW IF NOT EXISTS bridgewatch.streams ON CLUSTER 'bridgewatch' AS
SELECT * EXCEPT (version, is_deleted) FROM bridgewatch.streams_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.cdr_sessions_data_local ON CLUSTER 'bridgewatch'
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
ENGINE = ReplicatedReplacingMergeTree(version)
ORDER BY session
COMMENT 'Completeness of the records of each session';

CREATE TABLE IF NOT EXISTS bridgewatch.cdr_sessions_data ON CLUSTER 'bridgewatch' AS bridgewatch.cdr_sessions_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'cdr_sessions_data_local', cityHash64(session))
COMMENT 'Completeness of the records of each session';

CREATE VIEW IF NOT EXISTS bridgewatch.cdr_sessions ON CLUSTER 'bridgewatch' AS
SELECT * EXCEPT version FROM bridgewatch.cdr_sessions_data FINAL;

CREATE VIEW IF NOT EXISTS bridgewatch.cdr_gaps ON CLUSTER 'bridgewatch' AS
SELECT session, cms_cluster, call_bridge, gap.after AS after, gap.count AS count, gap.reported AS reported, gap.from AS from, gap.to AS to
FROM bridgewatch.cdr_sessions_data FINAL
ARRAY JOIN gaps AS gap;

CREATE VIEW IF NOT EXISTS bridgewatch.meetings ON CLUSTER 'bridgewatch' AS
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
FROM bridgewatch.calls AS c
WHERE call_correlator != toUUID('00000000-0000-0000-0000-000000000000')
GROUP BY call_correlator
SETTINGS prefer_column_name_to_alias = 1;

CREATE VIEW IF NOT EXISTS bridgewatch.meetings_between ON CLUSTER 'bridgewatch' AS
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
FROM bridgewatch.calls AS c
WHERE call_correlator != toUUID('00000000-0000-0000-0000-000000000000')
  AND c.start >= {from:DateTime64(3, 'UTC')} - INTERVAL 32 DAY AND c.start < {to:DateTime64(3, 'UTC')} + INTERVAL 32 DAY
  AND call_correlator IN (SELECT call_correlator FROM bridgewatch.calls_data WHERE start >= {from:DateTime64(3, 'UTC')} AND start < {to:DateTime64(3, 'UTC')})
GROUP BY call_correlator
HAVING min(c.start) >= {from:DateTime64(3, 'UTC')} AND min(c.start) < {to:DateTime64(3, 'UTC')}
SETTINGS prefer_column_name_to_alias = 1;

-- 0003_parties.sql
-- +goose Up
CREATE TABLE IF NOT EXISTS bridgewatch.parties_data_local ON CLUSTER 'bridgewatch'
(
    month Date                                COMMENT 'Month in which the legs started',
    value String                              COMMENT 'A display name or address of a leg, in lower case' CODEC(ZSTD(3)),
    slots AggregateFunction(groupBitmap, UInt32) COMMENT 'Tens of minutes since 1970 in which legs with it started'
)
ENGINE = ReplicatedAggregatingMergeTree
PARTITION BY toYYYYMM(month)
ORDER BY value
COMMENT 'Names and addresses of call legs, and the tens of minutes in which they occur';

CREATE TABLE IF NOT EXISTS bridgewatch.parties_data ON CLUSTER 'bridgewatch' AS bridgewatch.parties_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'parties_data_local', cityHash64(value))
COMMENT 'Names and addresses of call legs, and the tens of minutes in which they occur';

CREATE MATERIALIZED VIEW IF NOT EXISTS bridgewatch.parties_of_legs ON CLUSTER 'bridgewatch' TO bridgewatch.parties_data_local AS
SELECT toStartOfMonth(start) AS month, value, groupBitmapState(toUInt32(intDiv(toUnixTimestamp(start), 600))) AS slots
FROM bridgewatch.call_legs_data_local
ARRAY JOIN arrayDistinct(arrayFilter(text -> text != '', arrayMap(text -> lowerUTF8(text), [display_name, remote_party, remote_address, local_address]))) AS value
GROUP BY month, value;

CREATE VIEW IF NOT EXISTS bridgewatch.parties ON CLUSTER 'bridgewatch' AS
SELECT month, value, bitmapCardinality(groupBitmapMergeState(slots)) AS slots
FROM bridgewatch.parties_data GROUP BY month, value;

-- 0020_samples.sql
-- +goose Up
CREATE TABLE IF NOT EXISTS bridgewatch.bridge_samples_data_local ON CLUSTER 'bridgewatch'
(
    time                                   DateTime64(3, 'UTC')   COMMENT 'When the poll began (UTC, collector''s clock)' CODEC(DoubleDelta, ZSTD(1)),
    cms_cluster                            LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    call_bridge                            LowCardinality(String) COMMENT 'Call Bridge, as named in the configuration',
    up                                     UInt8                  COMMENT '1: /system/status was answered',
    error                                  LowCardinality(String) COMMENT 'Why not, a closed set: timeout, connect, tls, auth, busy, bad_answer and others; empty when up',
    poll_seconds                           Float64                COMMENT 'Seconds the answer to /system/status took' CODEC(Gorilla, ZSTD(1)),
    software_version                       LowCardinality(String) COMMENT 'status/softwareVersion, free text',
    host_id                                UUID                   COMMENT 'status/hostId (2.6 and later), key of license snapshots; zero where not sent',
    cluster_id                             UUID                   COMMENT 'status/clusterId (3.0 and later); zero where not sent',
    uptime_seconds                         Nullable(Int64)        COMMENT 'status/uptimeSeconds, seconds since the server started' CODEC(DoubleDelta, ZSTD(1)),
    clock_skew_seconds                     Nullable(Float64)      COMMENT 'status/cdrTime less the collector''s clock, seconds; cdrTime has whole seconds' CODEC(Gorilla, ZSTD(1)),
    cdr_correlator_index                   Nullable(Int64)        COMMENT 'status/cdrCorrelatorIndex (2.2 and later), index of the next record' CODEC(DoubleDelta, ZSTD(1)),
    call_legs_active                       Nullable(Int64)        COMMENT 'status/callLegsActive, legs now' CODEC(DoubleDelta, ZSTD(1)),
    call_legs_max_active                   Nullable(Int64)        COMMENT 'status/callLegsMaxActive, legs, high-water mark since start' CODEC(DoubleDelta, ZSTD(1)),
    call_legs_completed                    Nullable(Int64)        COMMENT 'status/callLegsCompleted, legs since start' CODEC(DoubleDelta, ZSTD(1)),
    audio_bit_rate_tx                      Nullable(Int64)        COMMENT 'status/audioBitRateOutgoing, bit/s' CODEC(DoubleDelta, ZSTD(1)),
    audio_bit_rate_rx                      Nullable(Int64)        COMMENT 'status/audioBitRateIncoming, bit/s' CODEC(DoubleDelta, ZSTD(1)),
    video_bit_rate_tx                      Nullable(Int64)        COMMENT 'status/videoBitRateOutgoing, bit/s' CODEC(DoubleDelta, ZSTD(1)),
    video_bit_rate_rx                      Nullable(Int64)        COMMENT 'status/videoBitRateIncoming, bit/s' CODEC(DoubleDelta, ZSTD(1)),
    media_processing_load                  Nullable(Int64)        COMMENT 'load/mediaProcessingLoad (2.1 and later), load units' CODEC(DoubleDelta, ZSTD(1)),
    load_limit                             Nullable(Int64)        COMMENT 'Load limit in force, load units' CODEC(DoubleDelta, ZSTD(1)),
    load_limit_source                      LowCardinality(String) COMMENT 'Where the limit comes from: bridge (cluster/loadLimit), operator, catalogue; empty where unknown',
    new_conference_threshold               Nullable(Int64)        COMMENT 'load_limit x newConferenceLoadLimitBasisPoints / 10000, load units' CODEC(DoubleDelta, ZSTD(1)),
    existing_conference_threshold          Nullable(Int64)        COMMENT 'load_limit x existingConferenceLoadLimitBasisPoints / 10000, load units' CODEC(DoubleDelta, ZSTD(1)),
    participant_limit                      Nullable(Int64)        COMMENT 'cluster/participantLimit, participants; NULL where unset' CODEC(DoubleDelta, ZSTD(1)),
    license_report_time                    String                 COMMENT 'multipartyLicensing/timestamp, raw text: its time zone is in doubt' CODEC(ZSTD(1)),
    users                                  Nullable(Int64)        COMMENT 'multipartyLicensing/users, users of the cluster; take one bridge, do not sum' CODEC(DoubleDelta, ZSTD(1)),
    personal_licenses_assigned             Nullable(Int64)        COMMENT 'multipartyLicensing/personalLicenses, PMP licenses assigned in the cluster; take one bridge, do not sum' CODEC(DoubleDelta, ZSTD(1)),
    personal_license_limit                 Nullable(Int64)        COMMENT 'multipartyLicensing/personalLicenseLimit, PMP licenses in the license file (before 3.0)' CODEC(DoubleDelta, ZSTD(1)),
    shared_license_limit                   Nullable(Int64)        COMMENT 'multipartyLicensing/sharedLicenseLimit, SMP licenses in the license file (before 3.0)' CODEC(DoubleDelta, ZSTD(1)),
    participants_active                    Nullable(Int64)        COMMENT 'multipartyLicensing/participantsActive, participants' CODEC(DoubleDelta, ZSTD(1)),
    calls_active                           Nullable(Int64)        COMMENT 'multipartyLicensing/callsActive, calls with presence on this bridge; do not sum over bridges' CODEC(DoubleDelta, ZSTD(1)),
    weighted_calls_active_thousandths      Nullable(Int64)        COMMENT 'multipartyLicensing/weightedCallsActive, thousandths of a call; the sum over bridges is distinct calls' CODEC(DoubleDelta, ZSTD(1)),
    calls_without_pmp                      Nullable(Int64)        COMMENT 'multipartyLicensing/callsWithoutPersonalLicense, calls; do not sum over bridges' CODEC(DoubleDelta, ZSTD(1)),
    weighted_calls_without_pmp_thousandths Nullable(Int64)        COMMENT 'multipartyLicensing/weightedCallsWithoutPersonalLicense, thousandths of a call; the sum over bridges is distinct calls' CODEC(DoubleDelta, ZSTD(1)),
    capacity_units_thousandths             Nullable(Int64)        COMMENT 'multipartyLicensing/capacityUnitUsage, thousandths of a legacy capacity unit' CODEC(DoubleDelta, ZSTD(1)),
    capacity_units_without_pmp_thousandths Nullable(Int64)        COMMENT 'multipartyLicensing/capacityUnitUsageWithoutPersonalLicense, thousandths of a legacy capacity unit' CODEC(DoubleDelta, ZSTD(1)),
    degraded_legs                          Nullable(Int64)        COMMENT 'callLegs?alarms=all/@total, call legs with a quality alarm' CODEC(DoubleDelta, ZSTD(1)),
    conferences                            Nullable(Int64)        COMMENT 'calls/@total, calls on this bridge' CODEC(DoubleDelta, ZSTD(1)),
    participants_local                     Nullable(Int64)        COMMENT 'Sum of call/numParticipantsLocal, participants hosted by this bridge' CODEC(DoubleDelta, ZSTD(1)),
    conferences_recording                  Nullable(Int64)        COMMENT 'Calls with call/recordingStatus true (call/recording where a release sends no status)' CODEC(DoubleDelta, ZSTD(1)),
    conferences_streaming                  Nullable(Int64)        COMMENT 'Calls with call/streamingStatus true (call/streaming where a release sends no status)' CODEC(DoubleDelta, ZSTD(1)),
    conferences_distributed                Nullable(Int64)        COMMENT 'Calls with call/numDistributedInstances above 0' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, time)
COMMENT 'One row a poll of a Call Bridge';

CREATE TABLE IF NOT EXISTS bridgewatch.bridge_samples_data ON CLUSTER 'bridgewatch' AS bridgewatch.bridge_samples_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'bridge_samples_data_local', cityHash64((cms_cluster, call_bridge, time)))
COMMENT 'One row a poll of a Call Bridge';

CREATE VIEW IF NOT EXISTS bridgewatch.bridge_samples ON CLUSTER 'bridgewatch' AS
SELECT *,
    media_processing_load / nullIf(load_limit, 0) AS load_ratio
FROM bridgewatch.bridge_samples_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.license_samples_data_local ON CLUSTER 'bridgewatch'
(
    time                 DateTime('UTC')        COMMENT 'MPLicenseUsage/entry/@time, snapshot time (UTC, bridge''s clock)' CODEC(DoubleDelta, ZSTD(1)),
    cms_cluster          LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    host_id              UUID                   COMMENT 'Host whose use it is: knownHosts/host/@id, the hostId of /system/status',
    call_bridge          LowCardinality(String) COMMENT 'Bridge with that hostId, as named in the configuration; empty for hosts that are down or retired',
    pmp_thousandths      Int64                  COMMENT 'entry/pmp, thousandths of a personal license in use, normalised over the bridges a call spans' CODEC(DoubleDelta, ZSTD(1)),
    pmp_assigned         Nullable(Int64)        COMMENT 'entry/pmpAssigned (3.0 and later), personal licenses assigned in the cluster; never sum over hosts; NULL where the release does not report it' CODEC(DoubleDelta, ZSTD(1)),
    smp_audio_thousandths Int64                 COMMENT 'entry/smpAud, thousandths of an audio-only call on a shared license; the one-sixth factor is not applied' CODEC(DoubleDelta, ZSTD(1)),
    smp_ptp_thousandths  Int64                  COMMENT 'entry/smpPtP, thousandths of a point-to-point call on a shared license; the one-sixth factor is not applied' CODEC(DoubleDelta, ZSTD(1)),
    smp_full_thousandths Int64                  COMMENT 'entry/smpFull, thousandths of any other call on a shared license' CODEC(DoubleDelta, ZSTD(1)),
    rec_thousandths      Int64                  COMMENT 'entry/rec, thousandths of a call being recorded' CODEC(DoubleDelta, ZSTD(1)),
    str_thousandths      Int64                  COMMENT 'entry/str, thousandths of a call being streamed' CODEC(DoubleDelta, ZSTD(1)),
    polled               DateTime('UTC')        COMMENT 'When the collector read it' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, host_id, time)
COMMENT 'License use as each server keeps it, every five minutes. A snapshot that is not here is unknown; a 0 in one that is here was counted';

CREATE TABLE IF NOT EXISTS bridgewatch.license_samples_data ON CLUSTER 'bridgewatch' AS bridgewatch.license_samples_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'license_samples_data_local', cityHash64((cms_cluster, host_id, time)))
COMMENT 'License use as each server keeps it, every five minutes. A snapshot that is not here is unknown; a 0 in one that is here was counted';

CREATE VIEW IF NOT EXISTS bridgewatch.license_samples ON CLUSTER 'bridgewatch' AS
SELECT time, cms_cluster, host_id, call_bridge,
    CAST(pmp_thousandths, 'Decimal(18, 3)') / 1000 AS pmp,
    pmp_assigned,
    CAST(smp_audio_thousandths, 'Decimal(18, 3)') / 1000 AS smp_audio,
    CAST(smp_ptp_thousandths, 'Decimal(18, 3)') / 1000 AS smp_ptp,
    CAST(smp_full_thousandths, 'Decimal(18, 3)') / 1000 AS smp_full,
    CAST(rec_thousandths, 'Decimal(18, 3)') / 1000 AS rec,
    CAST(str_thousandths, 'Decimal(18, 3)') / 1000 AS str,
    pmp_thousandths, smp_audio_thousandths, smp_ptp_thousandths, smp_full_thousandths, rec_thousandths, str_thousandths, polled
FROM bridgewatch.license_samples_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.personal_license_samples_data_local ON CLUSTER 'bridgewatch'
(
    time                              DateTime64(3, 'UTC')   COMMENT 'When it was read (UTC, collector''s clock)' CODEC(DoubleDelta, ZSTD(1)),
    cms_cluster                       LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    call_bridge                       LowCardinality(String) COMMENT 'Call Bridge, as named in the configuration',
    user_id                           UUID                   COMMENT 'activePersonalLicenses/user/@id, user whose license is in use; zero where not sent',
    calls_active                      Nullable(Int64)        COMMENT 'user/callsActive, calls of that user on this bridge' CODEC(ZSTD(1)),
    weighted_calls_active_thousandths Nullable(Int64)        COMMENT 'user/weightedCallsActive, thousandths of a call; the sum over bridges is distinct calls' CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, time, user_id)
COMMENT 'Personal licenses in use, by user and bridge';

CREATE TABLE IF NOT EXISTS bridgewatch.personal_license_samples_data ON CLUSTER 'bridgewatch' AS bridgewatch.personal_license_samples_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'personal_license_samples_data_local', cityHash64((cms_cluster, call_bridge, time, user_id)))
COMMENT 'Personal licenses in use, by user and bridge';

CREATE VIEW IF NOT EXISTS bridgewatch.personal_license_samples ON CLUSTER 'bridgewatch' AS
SELECT * FROM bridgewatch.personal_license_samples_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.license_features_data_local ON CLUSTER 'bridgewatch'
(
    time        DateTime64(3, 'UTC')   COMMENT 'When it was read (UTC, collector''s clock)' CODEC(DoubleDelta, ZSTD(1)),
    cms_cluster LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    call_bridge LowCardinality(String) COMMENT 'Empty: /clusterLicensing (3.0 and later); else the bridge whose license file /system/licensing shows',
    feature     LowCardinality(String) COMMENT 'Name of the feature, as sent: callBridge, recording, customizations and others',
    status      LowCardinality(String) COMMENT 'status: noLicense, activated, grace, expired, or what a newer release says',
    expiry      Nullable(DateTime('UTC')) COMMENT 'expiry, start of that day in UTC; NULL where none is given' CODEC(DoubleDelta, ZSTD(1)),
    license_limit Nullable(Int64)      COMMENT 'limit, licenses or concurrent uses; NULL where none is given',
    level       LowCardinality(String) COMMENT 'level (branding only)'
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, feature, time)
COMMENT 'State of licensed features';

CREATE TABLE IF NOT EXISTS bridgewatch.license_features_data ON CLUSTER 'bridgewatch' AS bridgewatch.license_features_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'license_features_data_local', cityHash64((cms_cluster, call_bridge, feature, time)))
COMMENT 'State of licensed features';

CREATE VIEW IF NOT EXISTS bridgewatch.license_features ON CLUSTER 'bridgewatch' AS
SELECT * FROM bridgewatch.license_features_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.device_samples_data_local ON CLUSTER 'bridgewatch'
(
    time               DateTime64(3, 'UTC')   COMMENT 'When it was read (UTC, collector''s clock)' CODEC(DoubleDelta, ZSTD(1)),
    cms_cluster        LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    call_bridge        LowCardinality(String) COMMENT 'Bridge that answered; empty where we asked the device itself',
    kind               LowCardinality(String) COMMENT 'turn_server, web_bridge, recorder, streamer, database_node, scheduler',
    device             LowCardinality(String) COMMENT 'Its reported name or address, else its id',
    address            LowCardinality(String) COMMENT 'Address the row is about where a device has several (turnServer/host/address)',
    status             LowCardinality(String) COMMENT 'status, as sent; empty where the device has none',
    reachable          Nullable(UInt8)        COMMENT '1 reachable or connected, 0 not; NULL where unused or not said',
    round_trip_seconds Nullable(Float64)      COMMENT 'host/roundTripTimeMs, in seconds' CODEC(Gorilla, ZSTD(1)),
    active             Nullable(Int64)        COMMENT 'numAllocations, activeRecordings or activeStreams' CODEC(DoubleDelta, ZSTD(1)),
    behind_bytes       Nullable(Int64)        COMMENT 'database node/syncBehind, bytes; NULL where unknown (-1)' CODEC(DoubleDelta, ZSTD(1)),
    is_primary         Nullable(UInt8)        COMMENT 'database node/master: 1 primary, 0 replica',
    detail             String                 COMMENT 'Error text or components, as sent' CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, kind, device, address, call_bridge, time)
COMMENT 'Devices beside the Call Bridges, as each bridge sees them';

CREATE TABLE IF NOT EXISTS bridgewatch.device_samples_data ON CLUSTER 'bridgewatch' AS bridgewatch.device_samples_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'device_samples_data_local', cityHash64((cms_cluster, kind, device, address, call_bridge, time)))
COMMENT 'Devices beside the Call Bridges, as each bridge sees them';

CREATE VIEW IF NOT EXISTS bridgewatch.device_samples ON CLUSTER 'bridgewatch' AS
SELECT * FROM bridgewatch.device_samples_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.call_samples_data_local ON CLUSTER 'bridgewatch'
(
    time                  DateTime64(3, 'UTC')   COMMENT 'When it was read (UTC, collector''s clock)' CODEC(DoubleDelta, ZSTD(1)),
    cms_cluster           LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    call_bridge           LowCardinality(String) COMMENT 'Call Bridge, as named in the configuration',
    call_id               UUID                   COMMENT 'call/@id, differs by bridge',
    call_correlator       UUID                   COMMENT 'call/callCorrelator, the same on every bridge that hosts the meeting',
    name                  String                 COMMENT 'call/name' CODEC(ZSTD(1)),
    call_type             LowCardinality(String) COMMENT 'call/callType (2.3 and later): coSpace, forwarding, adHoc, lyncConferencing',
    space_id              UUID                   COMMENT 'call/coSpace; zero where the call is from no space',
    tenant_id             UUID                   COMMENT 'call/tenant; zero where none',
    owner_name            String                 COMMENT 'call/ownerName (2.2 and later), free text' CODEC(ZSTD(1)),
    duration_seconds      Nullable(Int64)        COMMENT 'call/durationSeconds, seconds' CODEC(ZSTD(1)),
    legs                  Nullable(Int64)        COMMENT 'call/numCallLegs, legs on this bridge' CODEC(ZSTD(1)),
    legs_max_active       Nullable(Int64)        COMMENT 'call/maxCallLegs, legs, high-water mark' CODEC(ZSTD(1)),
    participants_local    Nullable(Int64)        COMMENT 'call/numParticipantsLocal, participants on this bridge' CODEC(ZSTD(1)),
    participants_remote   Nullable(Int64)        COMMENT 'call/numParticipantsRemote, participants on other bridges; NULL where not distributed' CODEC(ZSTD(1)),
    distributed_instances Nullable(Int64)        COMMENT 'call/numDistributedInstances, other bridges with participants' CODEC(ZSTD(1)),
    locked                Nullable(UInt8)        COMMENT 'call/locked',
    recording             Nullable(UInt8)        COMMENT 'call/recording, the intent',
    recording_status      Nullable(UInt8)        COMMENT 'call/recordingStatus, what happens',
    streaming             Nullable(UInt8)        COMMENT 'call/streaming, the intent',
    streaming_status      Nullable(UInt8)        COMMENT 'call/streamingStatus, what happens',
    endpoint_recording    Nullable(UInt8)        COMMENT 'call/endpointRecording (2.4 and later)'
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, call_id, time)
COMMENT 'Live calls in detail: when new, and from time to time';

CREATE TABLE IF NOT EXISTS bridgewatch.call_samples_data ON CLUSTER 'bridgewatch' AS bridgewatch.call_samples_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'call_samples_data_local', cityHash64((cms_cluster, call_bridge, call_id, time)))
COMMENT 'Live calls in detail: when new, and from time to time';

CREATE VIEW IF NOT EXISTS bridgewatch.call_samples ON CLUSTER 'bridgewatch' AS
SELECT * FROM bridgewatch.call_samples_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.leg_samples_data_local ON CLUSTER 'bridgewatch'
(
    time                DateTime64(3, 'UTC')   COMMENT 'When it was read (UTC, collector''s clock)' CODEC(DoubleDelta, ZSTD(1)),
    cms_cluster         LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    call_bridge         LowCardinality(String) COMMENT 'Call Bridge, as named in the configuration',
    call_leg_id         UUID                   COMMENT 'callLeg/@id',
    call_id             UUID                   COMMENT 'callLeg/call; zero where not sent',
    remote_party        String                 COMMENT 'callLeg/remoteParty' CODEC(ZSTD(1)),
    type                LowCardinality(String) COMMENT 'callLeg/type: sip or acano',
    sub_type            LowCardinality(String) COMMENT 'callLeg/subtype: lync, avaya, distributionLink, lyncDistribution; empty where none',
    packet_loss_alarm   UInt8                  COMMENT '1: callLeg/alarms/packetLoss is there',
    jitter_alarm        UInt8                  COMMENT '1: callLeg/alarms/excessiveJitter is there',
    round_trip_alarm    UInt8                  COMMENT '1: callLeg/alarms/highRoundTripTime is there',
    stream              LowCardinality(String) COMMENT 'rx_audio, tx_audio, rx_video, tx_video, and rx_presentation, tx_presentation; rx is received by the server',
    codec               LowCardinality(String) COMMENT 'codec, as sent',
    bit_rate            Nullable(Int64)        COMMENT 'bitRate, bit/s, measured' CODEC(ZSTD(1)),
    packet_loss_percent Nullable(Float64)      COMMENT 'packetLossPercentage, percent' CODEC(ZSTD(1)),
    jitter_seconds      Nullable(Float64)      COMMENT 'jitter, in seconds; the wire is taken to be milliseconds' CODEC(ZSTD(1)),
    round_trip_seconds  Nullable(Float64)      COMMENT 'roundTripTime (tx only), in seconds; the wire is taken to be milliseconds' CODEC(ZSTD(1)),
    width               Nullable(Int64)        COMMENT 'width, pixels' CODEC(ZSTD(1)),
    height              Nullable(Int64)        COMMENT 'height, pixels' CODEC(ZSTD(1)),
    frame_rate          Nullable(Float64)      COMMENT 'frameRate, frames a second' CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, call_leg_id, time, stream)
COMMENT 'Media of call legs that carry a quality alarm';

CREATE TABLE IF NOT EXISTS bridgewatch.leg_samples_data ON CLUSTER 'bridgewatch' AS bridgewatch.leg_samples_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'leg_samples_data_local', cityHash64((cms_cluster, call_bridge, call_leg_id, time, stream)))
COMMENT 'Media of call legs that carry a quality alarm';

CREATE VIEW IF NOT EXISTS bridgewatch.leg_samples ON CLUSTER 'bridgewatch' AS
SELECT * FROM bridgewatch.leg_samples_data FINAL;

-- 0021_alarms_owners.sql
-- +goose Up
CREATE TABLE IF NOT EXISTS bridgewatch.alarms_data_local ON CLUSTER 'bridgewatch'
(
    cms_cluster    LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    call_bridge    LowCardinality(String) COMMENT 'Bridge that reported it, or that it is about; empty where it is about the cluster',
    source         LowCardinality(String) COMMENT 'Who saw it: cms (/system/alarms), poller, syslog, certs',
    alarm_id       UUID                   COMMENT 'One instance of a fault: alarm/@id for cms, else made from bridge, type, subject and raise time',
    type           LowCardinality(String) COMMENT 'alarm/type, as sent, or our own name',
    raised         DateTime64(3, 'UTC')   COMMENT 'When it began: first seen less activeTimeSeconds (UTC)' CODEC(DoubleDelta, ZSTD(1)),
    cleared        Nullable(DateTime64(3, 'UTC')) COMMENT 'First poll that no longer showed it (UTC); NULL while it holds' CODEC(DoubleDelta, ZSTD(1)),
    last_seen      DateTime64(3, 'UTC')   COMMENT 'Last poll that showed it (UTC), renewed at most every few minutes' CODEC(DoubleDelta, ZSTD(1)),
    failure_reason LowCardinality(String) COMMENT 'alarm/failureReason, as sent',
    subject        String                 COMMENT 'What it is about: name or id of bridge, device, file or end point' CODEC(ZSTD(1)),
    call_id        UUID                   COMMENT 'alarm/call; zero where none',
    detail         String                 COMMENT 'Other children of the alarm, as name=value' CODEC(ZSTD(1)),
    version        UInt64                 COMMENT 'Grows with what is known: last_seen in ms, times two, plus one once cleared' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree(version)
ORDER BY (cms_cluster, call_bridge, source, alarm_id)
COMMENT 'Intervals during which a fault held';

CREATE TABLE IF NOT EXISTS bridgewatch.alarms_data ON CLUSTER 'bridgewatch' AS bridgewatch.alarms_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'alarms_data_local', cityHash64((cms_cluster, call_bridge, source, alarm_id)))
COMMENT 'Intervals during which a fault held';

CREATE VIEW IF NOT EXISTS bridgewatch.alarms ON CLUSTER 'bridgewatch' AS
SELECT *, cleared IS NULL AS active FROM bridgewatch.alarms_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.owners_data_local ON CLUSTER 'bridgewatch'
(
    cms_cluster     LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    space_id        UUID                   COMMENT 'coSpace/@id',
    valid_from      DateTime('UTC')        COMMENT 'When the collector first saw this state (UTC); it holds until the next row of the space' CODEC(DoubleDelta, ZSTD(1)),
    space_name      String                 COMMENT 'coSpace/name' CODEC(ZSTD(1)),
    space_uri       String                 COMMENT 'coSpace/uri' CODEC(ZSTD(1)),
    space_call_id   String                 COMMENT 'coSpace/callId' CODEC(ZSTD(1)),
    auto_generated  Nullable(UInt8)        COMMENT 'coSpace/autoGenerated: 1 created by an LDAP synchronization',
    tenant_id       UUID                   COMMENT 'coSpace/tenant; zero where none',
    owner_id        UUID                   COMMENT 'coSpace/ownerId, user; zero where the space has no owner',
    owner_jid       String                 COMMENT 'coSpace/ownerJid' CODEC(ZSTD(1)),
    owner_name      String                 COMMENT 'user/name' CODEC(ZSTD(1)),
    owner_email     String                 COMMENT 'user/email' CODEC(ZSTD(1)),
    user_profile_id UUID                   COMMENT 'User profile in effect; zero where none' CODEC(ZSTD(1)),
    has_license     Nullable(UInt8)        COMMENT 'userProfile/hasLicense of the profile in effect: 1 PMP, 0 none; NULL unknown, or no owner',
    license_from    LowCardinality(String) COMMENT 'Level that decides: user, tenant, system, none (no profile anywhere); empty without owner',
    deleted         UInt8                  COMMENT '1: the space is gone since valid_from',
    written         DateTime('UTC') MATERIALIZED now() COMMENT 'When the row was written, store''s clock'
)
ENGINE = ReplicatedReplacingMergeTree
ORDER BY (cms_cluster, space_id, valid_from)
COMMENT 'Who owns a space and with which license, as a history';

CREATE TABLE IF NOT EXISTS bridgewatch.owners_data ON CLUSTER 'bridgewatch' AS bridgewatch.owners_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'owners_data_local', cityHash64((cms_cluster, space_id, valid_from)))
COMMENT 'Who owns a space and with which license, as a history';

CREATE VIEW IF NOT EXISTS bridgewatch.owners ON CLUSTER 'bridgewatch' AS
SELECT *, leadInFrame(toNullable(valid_from)) OVER (PARTITION BY cms_cluster, space_id ORDER BY valid_from ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS valid_to
FROM bridgewatch.owners_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.settings_data_local ON CLUSTER 'bridgewatch'
(
    cms_cluster LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    call_bridge LowCardinality(String) COMMENT 'Bridge that answered; empty where the object belongs to the cluster''s shared database',
    object      LowCardinality(String) COMMENT 'Kind of object: cluster, callBridge, callBridgeGroup, cdrReceiver, profiles, callProfile, ldapSource, tenant and others',
    object_id   String                 COMMENT '@id of the object; empty where it has none' CODEC(ZSTD(1)),
    field       LowCardinality(String) COMMENT 'Element name, as sent; secrets are never kept, receiver addresses without their path',
    valid_from  DateTime('UTC')        COMMENT 'When the collector first saw this value (UTC)' CODEC(DoubleDelta, ZSTD(1)),
    value       Nullable(String)       COMMENT 'Value, as sent; empty: set to nothing; NULL: no longer sent' CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree
ORDER BY (cms_cluster, call_bridge, object, object_id, field, valid_from)
COMMENT 'Configuration of Call Bridges and cluster, as a history of fields';

CREATE TABLE IF NOT EXISTS bridgewatch.settings_data ON CLUSTER 'bridgewatch' AS bridgewatch.settings_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'settings_data_local', cityHash64((cms_cluster, call_bridge, object, object_id, field, valid_from)))
COMMENT 'Configuration of Call Bridges and cluster, as a history of fields';

CREATE VIEW IF NOT EXISTS bridgewatch.settings ON CLUSTER 'bridgewatch' AS
SELECT * FROM bridgewatch.settings_data FINAL;

-- 0022_syslog_certificates.sql
-- +goose Up
CREATE TABLE IF NOT EXISTS bridgewatch.syslog_data_local ON CLUSTER 'bridgewatch'
(
    received       DateTime64(3, 'UTC')   COMMENT 'When the line was read (UTC, collector''s clock)' CODEC(DoubleDelta, ZSTD(1)),
    sequence       UInt64                 COMMENT 'Number of the line within the collector''s run, from 1' CODEC(DoubleDelta, ZSTD(1)),
    cms_cluster    LowCardinality(String) COMMENT 'Cluster of the sender, by its address; empty where not known',
    call_bridge    LowCardinality(String) COMMENT 'Bridge of the sender, by its address; empty where not known',
    remote_address LowCardinality(String) COMMENT 'Address the connection came from',
    time           Nullable(DateTime64(3, 'UTC')) COMMENT 'Time stamp of the line; a stamp without year or zone is read as the nearest such time in UTC; NULL where none is understood' CODEC(DoubleDelta, ZSTD(1)),
    facility       LowCardinality(String) COMMENT 'Facility, as a word',
    severity       LowCardinality(String) COMMENT 'Severity, as a word',
    host           LowCardinality(String) COMMENT 'Host the line names',
    process        LowCardinality(String) COMMENT 'Process the line names, e.g. host:server, sfpool',
    level          LowCardinality(String) COMMENT 'The application''s own level: INFO, WARNING, ERROR; empty where none',
    fact           LowCardinality(String) COMMENT 'What we understood: media_modules, stats, cdr_connected, cdr_failed, ice_failure, web_bridge_link, database, or empty',
    message        String                 COMMENT 'The rest of the line; secrets are masked' CODEC(ZSTD(3)),
    INDEX by_word message TYPE tokenbf_v1(8192, 3, 0) GRANULARITY 4
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (call_bridge, received, sequence)
COMMENT 'Every line that came over syslog';

CREATE TABLE IF NOT EXISTS bridgewatch.syslog_data ON CLUSTER 'bridgewatch' AS bridgewatch.syslog_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'syslog_data_local', cityHash64((call_bridge, received, sequence)))
COMMENT 'Every line that came over syslog';

CREATE VIEW IF NOT EXISTS bridgewatch.syslog ON CLUSTER 'bridgewatch' AS
SELECT * FROM bridgewatch.syslog_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.syslog_stats_data_local ON CLUSTER 'bridgewatch'
(
    time                   DateTime64(3, 'UTC')   COMMENT 'When the line was read (UTC, collector''s clock)' CODEC(DoubleDelta, ZSTD(1)),
    cms_cluster            LowCardinality(String) COMMENT 'Cluster of the sender',
    call_bridge            LowCardinality(String) COMMENT 'Bridge of the sender',
    call_legs_per_second   Nullable(Float64)      COMMENT 'STATS callLegsPS, call legs a second' CODEC(Gorilla, ZSTD(1)),
    call_legs              Nullable(Int64)        COMMENT 'STATS callLegs, now' CODEC(DoubleDelta, ZSTD(1)),
    call_legs_peak         Nullable(Int64)        COMMENT 'STATS callLegs, peak of the last five minutes' CODEC(DoubleDelta, ZSTD(1)),
    app_sessions           Nullable(Int64)        COMMENT 'STATS CMA, app and web sessions now' CODEC(DoubleDelta, ZSTD(1)),
    app_sessions_peak      Nullable(Int64)        COMMENT 'STATS CMA, peak of the last five minutes' CODEC(DoubleDelta, ZSTD(1)),
    sip_legs               Nullable(Int64)        COMMENT 'STATS sip.std, SIP legs now' CODEC(DoubleDelta, ZSTD(1)),
    sip_legs_peak          Nullable(Int64)        COMMENT 'STATS sip.std, peak of the last five minutes' CODEC(DoubleDelta, ZSTD(1)),
    distribution_legs      Nullable(Int64)        COMMENT 'STATS sip.peer, distribution links now' CODEC(DoubleDelta, ZSTD(1)),
    distribution_legs_peak Nullable(Int64)        COMMENT 'STATS sip.peer, peak of the last five minutes' CODEC(DoubleDelta, ZSTD(1)),
    media_modules          Nullable(Int64)        COMMENT 'Media modules of the server, from "media module status"' CODEC(DoubleDelta, ZSTD(1)),
    media_modules_working  Nullable(Int64)        COMMENT 'Media modules that work' CODEC(DoubleDelta, ZSTD(1)),
    media_modules_text     LowCardinality(String) COMMENT 'The line''s own words, e.g. full media capacity'
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, time)
COMMENT 'Figures from syslog: legs by kind, media modules';

CREATE TABLE IF NOT EXISTS bridgewatch.syslog_stats_data ON CLUSTER 'bridgewatch' AS bridgewatch.syslog_stats_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'syslog_stats_data_local', cityHash64((cms_cluster, call_bridge, time)))
COMMENT 'Figures from syslog: legs by kind, media modules';

CREATE VIEW IF NOT EXISTS bridgewatch.syslog_stats ON CLUSTER 'bridgewatch' AS
SELECT * FROM bridgewatch.syslog_stats_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.certificates_data_local ON CLUSTER 'bridgewatch'
(
    time                DateTime64(3, 'UTC')   COMMENT 'When the end point was probed (UTC)' CODEC(DoubleDelta, ZSTD(1)),
    cms_cluster         LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    endpoint            LowCardinality(String) COMMENT 'host:port, as configured',
    reached             UInt8                  COMMENT '1: a certificate was seen',
    error               LowCardinality(String) COMMENT 'Why not: dns, connect, timeout, handshake; empty when reached',
    not_before          Nullable(DateTime('UTC')) COMMENT 'Start of the certificate''s validity',
    not_after           Nullable(DateTime('UTC')) COMMENT 'End of the certificate''s validity',
    chain_not_after     Nullable(DateTime('UTC')) COMMENT 'Earliest end of validity in the chain as sent',
    subject             String                 COMMENT 'Subject' CODEC(ZSTD(1)),
    issuer              String                 COMMENT 'Issuer' CODEC(ZSTD(1)),
    names               Array(String)          COMMENT 'Names and addresses it covers' CODEC(ZSTD(1)),
    name_matches        Nullable(UInt8)        COMMENT '1: it covers the name asked for',
    chain_valid         Nullable(UInt8)        COMMENT '1: the chain leads to a trusted root now',
    problem             String                 COMMENT 'What is wrong with chain, name or time, for a person' CODEC(ZSTD(1)),
    key_type            LowCardinality(String) COMMENT 'RSA, ECDSA, Ed25519',
    key_bits            UInt32                 COMMENT 'Size of the key, bits',
    signature_algorithm LowCardinality(String) COMMENT 'How it is signed',
    serial              String                 COMMENT 'Serial number, hexadecimal',
    fingerprint_sha256  String                 COMMENT 'SHA-256 of the certificate, hexadecimal',
    tls_version         LowCardinality(String) COMMENT 'Version agreed in the probe'
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, endpoint, time)
COMMENT 'Certificates of TLS end points, as found by probes';

CREATE TABLE IF NOT EXISTS bridgewatch.certificates_data ON CLUSTER 'bridgewatch' AS bridgewatch.certificates_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'certificates_data_local', cityHash64((cms_cluster, endpoint, time)))
COMMENT 'Certificates of TLS end points, as found by probes';

CREATE VIEW IF NOT EXISTS bridgewatch.certificates ON CLUSTER 'bridgewatch' AS
SELECT * FROM bridgewatch.certificates_data FINAL;

-- 0030_events.sql
-- +goose Up
CREATE TABLE IF NOT EXISTS bridgewatch.events_data_local ON CLUSTER 'bridgewatch'
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
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, time, sequence)
COMMENT 'Timeline of changes from the events interface';

CREATE TABLE IF NOT EXISTS bridgewatch.events_data ON CLUSTER 'bridgewatch' AS bridgewatch.events_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'events_data_local', cityHash64((cms_cluster, call_bridge, time, sequence)))
COMMENT 'Timeline of changes from the events interface';

CREATE VIEW IF NOT EXISTS bridgewatch.events ON CLUSTER 'bridgewatch' AS
SELECT * FROM bridgewatch.events_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.participants_data_local ON CLUSTER 'bridgewatch'
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
ENGINE = ReplicatedReplacingMergeTree(version)
PARTITION BY toYYYYMM(joined)
ORDER BY (cms_cluster, call_bridge, call_id, participant_id, joined)
COMMENT 'Stays of participants in calls, as rosters told them';

CREATE TABLE IF NOT EXISTS bridgewatch.participants_data ON CLUSTER 'bridgewatch' AS bridgewatch.participants_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'participants_data_local', cityHash64((cms_cluster, call_bridge, call_id, participant_id, joined)))
COMMENT 'Stays of participants in calls, as rosters told them';

CREATE VIEW IF NOT EXISTS bridgewatch.participants ON CLUSTER 'bridgewatch' AS
SELECT * FROM bridgewatch.participants_data FINAL;

CREATE VIEW IF NOT EXISTS bridgewatch.participant_legs ON CLUSTER 'bridgewatch' AS
SELECT p.cms_cluster AS cms_cluster, p.call_bridge AS call_bridge, p.call_id AS call_id, p.call_correlator AS call_correlator, p.participant_id AS participant_id,
    p.name AS name, p.uri AS uri, p.joined AS joined, p.left AS left, l.id AS leg_id, l.start AS leg_start, l.end AS leg_end, l.end_reason AS leg_end_reason
FROM bridgewatch.participants AS p
INNER JOIN bridgewatch.call_legs AS l ON l.call_id = p.call_id AND if(l.group_id = toUUID('00000000-0000-0000-0000-000000000000'), l.id, l.group_id) = p.participant_id
WHERE l.start <= ifNull(p.left, p.seen) AND (l.end IS NULL OR l.end >= p.joined);

-- 0040_entitlements.sql
-- +goose Up
CREATE TABLE IF NOT EXISTS bridgewatch.license_entitlements_data_local ON CLUSTER 'bridgewatch'
(
    license_pool LowCardinality(String) COMMENT 'Pool, as named in the configuration',
    valid_from   Date                   COMMENT 'First license day of the entry; the first day of time where the pool has no entries',
    pmp          Nullable(Int64)        COMMENT 'Personal licenses; NULL: not known',
    smp          Nullable(Int64)        COMMENT 'Shared licenses; NULL: not known',
    recording    Nullable(Int64)        COMMENT 'Recording licenses, for recordings and streams; NULL: not known',
    day_boundary LowCardinality(String) COMMENT 'Time zone of the pool''s license days',
    zone_from    Array(DateTime('UTC')) COMMENT 'When each of zone_offset began to hold in that zone, ascending; the first holds before, too',
    zone_offset  Array(Int32)           COMMENT 'Seconds east of UTC. SQL takes no time zone from a column',
    pmp_compares LowCardinality(String) COMMENT 'What PMP compliance compares: assigned or in_use',
    cms_clusters Array(LowCardinality(String)) COMMENT 'Clusters that use the pool',
    written      DateTime64(3, 'UTC')   COMMENT 'When the configuration with this entry was told; rows told together make up the pool'
)
ENGINE = ReplicatedReplacingMergeTree(written)
ORDER BY (license_pool, valid_from)
COMMENT 'Entitlements of license pools, from the configuration';

CREATE TABLE IF NOT EXISTS bridgewatch.license_entitlements_data ON CLUSTER 'bridgewatch' AS bridgewatch.license_entitlements_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'license_entitlements_data_local', cityHash64((license_pool, valid_from)))
COMMENT 'Entitlements of license pools, from the configuration';

CREATE VIEW IF NOT EXISTS bridgewatch.license_entitlements ON CLUSTER 'bridgewatch' AS
SELECT license_pool, valid_from,
    leadInFrame(toNullable(valid_from)) OVER (PARTITION BY license_pool ORDER BY valid_from ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS valid_to,
    pmp, smp, recording, day_boundary, zone_from, zone_offset, pmp_compares, cms_clusters
FROM bridgewatch.license_entitlements_data FINAL
WHERE (license_pool, written) IN (SELECT license_pool, max(written) FROM bridgewatch.license_entitlements_data GROUP BY license_pool);

CREATE VIEW IF NOT EXISTS bridgewatch.license_days_reported ON CLUSTER 'bridgewatch' AS
SELECT d.license_pool AS license_pool, d.day AS day, d.smp_sixths AS smp_peak_sixths, d.pmp AS pmp_peak, d.assigned AS pmp_assigned, d.recording AS recording_peak,
    if(e.pmp_compares = 'in_use', toNullable(pmp_peak), pmp_assigned) AS pmp_compared,
    e.smp AS smp_entitled, e.pmp AS pmp_entitled, e.recording AS recording_entitled,
    CAST(smp_peak_sixths > 6 * smp_entitled, 'Nullable(Bool)') AS smp_over,
    CAST(pmp_compared > pmp_entitled, 'Nullable(Bool)') AS pmp_over,
    CAST(smp_over OR pmp_over, 'Nullable(Bool)') AS overage
FROM
(
    SELECT license_pool, toDate(toDateTime(bin * 300 + zone_offset[greatest(1, arrayLastIndex(since -> toUnixTimestamp(since) <= bin * 300, zone_from))], 'UTC')) AS day,
        max(smp_sixths) AS smp_sixths, max(pmp) AS pmp, max(assigned) AS assigned, max(recording) AS recording
    FROM
    (
        SELECT license_pool, bin, intDiv(sum(smp) + 500, 1000) AS smp_sixths, intDiv(sum(pmp) + 500, 1000) AS pmp,
            if(countIf(assigned IS NULL) > 0, NULL, sum(assigned)) AS assigned,
            intDiv(sum(rec) + 500, 1000) + intDiv(sum(str) + 500, 1000) AS recording
        FROM
        (
            SELECT license_pool, cms_cluster, bin, sum(smp) AS smp, sum(pmp) AS pmp, sum(rec) AS rec, sum(str) AS str, max(assigned) AS assigned
            FROM
            (
                SELECT p.license_pool AS license_pool, s.cms_cluster AS cms_cluster, s.host_id AS host_id, intDiv(toUnixTimestamp(s.time), 300) AS bin,
                    max(6 * s.smp_full_thousandths + s.smp_audio_thousandths + s.smp_ptp_thousandths) AS smp, max(s.pmp_thousandths) AS pmp,
                    max(s.rec_thousandths) AS rec, max(s.str_thousandths) AS str, max(s.pmp_assigned) AS assigned
                FROM (SELECT * FROM bridgewatch.license_samples_data FINAL) AS s
                INNER JOIN (SELECT DISTINCT license_pool, arrayJoin(cms_clusters) AS cms_cluster FROM bridgewatch.license_entitlements) AS p ON p.cms_cluster = s.cms_cluster
                GROUP BY license_pool, cms_cluster, host_id, bin
            )
            GROUP BY license_pool, cms_cluster, bin
        )
        GROUP BY license_pool, bin
    ) AS bins
    INNER JOIN (SELECT license_pool, any(zone_from) AS zone_from, any(zone_offset) AS zone_offset FROM bridgewatch.license_entitlements GROUP BY license_pool) AS zones USING license_pool
    GROUP BY license_pool, day
) AS d
ASOF LEFT JOIN bridgewatch.license_entitlements AS e ON e.license_pool = d.license_pool AND d.day >= e.valid_from
SETTINGS join_use_nulls = 0;

-- 0041_licenses.sql
-- +goose Up
CREATE TABLE IF NOT EXISTS bridgewatch.license_intervals_data_local ON CLUSTER 'bridgewatch'
(
    start_day       Date                          COMMENT 'UTC day on which the meeting began: intervals are computed by it' CODEC(Delta, ZSTD(1)),
    cms_cluster     LowCardinality(String)        COMMENT 'Cluster, as configured',
    call_correlator UUID                          COMMENT 'The meeting; a call''s own id where its release sends no correlator' CODEC(ZSTD(1)),
    part            UInt16                        COMMENT 'Position among the meeting''s intervals, from 0' CODEC(T64, ZSTD(1)),
    from            DateTime64(3, 'UTC')          COMMENT 'Start of the interval' CODEC(GCD, T64, ZSTD(1)),
    until           DateTime64(3, 'UTC')          COMMENT 'End of the interval, exclusive; 2200-01-01: it still holds' CODEC(GCD, T64, ZSTD(1)),
    name            LowCardinality(String)        COMMENT 'Name of the meeting',
    space_id        UUID                          COMMENT 'Space; zero outside one' CODEC(ZSTD(1)),
    tenant_id       UUID                          COMMENT 'Tenant; zero where none' CODEC(ZSTD(1)),
    owner_id        UUID                          COMMENT 'User who owns the space; zero: none or not known' CODEC(ZSTD(1)),
    owner_name      LowCardinality(String)        COMMENT 'The owner''s name',
    licensed        Nullable(Bool)                COMMENT 'The owner has a PMP license, as it was at the start; NULL: not known, or no owner',
    call_bridges    Array(LowCardinality(String)) COMMENT 'Bridges that hosted the meeting',
    license         LowCardinality(String)        COMMENT 'pmp or smp',
    smp_sixths      UInt8                         COMMENT 'Sixths of a shared license',
    shared_sixths   UInt8                         COMMENT 'Sixths of a shared license that it takes, or would without its owner''s PMP license',
    pmp             UInt8                         COMMENT '1 while the owner''s license counts as in use by this meeting: the sum is licenses in use',
    recordings      UInt8                         COMMENT 'Recordings that count towards the recording license',
    streams         UInt8                         COMMENT 'Streams that count towards the recording license',
    rule            LowCardinality(String)        COMMENT 'Why: pmp_owner, smp_no_owner …',
    reading         LowCardinality(String)        COMMENT 'Reading of the guide that decided; empty where none did',
    version         UInt64                        COMMENT 'Time of writing, microseconds' CODEC(Delta, ZSTD(1)),
    is_deleted      UInt8                         COMMENT '1: tombstone of an interval that is no longer',
    INDEX by_until until TYPE minmax GRANULARITY 1
)
ENGINE = ReplicatedReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(start_day)
ORDER BY (start_day, cms_cluster, call_correlator, part)
COMMENT 'Times during which what a meeting takes does not change';

CREATE TABLE IF NOT EXISTS bridgewatch.license_intervals_data ON CLUSTER 'bridgewatch' AS bridgewatch.license_intervals_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'license_intervals_data_local', cityHash64((start_day, cms_cluster, call_correlator, part)))
COMMENT 'Times during which what a meeting takes does not change';

CREATE VIEW IF NOT EXISTS bridgewatch.license_intervals ON CLUSTER 'bridgewatch' AS
SELECT * EXCEPT (until, version, is_deleted), nullIf(until, toDateTime64('2200-01-01 00:00:00', 3, 'UTC')) AS to
FROM bridgewatch.license_intervals_data FINAL;

CREATE TABLE IF NOT EXISTS bridgewatch.license_units_data_local ON CLUSTER 'bridgewatch'
(
    cms_cluster LowCardinality(String) COMMENT 'Cluster, as configured',
    start_day   Date                   COMMENT 'UTC day on which meetings began',
    facts_until DateTime('UTC')        COMMENT 'Facts written before it, by the store''s clock, are in it',
    readings    String                 COMMENT 'Readings of the guide that it was computed with',
    version     UInt64                 COMMENT 'Time of writing, microseconds'
)
ENGINE = ReplicatedReplacingMergeTree(version)
ORDER BY (cms_cluster, start_day)
COMMENT 'Days whose license intervals are computed';

CREATE TABLE IF NOT EXISTS bridgewatch.license_units_data ON CLUSTER 'bridgewatch' AS bridgewatch.license_units_data_local
ENGINE = Distributed('bridgewatch', 'bridgewatch', 'license_units_data_local', cityHash64((cms_cluster, start_day)))
COMMENT 'Days whose license intervals are computed';
