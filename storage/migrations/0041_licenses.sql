-- What meetings take of user licenses, computed from the facts and kept up to date (docs/licensing.md).

-- +goose Up
CREATE TABLE IF NOT EXISTS license_intervals_data
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
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(start_day)
ORDER BY (start_day, cms_cluster, call_correlator, part)
COMMENT 'Times during which what a meeting takes does not change';

CREATE VIEW IF NOT EXISTS license_intervals AS
SELECT * EXCEPT (until, version, is_deleted), nullIf(until, toDateTime64('2200-01-01 00:00:00', 3, 'UTC')) AS to
FROM license_intervals_data FINAL;

-- Which days have been computed, from what was written until when, with which readings.
CREATE TABLE IF NOT EXISTS license_units_data
(
    cms_cluster LowCardinality(String) COMMENT 'Cluster, as configured',
    start_day   Date                   COMMENT 'UTC day on which meetings began',
    facts_until DateTime('UTC')        COMMENT 'Facts written before it, by the store''s clock, are in it',
    readings    String                 COMMENT 'Readings of the guide that it was computed with',
    version     UInt64                 COMMENT 'Time of writing, microseconds'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (cms_cluster, start_day)
COMMENT 'Days whose license intervals are computed';
