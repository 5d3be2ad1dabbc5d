"""Whatever is sent: no 5xx, no exception, documented answers, and counters that add up.

`FUZZ=long` tries ten thousand examples of each, which takes minutes.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.exporter import TOKEN, KeyPair
from tests.support.fuzzing import PROFILE, Fuzzed, fuzzed

MPS_BODIES = [
    b'{"extInfo": {"adToken": "t", "osType": "ios"}, "msgId": "console_1", "statusCode": "2"}',
    b'[{"statusCode": 2009, "channel": "IOS"}, {"statusCode": "-1", "channel": "OPPO"}]',
]
RESULTS_BODIES = [
    b'{"channel": "vivo", "code": 10072, "message": "push too fast", "id": "m-17"}',
    b'{"results": [{"code": 2}, {"code": "UNREGISTERED", "channel": "fcm"}]}',
    b'{"code": 2}\n{"code": 3}\n\n{"code": "x"}\n',
]

CODES = st.sampled_from(
    [2, "2", 2.0, " 2 ", "02", -1, 10000, "10000", 2009, "UNREGISTERED", 10**63]
)
CHANNELS = st.sampled_from(["vivo", "IOS", "oppo", "HMS", "", " ", "smoke", "OTHER", "mps"])
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**70), 10**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=300)
    | CODES
    | CHANNELS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=5,
)
RESULT_FIELDS = st.sampled_from(["code", "channel", "message", "id", "count", "other"])
MPS_FIELDS = st.sampled_from(
    ["statusCode", "statusDesc", "msgId", "channel", "extInfo", "targetId", "pushSuccess", "other"]
)
EXTRA = st.fixed_dictionaries({}, optional={"osType": ODD, "channel": CHANNELS, "adToken": ODD})
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)

# Header values as HTTP has them: bytes but for control characters, here one character each.
FIELD = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=60)
NAMES = st.sampled_from(
    [
        "Content-Type",
        "Accept",
        "Accept-Encoding",
        "Cookie",
        "Expect",
        "Forwarded",
        "Origin",
        "Range",
        "Upgrade",
        "User-Agent",
        "X-Forwarded-For",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    ]
)
TYPES = st.sampled_from(
    [
        "application/json",
        "application/x-ndjson",
        "text/plain; charset=utf-16",
        "multipart/form-data",
    ]
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, keys: KeyPair) -> Iterator[Fuzzed]:
    """Run one exporter for all examples."""
    with fuzzed(tmp_path_factory.mktemp("fuzz"), keys) as running:
        yield running


@pytest.fixture
def target(running: Fuzzed) -> Fuzzed:
    """Give that exporter to a test."""
    running.begin()
    return running


def mutations(bodies: list[bytes]) -> st.SearchStrategy[bytes]:
    """Cut, repeat, overwrite and insert bytes in good bodies."""

    @st.composite
    def mutated(draw: st.DrawFn) -> bytes:
        body = bytearray(draw(st.sampled_from(bodies)))
        for _ in range(draw(st.integers(1, 4))):
            start = draw(st.integers(0, len(body)))
            end = draw(st.integers(start, min(len(body), start + 12)))
            odd = st.sampled_from(
                [b'"', b"{", b"[", b"]", b"\\u0000", b"null", b"\xff", b"1e9", b","]
            )
            body[start:end] = draw(
                st.binary(max_size=6) | odd | st.just(bytes(body[start:end]) * 2)
            )
        return bytes(body)

    return mutated()


def test_bytes_as_callbacks(target: Fuzzed) -> None:
    """Signed bytes, arbitrary or nearly good, are a result or a 4xx."""

    @PROFILE
    @given(st.binary(max_size=300) | mutations(MPS_BODIES))
    @example(MPS_BODIES[0])
    @example(MPS_BODIES[1])
    @example(b'{"statusCode": 1e999}')
    @example(b'[{"statusCode": 2, "extInfo": {"a": [1e999]}}, {"statusCode": 2}]')
    def try_it(body: bytes) -> None:
        reply = target.mps(body)
        target.expect(reply.answer.get("accepted", 0))

    try_it()
    target.check_total()


def test_bytes_as_results(target: Fuzzed) -> None:
    """Bytes with the token, arbitrary or nearly good, are results or a 4xx."""

    @PROFILE
    @given(st.binary(max_size=300) | mutations(RESULTS_BODIES), TYPES)
    @example(RESULTS_BODIES[0], "application/json")
    @example(RESULTS_BODIES[1], "application/json")
    @example(RESULTS_BODIES[2], "application/x-ndjson")
    def try_it(body: bytes, content_type: str) -> None:
        reply = target.results(body, {"Content-Type": content_type})
        target.expect(reply.answer.get("accepted", 0))

    try_it()
    target.check_total()


def test_odd_callbacks(target: Fuzzed) -> None:
    """In an array of objects with odd values each callback is accepted, known or refused."""
    callback = st.dictionaries(MPS_FIELDS, ODD) | st.fixed_dictionaries(
        {"statusCode": CODES}, optional={"extInfo": EXTRA, "msgId": ODD, "statusDesc": TEXT}
    )

    @PROFILE
    @given(st.lists(callback, min_size=1, max_size=8), st.none() | TEXT)
    def try_it(callbacks: list[dict[str, Any]], channel: str | None) -> None:
        query = "" if channel is None else f"&channel={quote(channel)}"
        reply = target.mps(json.dumps(callbacks).encode(), query)
        assert reply.adds_up_to(len(callbacks))
        target.expect(reply.answer["accepted"])

    try_it()
    target.check_total()


def test_odd_results(target: Fuzzed) -> None:
    """Each object with odd values is rejected, or counted as often as its `count`."""
    result = st.dictionaries(RESULT_FIELDS.filter("id".__ne__), ODD) | st.fixed_dictionaries(
        {"code": CODES}, optional={"channel": CHANNELS, "count": st.integers(0, 10**9 + 1)}
    )

    @PROFILE
    @given(st.lists(result | ODD.filter(lambda value: not isinstance(value, dict)), min_size=1))
    def try_it(items: list[Any]) -> None:
        reply = target.results(json.dumps(items).encode())
        assert reply.adds_up_to(len(items))
        good = [item for index, item in enumerate(items) if index not in reply.rejected]
        assert reply.answer["accepted"] == len(good)  # without ids nothing is a duplicate
        assert all(isinstance(item, dict) and item.get("code") is not None for item in good)
        target.expect(sum(item.get("count") or 1 for item in good))

    try_it()
    target.check_total()


def test_repeated_results(target: Fuzzed) -> None:
    """Results with ids, and calls with a `webhook-id`, are counted once however they repeat."""
    seen: set[tuple[str, str, str]] = set()
    calls: dict[str, str] = {}
    counted: set[str] = set()
    result = st.fixed_dictionaries(
        {
            "channel": st.sampled_from(["vivo", "VIVO", "apns", "IOS"]),
            "code": st.sampled_from([2, "2", 2.0, 2009, "10072"]),
            "id": st.sampled_from(["a", "b", "", 7, "7", None]) | TEXT,
        }
    )

    def new(items: list[dict[str, Any]]) -> int:
        count = 0
        for item in items:
            channel = {"VIVO": "vivo", "IOS": "apns"}.get(item["channel"], item["channel"])
            key = (channel, str(int(item["code"])), str(item["id"]))
            if item["id"] in (None, "") or key not in seen:
                count += 1
                seen.add(key)
        return count

    @PROFILE
    @given(
        st.lists(result, min_size=1, max_size=8),
        st.none() | st.sampled_from(["call-1", "call-2"]) | st.uuids().map(str),
    )
    def try_it(items: list[dict[str, Any]], call: str | None) -> None:
        headers = {"webhook-id": call} if call else {}
        body = json.dumps(items)
        reply = target.results(body.encode(), headers)
        if call and calls.setdefault(call, body) != body:
            assert (reply.status, reply.answer["error"]) == (409, "conflict")
            target.expect(0)
            return
        assert reply.adds_up_to(len(items))
        expected = new(items) if call is None else len(items) * (call not in counted)
        counted.add(call or "")
        assert reply.answer["accepted"] == expected
        target.expect(expected)

    try_it()
    target.check_total()


def test_queries_headers_and_types(target: Fuzzed) -> None:
    """Query strings, headers and content types of any kind change no promise."""
    query = st.text(st.characters(codec="utf-8")).map(quote) | st.text(
        st.sampled_from("abc=&%;+?/:@!$'()*,[]{}|\\^`~\"<>019fF-_."), max_size=40
    )

    @PROFILE
    @given(
        query,
        st.dictionaries(NAMES, FIELD, max_size=4),
        st.sampled_from([f"Bearer {TOKEN}", "Bearer", "", "Basic eDp5"]) | FIELD,
        st.booleans(),
    )
    def try_it(query: str, headers: dict[str, str], authorization: str, mps: bool) -> None:
        headers = {**headers, "Authorization": authorization}
        body = b'{"code": 2, "statusCode": 2, "msgId": "%d"}' % target.counted()
        source = f"mps?sign={target.signature(body)}&" if mps else "results?"
        reply = target.post(f"/webhooks/{source}{query}", body, headers)
        target.expect(reply.answer.get("accepted", 0))

    try_it()
    target.check_total()


HTTP_PIECES = st.sampled_from(
    [
        b"POST /webhooks/results HTTP/1.1\r\n",
        b"POST /webhooks/mps?sign=YQ HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\n",
        b"POST ",
        b"/webhooks/results ",
        b"HTTP/1.0\r\n",
        b"Host: x\r\n",
        b"Authorization: Bearer " + TOKEN.encode() + b"\r\n",
        b"Content-Length: 11\r\n",
        b"Content-Length: 0\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Expect: 100-continue\r\n",
        b"X-Field: a\r\n b\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b": ",
        b"\r\n\r\n",
        b'{"code": 2}',
        b'b\r\n{"code": 2}\r\n',
        b"0\r\n\r\n",
        b"-1\r\n",
        b"FFFFFFFFFFFFFFFFF\r\n",
        b"5;a=b\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
)
GOOD_CALL = (
    b"POST /webhooks/results HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    + TOKEN.encode()
    + b'\r\nContent-Length: 11\r\n\r\n{"code": 2}'
)


def test_http_framing(target: Fuzzed) -> None:
    """Pieces of HTTP in any order, and good calls with wounds, are answered or closed."""

    @PROFILE
    @given(
        st.lists(HTTP_PIECES | st.binary(max_size=20), max_size=12).map(b"".join)
        | mutations([GOOD_CALL, GOOD_CALL * 3])
    )
    @example(GOOD_CALL * 3)
    def try_it(sent: bytes) -> None:
        before = target.counted()
        replies = target.raw(sent, 0.02)
        accepted = sum(reply.answer.get("accepted", 0) for reply in replies)
        # What was accepted too late for us to see is counted as well.
        more = target.counted() - before
        assert more >= accepted
        target.expect(more)

    try_it()
    target.check_total()
    reply = target.results(b'{"code": 2}')
    assert reply.answer["accepted"] == 1
    target.expect(1)
    target.check_total()
