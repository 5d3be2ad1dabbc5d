-- The next transaction ID, and the age in transactions of the oldest snapshot: of a session in this
-- database, a standby, a replication slot or a prepared transaction. The start times of other roles'
-- transactions are not visible to this role, but the ages are.
SELECT
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
    greatest(
        (
            SELECT max(age(backend_xmin)) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid()
                AND usesysid IS NOT NULL -- not an autovacuum worker
                AND (datname = current_database() OR datname IS NULL)
        ),
        (SELECT max(age(xmin)) FROM pg_replication_slots),
        (SELECT max(age(transaction)) FROM pg_prepared_xacts WHERE database = current_database()),
        0
    )
