"""HTTP as clients speak it: what aiohttp leaves to us, and what is relied on in it."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.support.exporter import TOKEN, Exporter

HEADERS = f"POST /webhooks/results HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
REQUEST = f'{HEADERS}Content-Length: 11\r\n\r\n{{"code": 2}}'.encode()
LAST = REQUEST.replace(b"Host: x", b"Host: x\r\nConnection: close")
SECRET = b"s3cret-in-the-request"


@pytest.fixture(autouse=True)
def _no_internal_error_is_logged() -> Iterator[None]:
    """Check that no input of a client was logged as an internal error."""
    with capture_logs() as logs:
        yield
    assert [line for line in logs if line["log_level"] in ("error", "critical")] == []


async def test_ready_responses_have_the_same_bytes(exporter: Exporter) -> None:
    """Responses on kept-alive and closing connections differ in the Connection header only."""
    answers = []
    for last in (LAST, LAST.replace(b"/results", b"/results?verbose=1")):
        kept = last.replace(b"Connection: close\r\n", b"")
        *ready, closing = (await exporter.exchange(kept * 3 + last)).split(b"HTTP/1.1 200 OK\r\n")[
            1:
        ]
        assert b"Connection: close\r\n" in closing
        answers += [closing.replace(b"Connection: close\r\n", b""), *ready]
    dated = {re.sub(rb"Date: [^\r]+ GMT", b"Date", answer) for answer in answers}
    assert len(dated) == 1
    [response] = dated
    assert response.endswith(b'{"accepted":1,"duplicates":0,"rejected":[]}')


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        SECRET + b"\r\n\r\n",
        b"POST /webhooks/mps?%s HTTP/9.9\r\n\r\n" % SECRET,
        b"POST /webhooks/mps?%s HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n" % SECRET,
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" + SECRET,
        b"POST / HTTP/1.1\r\n%s\r\n\r\n" % SECRET,
        b"POST / HTTP/1.1\r\nX: %s\r\n\r\n" % (SECRET * 500),
        b"POST / HTTP/1.1\r\n" + b"X: %s\r\n" % SECRET * 2000 + b"\r\n",
        b"POST /%s HTTP/1.1\r\n\r\n" % (SECRET * 500),
        b"POST / HTTP/1.1\r\nTransfer-Encoding: %s\r\nContent-Length: 1\r\n\r\n" % SECRET,
    ],
    ids=["tls", "text", "version", "length", "lengths", "colon", "long", "many", "path", "both"],
)
async def test_malformed_request_is_refused_discreetly(
    exporter: Exporter, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It gets a 400 as JSON and is counted; nothing of it gets into the response or the log."""
    caplog.set_level(logging.DEBUG)
    response = await exporter.exchange(sent)
    head, _, body = response.partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert b"Content-Type: application/json" in head
    assert json.loads(body)["error"] == "malformed_request"
    assert SECRET not in response
    assert SECRET.decode() not in caplog.text
    requests = await exporter.series("push_webhook_requests_total")
    assert requests["unknown", "malformed_request"] == 1
    assert (await exporter.results(b'{"code": 2}'))[0] == 200


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\n" + SECRET, b"5\r\n" + SECRET + b"\r\n0\r\n\r\n"],
    ids=["size", "length"],
)
async def test_broken_chunks_are_refused_discreetly(
    exporter: Exporter, chunks: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Invalid chunks end the request with a 400, and leave nothing in the log."""
    caplog.set_level(logging.DEBUG)
    response = await exporter.exchange(
        f"{HEADERS}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks
    )
    assert b" 400 " in response.splitlines()[0]
    assert SECRET not in response
    assert SECRET.decode() not in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/webhooks/results", 405, "method_not_allowed"),
        ("PUT", "/webhooks/mps", 405, "method_not_allowed"),
        ("OPTIONS", "/webhooks/mps/", 405, "method_not_allowed"),
        ("POST", "/", 404, "not_found"),
        ("POST", "/webhooks", 404, "not_found"),
        ("POST", "/webhooks/nobody", 404, "not_found"),
        ("POST", "/webhooks/results/more", 404, "not_found"),
        ("GET", "/metrics", 404, "not_found"),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404, "not_found"),
    ],
)
async def test_path_and_method(
    exporter: Exporter, method: str, path: str, status: int, reason: str
) -> None:
    """An unknown path or a method other than POST gets the documented JSON, and is counted."""
    async with exporter.client.request(method, exporter.ingest + path) as response:
        assert (response.status, (await response.json())["error"]) == (status, reason)
        assert (response.headers.get("Allow") == "POST") == (status == 405)
        assert response.headers["Server"] == "push-result-exporter"
    requests = await exporter.series("push_webhook_requests_total")
    assert sum(value for (_, label), value in requests.items() if label == reason) == 1


@pytest.mark.parametrize(
    "path",
    ["/webhooks/results/", "//webhooks/results", "/webhooks//results//?x=1", "/webhooks/results?"],
)
async def test_slashes_do_not_matter(exporter: Exporter, path: str) -> None:
    """A path with a doubled or trailing slash is the same path, without a redirect."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert (await exporter.post(path, b'{"code": 2}', headers))[0] == 200


async def test_pipelined_requests_are_answered_in_order(exporter: Exporter) -> None:
    """Pipelined requests are answered in order, and the body of a refused one is not parsed."""
    stray = REQUEST.replace(b"/webhooks/results", b"/elsewhere")
    hidden = stray.replace(b"Content-Length: 11", b"Content-Length: %d" % len(REQUEST))
    sent = REQUEST * 3 + stray + hidden[:-11] + REQUEST + REQUEST.replace(b"POST", b"PUT") + LAST
    response = await exporter.exchange(sent)
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", response)
    assert statuses == [b"200"] * 3 + [b"404", b"404", b"405", b"200"]
    assert await exporter.counted() == {("mps", "2", "info"): 4}


async def test_other_ways_to_speak_http(exporter: Exporter) -> None:
    """HTTP/1.0, the absolute form, a declined upgrade to h2c, trailers, HEAD."""
    old = REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0")
    assert b" 200 OK" in await exporter.exchange(old)
    absolute = LAST.replace(b"POST /", b"POST http://push.example.com/")
    assert b" 200 OK" in await exporter.exchange(absolute)
    upgrade = (  # as Java's client offers HTTP/2
        b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA"
    )
    # aiohttp loses what is pipelined behind it, so that no later response may seem to be of that.
    answered = await exporter.exchange(REQUEST.replace(b"Host: x", upgrade) + REQUEST)
    assert answered.count(b" 200 OK") == 1
    trailers = f"{HEADERS}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    sent = trailers + b'b\r\n{"code": 2}\r\n0\r\nAuthorization: Bearer other\r\n\r\n'
    assert b" 200 OK" in await exporter.exchange(sent)
    head = await exporter.exchange(
        b"HEAD /webhooks/mps HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 405 ")
    assert head.endswith(b"\r\n\r\n")


async def test_asterisk_form_is_not_a_webhook(exporter: Exporter) -> None:
    """`OPTIONS *`, which has no path, gets the contract's response, too."""
    response = await exporter.exchange(
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert response.startswith(b"HTTP/1.1 404 ")
    assert json.loads(response.partition(b"\r\n\r\n")[2])["error"] == "not_found"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError(SECRET.decode()), "a connection failed: ValueError"),
        (RuntimeError(SECRET.decode()), "a connection failed: RuntimeError"),
        (ConnectionResetError(SECRET.decode()), None),
        (web.RequestPayloadError(SECRET.decode()), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_log_of_connections_quotes_nothing(
    caplog: pytest.LogCaptureFixture, error: Exception, line: str | None
) -> None:
    """Errors of connections are logged by their type only; actions of clients are not logged."""
    try:
        raise error
    except type(error):
        logging.getLogger("exporter.webhooks.connection").exception("at %s", SECRET)
    assert [record.getMessage() for record in caplog.records] == ([line] if line else [])
    assert SECRET.decode() not in caplog.text


@pytest.mark.parametrize(
    ("headers", "path", "expected"),
    [
        ("Content-Length: 11", "/webhooks/results", b"100 Continue"),
        ("Content-Length: 9999999", "/webhooks/results", b"413 "),
        ("Content-Length: 11\r\nContent-Encoding: br", "/webhooks/results", b"415 "),
        ("Content-Length: 11", "/elsewhere", b"404 "),
    ],
)
async def test_expect_is_answered_before_the_body(
    exporter: Exporter, headers: str, path: str, expected: bytes
) -> None:
    """A client that waits for 100 gets it, or learns at once that its body is not wanted."""
    reader, writer = await exporter.connect()
    start = HEADERS.replace("/webhooks/results", path)
    writer.write(f"{start}Expect: 100-continue\r\n{headers}\r\n\r\n".encode())
    first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert first.startswith(b"HTTP/1.1 " + expected)
    if b"100" in expected:
        writer.write(b'{"code": 2}')
        assert b" 200 OK" in await reader.readuntil(b"}")
    else:
        assert b"Connection: close" in first
        requests = await exporter.series("push_webhook_requests_total")
        assert sum(requests.values()) == 1
    writer.close()


async def test_http_1_0_expects_nothing(exporter: Exporter) -> None:
    """A server ignores the expectation of an HTTP/1.0 client, which knows no 100."""
    head = HEADERS.replace("HTTP/1.1", "HTTP/1.0") + "Expect: 100-continue\r\n"
    response = await exporter.exchange(f'{head}Content-Length: 11\r\n\r\n{{"code": 2}}'.encode())
    assert response.startswith(b"HTTP/1.0 200 ")


async def test_other_expectations_are_ignored(exporter: Exporter) -> None:
    """An expectation that RFC 9110 does not define delays and refuses nothing."""
    head = f"{HEADERS}Expect: 200-ok\r\nConnection: close\r\nContent-Length: 11\r\n\r\n"
    response = await exporter.exchange(f'{head}{{"code": 2}}'.encode())
    assert response.startswith(b"HTTP/1.1 200 ")


async def test_internal_error_is_a_500(exporter: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    """An internal error is counted and logged with its traceback; the response has no details."""

    def broken(_deliveries: object) -> None:
        raise KeyError("inside")

    monkeypatch.setattr(exporter.hub.ledger, "record", broken)
    with capture_logs() as logs:
        status, answer = await exporter.results(b'{"code": 2}')
    assert (status, answer["error"]) == (500, "internal_error")
    assert "inside" not in json.dumps(answer)
    assert [line["log_level"] for line in logs] == ["error"]
    requests = await exporter.series("push_webhook_requests_total")
    assert requests["results", "internal_error"] == 1
