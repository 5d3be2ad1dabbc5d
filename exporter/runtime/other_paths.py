"""Remembers the paths of requests that no webhook has: a sender with a wrong URL is seen there."""

import re
import time

import msgspec

from exporter.redaction import MARK, redact_text

MAX_PATHS = 20
MAX_LENGTH = 100
"""Characters of a path; the rest is left out."""


_MAX_READ = 1000

# Not the rule for text, to which a path of 32 characters is one long word; a token has digits or
# capital letters, and seldom so few characters.
_WORD = re.compile(r"[a-z._~-]*|.{,16}", re.DOTALL)


class OtherPath(msgspec.Struct):
    """A path that no webhook has."""

    path: str
    """Without the query, shortened, redacted."""
    requests: int
    """Since the start."""
    last_seen: float
    """Unix time."""


class OtherPaths:
    """The paths that were requested most; there are at most MAX_PATHS."""

    def __init__(self) -> None:
        self._paths: dict[str, OtherPath] = {}

    def note(self, path: str) -> None:
        """Count a request; a new path takes the place of the least requested one, the oldest."""
        shown = "/".join(map(_redacted, path[:_MAX_READ].split("/")))[:MAX_LENGTH]
        known = self._paths.get(shown)
        if known is None:
            if len(self._paths) >= MAX_PATHS:
                least = min(self._paths.values(), key=lambda one: (one.requests, one.last_seen))
                del self._paths[least.path]
            known = self._paths[shown] = OtherPath(shown, 0, 0.0)
        known.requests += 1
        known.last_seen = time.time()

    def most_requested(self) -> list[OtherPath]:
        """Return the paths, those with the most requests first."""
        return sorted(self._paths.values(), key=lambda one: (-one.requests, -one.last_seen))


def _redacted(segment: str) -> str:
    return redact_text(segment) if _WORD.fullmatch(segment) else MARK
