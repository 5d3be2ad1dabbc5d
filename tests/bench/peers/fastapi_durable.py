"""The exporter's promise kept in the usual way: FastAPI, RSA, and a SQLite commit per request."""

import base64
import hashlib
import sqlite3
import sys
from pathlib import Path

import uvicorn
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import FastAPI, HTTPException, Request
from prometheus_client import Counter, make_asgi_app
from pydantic import BaseModel

RESULTS = Counter("push_results", "Push results.", ["channel", "code", "severity"])
SEVERITIES = {"2": "info"}

PORT, PUBLIC_KEY, DATABASE = sys.argv[1:4]

key = serialization.load_pem_public_key(Path(PUBLIC_KEY).read_bytes())
assert isinstance(key, rsa.RSAPublicKey)

database = sqlite3.connect(DATABASE, isolation_level=None, check_same_thread=False)
database.executescript(
    """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE counts (channel TEXT, code TEXT, count INTEGER, PRIMARY KEY (channel, code));
    """
)

app = FastAPI()
app.mount("/metrics", make_asgi_app())


class Callback(BaseModel):
    """The callback of MPS."""

    statusCode: str  # noqa: N815 - as on the wire
    channel: str = "mps"


@app.post("/webhooks/mps")
async def receive_callback(request: Request, sign: str) -> dict[str, int]:
    """Verify, count durably and once, respond."""
    body = await request.body()
    try:
        key.verify(base64.urlsafe_b64decode(sign), body, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        raise HTTPException(401) from None
    callback = Callback.model_validate_json(body)
    with database:
        database.execute("BEGIN IMMEDIATE")
        seen = database.execute(
            "INSERT OR IGNORE INTO seen VALUES (?)", (hashlib.sha256(body).digest(),)
        )
        if seen.rowcount:
            database.execute(
                "INSERT INTO counts VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
                (callback.channel, callback.statusCode),
            )
    if seen.rowcount:
        severity = SEVERITIES.get(callback.statusCode, "error")
        RESULTS.labels(callback.channel, callback.statusCode, severity).inc()
    return {"accepted": seen.rowcount, "duplicates": 1 - seen.rowcount}


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(PORT),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
