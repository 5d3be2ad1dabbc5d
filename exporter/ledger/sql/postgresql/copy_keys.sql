-- Keys of another ledger, with the times of their commits. What content they had is not known: 0.
INSERT INTO push_result_exporter.keys (key, content, at)
SELECT key, 0, max(to_timestamp(at))
FROM unnest(%(keys)s::bigint[], %(times)s::double precision[]) AS copied (key, at)
GROUP BY key ORDER BY key
ON CONFLICT DO NOTHING
