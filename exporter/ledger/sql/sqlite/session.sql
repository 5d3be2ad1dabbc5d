-- A commit as one statement and so one transaction. Python releases the GIL once for all of it; each
-- additional statement would have to wait for the event loop to release the GIL again.
PRAGMA temp_store = MEMORY;
CREATE TEMP VIEW commits AS SELECT 0 AS number, 0 AS at, '' AS counts, '' AS keys, 0 AS oldest;
CREATE TEMP TRIGGER record INSTEAD OF INSERT ON commits BEGIN
    INSERT INTO counts
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, NEW.at
    FROM json_each(NEW.counts) WHERE true
    ON CONFLICT DO UPDATE SET count = count + excluded.count, last_at = excluded.last_at;
    INSERT INTO deliveries SELECT NEW.number, NEW.at, NEW.keys WHERE length(NEW.keys);
    DELETE FROM deliveries WHERE number < NEW.oldest;
END;
