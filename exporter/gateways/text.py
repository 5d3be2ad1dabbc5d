"""Decodes bodies to text; truncated characters are replaced, not refused."""

import json
import re

import msgspec

from exporter.errors import Reason, RequestError
from exporter.gateways.compression import GZIP_MAGIC
from exporter.gateways.steps import Steps
from exporter.results import DecodedItems

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"

MALFORMED = (msgspec.DecodeError, RecursionError)
"""Exceptions of the JSON decoder; RecursionError means that the text is nested too deeply."""

BYTES_PER_STEP = 100_000
MATCHES_PER_STEP = 5_000
LINES_PER_STEP = 20_000

# A truncated character at the end of a string, or half a surrogate pair. Text in another encoding,
# such as GBK, has other invalid bytes, and is refused.
_CUT_CHARACTER = re.compile(
    rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})(?=\")"
    rb"|\xed[\xa0-\xbf][\x80-\xbf]"
)
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,60}")


def body_text(body: bytes) -> Steps[str]:
    """Decode a body, with U+FFFD in place of truncated characters.

    Raises RequestError (`malformed_body`) if it is blank, or not UTF-8.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        text = yield from _without_cut_characters(body, error.start)
    if text[:1] == BYTE_ORDER_MARK:
        text = text[1:]
    if "\\" in text and ("\\ud" in text or "\\uD" in text):  # the first test is the fastest
        text = yield from _without_half_characters(text)
    text = text.strip()
    if not text:
        raise RequestError(Reason.MALFORMED_BODY, "The body is empty.")
    return text


def _without_cut_characters(body: bytes, position: int) -> Steps[str]:
    """Decode a body, with U+FFFD in place of truncated characters."""
    pieces = []
    begin = 0
    while begin < len(body):
        if begin:
            yield DecodedItems()
        quote = body.find(b'"', begin + BYTES_PER_STEP, begin + 2 * BYTES_PER_STEP)
        end = begin + 2 * BYTES_PER_STEP if quote < 0 else quote + 1
        pieces.append(_CUT_CHARACTER.sub(REPLACEMENT.encode(), body[begin:end]))
        begin = end
    try:
        return b"".join(pieces).decode()
    except UnicodeDecodeError:
        raise _not_utf8(body, position) from None


def _not_utf8(body: bytes, position: int) -> RequestError:
    if body.startswith(GZIP_MAGIC):
        detail = "The body is gzip: send the header Content-Encoding: gzip."
    else:
        encoding = json.detect_encoding(body)
        is_wide = encoding.startswith(("utf-16", "utf-32"))
        guess = f": it looks like {encoding.upper()}" if is_wide else ""
        detail = f"The body is not UTF-8 at byte {position}{guess}."
    return RequestError(Reason.MALFORMED_BODY, detail)


def _without_half_characters(text: str) -> Steps[str]:
    """Replace unpaired surrogate escapes with the escape of U+FFFD."""
    pieces: list[str] = []
    end = 0
    for number, match in enumerate(_ESCAPE.finditer(text), 1):
        if match["half"]:
            pieces += (text[end : match.start()], "\\ufffd")
            end = match.end()
        if number % MATCHES_PER_STEP == 0:
            pieces = ["".join(pieces)]
            yield DecodedItems()
    return "".join([*pieces, text[end:]])


def split_lines(text: str) -> Steps[list[bytes]]:
    """Split a text into its non-blank lines, without byte order marks."""
    lines = text.encode().split(b"\n")
    mark = BYTE_ORDER_MARK.encode()
    found: list[bytes] = []
    for start in range(0, len(lines), LINES_PER_STEP):
        if start:
            yield DecodedItems()
        stripped = map(bytes.strip, lines[start : start + LINES_PER_STEP])
        found += [text_line for line in stripped if (text_line := line.removeprefix(mark))]
    return found


def is_json(text: str | bytes) -> bool:
    """Whether a text is one JSON value."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (*MALFORMED, UnicodeDecodeError):
        return False
    return True


def malformed(problem: str) -> RequestError:
    """Return the error for a body that is not in the expected format."""
    return RequestError(
        Reason.MALFORMED_BODY, f"The body is not in this webhook's format: {problem}."
    )


def naming_content_type(error: RequestError, content_type: str) -> RequestError:
    """Add the content type to an error if it is not that of JSON."""
    if not content_type or "json" in content_type or content_type == "text/plain":
        return error
    named = content_type if _MEDIA_TYPE.fullmatch(content_type) else "not a media type"
    return RequestError(
        error.reason, f"{error.detail} This webhook accepts JSON; the Content-Type is {named}."
    )


def problem_of(error: Exception) -> str:
    """Describe why a text cannot be decoded."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
