"""Bounds the labels of unknown codes: over the bound, the codes of a channel share `other`.

Without a bound, a sender could create series without limit. The last codes under `other` are kept
for the status page.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec
import structlog

from exporter.classification.drafts import draft_alias
from exporter.classification.tables import OTHER, fold
from exporter.ledger.store import Count
from exporter.metrics.results import UNKNOWN_CODE_SECONDS
from exporter.redaction import redact_text
from exporter.results import ClassifiedResult, Series
from exporter.runtime.snapshot import Snapshot

MAX_PER_CHANNEL = 20
"""Maximum number of unknown codes per channel with their own label."""
MAX_OTHERS = 20
"""Number of the last codes under `other` that are kept per channel."""
MAX_HINTS = 20
"""Number of the last unknown hints that are kept."""
_MAX_MESSAGE = 200
_MAX_HINT = 64  # longer hints are never looked up
_LOGGED_PER_HOUR = 20

log = structlog.get_logger()


class UnknownCode(msgspec.Struct):
    """An unknown code."""

    channel: str
    code: str
    last_used: float
    """Unix time in seconds."""
    seen: bool = False
    """Whether the code was used since the start."""
    _message: str | None = None
    _is_redacted: bool = False

    @property
    def message(self) -> str | None:
        """The beginning of the last message, redacted on first access."""
        if self._message and not self._is_redacted:
            self._message, self._is_redacted = _shown(self._message, _MAX_MESSAGE), True
        return self._message

    def use(self, message: str | None) -> None:
        """Update the code with another result, and its message if any."""
        self.last_used, self.seen = time.time(), True
        if message and not message.isspace():
            self._message, self._is_redacted = message[: 3 * _MAX_MESSAGE], False


class UnknownHint(NamedTuple):
    """A hint that is not a name or alias of a channel."""

    text: str
    """The beginning of the sender's word."""
    code: str
    """The last code with this hint."""
    last_seen: float
    """Unix time in seconds."""

    @property
    def hint(self) -> str:
        """The sender's word, truncated and redacted."""
        return _shown(self.text, _MAX_HINT)


Codes = dict[str, UnknownCode]
"""By code, the least recently used first."""


class UnknownCodes:
    """The unknown codes of each channel, and the unknown hints."""

    def __init__(self, counts: Callable[[], Mapping[Series, Count]]) -> None:
        """Start empty; `counts` returns the counts in the ledger."""
        self._counts = counts
        self._classify: Callable[[Series], ClassifiedResult] = _unclassified
        self._labelled: dict[str, Codes] = {}
        self._others: dict[str, Codes] = {}
        self._hints: dict[str, UnknownHint] = {}
        self._logged: dict[str, tuple[int, int]] = {}
        """By channel, the hour in which codes under `other` were last logged, and their number; so
        for hints."""

    @property
    def labelled(self) -> Iterator[UnknownCode]:
        """The codes with their own label."""
        for codes in self._labelled.values():
            yield from codes.values()

    @property
    def others(self) -> Iterator[UnknownCode]:
        """The last codes under the label `other`."""
        for codes in self._others.values():
            yield from codes.values()

    @property
    def hints(self) -> list[UnknownHint]:
        """The last `MAX_HINTS` unknown hints since the start."""
        return list(self._hints.values())

    def restore(self) -> None:
        """Add the unknown codes in the ledger; codes that are present keep their data."""
        oldest = time.time() - UNKNOWN_CODE_SECONDS
        for series, count in self._counts().items():
            classified = self._classify(series)
            channel, code = classified.series.channel, classified.series.code
            if not classified.known and code != OTHER and count.last_at > oldest:
                new = UnknownCode(channel, code, count.last_at)
                self._labelled.setdefault(channel, {}).setdefault(code, new)

    def admit(self, series: Series, message: str | None, hint: str | None = None) -> Series:
        """Return the series with its own code, or with `other` if the bound is reached.

        `hint` is the sender's word for the channel; an unknown hint is kept.
        """
        channel, code = series.channel, series.code
        if channel == OTHER and hint and not hint.isspace():
            self._remember_hint(hint.strip()[: 10 * _MAX_HINT], code)
        labelled = self._labelled.setdefault(channel, {})
        known = labelled.get(code)
        if known is None and code != OTHER and _has_room(labelled):
            log.warning("unknown code", channel=channel, code=code)
            known = labelled[code] = UnknownCode(channel, code, time.time())
        if known is None:
            self._remember_other(channel, code, message)
            return series._replace(code=OTHER)
        known.use(message)
        return series

    def update(self, snapshot: Snapshot) -> None:
        """Drop codes and hints that are now known, and restore codes that no longer are."""
        self._classify = snapshot.classifier.current
        for codes in (*self._labelled.values(), *self._others.values()):
            for unknown in list(codes.values()):
                if self._classify(Series(unknown.channel, unknown.code, "")).known:
                    del codes[unknown.code]
        for key, hint in list(self._hints.items()):
            if snapshot.classifier.channel(hint.text):
                del self._hints[key]
        self.restore()

    def _remember_other(self, channel: str, code: str, message: str | None) -> None:
        """Keep a code under `other`; log new codes, up to a number per hour."""
        if code == OTHER:
            return
        codes = self._others.setdefault(channel, {})
        known = codes.pop(code, None)
        if known is None:
            known = UnknownCode(channel, code, time.time())
            if self._may_log(channel):
                log.warning("unknown code counted as other", channel=channel, code=code)
        known.use(message)
        codes[code] = known
        while len(codes) > MAX_OTHERS:
            del codes[next(iter(codes))]

    def _remember_hint(self, hint: str, code: str) -> None:
        """Keep a hint; log a new hint, with a TOML draft that makes it an alias."""
        key = fold(hint)[:_MAX_HINT]
        if key == OTHER:
            return
        known = self._hints.pop(key, None)
        text = known.text if known else hint[: 3 * _MAX_HINT]
        new = self._hints[key] = UnknownHint(text, code, time.time())
        if known is None and self._may_log("unknown hint"):
            shown = new.hint
            log.warning("unknown hint", hint=shown, toml=draft_alias(shown))
        while len(self._hints) > MAX_HINTS:
            del self._hints[next(iter(self._hints))]

    def _may_log(self, kind: str) -> bool:
        """Count a log line; return False if its kind has had enough of them this hour."""
        hour, logged = self._logged.get(kind, (0, 0))
        now = int(time.time() // 3600)
        logged = logged + 1 if hour == now else 1
        self._logged[kind] = now, logged
        return logged <= _LOGGED_PER_HOUR


def _has_room(codes: Codes) -> bool:
    """Whether another code can have its own label, after dropping unused codes."""
    if len(codes) >= MAX_PER_CHANNEL:
        oldest = time.time() - UNKNOWN_CODE_SECONDS
        for unknown in list(codes.values()):
            if unknown.last_used <= oldest:
                del codes[unknown.code]
    return len(codes) < MAX_PER_CHANNEL


def _shown(text: str, length: int) -> str:
    """Return the beginning of a sender's text, redacted."""
    return redact_text(text[: 3 * length])[:length]


def _unclassified(series: Series) -> ClassifiedResult:
    return ClassifiedResult.unknown(series.channel, series.code)
