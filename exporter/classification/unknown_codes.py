"""Bound the codes that no table has: the first few of a channel keep their own label."""

import time
from collections.abc import Iterable, Iterator

import msgspec
import structlog

from exporter.classification.tables import OTHER
from exporter.redaction import redact_text
from exporter.results import ClassifiedResult, Series

MAX_PER_CHANNEL = 20
_MAX_MESSAGE = 200

log = structlog.get_logger()


class UnknownCode(msgspec.Struct):
    """What is remembered of one unknown code."""

    channel: str
    code: str
    message: str | None
    last_seen: float | None
    """Unix time in seconds; None if not since the start."""


class UnknownCodes:
    """The unknown codes seen so far, at most `MAX_PER_CHANNEL` of each channel."""

    def __init__(self) -> None:
        self._by_channel: dict[str, dict[str, UnknownCode]] = {}

    def restore(self, counted: Iterable[Series]) -> None:
        """Continue with the codes that were counted before a restart."""
        for channel, code, _ in counted:
            if code != OTHER:
                self._channel(channel)[code] = UnknownCode(channel, code, None, None)

    def admit(self, result: ClassifiedResult, message: str | None) -> ClassifiedResult:
        """Return the result under its own code, or under `other` where the bound is reached."""
        channel, code, _ = result.series
        seen = self._channel(channel)
        if code not in seen:
            if len(seen) >= MAX_PER_CHANNEL:
                return ClassifiedResult.unknown(channel, OTHER)
            log.warning("unknown code", channel=channel, code=code)
        before = seen.get(code)
        said = redact_text(message[: 10 * _MAX_MESSAGE])[:_MAX_MESSAGE] if message else None
        if before and not said:
            said = before.message
        seen[code] = UnknownCode(channel, code, said, time.time())
        return result

    def forget(self, known: Iterable[Series]) -> None:
        """Drop the codes that a reloaded table explains now."""
        for channel, code, _ in known:
            self._channel(channel).pop(code, None)

    def __iter__(self) -> Iterator[UnknownCode]:
        for codes in self._by_channel.values():
            yield from codes.values()

    def _channel(self, channel: str) -> dict[str, UnknownCode]:
        return self._by_channel.setdefault(channel, {})
