-- A commit without rows, which needs the same privileges and locks.
WITH fresh AS (
    INSERT INTO push_result_exporter.keys (key, at, slot) SELECT 0, 0, 0 WHERE false
    ON CONFLICT DO NOTHING
), counted AS (
    INSERT INTO push_result_exporter.counts
        (instance, channel, code, code_table, app, count, last_at)
    SELECT '', '', '', '', '', 0, 0 WHERE false
    ON CONFLICT (instance, channel, code, code_table, app) DO UPDATE SET count = excluded.count
)
UPDATE push_result_exporter.instances SET seen_at = now()
WHERE instance = %(instance)s AND epoch = %(epoch)s
RETURNING instance
