"""Requests that test the address only: handshakes, and the probes of vendors' consoles."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.gateways.gateway import ReceivedRequest, Verification
from exporter.gateways.registry import load_gateways
from tests.support.exporter import started
from tests.support.gateways import refusal
from tests.support.senders import SENDERS, Sender, Sent

NAMES = {sender.name: sender for sender in SENDERS}
HUAWEI = NAMES["huawei-receipts"]
RESULT = b'{"statuses": [{"requestId": "r1", "token": "t", "status": 0}]}'

PROBES = [b"", b" \r\n", b"{}", b" { } ", b'{"statuses":[]}', b'{"statuses": null}', b"[]", b"null"]


@pytest.mark.parametrize("body", PROBES)
@pytest.mark.parametrize("signature", [None, "timestamp=1; nonce=2; value=AAAA", "forged"])
async def test_console_test_is_answered_and_counts_nothing(
    body: bytes, signature: str | None, tmp_path: Path
) -> None:
    """A body without an item gets the vendor's response, with any signature."""
    headers = {"X-HUAWEI-CALLBACK-ID": signature} if signature else {}
    async with started(HUAWEI.settings(tmp_path)) as exporter:
        status, answer = await exporter.post("/webhooks/huawei-receipts", body, headers)
        assert (status, answer) == (200, {"code": "0", "message": "success"})
        assert await exporter.counted() == {}


async def test_result_needs_its_signature(tmp_path: Path) -> None:
    """A result, or a larger body, is refused without a signature; with one it counts."""
    async with started(HUAWEI.settings(tmp_path)) as exporter:
        for body in (RESULT, RESULT.replace(b'"t"', b'""'), b'{"statuses":[]}' + b" " * 5000,
                     b'{"other": 1}', b"5", b'"text"', b"{"):  # fmt: skip
            status, answer = await exporter.post("/webhooks/huawei-receipts", body)
            assert (status, answer["error"]) == (401, "missing_credentials"), body
        sent = HUAWEI.sign(RESULT, "the-old-secret-0123456789", 0)
        url = HUAWEI.path(sent)
        assert (await exporter.post(url, sent.body, dict(sent.headers)))[0] == 200
        assert sum((await exporter.counted()).values()) == 1


EMPTY = ["mps", "results", "oppo-receipts", "vivo-receipts", "mipush-receipts", "getui"]


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("body", [b"", b" \n\t ", b"\xef\xbb\xbf"])
def test_empty_body_is_malformed(name: str, body: bytes, tmp_path: Path) -> None:
    """Without a handshake or a probe an empty body is an error in every format."""
    sender = NAMES.get(name) or Sender("mps", lambda body, _secret, _age: Sent(body))
    gateway = load_gateways(sender.settings(tmp_path))[name]
    assert gateway.verification(ReceivedRequest(body)) is None
    for content_type in ("", "application/json", "application/x-ndjson"):
        request = ReceivedRequest(body, {"Content-Type": content_type})
        assert refusal(gateway, request).startswith("malformed_body: The body is ")


@pytest.mark.parametrize("body", [b"[]", b'{"results": []}'])
async def test_empty_batch_is_accepted(body: bytes, tmp_path: Path) -> None:
    """A batch without results is accepted."""
    async with started(NAMES["results"].settings(tmp_path)) as exporter:
        headers = {"Authorization": "Bearer the-old-secret-0123456789"}
        status, answer = await exporter.post("/webhooks/results", body, headers)
        assert (status, answer["accepted"]) == (200, 0)


SIGNED_PROBE = """
channel = "vivo"
[auth]
scheme = "bearer"
secrets = ["secrets"]
[probe]
unsigned = false
[items]
path = "events"
[fields]
code = "code"
"""


async def test_probe_may_need_credentials(tmp_path: Path) -> None:
    """A probe with wrong credentials is refused, and succeeds with the right ones."""
    async with started(
        Sender("acme", SENDERS[0].sign, SIGNED_PROBE).settings(tmp_path)
    ) as exporter:
        for body in (b"", b"{}", b'{"events": []}'):
            found = []
            for secret in ("the-old-secret-0123456789", "another"):
                headers = {"Authorization": f"Bearer {secret}"}
                found.append((await exporter.post("/webhooks/acme", body, headers))[0])
            assert found == [200, 401]


HANDSHAKES = [
    ({"echostr": "abc_-1"}, b"", "abc_-1"),
    ({"echostr": "a b"}, b"", None),
    ({"echostr": "a" * 257}, b"", None),
    ({"echostr": "<script>"}, b"", None),
    ({"other": "a"}, b"", None),
    ({}, b'{"echostr": "abc"}', "abc"),
    ({}, b'{"echostr": 5}', None),
    ({}, b'{"echostr": "a b"}', None),
    ({}, b'{"echostr": "abc", "code": 1}', None),
    ({}, b'[{"echostr": "abc"}]', None),
    ({}, b"echostr", None),
    ({}, b'{"echostr": "abc"}}', None),
    ({}, b'{"echostr": "abc", "x": "' + b"x" * 5000 + b'"}', None),
    ({}, b'{"echostr": ' + b"[" * 2000, None),
]


@pytest.mark.parametrize(("query", "body", "expected"), HANDSHAKES)
def test_handshakes(
    tmp_path: Path, query: dict[str, str], body: bytes, expected: str | None
) -> None:
    """A text of harmless characters is sent back, unless the request holds a result."""
    gateway = load_gateways(SENDERS[-1].settings(tmp_path))[SENDERS[-1].name]
    found = gateway.verification(ReceivedRequest(body, {}, query))
    assert found == (None if expected is None else Verification(expected))


def test_handshake_without_the_path_to_items(tmp_path: Path) -> None:
    """A challenge alone, without the array of items that results come in, is sent back."""
    sender = SENDERS[-1]
    description = f'{sender.description}\n[items]\npath = "events"\n'
    gateway = load_gateways(replace(sender, description=description).settings(tmp_path))["acme"]
    for body, challenge in (
        (b'{"echostr": "abc"}', Verification("abc")),
        (b'{"echostr": "abc", "events": [{"code": 1}]}', None),
    ):
        assert gateway.verification(ReceivedRequest(body)) == challenge
