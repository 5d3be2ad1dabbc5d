"""The canonical form of a code: `2`, `"2"`, `2.0` and `" 2 "` are the same."""

import re
from functools import lru_cache

from exporter.redaction import LONG_WORD

MAX_CODE_LENGTH = 64

_MAX_TEXT_LENGTH = 256
"""Characters of a text that are looked at, which bounds the work and what the cache holds."""

_INTEGER = re.compile(r"[+-]?[0-9]+(?:\.0+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9_.-]+", re.ASCII)

_SEQUENCE = re.compile(
    r"""[(\[]\s*                          # a tuple of Python, or an array of JSON
    (?:[bu]?(?P<quote>['"])(?P<text>(?:(?!(?P=quote)).)+)(?P=quote)|(?P<number>[+-]?[0-9]+))
    \s*(?:,.*)?[)\]]?""",
    re.VERBOSE | re.DOTALL,
)


def canonical_code(code: object) -> str | None:
    """Return the code as canonical text, or None if it cannot be a code.

    An integer is plain decimal digits. Any other text is a name of 1 to 64 of `[A-Za-z0-9_.-]`,
    in which `_` stands for each run of other characters: `messaging/internal-error` is
    `messaging_internal-error`. A longer text is cut. Device tokens and ids in such texts are left
    out: the code becomes a label. Of a list or tuple, and of the text of one, the first element is
    the code.
    """
    if isinstance(code, str):
        text = code.strip()
        if len(text) > _MAX_TEXT_LENGTH:  # in whole words, for a part of a token looks like none
            text = text[:_MAX_TEXT_LENGTH].rsplit(maxsplit=1)[0]
        return _canonical_text(text)
    if isinstance(code, list | tuple) and code and not isinstance(code[0], list | tuple):
        return canonical_code(code[0])
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool) and abs(code) < 10**MAX_CODE_LENGTH:
        return _canonical_text(str(code))
    return None


def text_of_code(code: object) -> str | None:
    """Return the text of a code of which the canonical form loses something, None for any other.

    It stands in for the message of a result that has none.
    """
    if not isinstance(code, str):
        return None
    text = code.strip()
    name = canonical_code(text)
    lossless = name in (None, text) or _INTEGER.fullmatch(name or "")
    return None if lossless else text


@lru_cache(maxsize=4096)
def _canonical_text(text: str) -> str | None:
    if _INTEGER.fullmatch(text):
        digits = str(int(text.partition(".")[0]))
        return digits if len(digits) <= MAX_CODE_LENGTH else None
    if element := _SEQUENCE.fullmatch(text):
        return _canonical_text((element["text"] or element["number"]).strip())
    if not _NAME.fullmatch(text):
        text = LONG_WORD.sub(_without_token, text)
    name = _OTHER_CHARACTERS.sub("_", text)[:MAX_CODE_LENGTH]
    if _INTEGER.fullmatch(name):  # what is left of a longer text is no number
        name = f"{name[:-1]}_"
    return name or None


def _without_token(word: re.Match[str]) -> str:
    """Leave the parts with digits out of a long word; the names of errors and paths have none."""
    parts = word[0].split("/")
    return "/".join(" " if any(map(str.isdigit, part)) else part for part in parts)
