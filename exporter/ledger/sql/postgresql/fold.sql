-- Move the counts of instances that nobody holds to another one, and drop their rows.
WITH departed AS (
    DELETE FROM push_result_exporter.instances
    WHERE instance = ANY (%(departed)s::text[]) AND instance <> %(into)s
        AND (holder = '' OR seen_at < now() - %(lease)s * interval '1 second')
    RETURNING instance, committed_at
), moved AS (
    DELETE FROM push_result_exporter.counts USING departed
    WHERE counts.instance = departed.instance
    RETURNING channel, code, code_table, app, count, last_at
), target AS (
    INSERT INTO push_result_exporter.instances AS held
        (instance, holder, epoch, batch, batch_epoch, seen_at, committed_at)
    SELECT
        %(into)s, '', (extract(epoch FROM clock_timestamp()) * 1000)::bigint, 0, 0, now(),
        max(committed_at)
    FROM departed HAVING count(*) > 0
    ON CONFLICT (instance) DO UPDATE
    SET committed_at = greatest(held.committed_at, excluded.committed_at)
), folded AS (
    INSERT INTO push_result_exporter.counts AS total
        (instance, channel, code, code_table, app, count, last_at)
    SELECT %(into)s, channel, code, code_table, app, sum(count), max(last_at)
    FROM moved GROUP BY channel, code, code_table, app
    ON CONFLICT (instance, channel, code, code_table, app) DO UPDATE
    SET count = total.count + excluded.count, last_at = greatest(total.last_at, excluded.last_at)
)
SELECT instance FROM departed ORDER BY instance
