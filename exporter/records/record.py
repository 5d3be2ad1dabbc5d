"""Records of rejected requests, and other captured bodies, for `replay` and `explain`."""

import datetime as dt
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, NamedTuple

import msgspec

from exporter.errors import ConfigurationError, Reason, RequestError
from exporter.gateways.text import is_json
from exporter.redaction import redact, redact_text

MAX_BYTES = 4 * 1024 * 1024
"""Maximum size of a body read from a file; an exporter accepts 1 MiB by default."""

MAX_KEPT_BYTES = 64 * 1024
"""Maximum size of a body in a record; redacting it holds the GIL for less than 30 ms."""

_MAX_BINARY_BYTES = 64
"""Maximum size of a binary body in a record: enough to recognize a format, but not a token."""

_MAX_FACT_LENGTH = 100
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_PEM = re.compile(rb"^(?:\xef\xbb\xbf)?-----BEGIN ", re.MULTILINE)
_ESCAPED = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rejected request, without credentials, tokens and target ids."""

    record: Literal[1]
    """The version of this format."""
    time: str
    source: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    """The gateway's name, which is part of file names and URLs."""
    reason: str
    content_type: str = ""
    query: list[str] = []
    """The names of the query parameters."""
    channel: str | None = None
    """The hint in the query."""
    app: str | None = None
    """The app in the query."""
    credential_app: str | None = None
    """The app of the request's credential, which takes precedence over the app in the query."""
    size: int
    """The size of the body as sent, in bytes."""
    encoding: str = "utf-8"
    """The encoding of `body`; `escaped` means UTF-8 with other bytes written as `\\xff`."""
    body: str

    def content(self) -> bytes:
        """Return the body as bytes; RequestError if the record is damaged."""
        try:
            if self.encoding != "escaped":
                return self.body.encode(self.encoding)
            return _ESCAPED.sub(_unescape, self.body.encode())
        except (LookupError, ValueError):
            raise RequestError(
                Reason.MALFORMED_BODY, "The record's encoding does not match its body."
            ) from None


class Rejected(NamedTuple):
    """A rejected request, before redaction."""

    at: dt.datetime
    source: str
    reason: str
    content_type: str
    query: list[str]
    channel: str | None
    app: str | None
    credential_app: str | None
    body: bytes
    rejected: Sequence[int]
    """The positions of the rejected items, if other items were accepted."""

    def redacted(self) -> Record:
        """Return the record of the request."""
        text, encoding = _text(_excerpt(self.body, self.rejected))
        return Record(
            record=1,
            time=self.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            source=self.source,
            reason=self.reason,
            content_type=_fact(self.content_type),
            query=[_fact(name) for name in self.query[:_MAX_FACT_LENGTH]],
            channel=_fact(self.channel) if self.channel else None,
            app=_fact(self.app) if self.app else None,
            credential_app=self.credential_app,
            size=len(self.body),
            encoding=encoding,
            body=redact(text),
        )


def _excerpt(body: bytes, rejected: Sequence[int]) -> bytes:
    """Return the part of a body to keep; of a large array whole items, rejected ones if given."""
    if len(body) <= MAX_KEPT_BYTES:
        return body
    try:
        items = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        cut = body[:MAX_KEPT_BYTES]
        return cut[: cut.rfind(b"\n") + 1] or cut  # whole lines, if any
    kept, size = [], 0
    for item in [items[place] for place in rejected if place < len(items)] or items:
        size += len(bytes(item)) + 1
        if size > MAX_KEPT_BYTES:
            break
        kept.append(bytes(item))
    return b"[%b]" % b",".join(kept)


def _fact(text: str) -> str:
    return redact_text(text)[:_MAX_FACT_LENGTH]


def _text(body: bytes) -> tuple[str, str]:
    """Return a body as text, and its encoding."""
    encoding = json.detect_encoding(body)
    if encoding.startswith(("utf-16", "utf-32")):
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            text = ""
        if text.lstrip().startswith(("{", "[")):
            return text, encoding
    if _CONTROL.search(body):
        body = body[:_MAX_BINARY_BYTES]
    else:
        try:
            return body.decode(), "utf-8"
        except UnicodeDecodeError:
            pass
    return body.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace"), "escaped"


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else b"\\"


class Captured(NamedTuple):
    """A body from a file, with its record if any."""

    body: bytes
    record: Record | None = None


def as_record(data: bytes) -> Captured | None:
    """Parse a record; return None for other data."""
    if b'"record"' not in data:
        return None
    try:
        record = _RECORD.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return Captured(record.content(), record)


_RECORD = msgspec.json.Decoder(Record)


def read_whole(file: str) -> bytes:
    """Read a file, or standard input for `-`; RequestError (`too_large`) for over MAX_BYTES."""
    with _opened(file) as stream:
        return _bounded(stream.read(MAX_BYTES + 1), file)


def read_captured(file: str) -> Iterator[Captured]:
    """Yield the bodies in the lines of a file or standard input (`-`), or in a folder's files.

    Before the first body, raises ConfigurationError for a file with a key or certificate.
    """
    if file != "-" and Path(file).is_dir():
        paths = _files_in(file)
        for path in paths:
            with _opened(path) as stream:
                _refuse_pem(stream.read(MAX_KEPT_BYTES), path)
        for path in paths:
            yield from _one_body(read_whole(path))
        return
    with _opened(file) as stream:
        head = stream.read(MAX_BYTES + 1)
        _refuse_pem(head, file)
        if len(head) <= MAX_BYTES and is_json(head):
            yield as_record(head) or Captured(head.rstrip(b"\r\n"))
            return
        for line in _lines(head, stream, file):
            if line.strip():
                yield as_record(line) or Captured(line.rstrip(b"\r\n"))


def _files_in(folder: str) -> list[str]:
    """Return the paths of a folder's files, in order, without hidden files."""
    with _naming(folder):
        paths = sorted(Path(folder).iterdir())
        return [str(path) for path in paths if path.is_file() and not path.name.startswith(".")]


def _refuse_pem(head: bytes, file: str) -> None:
    """Raise ConfigurationError if a file has the first line of a key or certificate.

    A body in JSON cannot have it, since line ends within JSON strings are escaped.
    """
    if _PEM.search(head):
        where = "standard input" if file == "-" else file
        raise ConfigurationError(
            f"payload {where}: this is a key or certificate (PEM), not a payload, so nothing was "
            "sent: replay a file or a folder of payloads only"
        )


def _one_body(data: bytes) -> Iterator[Captured]:
    """Yield the content of a file as one body, unless its lines are records."""
    lines = [line for line in data.split(b"\n") if line.strip()]
    if records := [record for line in lines if (record := as_record(line))]:
        yield from records
    elif lines:
        yield Captured(data)


def _lines(head: bytes, stream: BinaryIO, file: str) -> Iterator[bytes]:
    """Yield the lines of `head` and of the rest of the stream, one at a time."""
    *lines, rest = head.split(b"\n")
    yield from lines
    line = rest + stream.readline(MAX_BYTES)
    while line:
        yield _bounded(line, file)
        line = stream.readline(MAX_BYTES + 1)


def _bounded(data: bytes, file: str) -> bytes:
    if len(data) > MAX_BYTES:
        where = "Standard input" if file == "-" else file
        limit = MAX_BYTES // 1024**2
        raise RequestError(Reason.TOO_LARGE, f"{where} has a body of more than {limit} MiB.")
    return data


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    with _naming(file):
        if file == "-":
            yield sys.stdin.buffer
            return
        with Path(file).open("rb") as stream:
            yield stream


@contextmanager
def _naming(file: str) -> Iterator[None]:
    """Add the name of the file to errors of opening and reading."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        problem = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"payload {file}: {problem}") from None
