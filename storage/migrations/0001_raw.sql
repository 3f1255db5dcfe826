-- Raw bodies as Call Bridges sent them, the records cut out of them, and what could not be understood.
-- Tables that end in _data are physical; the names without it are the ones to query, and are exact without FINAL.

-- +goose Up
CREATE TABLE IF NOT EXISTS cdr_bodies_data
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (source, received, body_id, part)
COMMENT 'POST bodies of Call Bridges, byte for byte';

CREATE VIEW IF NOT EXISTS cdr_bodies AS
SELECT body_id, part, parts, received, source, cms_cluster, remote_address, content_type, length(body) AS size, body
FROM cdr_bodies_data FINAL;

CREATE TABLE IF NOT EXISTS cdr_records_data
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (session, correlator_index)
COMMENT 'Call detail records, one row each however often they were delivered';

CREATE VIEW IF NOT EXISTS cdr_records AS
SELECT * FROM cdr_records_data FINAL;

CREATE TABLE IF NOT EXISTS cdr_quarantine_data
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (source, received, body_id, part)
COMMENT 'Bodies that were not, or not wholly, understood; bridgewatch import can feed them again';

CREATE VIEW IF NOT EXISTS cdr_quarantine AS
SELECT body_id, part, parts, received, source, cms_cluster, remote_address, reason, position, records_kept, length(body) AS size, body
FROM cdr_quarantine_data FINAL;

CREATE TABLE IF NOT EXISTS heartbeats_data
(
    sent   DateTime64(3, 'UTC') COMMENT 'When Bridgewatch posted the heartbeat to its own CDR listener',
    stored DateTime64(3, 'UTC') COMMENT 'When the writer took it from the bus'
)
ENGINE = ReplacingMergeTree
ORDER BY sent
TTL toDateTime(sent) + INTERVAL 2 DAY
COMMENT 'The pipeline''s own heartbeats: how old the newest one here is tells how far behind the store is';
