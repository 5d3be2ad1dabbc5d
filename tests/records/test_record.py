"""Captured calls: what is kept of them, and how they are read again."""

import datetime as dt
import io
import json
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import ConfigurationError, RequestError
from exporter.records.record import (
    MAX_BYTES,
    MAX_KEPT_BYTES,
    Record,
    Rejected,
    as_record,
    read_captured,
    read_whole,
)

TOKEN = "0123456789abcdef" * 4
AT = dt.datetime(2026, 1, 2, 3, 4, 5, 678, dt.UTC)


def record(body: bytes, channel: str | None = None, *query: str) -> Record:
    """Make a record of a malformed callback."""
    rejected = Rejected(
        AT, "mps", "malformed_body", "text/plain", [*query], channel, None, None, body, ()
    )
    return rejected.redacted()


def line(body: bytes) -> bytes:
    """Make a record as it stands in a file."""
    return msgspec.json.encode(record(body))


def contents(path: Path) -> list[bytes]:
    """List the bodies of a file or folder."""
    return [captured.body for captured in read_captured(str(path))]


def test_content_of_a_record() -> None:
    """A record has the facts of a request and its redacted body, and no value of the query."""
    made = record(b'{"targetId": "abc"}', "IOS", "sign", "channel", TOKEN)
    assert msgspec.to_builtins(made) == {
        "record": 1,
        "time": "2026-01-02T03:04:05.000678Z",
        "source": "mps",
        "reason": "malformed_body",
        "content_type": "text/plain",
        "query": ["sign", "channel", "…"],
        "channel": "IOS",
        "size": 19,
        "body": '{"targetId":"…"}',
    }


def test_a_channel_may_be_a_token() -> None:
    """The hint of a query is the sender's word, and redacted like any other."""
    assert record(b"{}", TOKEN).channel == "…"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_in_any_encoding_is_redacted_and_comes_back(encoding: str) -> None:
    """A body in an encoding that we do not take loses its token, and is in that encoding again."""
    text = '{"statusDesc":"\u63a8\u9001\u592a\u5feb","targetId":"%s"}'
    made = record((text % TOKEN).encode(encoding))
    assert made.content() == (text % "…").encode(encoding)


def test_text_that_is_not_unicode_is_redacted_and_comes_back() -> None:
    """A body in GBK, as an older gateway may send it, keeps its bytes but for the token."""
    text = '{"statusDesc":"\u63a8\u9001\u592a\u5feb","targetId":"%s"}'.encode("gbk")
    made = record(text % TOKEN.encode())
    assert made.content() == text % "…".encode()


def test_binary_bytes_survive_a_record() -> None:
    """Bytes that are not UTF-8 are escaped, and backslashes are unambiguous."""
    body = b'{"a": "\xff\\xfe\\\\\xc4\xe3", "token": "x"}'
    made = record(body)
    assert made.encoding == "escaped"
    assert made.body.startswith('{"a": "\\xff\\\\xfe')
    assert made.content() == body.replace(b'"x"', '"…"'.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"\x1f\x8b\x08\x00" + bytes(range(128, 256)) * 20,
        b"a\x00\x00\xd8" * 100,  # UTF-16 by its zeros, but none
        f"no {TOKEN} here".encode("utf-16-le"),
    ],
    ids=["gzip", "no utf-16", "utf-16, no JSON"],
)
def test_only_the_start_of_a_binary_body_is_kept(body: bytes) -> None:
    """Of a binary body the first 64 bytes are kept, which show its format."""
    made = record(body)
    assert (made.size, made.encoding) == (len(body), "escaped")
    assert made.content() == body[:64]


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_body_can_be_kept(body: bytes) -> None:
    """The record of any body can be written and read, and contains no long word."""
    made = record(body)
    captured = as_record(msgspec.json.encode(made))
    assert captured is not None
    assert captured.record == made
    assert captured.body == made.content()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"record": 1}',
        b'{"record": 2, "time": "", "source": "mps", "reason": "", "size": 1, "body": ""}',
        b'{"record": 1, "time": "", "source": "../x", "reason": "", "size": 1, "body": ""}',
        b'{"record": 1, "time": "", "source": "mps", "reason": "", "size": 1, "body": "',
        b'{"record": ' + b"[" * 100_000,
        b'"record"\xff',
        b'["record"]',
    ],
)
def test_other_documents_are_not_records(data: bytes) -> None:
    """A document with every field of a record is a record; any other is a body."""
    assert as_record(data) is None


@pytest.mark.parametrize("encoding", ["nonsense", "base64", "ascii", "utf-16\x00"])
def test_a_damaged_record_is_refused(encoding: str) -> None:
    """A record with an invalid encoding is refused without a traceback."""
    made = msgspec.structs.replace(record(b"{}"), encoding=encoding, body="\u63a8")
    with pytest.raises(RequestError, match="encoding"):
        as_record(msgspec.json.encode(made))


class Case(NamedTuple):
    """A file and the bodies in it."""

    name: str
    content: bytes
    bodies: list[bytes]


FILES = [
    Case(
        "lines",
        b'{"code": 2}\n\n{"code": 3}\r\nnonsense\n',
        [b'{"code": 2}', b'{"code": 3}', b"nonsense"],
    ),
    Case("no end", b'{"code": 2}\n{"code": 3}', [b'{"code": 2}', b'{"code": 3}']),
    Case("pretty", b'{\n "code": 2\n}\n', [b'{\n "code": 2\n}']),
    Case("records", line(b'{"a":1}') + b"\n" + line(b"{") + b"\n", [b'{"a":1}', b"{"]),
    Case("mixed", line(b"{") + b'\n{"code": 2}\n', [b"{", b'{"code": 2}']),
    Case("one record", line(b"{") + b"\n", [b"{"]),
    Case("binary", b"\xff\x00\n\xfe\n", [b"\xff\x00", b"\xfe"]),
    Case("empty", b"", []),
    Case("blank", b"\n \n", []),
]


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.name)
def test_bodies_of_a_file(tmp_path: Path, case: Case) -> None:
    """A file holds one body or record a line, unless all of it is one JSON value."""
    path = tmp_path / "captured"
    path.write_bytes(case.content)
    assert contents(path) == case.bodies


def test_bodies_of_a_folder(tmp_path: Path) -> None:
    """A folder holds one body a file, or records, in the order of the names; hidden ones rest."""
    files = {
        "b": b'{"code": 2}\n{"code": 3}\n',
        "a": line(b"{"),
        "c": line(b"1") + b"\n" + line(b"2"),
        "d": b"\n",
        ".hidden": b"{}",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    assert contents(tmp_path) == [b"{", files["b"], b"1", b"2"]


def test_a_large_file_is_read_line_by_line(tmp_path: Path) -> None:
    """A file may be larger than any body, but no line of it."""
    path = tmp_path / "captured"
    lines = [json.dumps({"code": number}).encode() for number in range(400_000)]
    path.write_bytes(b"\n".join(lines))
    assert path.stat().st_size > MAX_BYTES
    assert contents(path) == lines
    with path.open("ab") as file:
        file.write(b"\n" + b"x" * (MAX_BYTES + 1))
    with pytest.raises(RequestError, match="captured has a body of more than 4 MiB"):
        contents(path)


@pytest.mark.parametrize("size", [MAX_BYTES, MAX_BYTES + 1])
def test_a_whole_file_is_bounded(tmp_path: Path, size: int) -> None:
    """A body is read up to the bound and refused past it."""
    path = tmp_path / "body"
    path.write_bytes(b"x" * size)
    if size <= MAX_BYTES:
        assert len(read_whole(str(path))) == size
    else:
        with pytest.raises(RequestError) as caught:
            read_whole(str(path))
        assert caught.value.reason == "too_large"


@pytest.mark.parametrize("read", [read_whole, lambda file: [*read_captured(file)]])
@pytest.mark.parametrize("file", ["/nowhere/body", "\0"])
def test_a_missing_file_is_named(read: object, file: str) -> None:
    """A path that cannot be opened is an error that names it."""
    assert callable(read)
    with pytest.raises(ConfigurationError, match="payload"):
        read(file)


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"1\n2\n")))
    assert [captured.body for captured in read_captured("-")] == [b"1", b"2"]


LARGE = b'{"code": true, "message": "%b"}' % (b"word " * 100)


@pytest.mark.parametrize(
    ("body", "rejected", "kept"),
    [
        (b"[%b]" % b",".join([b'{"code":2}'] * 9000), (), b'[{"code":2},'),
        (b"[%b,%b]" % (b",".join([b'{"code":2}'] * 9000), LARGE), (9000,), b"[" + LARGE[:13]),
        (b"\n".join([b'{"code":2}'] * 9000), (), b'{"code":2}\n'),
        (b"x " * MAX_KEPT_BYTES, (), b"x x "),
    ],
    ids=["array", "a rejected item", "lines", "text"],
)
def test_of_a_large_body_an_excerpt_is_kept(
    body: bytes, rejected: tuple[int, ...], kept: bytes
) -> None:
    """Of an array whole items are kept, rejected ones first; of lines whole lines."""
    made = Rejected(AT, "mps", "code_invalid", "", [], None, None, None, body, rejected).redacted()
    content = made.content()
    assert made.size == len(body)
    assert len(content) <= MAX_KEPT_BYTES
    assert content.replace(b" ", b"").startswith(kept.replace(b" ", b""))
    assert content.startswith(b"[") == content.endswith(b"]") == body.startswith(b"[")
    assert rejected or len(content) > MAX_KEPT_BYTES - 20
