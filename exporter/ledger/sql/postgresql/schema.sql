-- Every object of the exporter, in a schema of its own; safe to run again, and by several at once.
SELECT pg_advisory_xact_lock(1347568984); -- "PREX"

CREATE SCHEMA IF NOT EXISTS push_result_exporter;

CREATE TABLE IF NOT EXISTS push_result_exporter.schema_version (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version integer NOT NULL
);
INSERT INTO push_result_exporter.schema_version (version) VALUES (1) ON CONFLICT DO NOTHING;

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
    count bigint NOT NULL,
    last_at double precision NOT NULL,
    PRIMARY KEY (instance, channel, code, code_table)
) WITH (fillfactor = 50);

-- Deduplication keys of all replicas. The content tells a repeated request from a conflict.
CREATE TABLE IF NOT EXISTS push_result_exporter.keys (
    key bigint PRIMARY KEY,
    content bigint NOT NULL,
    at timestamptz NOT NULL
);
