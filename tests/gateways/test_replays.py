"""A captured request is one delivery, however it is encoded when it is repeated."""

import base64
import gzip
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.exporter import SECRET, Exporter, KeyPair, MakeSettings, started, url_sign
from tests.support.senders import hmac, stamp

CALLBACK = b'{"statusCode": "2009", "channel": "IOS", "msgId": "m1"}'


def packings(body: bytes) -> Iterator[tuple[bytes, dict[str, str]]]:
    """Yield a body as it is, and compressed in several ways."""
    yield body, {}
    for level in (1, 9):
        yield gzip.compress(body, level, mtime=level), {"Content-Encoding": "gzip"}
    half = len(body) // 2
    members = zlib.compress(body[:half], wbits=31) + zlib.compress(body[half:], wbits=31)
    yield members, {"Content-Encoding": "gzip"}


async def test_callback_is_counted_once(exporter: Exporter, keys: KeyPair) -> None:
    """A repeated request is a duplicate, even compressed or with other parameters or spellings."""
    sign = url_sign(keys.sign(CALLBACK))
    spellings = [sign, sign.replace("-", "%2B"), sign.rstrip("%3D").rstrip("="), f"{sign}&x=1"]
    accepted = 0
    for body, headers in packings(CALLBACK):
        for query in (*(f"sign={spelling}" for spelling in spellings), f"channel=vivo&sign={sign}"):
            status, answer = await exporter.post(f"/webhooks/mps?{query}", body, headers)
            assert status == 200, answer
            accepted += answer["accepted"]
    assert accepted == 1
    assert await exporter.counted() == {("apns", "2009", "warning"): 1}


async def test_unsigned_id_changes_nothing(exporter: Exporter) -> None:
    """With a Svix signature, an unsigned `webhook-id` has no effect on deduplication."""
    body = b'[{"code": 2}]'
    first, second = (_svix(body, identity) for identity in ("m1", "m2"))
    unsigned = [first | {"webhook-id": f"made-up-{number}"} for number in range(3)]
    stolen = first | {"webhook-id": "m2"}
    answers = [
        await exporter.post("/webhooks/results", body, headers)
        for headers in (first, *unsigned, stolen, second)
    ]
    assert [(status, answer["accepted"]) for status, answer in answers] == [
        (200, 1), *[(200, 0)] * 4, (200, 1)]  # fmt: skip


def _svix(body: bytes, identity: str) -> dict[str, str]:
    at, key = stamp(0), base64.b64decode(SECRET.removeprefix("whsec_"))
    made = base64.b64encode(hmac(key, f"{identity}.{at}.".encode() + body)).decode()
    return {"svix-id": identity, "svix-timestamp": at, "svix-signature": f"v1,{made}"}


DESCRIPTION = """
channel = "vivo"
[auth]
scheme = "hmac"
secrets = ["acme-secret"]
signature = "{header:X-Signature}"
[content]
encoding = "gzip"
[fields]
code = "code"
"""
KEY = "a-secret-of-more-than-sixteen-characters"


@pytest.fixture
async def described(make_settings: MakeSettings, tmp_path: Path) -> AsyncIterator[Exporter]:
    """Run an exporter with a gateway that also takes gzip without a header."""
    (tmp_path / "acme-secret").write_text(KEY)
    file = tmp_path / "acme.toml"
    file.write_text(DESCRIPTION)
    async with started(make_settings(gateway_files=[file])) as exporter:
        yield exporter


async def test_described_request_is_counted_once(described: Exporter) -> None:
    """The same request is a duplicate whether a header or the description declares compression."""
    body = gzip.compress(b'{"code": 2}')
    signature = {"X-Signature": hmac(KEY.encode(), body).hex()}
    accepted = [
        (await described.post("/webhooks/acme", sent, signature | headers))[1]["accepted"]
        for sent, headers in (
            (body, {}),
            (body, {"Content-Encoding": "gzip"}),
            (gzip.compress(body), {"Content-Encoding": "gzip"}),
        )
    ]
    assert accepted == [1, 0, 0]


@pytest.mark.parametrize("announced", [True, False])
async def test_all_members_of_gzip_count(described: Exporter, *, announced: bool) -> None:
    """All members of a gzip body count."""
    body = gzip.compress(b'[{"code": 2},') + gzip.compress(b'{"code": 10072}]')
    headers = {"X-Signature": hmac(KEY.encode(), body).hex()}
    if announced:
        headers["Content-Encoding"] = "gzip"
    status, answer = await described.post("/webhooks/acme", body, headers)
    assert (status, answer["accepted"]) == (200, 2)
