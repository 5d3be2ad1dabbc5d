"""What is hardly HTTP, or hardly JSON, sent to the real process over raw sockets."""

import gzip
import json
import re
import socket
import zlib
from collections.abc import Iterator

import pytest

from tests.support.exporter import TOKEN
from tests.support.hostile import address, descriptors, resident, unread
from tests.support.programs import ExporterProcess, exporter_process, fetch, wait_for

RESULTS = b"/webhooks/results"
AUTHORIZATION = b"Authorization: Bearer %b\r\n" % TOKEN.encode()
GOOD = b'{"code": 2}'


def head(*fields: bytes, target: bytes = RESULTS, version: bytes = b"HTTP/1.1") -> bytes:
    """Make the head of a call that carries the token."""
    lines = [b"POST %b %b" % (target, version), b"Host: x", AUTHORIZATION.strip(), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def call(body: bytes, *fields: bytes, target: bytes = RESULTS) -> bytes:
    """Make a call that carries the token and a body with its length."""
    return head(b"Content-Length: %d" % len(body), *fields, target=target) + body


def chunked(body: bytes, *fields: bytes) -> bytes:
    """Make a request with the given bytes as its chunks."""
    return head(b"Transfer-Encoding: chunked", *fields) + body


HIDDEN = call(GOOD)  # a good call that must stay a body
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
UPGRADE = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
BOMB = b"\0" * 50_000_000

REFUSED: dict[str, bytes] = {
    # too much of something
    "huge field": head(b"X: " + b"a" * 1_000_000),
    "huge field name": head(b"X" * 1_000_000 + b": a"),
    "10,000 fields": head(*(b"X-%d: y" % number for number in range(10_000))),
    "10,000 trailers": chunked(b"b\r\n" + GOOD + b"\r\n0\r\n" + b"X: y\r\n" * 10_000 + b"\r\n"),
    "query of 1 MB": head(target=RESULTS + b"?sign=" + b"a" * 1_000_000),
    "path of 1 MB": head(target=b"/" * 1_000_000),
    "method of 1 MB": b"A" * 1_000_000 + b" / HTTP/1.1\r\n\r\n",
    "body over the limit": call(b" " * 1_100_000 + GOOD),
    # lengths
    "length absurd": head(b"Content-Length: 999999999999"),
    "length beyond 64 bits": head(b"Content-Length: 99999999999999999999999999"),
    "length negative": head(b"Content-Length: -1") + GOOD,
    "length with a plus": head(b"Content-Length: +11") + GOOD,
    "length in hex": head(b"Content-Length: 0xb") + GOOD,
    "length empty": head(b"Content-Length: ") + GOOD,
    "length as a list": head(b"Content-Length: 11, 11") + GOOD,
    "lengths that differ": head(b"Content-Length: 11", b"Content-Length: 0") + GOOD,
    "length expected and too large": head(b"Content-Length: 9999999", b"Expect: 100-continue"),
    # chunks
    "chunk size of text": chunked(b"ZZZ\r\n" + GOOD),
    "chunk size negative": chunked(b"-b\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    "chunk size beyond 64 bits": chunked(b"FFFFFFFFFFFFFFFFFF\r\n" + GOOD),
    "chunk size of exabytes": chunked(b"7FFFFFFFFFFFFFFF\r\n" + GOOD),
    "chunk size missing": chunked(b"\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    "chunk size with 0x": chunked(b"0xb\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    "chunk longer than its size": chunked(b"1\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    "chunk with a bare line feed": chunked(b"b\n" + GOOD + b"\n0\n\n"),
    "chunks over the limit": chunked((b"10000\r\n" + b" " * 65536 + b"\r\n") * 20),
    "chunk size of a megabyte of zeros": chunked(b"0" * 1_000_000 + b"b\r\n" + GOOD),
    # two readings of where the body ends
    "length and chunks": head(b"Content-Length: 5", b"Transfer-Encoding: chunked")
    + b"0\r\n\r\n"
    + HIDDEN,
    "chunks and length": head(b"Transfer-Encoding: chunked", b"Content-Length: 5")
    + b"0\r\n\r\n"
    + HIDDEN,
    "encoding obscured": head(b"Transfer-Encoding: xchunked", b"Content-Length: 5")
    + b"0\r\n\r\n"
    + HIDDEN,
    "encoding twice": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity") + HIDDEN,
    "encoding identity": head(b"Transfer-Encoding: identity", b"Content-Length: 11") + GOOD,
    "encoding before a space": head(b"Transfer-Encoding : chunked") + b"0\r\n\r\n" + HIDDEN,
    "encoding after a tab": head(b"\tTransfer-Encoding: chunked") + b"0\r\n\r\n" + HIDDEN,
    "folded field": head(b"X: a", b" Content-Length: 200") + HIDDEN,
    "bare carriage return": head(b"X: a\rTransfer-Encoding: chunked") + b"0\r\n\r\n" + HIDDEN,
    "bare line feeds": call(GOOD).replace(b"\r\n", b"\n"),
    "NUL in a field": head(b"X: a\0b", b"Content-Length: 11") + GOOD,
    # other protocols and targets
    "HTTP/2": PREFACE + b"\0\0\0\4\0\0\0\0\0",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/3.7": head(version=b"HTTP/3.7"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "upgrade with bytes behind it": head(*UPGRADE, target=b"/") + PREFACE + b"\xff" * 100_000,
    "websocket with frames behind it": head(
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    + b"\x81\x85abcdefghi" * 1000,
    "target *": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "target of a proxy": b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n\x16\x03",
    "target without a slash": head(target=b"webhooks/results"),
    "target with a bad host": head(target=b"http://[::1/webhooks/results"),
    "target with a bad port": head(target=b"http://x:99999999/webhooks/results"),
    "target with dots": call(GOOD, target=b"/webhooks/../etc/passwd"),
    "target with %00": call(GOOD, target=b"/webhooks/results%00"),
    "target that is not UTF-8": call(GOOD, target=b"/webhooks/\xff\xfe"),
    "target that is not UTF-8, quoted": call(GOOD, target=b"/webhooks/%ff%fe"),
    "query that is not UTF-8": call(GOOD, target=b"/webhooks/mps?sign=\xff&channel=\xfe"),
    "query that is not UTF-8, quoted": call(GOOD, target=b"/webhooks/mps?sign=%ff&channel=%00%fe"),
    "query that is nothing but signs": call(GOOD, target=b"/webhooks/mps?" + b"sign=a&" * 1000),
    "query with an empty and a bad sign": call(GOOD, target=b"/webhooks/mps?sign=&sign=b&sign"),
    "spaces for a request": b" " * 10_000 + b"\r\n\r\n",
    "nothing but line ends": b"\r\n" * 10_000 + b"milk\r\n\r\n",
    "binary": bytes(range(256)) * 100 + b"\r\n\r\n",
    "garbage after a call": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"\xff milk\r\n\r\n" * 1000,
    # bodies
    "gzip bomb": call(gzip.compress(BOMB), b"Content-Encoding: gzip"),
    "deflate bomb": call(zlib.compress(BOMB), b"Content-Encoding: deflate"),
    "gzip bomb without a word": call(gzip.compress(BOMB)),
    "gzip bomb as transfer encoding": head(b"Transfer-Encoding: gzip, chunked")
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(gzip.compress(BOMB)), gzip.compress(BOMB)),
    "deep arrays": call(b"[" * 500_000),
    "deep arrays that end": call(b"[" * 200_000 + b"]" * 200_000),
    "deep objects": call(b'{"a":' * 150_000 + b"1" + b"}" * 150_000),
    "deep results": call(b'{"results":[' * 80_000),
    "deep lines": call(b"[" * 500_000 + b"\n", b"Content-Type: application/x-ndjson"),
    "huge integer": call(b'{"code": ' + b"9" * 500_000 + b"}"),
    "huge float": call(b'{"code": 1e999999}'),
    "huge count": call(b'{"code": 2, "count": 1' + b"0" * 500 + b"}"),
    "not a number": call(b'{"code": NaN}'),
    "invalid UTF-8": call(b'{"code": 2, "message": "\xff\xfe"}'),
    "UTF-16": call('{"code": 2}'.encode("utf-16")),
    "a million commas": call(b"[" + b"," * 1_000_000 + b"]"),
    "half a million items": call(b"[" + b"1," * 500_000 + b"1]"),
}

STATUS = {
    "gzip bomb": 413,
    "deflate bomb": 415,
    "body over the limit": 413,
    "length absurd": 413,
    "length expected and too large": 413,
    "chunks over the limit": 413,
    "chunk size of exabytes": 408,
    "deep arrays": 400,
    "huge integer": 400,
    "invalid UTF-8": 400,
}
"""Which 4xx it has to be, where the answer comes through at all."""

ODD_BUT_GOOD: dict[str, bytes] = {
    "lone surrogates in JSON": call(b'{"code": 2, "message": "\\ud800", "id": "\\udfff"}'),
    "lone surrogate in UTF-8": call(b'{"code": 2, "message": "\xed\xa0\x80"}'),
    "target of two slashes": call(GOOD, target=b"//webhooks/results"),
    "absolute target": call(GOOD, target=b"http://x/webhooks/results"),
    "chunk extension and trailer": chunked(b"B;a=b\r\n" + GOOD + b"\r\n0;x\r\nX-T: 1\r\n\r\n"),
    "many small chunks": chunked(b"".join(b"1\r\n%c\r\n" % c for c in GOOD) + b"0\r\n\r\n"),
    "HTTP/1.0": call(GOOD).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "offer of HTTP/2, as Java's client makes": call(GOOD, *UPGRADE),
    "offer of HTTP/2 and chunks": chunked(b"b\r\n" + GOOD + b"\r\n0\r\n\r\n", *UPGRADE),
    "content type that is none": call(GOOD, b"Content-Type: \xff;;=;"),
    "fields that are not UTF-8": call(GOOD, b"webhook-id: \xff\xed\xa0\x80", b"Cookie: \xfe"),
}


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    """Run one exporter for all; afterwards it stops in good order."""
    folder = tmp_path_factory.mktemp("exporter")
    token = folder / "token"
    token.write_text(TOKEN)
    settings = {"results_token_files": token, "body_timeout_seconds": 1, "log_format": "json"}
    with exporter_process(folder, **settings) as process:
        yield process
        process.process.terminate()
        assert process.process.wait(20) == 0


@pytest.fixture(autouse=True)
def _stays_well(exporter: ExporterProcess) -> Iterator[None]:
    """After each test the next good call is answered, and the log complains of nothing."""
    begin = exporter.log.stat().st_size
    yield
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert json.loads(fetch(exporter.ingest + RESULTS.decode(), GOOD, headers))["accepted"] == 1
    logged = [json.loads(line) for line in exporter.log.read_bytes()[begin:].splitlines()]
    assert not [line for line in logged if line["level"] in ("error", "critical")]
    assert not [line for line in logged if "exception" in line]


def statuses(exporter: ExporterProcess, sent: bytes) -> list[int]:
    """Send bytes; return the status of each response until the end."""
    received = b""
    with socket.create_connection(address(exporter), timeout=5) as client:
        try:
            client.sendall(sent)
            while piece := client.recv(65536):
                received += piece
                client.settimeout(0.1)
        except TimeoutError:
            assert received, "neither an answer nor an end"
        except ConnectionError:
            pass  # it may close while we still send
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(exporter: ExporterProcess, name: str) -> None:
    """Each is answered with a 4xx or closed, and nothing that hides in it is counted."""
    before = counted(exporter)
    for status in statuses(exporter, REFUSED[name]):
        assert 400 <= status < 500
        assert status == STATUS.get(name, status)
    assert counted(exporter) == before


@pytest.mark.parametrize("sent", ODD_BUT_GOOD.values(), ids=ODD_BUT_GOOD)
def test_odd_but_good(exporter: ExporterProcess, sent: bytes) -> None:
    """Each is a call by the book, and is counted."""
    before = counted(exporter)
    assert statuses(exporter, sent) == [200]
    assert counted(exporter) == before + 1


def test_client_that_waits_before_its_body(exporter: ExporterProcess) -> None:
    """Who expects `100 Continue` gets it, and does not wait for the time limit of the body."""
    with socket.create_connection(address(exporter), timeout=5) as client:
        client.sendall(head(b"Content-Length: 11", b"Expect: 100-continue"))
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.sendall(GOOD)
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_thousand_pipelined_calls(exporter: ExporterProcess) -> None:
    """Pipelined requests are answered in order, each once, although the responses are read late."""
    before = counted(exporter)
    with socket.create_connection(address(exporter), timeout=10) as client:
        client.sendall(call(GOOD) * 1000)
        wait_for(lambda: counted(exporter) >= before + 1000, "all calls are counted")
        received = b""
        while received.count(b"\r\n\r\n{") < 1000:
            received += client.recv(65536)
    assert received.count(b"HTTP/1.1 200 OK") == 1000
    assert counted(exporter) == before + 1000


def test_pipelined_requests_with_unread_responses(exporter: ExporterProcess) -> None:
    """Endless pipelined requests on ten connections take bounded memory, and leave none open."""
    memory, before = resident(exporter), descriptors(exporter)
    with unread(exporter, 10):
        grown = resident(exporter) - memory
    wait_for(lambda: descriptors(exporter) <= before + 2, "the connections are gone")
    print(f"ten connections that never read: {grown:.1f} MiB")  # noqa: T201 - a figure
    assert grown < 30


def counted(exporter: ExporterProcess) -> float:
    """Add up what has been counted."""
    samples = fetch(f"{exporter.admin}/metrics").decode().splitlines()
    return sum(float(line.split()[-1]) for line in samples if line.startswith("push_results_total"))
