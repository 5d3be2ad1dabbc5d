BEGIN;
CREATE TABLE counts (
    channel TEXT NOT NULL, code TEXT NOT NULL, code_table TEXT NOT NULL,
    app TEXT NOT NULL, -- empty where results have no label `app`
    count INTEGER NOT NULL, last_at REAL NOT NULL,
    PRIMARY KEY (channel, code, code_table, app)
) WITHOUT ROWID;
-- The keys and contents of a commit in the order of the window, 8 bytes each in native byte order.
CREATE TABLE deliveries (number INTEGER PRIMARY KEY, at REAL NOT NULL, keys BLOB NOT NULL);
CREATE TABLE probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL);
-- Secrets of keys: the current one, and earlier ones for a deduplication window.
CREATE TABLE secrets (
    secret BLOB NOT NULL,
    xxh3 INTEGER NOT NULL, -- 1 if its keys are derived from the XXH3 keys of version 2
    since REAL -- Unix time since which no keys are made with it; NULL for the current secret
);
INSERT INTO secrets VALUES (new_secret(), 0, NULL);
PRAGMA application_id = 1347568984; -- "PREX", in the file's header
PRAGMA user_version = 3;
COMMIT;
