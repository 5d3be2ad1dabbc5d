-- Keys of another ledger, with the times of their commits, but not with their contents.
INSERT INTO push_result_exporter.keys (key, at, slot)
SELECT copied.key, push_result_exporter.seconds(to_timestamp(max(copied.at))), slot_in_use.slot
FROM
    unnest(%(keys)s::bigint[], %(times)s::double precision[]) AS copied (key, at),
    push_result_exporter.slot_in_use
GROUP BY copied.key, slot_in_use.slot ORDER BY copied.key
ON CONFLICT DO NOTHING
