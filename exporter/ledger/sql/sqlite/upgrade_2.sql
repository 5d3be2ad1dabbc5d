-- Version 2 had no apps, and keys that a sender could predict. New keys are derived from those with a
-- secret, so that the window's buckets cannot be attacked, and are looked up for one more window.
BEGIN;
CREATE TABLE counts_3 (
    channel TEXT NOT NULL, code TEXT NOT NULL, code_table TEXT NOT NULL,
    app TEXT NOT NULL, -- empty where results have no label `app`
    count INTEGER NOT NULL, last_at REAL NOT NULL,
    PRIMARY KEY (channel, code, code_table, app)
) WITHOUT ROWID;
INSERT INTO counts_3 SELECT channel, code, code_table, '', count, last_at FROM counts;
DROP TABLE counts;
ALTER TABLE counts_3 RENAME TO counts;
CREATE TABLE secrets (
    secret BLOB NOT NULL,
    xxh3 INTEGER NOT NULL, -- 1 if its keys are derived from the XXH3 keys of version 2
    since REAL -- Unix time since which no keys are made with it; NULL for the current secret
);
INSERT INTO secrets VALUES (new_secret(), 0, NULL);
INSERT INTO secrets VALUES (new_secret(), 1, unix_time());
UPDATE deliveries SET keys = hidden(keys, (SELECT secret FROM secrets WHERE xxh3));
PRAGMA user_version = 3;
COMMIT;
