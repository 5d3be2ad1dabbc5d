"""One spelling for each code: `2`, `"2"`, `2.0` and `" 2 "` are the same."""

import re
from functools import lru_cache

MAX_CODE_LENGTH = 64

_INTEGER = re.compile(r"[+-]?[0-9]+(?:\.0+)?", re.ASCII)
_OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9_.-]+", re.ASCII)


def canonical_code(code: object) -> str | None:
    """Return the code as canonical text, or None if it cannot be a code.

    An integer is plain decimal digits. Any other text is a name of 1 to 64 of `[A-Za-z0-9_.-]`,
    in which `_` stands for each run of other characters: `messaging/internal-error` is
    `messaging_internal-error`.
    """
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
    if _INTEGER.fullmatch(text):
        text = str(int(text.partition(".")[0]))
    else:
        text = _OTHER_CHARACTERS.sub("_", text)
    return text if 0 < len(text) <= MAX_CODE_LENGTH else None
