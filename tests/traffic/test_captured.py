"""Captured bodies, replayed to a running exporter, and the report of the responses."""

import json
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from exporter.errors import ConfigurationError, Reason, RequestError
from exporter.records.record import Captured, Record, read_captured
from exporter.traffic.captured import check_url, requests_of
from exporter.traffic.outgoing import Signer
from exporter.traffic.sender import Request, Summary, send
from exporter.traffic.signers import signers
from tests.support.exporter import SECRET, TOKEN, Exporter, KeyPair, MakeSettings, started
from tests.support.gateways import unsigned_gateways

CALLBACK = b'{"statusCode": "2009", "channel": "IOS"}'
RESULT = b'{"code": 10072, "channel": "vivo"}'


Signers = Mapping[str, Signer]

NOTHING: Signers = {}


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """Give a file with the token."""
    path = tmp_path / "a token"
    path.write_text(TOKEN)
    return path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Give a file with the Standard Webhooks secret."""
    path = tmp_path / "a secret"
    path.write_text(SECRET)
    return path


async def replay(url: str, known: Signers, *bodies: bytes | Captured, rate: float = 1e6) -> Summary:
    """Send bodies as they are, or according to a record."""
    captured = [body if isinstance(body, Captured) else Captured(body) for body in bodies]
    return await send(requests_of(captured, url, unsigned_gateways(), known), rate=rate)


def record(body: bytes, **facts: Any) -> Captured:
    """Give a body with a record of the generic webhook."""
    given: dict[str, Any] = {"time": "", "source": "results", "reason": "", "size": 0, "body": ""}
    return Captured(body, Record(record=1, **(given | facts)))


async def test_each_body_goes_to_its_webhook(
    exporter: Exporter, keys: KeyPair, token: Path
) -> None:
    """Without a path in the URL, each body is recognized and signed for its webhook."""
    credentials = signers(private_key=keys.private, token=token)
    for url in (exporter.ingest, f"{exporter.ingest}/"):
        summary = await replay(url, credentials, CALLBACK, RESULT)
        assert summary.responses == {"200": 2}
        assert summary.all_accepted
    counted = await exporter.counted()
    assert counted == {("apns", "2009", "warning"): 1, ("vivo", "10072", "warning"): 2}


async def test_a_secret_signs(exporter: Exporter, secret: Path) -> None:
    """With a secret the exporter verifies each call; the same file again is a duplicate."""
    for expected in ({"accepted": 2}, {"duplicates": 2}):
        summary = await replay(exporter.ingest, signers(secret=secret), RESULT, RESULT)
        assert summary.responses == {"200": 2}
        assert summary.results == expected


async def test_a_path_in_the_url_takes_everything(
    exporter: Exporter, keys: KeyPair, token: Path
) -> None:
    """A webhook in the URL gets every body, in any format."""
    credentials = signers(private_key=keys.private, token=token)
    summary = await replay(f"{exporter.ingest}/webhooks/mps", credentials, CALLBACK, RESULT)
    assert summary.responses == {"200": 1, "400": 1}
    assert summary.reasons == {"invalid_results": 1, "code_missing": 1}


async def test_a_record_is_sent_as_it_came(exporter: Exporter, keys: KeyPair, token: Path) -> None:
    """A record has webhook, hint and content type; unusable values are replaced by defaults."""
    credentials = signers(private_key=keys.private, token=token)
    lines = RESULT + b"\n" + RESULT
    summary = await replay(
        exporter.ingest,
        credentials,
        record(b'{"statusCode": "10072"}', source="mps", channel="VIVO"),
        record(lines, content_type="application/x-ndjson"),
        record(lines, content_type="text/plain"),
        record(RESULT, content_type="text/\u2026\r\nX: y"),
        Captured(lines),
    )
    assert summary.responses == {"200": 5}
    assert summary.results == {"accepted": 8}
    assert await exporter.counted() == {("vivo", "10072", "warning"): 8}


async def test_the_urls_own_query_stays(exporter: Exporter, keys: KeyPair) -> None:
    """A hint in the URL takes precedence over the record's, and other parameters stay."""
    credentials = signers(private_key=keys.private)
    captured = record(b'{"statusCode": "2"}', source="mps", channel="VIVO")
    for query in ("?channel=HMS", "?x=1"):
        body = b'{"statusCode": "2"}' + b" " * len(query)
        assert (
            await replay(exporter.ingest + query, credentials, captured._replace(body=body))
        ).all_accepted
    assert await exporter.counted() == {("huawei", "2", "info"): 1, ("vivo", "2", "info"): 1}


async def test_refusals_are_counted_by_status_and_reason(exporter: Exporter, token: Path) -> None:
    """Every call that is not accepted shows in the summary, and so does every rejected item."""
    batch = b'[{"code": 2}, {"code": true}, {}]'
    summary = await replay(
        exporter.ingest, signers(token=token), CALLBACK, RESULT, b"{", b"{}", batch
    )
    assert summary.responses == {"200": 2, "400": 2, "401": 1}
    assert summary.results == {"accepted": 2, "rejected": 3}
    assert summary.reasons == {
        "missing_credentials": 1,
        "malformed_body": 1,
        "invalid_results": 1,
        "code_missing": 2,
        "code_invalid": 1,
    }
    assert not summary.all_accepted
    assert summary.detail.startswith("Expected a signature in query parameter 'sign'")


async def test_records_are_rejected_for_the_same_reasons(
    make_settings: MakeSettings, tmp_path: Path, token: Path
) -> None:
    """Replayed records are rejected for the same reasons as the original requests."""
    folder = tmp_path / "records"
    bodies = [
        b'{"targetId": "abc"}',
        b'{"statusCode": ',
        b"\xff",
        b'[{"code": null}]',
        '{"code": 2, "message": "\u63a8", "token": "x"}'.encode("gbk"),
        '{"code": 2, "token": "x"}'.encode("utf-16"),
        b'{"code": 2, "channel": 12345678901234567890}',
        b'{"code": 1e400, "token": "x"}',
    ]
    credentials = signers(token=token)
    async with started(make_settings(record=folder)) as exporter:
        url = f"{exporter.ingest}/webhooks/results"
        first = await replay(url, credentials, *bodies)
    assert len(list(folder.iterdir())) == len(bodies)
    async with started(make_settings()) as exporter:
        second = await replay(exporter.ingest, credentials, *read_captured(str(folder)))
    assert first.responses == {"400": len(bodies)}
    assert second.reasons == first.reasons


async def test_the_rate_is_kept(exporter: Exporter, token: Path) -> None:
    """Calls are spread over time."""
    started_at = time.monotonic()
    await replay(exporter.ingest, signers(token=token), *[RESULT] * 6, rate=20)
    assert time.monotonic() - started_at >= 5 / 20


@asynccontextmanager
async def server(answer: web.Response) -> AsyncIterator[str]:
    """Run a server that is not an exporter; return its URL."""

    async def handle(_request: web.BaseRequest) -> web.Response:
        return answer

    running = web.ServerRunner(web.Server(handle))
    await running.setup()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        await web.SockSite(running, listener).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        await running.cleanup()


@pytest.mark.parametrize(
    ("status", "text", "reasons"),
    [
        (200, "fine", {}),
        (200, "[" * 100_000, {}),
        (200, "\ud7ff", {}),
        (500, '{"error": "\\u001b[31mred"}', {"unknown": 1}),
        (500, '{"error": 5}', {}),
        (404, '{"error": "not_found", "detail": "\\u001b[31mred"}', {"not_found": 1}),
        (404, '{"error": "not_found", "detail": 5}', {"not_found": 1}),
        (404, '{"error": "not_here", "detail": "Elsewhere."}', {"not_here": 1}),
    ],
)
async def test_something_else_may_answer(status: int, text: str, reasons: dict[str, int]) -> None:
    """The status of another server counts, and its text does not reach the terminal."""
    async with server(web.Response(status=status, text=text)) as url:
        summary = await replay(url, NOTHING, RESULT)
    assert summary.responses == {str(status): 1}
    assert summary.reasons == reasons
    assert summary.detail == ""


async def test_a_redirect_is_not_followed(token: Path) -> None:
    """Credentials go to the host that was named and to no other."""
    elsewhere = web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"})
    async with server(elsewhere) as url:
        summary = await replay(url, signers(token=token), RESULT)
    assert summary.responses == {"307": 1}
    assert not summary.all_accepted


@pytest.mark.parametrize(
    "problem",
    [ConfigurationError("line 2 is bad"), RequestError(Reason.TOO_LARGE, "line 2 is large")],
)
async def test_a_bad_line_ends_the_run_by_its_name(exporter: Exporter, problem: Exception) -> None:
    """The requests before an invalid line are sent, then its error is raised."""

    def broken() -> Iterator[Request]:
        yield Request(f"{exporter.ingest}/webhooks/results", RESULT)
        raise problem

    with pytest.raises(type(problem), match="line 2"):
        await send(broken(), rate=1e6)
    refused = await exporter.series("push_webhook_requests_total")
    assert refused["results", "missing_credentials"] == 1


def test_empty_file_is_an_error() -> None:
    """An empty file is an error."""
    with pytest.raises(ConfigurationError, match="nothing to replay"):
        list(requests_of([], "http://127.0.0.1", unsigned_gateways(), NOTHING))


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://x", "http://", "http://x:99999", "http://[", "//x", "http://a..b"],
)
def test_a_url_that_leads_nowhere_is_an_error(url: str) -> None:
    """Only http and https with a host can be called."""
    with pytest.raises(ConfigurationError, match="URL"):
        check_url(url)


def test_bodies_may_be_bytes_of_any_kind(keys: KeyPair, secret: Path, token: Path) -> None:
    """Binary bodies are signed and sent, too; the exporter rejects them."""
    credentials = signers(private_key=keys.private, token=token, secret=secret)
    made = list(requests_of([Captured(b"\xff\x00")], "http://x", unsigned_gateways(), credentials))
    assert made[0].body == b"\xff\x00"
    assert json.dumps(dict(made[0].headers)).count("webhook-") == 3
