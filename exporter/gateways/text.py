"""Bodies as text: what is odd in it costs the odd characters, and not the request."""

import json
import re
from collections.abc import Iterator

import msgspec

from exporter.errors import Reason, RequestError

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"

MALFORMED = (msgspec.DecodeError, RecursionError)
"""What decoding JSON raises; RecursionError where it nests deeper than the decoder goes."""

# The last character of a string, cut off, or half a surrogate pair: in GBK and the like there
# would be others that are no UTF-8.
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


def text_of(body: bytes) -> str:
    """Return the body as text, with U+FFFD for characters that were cut in half.

    Raises RequestError (`malformed_body`) if it is not UTF-8, which JSON always is.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        text = _repaired(body, error.start)
    if text[:1] == BYTE_ORDER_MARK:
        text = text[1:]
    if "\\" in text and ("\\ud" in text or "\\uD" in text):  # one character is found faster
        text = _ESCAPE.sub(_whole, text)
    return text.strip()


def _repaired(body: bytes, place: int) -> str:
    try:
        return _CUT_CHARACTER.sub(REPLACEMENT.encode(), body).decode()
    except UnicodeDecodeError:
        pass
    encoding = json.detect_encoding(body)
    looks = (
        f": it looks like {encoding.upper()}" if encoding.startswith(("utf-16", "utf-32")) else ""
    )
    raise RequestError(Reason.MALFORMED_BODY, f"The body is not UTF-8 at byte {place}{looks}.")


def _whole(escape: re.Match[str]) -> str:
    return "\\ufffd" if escape["half"] else escape[0]


def lines_of(text: str) -> list[str]:
    """Cut a text into the lines that are not blank, without their byte order marks."""
    return list(_lines(text))


def _lines(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        stripped = line.strip().removeprefix(BYTE_ORDER_MARK)
        if stripped:
            yield stripped


def is_json(text: str | bytes) -> bool:
    """Whether the text is one JSON value."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (*MALFORMED, UnicodeDecodeError):
        return False
    return True


def malformed(problem: str) -> RequestError:
    """Say that a body is not in the format, without repeating it."""
    return RequestError(
        Reason.MALFORMED_BODY, f"The body is not what this webhook takes: {problem}."
    )


def naming_content_type(refusal: RequestError, content_type: str) -> RequestError:
    """Add the content type, where it says by itself that the body is something else than JSON."""
    if not content_type or "json" in content_type or content_type == "text/plain":
        return refusal
    named = content_type if _MEDIA_TYPE.fullmatch(content_type) else "not a media type"
    return RequestError(
        refusal.reason, f"{refusal.detail} It takes JSON; the Content-Type is {named}."
    )


def problem_of(error: Exception) -> str:
    """Say why a text cannot be decoded."""
    return "it nests too deep" if isinstance(error, RecursionError) else str(error)
