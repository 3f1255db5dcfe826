-- Calls of a year: shapes of a large cluster (24 bridges; 48 % users of the web app, 14 % guests, 30 % rooms, 8 % phones), made inside the engine.
-- Parameters: first number, how many, how many calls make the year.
INSERT INTO calls_data (id, call_correlator, cms_cluster, call_bridge, call_bridge_id, session, name, call_type, space_id, owner_name, tenant_id, cdr_tag, start, start_inferred, end, end_inferred, end_how, duration_seconds, legs_completed, legs_max_active, endpoint_recorded, recorded, streamed, version, is_deleted)
WITH
  cityHash64(c, 'call') AS hc, cityHash64(c, 'more') AS more,
  intDiv(c * 260, {calls}) AS workday,
  intDiv(workday, 5) * 7 + workday % 5 + if(hc % 40 = 0, 5 - workday % 5, 0) AS day,
  [6,7,8,8,8,9,9,9,9,9,10,10,10,10,11,11,11,12,12,13,13,13,14,14,14,14,15,15,15,16,16,17,18,20] AS hours,
  toDateTime64('2025-11-24 00:00:00', 3, 'UTC') + toIntervalSecond(day * 86400 + hours[1 + bitShiftRight(hc, 8) % 34] * 3600 + if(bitShiftRight(hc, 16) % 4 < 3, (bitShiftRight(hc, 18) % 2) * 1800, bitShiftRight(hc, 20) % 3600)) AS begun,
  [600, 900, 1500, 1740, 1800, 2700, 3300, 3500, 3600, 5400] AS lengths,
  toInt64(lengths[1 + bitShiftRight(hc, 32) % 10] + bitShiftRight(hc, 40) % 240) AS seconds,
  toUInt32(pow((hc % 100003) / 100003, 2) * 40000) AS space, space % 9000 AS owner, (c % 15) AS place,
  [1,1,2,2,2,3,3,4,4,5,6,7,9,12,39][if(place = 0, 15, place)] AS legs
SELECT
  reinterpret(sipHash128(c, 'cid'), 'UUID'), reinterpret(sipHash128(c - if(c % 3 = 2, 1, 0), 'corr'), 'UUID'), 'emea', concat('emea-cb', toString(1 + hc % 24)), reinterpret(sipHash128(hc % 24), 'UUID'), reinterpret(sipHash128(hc % 24, toYYYYMM(begun)), 'UUID'),
  concat('Space ', toString(space)), 'coSpace', reinterpret(sipHash128(space, 'space'), 'UUID'), concat('Owner ', toString(owner)), toUUID('00000000-0000-0000-0000-000000000000'), '',
  begun, false, begun + toIntervalSecond(seconds), false, 'record', seconds, legs, legs, 'false', more % 50 = 0, more % 400 = 0, 8, 0
FROM (SELECT number + 1 AS c FROM numbers_mt({first}, {count}))
SETTINGS throw_on_max_partitions_per_insert_block = 0, max_insert_threads = 2
