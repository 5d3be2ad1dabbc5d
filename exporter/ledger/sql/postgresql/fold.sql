-- Add the counts of an instance that no process holds to another instance, and delete its row. A
-- process that has taken the other name meanwhile loses it, takes it again, and reads the counts.
WITH departed AS (
    DELETE FROM push_result_exporter.instances
    WHERE instance = %(departed)s AND instance <> %(into)s
        AND (holder = '' OR seen_at < now() - %(lease)s * interval '1 second')
    RETURNING instance, committed_at, slot
), moved AS (
    DELETE FROM push_result_exporter.counts USING departed
    WHERE counts.instance = departed.instance
    RETURNING channel, code, code_table, app, count, last_at
), target AS (
    INSERT INTO push_result_exporter.instances AS held
        (instance, holder, epoch, batch, batch_epoch, seen_at, committed_at, leased, slot)
    SELECT
        %(into)s, '', (extract(epoch FROM clock_timestamp()) * 1000)::bigint, 0, 0, now(),
        committed_at, false, slot
    FROM departed
    ON CONFLICT (instance) DO UPDATE
    SET holder = '', epoch = held.epoch + 1, batch_epoch = held.epoch,
        committed_at = greatest(held.committed_at, excluded.committed_at)
), folded AS (
    INSERT INTO push_result_exporter.counts AS total
        (instance, channel, code, code_table, app, count, last_at)
    SELECT %(into)s, channel, code, code_table, app, count, last_at FROM moved
    ON CONFLICT (instance, channel, code, code_table, app) DO UPDATE
    SET count = total.count + excluded.count, last_at = greatest(total.last_at, excluded.last_at)
)
SELECT instance FROM departed
