-- The next transaction's number, and how many transactions ago the oldest one began whose view of the
-- database must be kept: of a session here, a standby, a replication slot or a prepared transaction.
-- The times of other roles' transactions are not ours to see, but these ages are.
SELECT
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
    greatest(
        (
            SELECT max(age(backend_xmin)) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid()
                AND usesysid IS NOT NULL -- an autovacuum worker has none
                AND (datname = current_database() OR datname IS NULL)
        ),
        (SELECT max(age(xmin)) FROM pg_replication_slots),
        (SELECT max(age(transaction)) FROM pg_prepared_xacts WHERE database = current_database()),
        0
    )
