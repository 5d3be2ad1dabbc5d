"""The text of a body, which is read in steps if it is large: the same as if it were small."""

import json
from urllib.parse import quote_plus

import pytest

from exporter.errors import RequestError
from exporter.gateways.described.content import MAX_FORM_FIELDS, ContentReader
from exporter.gateways.described.description import Content
from exporter.gateways.gateway import ReceivedRequest
from exporter.gateways.steps import finish
from exporter.gateways.text import BYTES_PER_STEP, LINES_PER_STEP, MATCHES_PER_STEP, body_text

LIMIT = 1 << 20

READERS = {
    "json": ContentReader(Content(), LIMIT),
    "lines": ContentReader(Content(format="ndjson"), LIMIT),
    "form": ContentReader(Content(format="form", field="data"), LIMIT),
    "multipart": ContentReader(Content(format="multipart", field="data"), LIMIT),
}


def text(format_: str, body: bytes) -> str:
    """Read the text of a body."""
    return finish(READERS[format_].text(ReceivedRequest(body)))


@pytest.mark.parametrize(
    ("damaged", "repaired", "number"),
    [
        (b'"\xe6\x8e"', '"\ufffd"', 3 * BYTES_PER_STEP // 4),
        (b'"\\ud83d"', '"\ufffd"', 2 * MATCHES_PER_STEP),
    ],
    ids=["cut characters", "halves of pairs"],
)
def test_damage_is_repaired_in_each_step(damaged: bytes, repaired: str, number: int) -> None:
    """Each cut character becomes U+FFFD, wherever a step begins or ends."""
    body = b"[" + b",".join([damaged] * number) + b"]"
    assert json.loads(finish(body_text(body))) == [json.loads(repaired)] * number
    assert len([*body_text(body)]) > 1  # pauses


def test_lines_are_found_in_each_step() -> None:
    """No line is lost, or found twice, between two steps."""
    numbers = range(3 * LINES_PER_STEP)
    request = ReceivedRequest(b"\n".join(b"%d" % number for number in numbers))
    reader = READERS["lines"]
    assert finish(reader.lines(request)) == [b"%d" % number for number in numbers]
    assert len([*reader.lines(request)]) == 2  # pauses


@pytest.mark.parametrize("before", range(3))
def test_escapes_are_read_in_each_step(before: int) -> None:
    """An escape is decoded whole, also where it would lie in two steps."""
    value = json.dumps(["x" * before + "\u63a8" * 20_000], ensure_ascii=False)
    assert text("form", b"data=" + quote_plus(value).encode()) == value


@pytest.mark.parametrize("format_", READERS)
@pytest.mark.parametrize("body", [b"", b" \n"])
def test_blank_body_is_malformed(format_: str, body: bytes) -> None:
    """An empty body is refused as empty, in every format."""
    with pytest.raises(RequestError, match="The body is empty") as caught:
        text(format_, body)
    assert caught.value.reason == "malformed_body"


def test_form_with_too_many_fields_is_malformed() -> None:
    """A form may have a thousand fields, in parts or not."""
    part = b'--b\r\nContent-Disposition: form-data; name="data"\r\n\r\n5\r\n'
    bodies = {"form": b"data=5&", "multipart": part}
    for format_, field in bodies.items():
        assert text(format_, field * (MAX_FORM_FIELDS - 2) + b"--b--\r\n") == "5"
        with pytest.raises(RequestError, match="field"):
            text(format_, field * (MAX_FORM_FIELDS + 2))


def test_field_with_a_long_name_is_skipped() -> None:
    """Fields whose names are longer than 256 bytes are ignored."""
    assert text("form", b"n" * 257 + b"=4&data=5") == "5"
