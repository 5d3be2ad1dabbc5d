"""The least code that keeps the exporter's promise: aiohttp, RSA, a set of digests, a group commit.

It has no bounds, metrics, recovery or other gateway: the distance to it is what these cost.
"""

import asyncio
import base64
import hashlib
import json
import sqlite3
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import uvloop
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

PORT, PUBLIC_KEY, DATABASE = sys.argv[1:4]

SCHEMA = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE counts (channel TEXT, code TEXT, count INTEGER, PRIMARY KEY (channel, code));
"""

key = serialization.load_pem_public_key(Path(PUBLIC_KEY).read_bytes())
assert isinstance(key, rsa.RSAPublicKey)


class Entry(NamedTuple):
    """A callback that waits for its commit."""

    digest: bytes
    series: tuple[str, str]
    committed: asyncio.Future[None]


class Ledger:
    """Commits callbacks in groups, on a thread."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(DATABASE, isolation_level=None, check_same_thread=False)
        self._database.executescript(SCHEMA)
        self._seen: set[bytes] = set()
        self._waiting: list[Entry] = []
        self._writer: asyncio.Task[None] | None = None

    async def record(self, digest: bytes, series: tuple[str, str]) -> bool:
        """Count once; False for a duplicate."""
        if digest in self._seen:
            return False
        self._seen.add(digest)
        entry = Entry(digest, series, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        if not self._writer:
            self._writer = asyncio.create_task(self._write())
        await entry.committed
        return True

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            await asyncio.to_thread(self._commit, batch)
            for entry in batch:
                entry.committed.set_result(None)
        self._writer = None

    def _commit(self, batch: list[Entry]) -> None:
        counts = Counter(entry.series for entry in batch)
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(
            "INSERT INTO seen VALUES (?)", [(entry.digest,) for entry in batch]
        )
        self._database.executemany(
            "INSERT INTO counts VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET count = count + excluded.count",
            [(*series, count) for series, count in counts.items()],
        )
        self._database.execute("COMMIT")


def main() -> None:
    """Listen on the port that is given."""
    ledger = Ledger()

    async def receive_callback(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            signature = base64.urlsafe_b64decode(request.query["sign"])
            key.verify(signature, body, padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            return web.json_response({"error": "bad_signature"}, status=401)
        callback = json.loads(body)
        series = callback.get("channel", "mps"), callback["statusCode"]
        new = await ledger.record(hashlib.sha256(body).digest(), series)
        return web.json_response({"accepted": int(new), "duplicates": int(not new), "rejected": []})

    app = web.Application()
    app.router.add_post("/webhooks/mps", receive_callback)
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(PORT),
        access_log=None,
        loop=uvloop.new_event_loop(),
        print=None,
    )


if __name__ == "__main__":
    main()
