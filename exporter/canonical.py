"""One spelling for each code: `2`, `"2"`, `2.0` and `" 2 "` are the same."""

import re
from functools import lru_cache

MAX_CODE_LENGTH = 64

_INTEGER = re.compile(r"[+-]?[0-9]+(?:\.0+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


def canonical_code(code: object) -> str | None:
    """Return the code as canonical text, or None if it cannot be a code."""
    if isinstance(code, str):
        # Bound before the cache, so that it cannot be filled with megabytes.
        return _canonical_text(code) if len(code) <= 2 * MAX_CODE_LENGTH else None
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool) and abs(code) < 10**MAX_CODE_LENGTH:
        return _canonical_text(str(code))
    return None


@lru_cache(maxsize=4096)
def _canonical_text(code: str) -> str | None:
    text = code.strip()
    if len(text) > MAX_CODE_LENGTH:
        return None
    if _INTEGER.fullmatch(text):
        return str(int(text.partition(".")[0]))
    return text if _NAME.fullmatch(text) else None
