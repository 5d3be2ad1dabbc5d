BEGIN;
CREATE TABLE counts (
    channel TEXT NOT NULL, code TEXT NOT NULL, code_table TEXT NOT NULL,
    count INTEGER NOT NULL, last_at REAL NOT NULL,
    PRIMARY KEY (channel, code, code_table)
) WITHOUT ROWID;
-- The keys of a commit, 8 bytes each in the machine's order, as the window remembers them.
CREATE TABLE deliveries (number INTEGER PRIMARY KEY, at REAL NOT NULL, keys BLOB NOT NULL);
CREATE TABLE probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL);
PRAGMA application_id = 1347568984; -- "PREX", in the file's header
PRAGMA user_version = 2;
COMMIT;
