-- The index behind the search for a text in names and addresses: a month's distinct values are few beside its legs, and each says in which ten minutes to look.
-- It is a superset: those of rows that were replaced since stay in it, so a search looks at the legs themselves afterwards.

-- +goose Up
CREATE TABLE IF NOT EXISTS parties_data
(
    month Date                                COMMENT 'Month in which the legs started',
    value String                              COMMENT 'A display name or address of a leg, in lower case' CODEC(ZSTD(3)),
    slots AggregateFunction(groupBitmap, UInt32) COMMENT 'Tens of minutes since 1970 in which legs with it started'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(month)
ORDER BY value
COMMENT 'Names and addresses of call legs, and the tens of minutes in which they occur';

CREATE MATERIALIZED VIEW IF NOT EXISTS parties_of_legs TO parties_data AS
SELECT toStartOfMonth(start) AS month, value, groupBitmapState(toUInt32(intDiv(toUnixTimestamp(start), 600))) AS slots
FROM call_legs_data
ARRAY JOIN arrayDistinct(arrayFilter(text -> text != '', arrayMap(text -> lowerUTF8(text), [display_name, remote_party, remote_address, local_address]))) AS value
GROUP BY month, value;

CREATE VIEW IF NOT EXISTS parties AS
SELECT month, value, bitmapCardinality(groupBitmapMergeState(slots)) AS slots
FROM parties_data GROUP BY month, value;
