-- All objects of the exporter, in a separate schema; can be run repeatedly and concurrently.
SELECT pg_advisory_xact_lock(1347568984); -- "PREX"
-- An upgrade that waits for a long transaction would block all commits.
SET LOCAL lock_timeout = '4s';

CREATE SCHEMA IF NOT EXISTS push_result_exporter;

CREATE TABLE IF NOT EXISTS push_result_exporter.schema_version (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version integer NOT NULL
);

-- Version 1 had no apps, and keys that a sender could predict. Those keys are looked up for one more
-- deduplication window. From here on, exporters of version 1 fail.
DO $upgrade$
BEGIN
    IF EXISTS (SELECT FROM push_result_exporter.schema_version WHERE version = 1) THEN
        LOCK TABLE push_result_exporter.instances, push_result_exporter.keys,
            push_result_exporter.counts;
        ALTER TABLE push_result_exporter.keys RENAME TO old_keys;
        ALTER INDEX push_result_exporter.keys_pkey RENAME TO old_keys_pkey;
        ALTER TABLE push_result_exporter.instances
            ADD COLUMN leased boolean NOT NULL DEFAULT false,
            ADD COLUMN slot smallint NOT NULL DEFAULT 0,
            ADD COLUMN known bigint[],
            ADD COLUMN known_contents bigint[];
        ALTER TABLE push_result_exporter.counts
            ADD COLUMN app text NOT NULL DEFAULT '',
            DROP CONSTRAINT counts_pkey,
            ADD PRIMARY KEY (instance, channel, code, code_table, app);
        UPDATE push_result_exporter.schema_version SET version = 2;
    END IF;
END
$upgrade$;
INSERT INTO push_result_exporter.schema_version (version) VALUES (2) ON CONFLICT DO NOTHING;

-- Secrets of keys: the current one, and earlier ones for a deduplication window.
CREATE TABLE IF NOT EXISTS push_result_exporter.secrets (
    secret bytea NOT NULL,
    -- Whether its keys are derived from XXH3 keys; with an empty secret they are those of version 1.
    xxh3 boolean NOT NULL,
    -- Time since which no keys are made with it; NULL for the current secret.
    since timestamptz
);

-- One row per name under which replicas count.
CREATE TABLE IF NOT EXISTS push_result_exporter.instances (
    instance text PRIMARY KEY,
    -- The process that holds the name; empty after it has closed.
    holder text NOT NULL,
    -- Incremented whenever a process takes the name, or retakes it over a new connection: commits in
    -- progress on an older connection are then refused.
    epoch bigint NOT NULL,
    -- The last commit: its number, and the epoch in which it was made.
    batch bigint NOT NULL,
    batch_epoch bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    committed_at timestamptz,
    -- Whether it is leased to processes without an explicit name.
    leased boolean NOT NULL,
    -- The slot to which its commits write keys. It is in this row, which each commit locks, so that
    -- once `advance` has changed it, all keys of the previous slot are visible.
    slot smallint NOT NULL,
    -- The outcome of the last commit, for a process that has lost its connection; see `commit`.
    known bigint[],
    known_contents bigint[]
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

-- Deduplication keys of all replicas, in a ring of partitions (slots). Each slot is written for some
-- time, read for a deduplication window, and then truncated. So expiry deletes no rows, and writes
-- stay within the few pages of one small index.
CREATE TABLE IF NOT EXISTS push_result_exporter.keys (
    key bigint NOT NULL,
    -- Time of the commit, see `seconds`.
    at integer NOT NULL,
    slot smallint NOT NULL,
    -- Distinguishes a duplicate request from a conflict; NULL if it cannot conflict.
    content bigint
) PARTITION BY LIST (slot);

DO $slots$
BEGIN
    FOR slot IN 0..11 LOOP
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS push_result_exporter.keys_%s '
            'PARTITION OF push_result_exporter.keys (PRIMARY KEY (key)) FOR VALUES IN (%s)',
            slot, slot
        );
    END LOOP;
END
$slots$;

-- The keys in each slot were written from `began_at` to `ended_at`. `ended_at` is NULL for the
-- current slot, and `began_at` is NULL for an empty slot.
CREATE TABLE IF NOT EXISTS push_result_exporter.slots (
    slot smallint PRIMARY KEY,
    began_at timestamptz,
    ended_at timestamptz
);

-- The current slot. A process that takes a name locks this row, and so does `advance`.
CREATE TABLE IF NOT EXISTS push_result_exporter.slot_in_use (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    slot smallint NOT NULL,
    began_at timestamptz NOT NULL
);

INSERT INTO push_result_exporter.slots (slot, began_at)
SELECT slot, CASE WHEN slot = 0 THEN now() END FROM generate_series(0, 11) AS slot
ON CONFLICT DO NOTHING;
INSERT INTO push_result_exporter.slot_in_use (slot, began_at) VALUES (0, now())
ON CONFLICT DO NOTHING;

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

-- The time of a key as seconds since 2026, in half the space of a timestamp.
CREATE OR REPLACE FUNCTION push_result_exporter.seconds(at timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT floor(extract(epoch FROM at) - 1767225600)::integer $$;

-- An atomic commit. The statements of a function are planned once per session, and each sees all
-- rows committed before it, since the exporter uses READ COMMITTED.
--
-- The first arrays are the new keys, their contents if any, and the number of the delivery to which
-- each belongs. The next arrays are the series, with their counts if no key is known. The last
-- arrays have, per delivery and series (by position), the count that each key of the delivery adds.
--
-- Returns whether the name is still held (otherwise nothing was written), and the known keys, for
-- which nothing was counted, with their contents.
CREATE OR REPLACE FUNCTION push_result_exporter.commit(
    p_instance text, p_epoch bigint, p_number bigint, p_at double precision, p_window interval,
    p_keys bigint[], p_contents bigint[], p_deliveries integer[],
    p_channels text[], p_codes text[], p_tables text[], p_apps text[], p_counts bigint[],
    p_delivery integer[], p_series integer[], p_each bigint[],
    OUT held boolean, OUT known bigint[], OUT known_contents bigint[]
)
LANGUAGE plpgsql
-- Plans are made once, and must suit any number of keys and any size of the tables.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $commit$
DECLARE
    v_now integer := push_result_exporter.seconds(now());
    v_oldest integer := push_result_exporter.seconds(now() - p_window);
    v_slot smallint;
    v_keys bigint[] := p_keys;
    v_contents bigint[] := p_contents;
    v_written bigint[];
    v_renewed bigint[];
    v_counts bigint[] := p_counts;
BEGIN
    UPDATE push_result_exporter.instances
    SET batch = p_number, batch_epoch = epoch, seen_at = now(), committed_at = now(),
        known = NULL, known_contents = NULL
    WHERE instance = p_instance AND epoch = p_epoch
    RETURNING slot INTO v_slot;
    held := FOUND;
    IF NOT held THEN
        RETURN;
    END IF;

    IF cardinality(p_keys) > 0 THEN
        SELECT array_agg(key) INTO known FROM push_result_exporter.keys
        WHERE key = ANY (p_keys) AND at >= v_oldest;
        IF known IS NOT NULL THEN
            SELECT array_agg(key), array_agg(content) INTO v_keys, v_contents
            FROM unnest(p_keys, p_contents) AS new (key, content)
            WHERE key NOT IN (SELECT unnest(known));
        END IF;
        WITH written AS (
            INSERT INTO push_result_exporter.keys (key, at, slot, content)
            SELECT key, v_now, v_slot, nullif(content, 0)
            FROM unnest(v_keys, v_contents) AS new (key, content)
            ORDER BY key -- so that replicas with the same keys lock them in the same order
            ON CONFLICT DO NOTHING
            RETURNING key
        )
        SELECT array_agg(key) INTO v_written FROM written;
    END IF;

    IF cardinality(v_written) IS DISTINCT FROM nullif(cardinality(p_keys), 0) THEN
        -- A key that has expired in the current slot, which may be older than a window, is new.
        WITH renewed AS (
            UPDATE push_result_exporter.keys AS old SET at = v_now, content = nullif(new.content, 0)
            FROM unnest(v_keys, v_contents) AS new (key, content)
            WHERE old.slot = v_slot AND old.key = new.key AND old.at < v_oldest
            RETURNING old.key
        )
        SELECT array_agg(key) INTO v_renewed FROM renewed;
        v_written := v_written || v_renewed;
        SELECT array_agg(new.key), array_agg(coalesce(old.content, 0)) INTO known, known_contents
        FROM unnest(p_keys) AS new (key)
        LEFT JOIN LATERAL (
            SELECT content FROM push_result_exporter.keys
            WHERE keys.key = new.key AND at >= v_oldest LIMIT 1
        ) AS old ON true
        WHERE new.key NOT IN (SELECT unnest(v_written));
        UPDATE push_result_exporter.instances
        SET known = commit.known, known_contents = commit.known_contents
        WHERE instance = p_instance;
        SELECT array_agg(total - coalesce(less, 0) ORDER BY series) INTO v_counts
        FROM unnest(p_counts) WITH ORDINALITY AS new (total, series)
        LEFT JOIN (
            SELECT part.series, sum(part.each * times)::bigint AS less
            FROM unnest(p_delivery, p_series, p_each) AS part (delivery, series, each)
            JOIN (
                SELECT delivery, count(*) AS times
                FROM unnest(p_keys, p_deliveries) AS new (key, delivery)
                WHERE new.key NOT IN (SELECT unnest(v_written))
                GROUP BY delivery
            ) AS missing USING (delivery)
            GROUP BY part.series
        ) AS uncounted USING (series);
    END IF;

    INSERT INTO push_result_exporter.counts AS total
        (instance, channel, code, code_table, app, count, last_at)
    SELECT p_instance, channel, code, code_table, app, count, p_at
    FROM unnest(p_channels, p_codes, p_tables, p_apps, v_counts)
        AS new (channel, code, code_table, app, count)
    WHERE count > 0
    ON CONFLICT (instance, channel, code, code_table, app)
    DO UPDATE SET count = total.count + excluded.count, last_at = excluded.last_at;
END
$commit$;

-- Advance to the next slot, if the current slot is old enough and the next slot is empty. Every
-- commit locks its row of instances, so this waits for commits in progress, and later commits see
-- their keys.
CREATE OR REPLACE FUNCTION push_result_exporter.advance(p_age interval) RETURNS boolean
LANGUAGE plpgsql
AS $advance$
DECLARE
    v_slot smallint;
BEGIN
    SELECT slot INTO v_slot FROM push_result_exporter.slot_in_use
    WHERE began_at <= clock_timestamp() - p_age FOR UPDATE SKIP LOCKED;
    IF v_slot IS NULL THEN
        RETURN false; -- not due, or done by another replica
    END IF;
    UPDATE push_result_exporter.slots SET began_at = clock_timestamp()
    WHERE slot = (v_slot + 1) % 12 AND began_at IS NULL;
    IF NOT FOUND THEN
        RETURN false; -- the next slot is not empty yet
    END IF;
    UPDATE push_result_exporter.instances SET slot = (v_slot + 1) % 12;
    UPDATE push_result_exporter.slots SET ended_at = clock_timestamp() WHERE slot = v_slot;
    UPDATE push_result_exporter.slot_in_use
    SET slot = (v_slot + 1) % 12, began_at = clock_timestamp();
    RETURN true;
END
$advance$;

-- Truncate a slot whose keys have all expired. Returns false if that has been done, or is not
-- possible now because a long transaction, such as a backup, has read the slot.
CREATE OR REPLACE FUNCTION push_result_exporter.empty_slot(p_slot smallint, p_window interval)
RETURNS boolean
LANGUAGE plpgsql
SET lock_timeout = '100ms'
AS $empty$
BEGIN
    PERFORM FROM push_result_exporter.slots
    WHERE slot = p_slot AND ended_at < now() - p_window FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    EXECUTE format('TRUNCATE push_result_exporter.keys_%s', p_slot);
    UPDATE push_result_exporter.slots SET began_at = NULL, ended_at = NULL WHERE slot = p_slot;
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$empty$;
