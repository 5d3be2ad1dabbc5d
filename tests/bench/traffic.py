"""Requests for the benchmark, signed beforehand: a file for wrk's script, a request a line."""

import json
import random
import threading
from collections.abc import Iterator
from itertools import islice
from multiprocessing import Pool
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.traffic.mps import sign
from exporter.traffic.simulator import bodies
from tests.support.programs import fetch

TOKEN = "a token for the benchmark"
BATCH = 100

_SAID = [
    ("vivo", 10072, "push too fast"),
    ("vivo", 2, "Acked"),
    ("oppo", 2, "Acked"),
    ("apns", 2009, "BadDeviceToken"),
    ("apns", 2, "Acked"),
    ("huawei", 2, "Acked"),
    ("fcm", 90000003, "NotRegistered"),
    ("mipush", 10027, "The app API is called too frequently"),
]

_key: rsa.RSAPrivateKey | None = None


def write_keys(folder: Path) -> Path:
    """Make the gateway's key pair and the token; return the private key's file."""
    key = rsa.generate_private_key(65537, 2048)
    private = folder / "private.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "public.pem").write_bytes(public)
    (folder / "token").write_text(TOKEN)
    return private


def write_callbacks(file: Path, private: Path, count: int) -> None:
    """Write distinct signed callbacks of MPS."""
    distinct = dict.fromkeys(islice(bodies("healthy", 1), int(count * 1.05)))
    with Pool(initializer=_load, initargs=(private,)) as pool, file.open("w") as out:
        out.writelines(pool.imap(_signed, islice(distinct, count), chunksize=200))


def _load(private: Path) -> None:
    global _key  # noqa: PLW0603 - one key for each process of the pool
    key = serialization.load_pem_private_key(private.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    _key = key


def _signed(body: bytes) -> str:
    assert _key is not None
    return f"/webhooks/mps?sign={quote(sign(_key, body))}\t\t{body.decode()}\n"


def write_batches(file: Path, count: int, *, ids: bool) -> None:
    """Write batches of a hundred results: with an id each, or one webhook-id for all."""
    with file.open("w") as out:
        key = "" if ids else "|webhook-id:call-{}"  # the replay makes it unique
        for batch in islice(batches(ids=ids), count):
            body = json.dumps(batch)
            out.write(f"/webhooks/results\tAuthorization:Bearer {TOKEN}{key}\t{body}\n")


def batches(*, ids: bool) -> Iterator[list[dict[str, object]]]:
    """Yield batches of a hundred results without end."""
    rng = random.Random(1)
    number = 0
    while True:
        results: list[dict[str, object]] = []
        for channel, code, message in rng.choices(_SAID, k=BATCH):
            result: dict[str, object] = {"channel": channel, "code": code, "message": message}
            number += 1
            results.append(result | {"id": f"m-{number}"} if ids else result)
        yield results


def send_distinct(port: int, start: int, count: int) -> int:
    """Post batches of results that were never sent before."""
    url = f"http://127.0.0.1:{port}/webhooks/results"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}

    def post(first: int) -> None:
        for at in range(first, start + count, 100 * 4):
            items = [{"channel": "vivo", "code": 2, "id": f"d-{at + n}"} for n in range(100)]
            fetch(url, json.dumps(items).encode(), headers)

    threads = [threading.Thread(target=post, args=(start + 100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count
