"""The text of a body, which is read in steps if it is large: the same as if it were small."""

import json
from typing import TypeVar
from urllib.parse import quote_plus

import pytest

from exporter.errors import RequestError
from exporter.gateways.described.content import MAX_FORM_FIELDS, ContentReader
from exporter.gateways.described.description import Content
from exporter.gateways.gateway import ReceivedRequest
from exporter.gateways.steps import Steps
from exporter.gateways.text import BYTES_PER_STEP, LINES_PER_STEP, MATCHES_PER_STEP, body_text

LIMIT = 1 << 20

READERS = {
    "json": ContentReader(Content(), LIMIT),
    "lines": ContentReader(Content(format="ndjson"), LIMIT),
    "form": ContentReader(Content(format="form", field="data"), LIMIT),
    "multipart": ContentReader(Content(format="multipart", field="data"), LIMIT),
}

Value = TypeVar("Value")


def read(steps: Steps[Value]) -> tuple[Value, int]:
    """Return what is read, and in how many steps."""
    number = 1
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: Value = end.value
            return value, number
        number += 1


def text(format_: str, body: bytes) -> str:
    """Read the text of a body."""
    return read(READERS[format_].text(ReceivedRequest(body)))[0]


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
    found, steps = read(body_text(b"[" + b",".join([damaged] * number) + b"]"))
    assert json.loads(found) == [json.loads(repaired)] * number
    assert steps > 2


def test_lines_are_found_in_each_step() -> None:
    """No line is lost, or found twice, between two steps."""
    numbers = range(3 * LINES_PER_STEP)
    body = b"\n".join(b"%d" % number for number in numbers)
    found, steps = read(READERS["lines"].lines(ReceivedRequest(body)))
    assert found == [b"%d" % number for number in numbers]
    assert steps == 3


@pytest.mark.parametrize("before", range(3))
def test_escapes_are_read_in_each_step(before: int) -> None:
    """An escape is decoded whole, also where it would lie in two steps."""
    value = json.dumps(["x" * before + "\u63a8" * 20_000], ensure_ascii=False)
    assert text("form", b"data=" + quote_plus(value).encode()) == value


@pytest.mark.parametrize("format_", READERS)
@pytest.mark.parametrize("body", [b"", b" \n"])
def test_blank_body_is_malformed(format_: str, body: bytes) -> None:
    """It is called empty, in every format."""
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
    """A name of more than 256 bytes is no field's."""
    assert text("form", b"n" * 257 + b"=4&data=5") == "5"
