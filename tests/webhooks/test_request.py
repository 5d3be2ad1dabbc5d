"""What a request says, read from its target and its head."""

import pytest

from exporter.webhooks.request import Request, write_head
from exporter.webhooks.responses import Answer


def request(target: bytes, *fields: tuple[bytes, bytes]) -> Request:
    """Make a request."""
    return Request(lambda _request: None, b"POST", target, list(fields))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/webhooks/mps", "/webhooks/mps"),
        (b"/webhooks/mps?sign=a/b?c", "/webhooks/mps"),
        (b"/webhooks/%6Dps", "/webhooks/mps"),
        (b"http://host:80/webhooks/mps?sign=a", "/webhooks/mps"),
        (b"http://host", "/"),
        (b"*", "/"),
        (b"host:443", "/"),
        (b"//webhooks/mps", "//webhooks/mps"),
        (b"/%ff", "/\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_path(target: bytes, path: str) -> None:
    """The path is what routes, whatever form the target has."""
    assert request(target).path == path


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        (b"", {}),
        (b"?", {}),
        (b"?sign=ab%2B%2f%3D&channel=vivo", {"sign": "ab+/=", "channel": "vivo"}),
        (b"?sign=a+b", {"sign": "a b"}),
        (b"?sign=a==", {"sign": "a=="}),
        (b"?sign=first&sign=second", {"sign": "first"}),
        (b"?sign=&sign=second", {"sign": ""}),
        (b"?sign", {"sign": ""}),
        (b"?&&=x&", {"": "x"}),
        (b"?ch%61nnel=%E6%9C%9B", {"channel": "\u671b"}),
        (b"?channel=%ff%zz%", {"channel": "\N{REPLACEMENT CHARACTER}%zz%"}),
        (b"?a=1?b=2#c", {"a": "1?b=2#c"}),
    ],
)
def test_query(query: bytes, parameters: dict[str, str]) -> None:
    """Parameters are decoded; of one that comes again, the first counts."""
    assert request(b"/webhooks/mps" + query).query == parameters


def test_headers() -> None:
    """Names are in lower case; of a field that comes again, the first counts."""
    headers = request(b"/", (b"X-A", b"1"), (b"x-a", b"2"), (b"B", b"\xff\xc3\xa9")).headers
    assert headers == {"x-a": "1", "b": "\udcff\u00e9"}


@pytest.mark.parametrize(
    ("value", "media_type"),
    [
        (b"application/x-ndjson", "application/x-ndjson"),
        (b" Application/X-NDJSON ; charset=utf-8", "application/x-ndjson"),
        (b"\xff;;=;", "\udcff"),
        (b"", ""),
    ],
)
def test_content_type(value: bytes, media_type: str) -> None:
    """The media type is told without its parameters."""
    assert request(b"/", (b"Content-Type", value)).content_type == media_type
    assert request(b"/").content_type == ""


@pytest.mark.parametrize(
    "pieces", [[], [b"abc"], [b"a", b"bc"], [b"a", b"b", b"c"]], ids=lambda pieces: str(len(pieces))
)
def test_body(pieces: list[bytes]) -> None:
    """A body is the same however it was cut."""
    whole = request(b"/")
    for piece in pieces:
        whole.take(piece)
    assert whole.size == len(b"".join(pieces))
    whole.end()
    assert whole.body == b"".join(pieces)
    assert type(whole.body) is bytes


def test_head_without_a_field() -> None:
    """A head is written as it came, repeated fields as well, but for the one that is left out."""
    fields = [(b"Host", b"x"), (b"A", b"1"), (b"UPGRADE", b"h2c"), (b"A", b"2")]
    head = write_head(b"POST", b"/a?b", fields, version="1.0", without=b"upgrade")
    assert head == b"POST /a?b HTTP/1.0\r\nHost: x\r\nA: 1\r\nA: 2\r\n\r\n"


@pytest.mark.parametrize("expect", [b"100-continue", b"100-Continue"])
def test_answer_before_the_leave_to_send_ends_the_connection(expect: bytes) -> None:
    """Nobody knows whether the body of a client that waits for leave will come."""
    waiting = request(b"/", (b"Expect", expect))
    waiting.answer(Answer(404, {}))
    assert waiting.hang_up
    assert b"\r\nConnection: close\r\n" in (waiting.reply or b"")
    sent = request(b"/", (b"Expect", expect))
    sent.end()
    sent.answer(Answer(404, {}))
    assert not sent.hang_up


def test_answer_forgets_the_body() -> None:
    """The body of a request that is refused while it arrives takes no memory any more."""
    refused = request(b"/")
    for _ in range(2):
        refused.take(b"x" * 1000)
    refused.answer(Answer(503, {}))
    assert refused.body == b""
    assert refused._grown is None
