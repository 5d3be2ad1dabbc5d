BEGIN;
CREATE TABLE counts (
    channel TEXT NOT NULL, code TEXT NOT NULL, code_table TEXT NOT NULL,
    app TEXT NOT NULL, -- empty where results have no label `app`
    count INTEGER NOT NULL, last_at REAL NOT NULL,
    PRIMARY KEY (channel, code, code_table, app)
) WITHOUT ROWID;
-- The keys of a commit, 8 bytes each in the machine's order, as the window remembers them.
CREATE TABLE deliveries (number INTEGER PRIMARY KEY, at REAL NOT NULL, keys BLOB NOT NULL);
CREATE TABLE probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL);
-- What keys are made with: one secret in use, and earlier ones for a deduplication window.
CREATE TABLE secrets (
    secret BLOB NOT NULL,
    xxh3 INTEGER NOT NULL, -- 1 if its keys are made of the XXH3 keys of version 2
    since REAL -- Unix time since which it makes no keys; NULL for the one in use
);
INSERT INTO secrets VALUES (new_secret(), 0, NULL);
PRAGMA application_id = 1347568984; -- "PREX", in the file's header
PRAGMA user_version = 3;
COMMIT;
