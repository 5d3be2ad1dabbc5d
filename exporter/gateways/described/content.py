"""Extracts the JSON of a body: gzip, lines, forms, multipart forms."""

import re
from urllib.parse import unquote_to_bytes

import msgspec

from exporter.errors import Reason, RequestError
from exporter.gateways.compression import GZIP_MAGIC, unpack_gzip
from exporter.gateways.described.description import Content
from exporter.gateways.gateway import ReceivedRequest
from exporter.gateways.steps import Steps
from exporter.gateways.text import body_text, split_lines
from exporter.results import DecodedItems

MAX_FORM_FIELDS = 1000

_MAX_NAME_BYTES = 256
_MAX_PART_HEADER_BYTES = 4096
_ESCAPED_BYTES_PER_STEP = 16_384

_BOUNDARY = re.compile(rb"--([^\r\n]{1,70})\r?\n")
_PART_NAME = re.compile(
    rb"^content-disposition:[^\r\n]*[; ]name=(?:\"([^\"\r\n]*)\"|([^;\s]+))",
    re.IGNORECASE | re.MULTILINE,
)


class ContentReader:
    """Extracts the JSON texts of a body."""

    def __init__(self, rules: Content, max_bytes: int) -> None:
        self.rules = rules
        self._max_bytes = max_bytes

    def unpacked(self, content: bytes, max_bytes: int | None = None) -> bytes:
        """Decompress a body that is gzip without the header Content-Encoding."""
        if self.rules.encoding == "gzip" and content.startswith(GZIP_MAGIC):
            return unpack_gzip(content, self._max_bytes if max_bytes is None else max_bytes)
        return content

    def lines(self, request: ReceivedRequest, max_bytes: int | None = None) -> Steps[list[bytes]]:
        """Return the lines of a body; raises as `text` does."""
        text = yield from body_text(self.unpacked(request.content, max_bytes))
        return (yield from split_lines(text))

    def text(self, request: ReceivedRequest, max_bytes: int | None = None) -> Steps[str]:
        """Return the JSON text of a body or of its form.

        Raises RequestError: `malformed_body`, and `too_large` for over `max_bytes` decompressed.
        """
        content = self.unpacked(request.content, max_bytes)
        if self.rules.format == "json" or _looks_like_json(content):
            return (yield from body_text(content))
        return (yield from self._form(content))

    def texts(self, request: ReceivedRequest, max_bytes: int | None = None) -> Steps[list[bytes]]:
        """Return the lines of a body, or its single JSON text, as bytes."""
        if self.rules.format == "ndjson":
            return (yield from self.lines(request, max_bytes))
        text = yield from self.text(request, max_bytes)
        return [text.encode()]

    def _form(self, content: bytes) -> Steps[str]:
        """Return the JSON in a field of a form, or an object of all fields."""
        if not content.strip():
            return (yield from body_text(content))
        boundary = _BOUNDARY.match(content)
        fields = _parts(content, boundary[1]) if boundary else _pairs(content)
        if self.rules.field is None:
            return (yield from _as_object(fields, escaped=not boundary))
        value = fields.get(self.rules.field.encode())
        if value is None:
            raise RequestError(
                Reason.MALFORMED_BODY, f"The body is not a form with field '{self.rules.field}'."
            )
        if not boundary:
            value = yield from _unescaped(value)
        return (yield from body_text(value))


def _looks_like_json(content: bytes) -> bool:
    """Whether a body is JSON instead of a form; some senders of a receipt post plain JSON."""
    return content.lstrip()[:1] in (b"{", b"[")


def _pairs(content: bytes) -> dict[bytes, bytes]:
    """Split a form into names and escaped values; of a repeated field, the first value."""
    pairs = content.split(b"&", MAX_FORM_FIELDS)
    if len(pairs) > MAX_FORM_FIELDS:
        raise _too_many_fields()
    fields: dict[bytes, bytes] = {}
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        if len(name) <= _MAX_NAME_BYTES:
            fields.setdefault(unquote_to_bytes(name.strip().replace(b"+", b" ")), value)
    return fields


def _parts(content: bytes, boundary: bytes) -> dict[bytes, bytes]:
    """Split a multipart form into names and values; of a repeated field, the first value."""
    delimiter = re.compile(rb"\r?\n--" + re.escape(boundary))
    pieces = delimiter.split(b"\n" + content, MAX_FORM_FIELDS + 2)
    if len(pieces) > MAX_FORM_FIELDS + 2:
        raise _too_many_fields()
    fields: dict[bytes, bytes] = {}
    for piece in pieces[1:]:
        header, blank_line, value = _partition(piece)
        if blank_line and (name := _PART_NAME.search(header)):
            fields.setdefault(name[1] or name[2] or b"", value)
    return fields


def _partition(piece: bytes) -> tuple[bytes, bytes, bytes]:
    """Split a part into its headers and its value."""
    for blank_line in (b"\r\n\r\n", b"\n\n"):
        end = piece.find(blank_line, 0, _MAX_PART_HEADER_BYTES)
        if end >= 0:
            return piece[:end], blank_line, piece[end + len(blank_line) :]
    return piece[:0], b"", b""


def _unescaped(value: bytes) -> Steps[bytes]:
    """Decode the percent escapes of a form's value."""
    value = value.replace(b"+", b" ")
    pieces = []
    begin = 0
    while begin < len(value):
        if begin:
            yield DecodedItems()
        end = begin + _ESCAPED_BYTES_PER_STEP
        escape = value.rfind(b"%", end - 2, end)
        if escape >= 0:  # do not split it
            end = escape
        pieces.append(unquote_to_bytes(value[begin:end]))
        begin = end
    return b"".join(pieces)


def _as_object(fields: dict[bytes, bytes], *, escaped: bool) -> Steps[str]:
    """Return a JSON object of all fields."""
    found = {}
    for name, value in fields.items():
        text = (yield from _unescaped(value)) if escaped else value
        found[name.decode("utf-8", "replace")] = text.decode("utf-8", "replace")
    return msgspec.json.encode(found).decode()


def _too_many_fields() -> RequestError:
    return RequestError(
        Reason.MALFORMED_BODY, f"The form has more than {MAX_FORM_FIELDS:,} fields."
    )
