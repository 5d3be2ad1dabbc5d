-- Take a free name: it is new, was released, was held by this process, or its lease has expired. The
-- row lock waits for a commit in progress on an older connection. The first epoch is the time, so
-- that epochs are never reused, not even by a name that was folded in between.
INSERT INTO push_result_exporter.instances AS held
    (instance, holder, epoch, batch, batch_epoch, seen_at, leased, slot)
SELECT
    %(instance)s, %(holder)s, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, 0, 0, now(),
    %(leased)s, slot
FROM push_result_exporter.slot_in_use FOR SHARE
ON CONFLICT (instance) DO UPDATE
SET holder = excluded.holder, epoch = held.epoch + 1, seen_at = excluded.seen_at,
    slot = excluded.slot
WHERE held.holder IN ('', excluded.holder)
    OR held.seen_at < now() - %(lease)s * interval '1 second'
RETURNING epoch, batch, batch_epoch, known, known_contents
