"""Remembers the paths of requests that no webhook has: a sender with a wrong URL is seen there."""

import time

import msgspec

from exporter.redaction import redact_path

MAX_PATHS = 20


class OtherPath(msgspec.Struct):
    """A path that no webhook has."""

    path: str
    """Without the query, redacted."""
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
        shown = redact_path(path)
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
