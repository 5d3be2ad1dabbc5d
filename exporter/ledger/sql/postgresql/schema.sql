-- Every object of the exporter, in a schema of its own; safe to run again, and by several at once.
SELECT pg_advisory_xact_lock(1347568984); -- "PREX"

CREATE SCHEMA IF NOT EXISTS push_result_exporter;

CREATE TABLE IF NOT EXISTS push_result_exporter.schema_version (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version integer NOT NULL
);

-- Version 1 had no apps, and keys that a sender could compute: these are known for one
-- deduplication window more, and no others are made. Exporters of version 1 fail from here on.
DO $upgrade$
BEGIN
    IF EXISTS (SELECT FROM push_result_exporter.schema_version WHERE version = 1) THEN
        LOCK TABLE push_result_exporter.instances, push_result_exporter.keys,
            push_result_exporter.counts;
        ALTER TABLE push_result_exporter.keys RENAME TO old_keys;
        ALTER INDEX push_result_exporter.keys_pkey RENAME TO old_keys_pkey;
        ALTER TABLE push_result_exporter.counts
            ADD COLUMN app text NOT NULL DEFAULT '',
            DROP CONSTRAINT counts_pkey,
            ADD PRIMARY KEY (instance, channel, code, code_table, app);
        UPDATE push_result_exporter.schema_version SET version = 2;
    END IF;
END
$upgrade$;
INSERT INTO push_result_exporter.schema_version (version) VALUES (2) ON CONFLICT DO NOTHING;

-- What keys are made with: one secret in use, and earlier ones for a deduplication window.
CREATE TABLE IF NOT EXISTS push_result_exporter.secrets (
    secret bytea NOT NULL,
    -- Whether its keys are made of XXH3 keys: those of version 1, if it is empty.
    xxh3 boolean NOT NULL,
    -- Since when it makes no keys; NULL for the one in use.
    since timestamptz
);

-- One row for each name under which replicas count.
CREATE TABLE IF NOT EXISTS push_result_exporter.instances (
    instance text PRIMARY KEY,
    -- The process that counts now, empty once it has closed.
    holder text NOT NULL,
    -- Raised whenever a process takes the name, or takes it again over a new connection: what an
    -- older connection still had under way is then refused.
    epoch bigint NOT NULL,
    -- The last commit: its number, and the epoch in which it was made.
    batch bigint NOT NULL,
    batch_epoch bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    committed_at timestamptz
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS push_result_exporter.counts (
    instance text NOT NULL,
    channel text NOT NULL,
    code text NOT NULL,
    code_table text NOT NULL,
    app text NOT NULL, -- empty where results have no label `app`
    count bigint NOT NULL,
    last_at double precision NOT NULL,
    PRIMARY KEY (instance, channel, code, code_table, app)
) WITH (fillfactor = 50);

-- Deduplication keys of all replicas. The content tells a repeated request from a conflict.
CREATE TABLE IF NOT EXISTS push_result_exporter.keys (
    key bigint PRIMARY KEY,
    content bigint NOT NULL,
    at timestamptz NOT NULL
);

-- Keys of version 1; empty otherwise.
CREATE TABLE IF NOT EXISTS push_result_exporter.old_keys (
    key bigint PRIMARY KEY,
    content bigint NOT NULL,
    at timestamptz NOT NULL
);

INSERT INTO push_result_exporter.secrets (secret, xxh3, since)
SELECT '', true, now()
WHERE EXISTS (SELECT FROM push_result_exporter.old_keys)
    AND NOT EXISTS (SELECT FROM push_result_exporter.secrets);
INSERT INTO push_result_exporter.secrets (secret, xxh3)
SELECT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), false
WHERE NOT EXISTS (SELECT FROM push_result_exporter.secrets WHERE since IS NULL);
