-- What pollers find on Call Bridges. NULL means "not answered", which is not zero.
-- Tables that end in _data are physical; the names without it are the ones to query, and are exact without FINAL.

-- +goose Up
CREATE TABLE IF NOT EXISTS bridge_samples_data
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, time)
COMMENT 'One row a poll of a Call Bridge';

CREATE VIEW IF NOT EXISTS bridge_samples AS
SELECT *,
    media_processing_load / nullIf(load_limit, 0) AS load_ratio
FROM bridge_samples_data FINAL;

CREATE TABLE IF NOT EXISTS license_samples_data
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, host_id, time)
COMMENT 'License use as each server keeps it, every five minutes. A snapshot that is not here is unknown; a 0 in one that is here was counted';

CREATE VIEW IF NOT EXISTS license_samples AS
SELECT time, cms_cluster, host_id, call_bridge,
    CAST(pmp_thousandths, 'Decimal(18, 3)') / 1000 AS pmp,
    pmp_assigned,
    CAST(smp_audio_thousandths, 'Decimal(18, 3)') / 1000 AS smp_audio,
    CAST(smp_ptp_thousandths, 'Decimal(18, 3)') / 1000 AS smp_ptp,
    CAST(smp_full_thousandths, 'Decimal(18, 3)') / 1000 AS smp_full,
    CAST(rec_thousandths, 'Decimal(18, 3)') / 1000 AS rec,
    CAST(str_thousandths, 'Decimal(18, 3)') / 1000 AS str,
    pmp_thousandths, smp_audio_thousandths, smp_ptp_thousandths, smp_full_thousandths, rec_thousandths, str_thousandths, polled
FROM license_samples_data FINAL;

CREATE TABLE IF NOT EXISTS personal_license_samples_data
(
    time                              DateTime64(3, 'UTC')   COMMENT 'When it was read (UTC, collector''s clock)' CODEC(DoubleDelta, ZSTD(1)),
    cms_cluster                       LowCardinality(String) COMMENT 'Cluster, as named in the configuration',
    call_bridge                       LowCardinality(String) COMMENT 'Call Bridge, as named in the configuration',
    user_id                           UUID                   COMMENT 'activePersonalLicenses/user/@id, user whose license is in use; zero where not sent',
    calls_active                      Nullable(Int64)        COMMENT 'user/callsActive, calls of that user on this bridge' CODEC(ZSTD(1)),
    weighted_calls_active_thousandths Nullable(Int64)        COMMENT 'user/weightedCallsActive, thousandths of a call; the sum over bridges is distinct calls' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, time, user_id)
COMMENT 'Personal licenses in use, by user and bridge';

CREATE VIEW IF NOT EXISTS personal_license_samples AS
SELECT * FROM personal_license_samples_data FINAL;

CREATE TABLE IF NOT EXISTS license_features_data
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, feature, time)
COMMENT 'State of licensed features';

CREATE VIEW IF NOT EXISTS license_features AS
SELECT * FROM license_features_data FINAL;

CREATE TABLE IF NOT EXISTS device_samples_data
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, kind, device, address, call_bridge, time)
COMMENT 'Devices beside the Call Bridges, as each bridge sees them';

CREATE VIEW IF NOT EXISTS device_samples AS
SELECT * FROM device_samples_data FINAL;

CREATE TABLE IF NOT EXISTS call_samples_data
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, call_id, time)
COMMENT 'Live calls in detail: when new, and from time to time';

CREATE VIEW IF NOT EXISTS call_samples AS
SELECT * FROM call_samples_data FINAL;

CREATE TABLE IF NOT EXISTS leg_samples_data
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (cms_cluster, call_bridge, call_leg_id, time, stream)
COMMENT 'Media of call legs that carry a quality alarm';

CREATE VIEW IF NOT EXISTS leg_samples AS
SELECT * FROM leg_samples_data FINAL;
