"""Bound what no table knows: the first unknown codes of a channel keep their own label."""

import time
from collections.abc import Iterable, Iterator

import msgspec
import structlog

from exporter.classification.classifier import Classifier
from exporter.classification.drafts import draft_alias
from exporter.classification.tables import OTHER, fold
from exporter.redaction import redact_text
from exporter.results import ClassifiedResult, Series

MAX_PER_CHANNEL = 20
MAX_HINTS = 20
_MAX_MESSAGE = 200
_MAX_HINT = 64  # what is longer is never looked up

log = structlog.get_logger()


class UnknownCode(msgspec.Struct):
    """What is remembered of one unknown code."""

    channel: str
    code: str
    message: str | None
    last_seen: float | None
    """Unix time in seconds; None if not since the start."""


class UnknownHint(msgspec.Struct, frozen=True):
    """What is remembered of one hint that no table knows."""

    hint: str
    """In the sender's own word, unless that is too long for a hint or may hold a token."""
    code: str
    """The latest code that came with it."""
    last_seen: float
    """Unix time in seconds."""


class UnknownCodes:
    """The unknown codes seen so far, at most `MAX_PER_CHANNEL` of each channel, and the hints."""

    def __init__(self) -> None:
        self._by_channel: dict[str, dict[str, UnknownCode]] = {}
        self._hints: dict[str, UnknownHint] = {}

    @property
    def hints(self) -> list[UnknownHint]:
        """The first `MAX_HINTS` hints since the start that no table knows."""
        return list(self._hints.values())

    def restore(self, counted: Iterable[Series]) -> None:
        """Continue with the codes that were counted before; what was seen of them since stays."""
        for channel, code, *_ in counted:
            if code != OTHER:
                new = UnknownCode(channel, code, None, None)
                self._channel(channel).setdefault(code, new)

    def admit(
        self, result: ClassifiedResult, message: str | None, hint: str | None = None
    ) -> ClassifiedResult:
        """Return the result under its own code, or under `other` where the bound is reached.

        `hint` is the sender's word for the channel; it is remembered if it led to none.
        """
        channel, code, *_ = result.series
        if channel == OTHER and hint and not hint.isspace():
            self._note(hint.strip()[: 10 * _MAX_HINT], code)
        seen = self._channel(channel)
        if code not in seen:
            if len(seen) >= MAX_PER_CHANNEL:
                return ClassifiedResult.unknown(channel, OTHER)
            log.warning("unknown code", channel=channel, code=code)
        before = seen.get(code)
        said = _shown(message, _MAX_MESSAGE) if message else None
        if before and not said:
            said = before.message
        seen[code] = UnknownCode(channel, code, said, time.time())
        return result

    def forget(self, classifier: Classifier) -> None:
        """Drop the codes and hints that reloaded tables know."""
        for channel, codes in self._by_channel.items():
            for code in list(codes):
                if classifier.current(Series(channel, code, "")).known:
                    del codes[code]
        for key, one in list(self._hints.items()):
            if classifier.channel(one.hint):
                del self._hints[key]

    def __iter__(self) -> Iterator[UnknownCode]:
        for codes in self._by_channel.values():
            yield from codes.values()

    def _note(self, hint: str, code: str) -> None:
        """Remember a hint; the first time, log it with the line that would make it an alias."""
        key = fold(hint)[:_MAX_HINT]
        known = self._hints.get(key)
        if known is None and (len(self._hints) >= MAX_HINTS or key == OTHER):
            return
        shown = known.hint if known else _shown(hint, _MAX_HINT)
        if known is None:
            log.warning("unknown hint", hint=shown, toml=draft_alias(shown))
        self._hints[key] = UnknownHint(shown, code, time.time())

    def _channel(self, channel: str) -> dict[str, UnknownCode]:
        return self._by_channel.setdefault(channel, {})


def _shown(text: str, length: int) -> str:
    """Return the beginning of what a sender wrote, without what may be a token."""
    return redact_text(text[: 10 * length])[:length]
