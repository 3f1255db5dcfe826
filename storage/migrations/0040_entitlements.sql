-- What license pools are entitled to, and each of their days as the servers themselves counted it.

-- +goose Up
CREATE TABLE IF NOT EXISTS license_entitlements_data
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
ENGINE = ReplacingMergeTree(written)
ORDER BY (license_pool, valid_from)
COMMENT 'Entitlements of license pools, from the configuration';

-- An entry that left the configuration is older than the rest of its pool.
CREATE VIEW IF NOT EXISTS license_entitlements AS
SELECT license_pool, valid_from,
    leadInFrame(toNullable(valid_from)) OVER (PARTITION BY license_pool ORDER BY valid_from ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS valid_to,
    pmp, smp, recording, day_boundary, zone_from, zone_offset, pmp_compares, cms_clusters
FROM license_entitlements_data FINAL
WHERE (license_pool, written) IN (SELECT license_pool, max(written) FROM license_entitlements_data GROUP BY license_pool);

-- The rules are those of licensing.Bins and licensing.ReportedDays, and a test keeps them so: five-minute bins, of two snapshots of a server in one bin
-- the larger of each count, summed over servers and then rounded. A day that no server counted has no row. NULL: not known.
CREATE VIEW IF NOT EXISTS license_days_reported AS
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
                FROM (SELECT * FROM license_samples_data FINAL) AS s
                INNER JOIN (SELECT DISTINCT license_pool, arrayJoin(cms_clusters) AS cms_cluster FROM license_entitlements) AS p ON p.cms_cluster = s.cms_cluster
                GROUP BY license_pool, cms_cluster, host_id, bin
            )
            GROUP BY license_pool, cms_cluster, bin
        )
        GROUP BY license_pool, bin
    ) AS bins
    INNER JOIN (SELECT license_pool, any(zone_from) AS zone_from, any(zone_offset) AS zone_offset FROM license_entitlements GROUP BY license_pool) AS zones USING license_pool
    GROUP BY license_pool, day
) AS d
ASOF LEFT JOIN license_entitlements AS e ON e.license_pool = d.license_pool AND d.day >= e.valid_from
SETTINGS join_use_nulls = 0;
