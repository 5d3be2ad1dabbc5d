-- Version 2 had no apps, and keys that a sender could compute. Those are hidden behind a secret, so
-- that no bucket of the window is longer than by chance, and known for one window more.
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
    xxh3 INTEGER NOT NULL, -- 1 if its keys are made of the XXH3 keys of version 2
    since REAL -- Unix time since which it makes no keys; NULL for the one in use
);
INSERT INTO secrets VALUES (new_secret(), 0, NULL);
INSERT INTO secrets VALUES (new_secret(), 1, unix_time());
UPDATE deliveries SET keys = hidden(keys, (SELECT secret FROM secrets WHERE xxh3));
PRAGMA user_version = 3;
COMMIT;
