-- The work of expiry: whether the current slot is old enough, which slots have only expired keys,
-- and whether there are keys of version 1 that have all expired.
SELECT
    EXISTS (
        SELECT FROM push_result_exporter.slot_in_use
        WHERE began_at <= now() - %(age)s * interval '1 second'
    ),
    ARRAY(
        SELECT slot::integer FROM push_result_exporter.slots
        WHERE ended_at < now() - %(window)s * interval '1 second' ORDER BY ended_at
    ),
    EXISTS (
        SELECT FROM push_result_exporter.secrets
        WHERE xxh3 AND secret = '' AND since < now() - %(window)s * interval '1 second'
    ) AND EXISTS (SELECT FROM push_result_exporter.old_keys)
