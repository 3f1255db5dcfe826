-- Lines that servers log over TCP, the figures in them, and certificates of TLS end points.

-- +goose Up
CREATE TABLE IF NOT EXISTS syslog_data
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (call_bridge, received, sequence)
COMMENT 'Every line that came over syslog';

CREATE VIEW IF NOT EXISTS syslog AS
SELECT * FROM syslog_data FINAL;

CREATE TABLE IF NOT EXISTS syslog_stats_data
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, time)
COMMENT 'Figures from syslog: legs by kind, media modules';

CREATE VIEW IF NOT EXISTS syslog_stats AS
SELECT * FROM syslog_stats_data FINAL;

CREATE TABLE IF NOT EXISTS certificates_data
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, endpoint, time)
COMMENT 'Certificates of TLS end points, as found by probes';

CREATE VIEW IF NOT EXISTS certificates AS
SELECT * FROM certificates_data FINAL;
