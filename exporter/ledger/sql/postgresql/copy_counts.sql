-- Counts of another ledger, under a name without counts. A process that already holds the name
-- loses it, takes it again, and reads the counts. This includes a process that reconnects, since the
-- last commit is not its own.
WITH taken AS (
    INSERT INTO push_result_exporter.instances AS held
        (instance, holder, epoch, batch, batch_epoch, seen_at, committed_at, leased, slot)
    SELECT
        %(instance)s, '', (extract(epoch FROM clock_timestamp()) * 1000)::bigint, 0, 0, now(),
        to_timestamp(%(at)s), %(leased)s, slot
    FROM push_result_exporter.slot_in_use FOR SHARE
    ON CONFLICT (instance) DO UPDATE
    SET holder = '', epoch = held.epoch + 1, batch_epoch = held.epoch,
        committed_at = excluded.committed_at
    WHERE NOT EXISTS (
        SELECT FROM push_result_exporter.counts WHERE counts.instance = held.instance
    )
    RETURNING instance
), copied AS (
    INSERT INTO push_result_exporter.counts
        (instance, channel, code, code_table, app, count, last_at)
    SELECT
        taken.instance, new.channel, new.code, new.code_table, new.app, new.count, new.last_at
    FROM taken, unnest(
        %(channels)s::text[], %(codes)s::text[], %(tables)s::text[], %(apps)s::text[],
        %(counts)s::bigint[], %(times)s::double precision[]
    ) AS new (channel, code, code_table, app, count, last_at)
)
SELECT instance FROM taken
