-- A batch as one statement: all of it is written, or none. If the name is not held any more, no row
-- is returned. If a key is known already, the count of new keys is less than it should be, and the
-- NULL in place of a count fails the statement: the keys that are known are then looked up.
WITH held AS (
    UPDATE push_result_exporter.instances
    SET batch = %(number)s, batch_epoch = epoch, seen_at = now(), committed_at = now()
    WHERE instance = %(instance)s AND epoch = %(epoch)s
    RETURNING instance
), fresh AS (
    INSERT INTO push_result_exporter.keys AS known (key, content, at)
    SELECT new.key, new.content, now()
    FROM held, unnest(%(keys)s::bigint[], %(contents)s::bigint[]) AS new (key, content)
    ORDER BY new.key -- so that two replicas with the same keys wait for each other in one order
    ON CONFLICT (key) DO UPDATE SET content = excluded.content, at = excluded.at
    WHERE known.at < now() - %(window)s * interval '1 second'
    RETURNING 1
), counted AS (
    INSERT INTO push_result_exporter.counts AS total
        (instance, channel, code, code_table, app, count, last_at)
    SELECT
        held.instance, new.channel, new.code, new.code_table, new.app,
        CASE WHEN (SELECT count(*) FROM fresh) = %(new)s THEN new.count END, %(at)s
    FROM held, unnest(
        %(channels)s::text[], %(codes)s::text[], %(tables)s::text[], %(apps)s::text[],
        %(counts)s::bigint[]
    ) AS new (channel, code, code_table, app, count)
    ON CONFLICT (instance, channel, code, code_table, app)
    DO UPDATE SET count = total.count + excluded.count, last_at = excluded.last_at
)
SELECT instance FROM held
