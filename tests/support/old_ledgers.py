"""Ledgers of the format before: SQLite's version 2 and PostgreSQL's version 1, with their keys.

The keys are those that the exporter of that time made of the same requests.
"""

import sqlite3
from array import array
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from exporter.results import Delivery, Identified, Scope, Series

CREDENTIAL = 0x290EE403415BFD17
"""Of the bearer token `a token` for the gateway `results`."""

COUNTS = [Series("vivo", "2", "mps"), Series("apns", "2009", "apns"), Series("oppo", "-1", "oppo")]
TOTAL = 40
"""Results that are counted for each of the series."""


class OldDelivery(NamedTuple):
    """A delivery, and the key and content under which it was stored."""

    delivery: Delivery
    key: int
    content: int = 0


def _result(channel: str, code: str, identity: str | int | bytes, key: int) -> OldDelivery:
    scope = Scope(CREDENTIAL, Identified.RESULT, channel, code)
    return OldDelivery(Delivery({COUNTS[0]: 1}, 1, scope, [identity]), key)


def _request(identity: bytes, content: bytes | None, *key: int) -> OldDelivery:
    scope = Scope(CREDENTIAL, Identified.REQUEST)
    return OldDelivery(Delivery({COUNTS[0]: 2}, 2, scope, [identity], content), *key)


BODY = b'[{"code": 2}, {"code": 2}]'
WEBHOOK_ID = "webhook-id\0msg_é1".encode()

DELIVERIES = [
    _result("vivo", "2", "m-1", 5626168341220163593),
    _result("vivo", "2", 17, 11645334492919997686),
    _result("apns", "BadDeviceToken", "half an emoji \ud83d", 12135862227782308451),
    _result("'getui-x'", "2", "m-1", 8785244820980497910),
    _result("jpush", "0", repr((17, "é")).encode(), 8093967530077231055),
    _request(BODY, None, 11444995388701173132),
    _request(WEBHOOK_ID, BODY, 7978540711316341037, 9488902919958739826),
]

CHANGED = _request(WEBHOOK_ID, BODY + b" ", 0).delivery
"""The last of them with a different body."""

SQLITE = """
CREATE TABLE counts (
    channel TEXT NOT NULL, code TEXT NOT NULL, code_table TEXT NOT NULL,
    count INTEGER NOT NULL, last_at REAL NOT NULL,
    PRIMARY KEY (channel, code, code_table)
) WITHOUT ROWID;
CREATE TABLE deliveries (number INTEGER PRIMARY KEY, at REAL NOT NULL, keys BLOB NOT NULL);
CREATE TABLE probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL);
PRAGMA application_id = 1347568984;
PRAGMA user_version = 2;
"""

POSTGRESQL = """
CREATE SCHEMA push_result_exporter;
CREATE TABLE push_result_exporter.schema_version (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version integer NOT NULL
);
INSERT INTO push_result_exporter.schema_version (version) VALUES (1);
CREATE TABLE push_result_exporter.instances (
    instance text PRIMARY KEY,
    holder text NOT NULL,
    epoch bigint NOT NULL,
    batch bigint NOT NULL,
    batch_epoch bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    committed_at timestamptz
) WITH (fillfactor = 50);
CREATE TABLE push_result_exporter.counts (
    instance text NOT NULL,
    channel text NOT NULL,
    code text NOT NULL,
    code_table text NOT NULL,
    count bigint NOT NULL,
    last_at double precision NOT NULL,
    PRIMARY KEY (instance, channel, code, code_table)
) WITH (fillfactor = 50);
CREATE TABLE push_result_exporter.keys (
    key bigint PRIMARY KEY,
    content bigint NOT NULL,
    at timestamptz NOT NULL
);
"""

OLD_STATEMENTS = [
    """
    WITH fresh AS (
        INSERT INTO push_result_exporter.keys AS known (key, content, at)
        SELECT 5, 0, now() ON CONFLICT (key) DO NOTHING
    )
    INSERT INTO push_result_exporter.counts AS total
        (instance, channel, code, code_table, count, last_at)
    VALUES ('a', 'vivo', '2', 'mps', 1, 5.0)
    ON CONFLICT (instance, channel, code, code_table)
    DO UPDATE SET count = total.count + excluded.count, last_at = excluded.last_at
    """,
    """
    INSERT INTO push_result_exporter.counts (instance, channel, code, code_table, count, last_at)
    SELECT '', '', '', '', 0, 0 WHERE false
    ON CONFLICT (instance, channel, code, code_table) DO UPDATE SET count = excluded.count
    """,
]
"""The commit and the probe of an exporter of version 1, as far as they matter here."""


def make_old_file(path: Path, at: float) -> None:
    """Make a SQLite ledger that counted the deliveries at a time."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SQLITE)
        for series in COUNTS:
            row = (*series[:3], TOTAL, at)
            database.execute("INSERT INTO counts VALUES (?, ?, ?, ?, ?)", row)
        keys = array("Q", [row for old in DELIVERIES for row in old[1:] if row])
        database.execute("INSERT INTO deliveries VALUES (7, ?, ?)", (at, keys.tobytes()))
        database.commit()


def old_schema(instance: str, seconds_ago: float) -> str:
    """Write the SQL of a PostgreSQL ledger whose instance counted the deliveries some time ago."""
    counts = ", ".join(
        f"('{instance}', '{channel}', '{code}', '{table}', {TOTAL}, 5.0)"
        for channel, code, table, _ in COUNTS
    )
    keys = ", ".join(
        f"({_signed(old.key)}, {_signed(old.content)}, now() - interval '{seconds_ago} s')"
        for old in DELIVERIES
    )
    return f"""{POSTGRESQL}
    INSERT INTO push_result_exporter.instances
    VALUES ('{instance}', '', 1700000000000, 7, 1700000000000, now(), now());
    INSERT INTO push_result_exporter.counts VALUES {counts};
    INSERT INTO push_result_exporter.keys VALUES {keys};
    """


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
