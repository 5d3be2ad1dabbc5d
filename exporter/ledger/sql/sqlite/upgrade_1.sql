-- The keys of version 1 had no scope: none of them is ever met again.
BEGIN;
DELETE FROM deliveries;
PRAGMA user_version = 2;
COMMIT;
