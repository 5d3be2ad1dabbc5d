"""Bounds the labels of unknown codes: those past the bound of a channel share the label `other`.

Without a bound, a sender could add series without end. The last codes under `other` are remembered,
so that the bound hides a label and not a code.
"""

import time
from collections.abc import Callable, Iterator, Mapping

import msgspec
import structlog

from exporter.classification.drafts import draft_alias
from exporter.classification.tables import OTHER, fold
from exporter.ledger.ledger import Count
from exporter.metrics.results import UNKNOWN_CODE_SECONDS
from exporter.redaction import redact_text
from exporter.results import ClassifiedResult, Series
from exporter.runtime.snapshot import Snapshot

MAX_PER_CHANNEL = 20
"""Unknown codes of a channel with a label of their own."""
MAX_OTHERS = 20
"""Codes of a channel under `other` that are remembered, the last ones."""
MAX_HINTS = 20
_MAX_MESSAGE = 200
_MAX_HINT = 64  # longer ones are never looked up
_LOGGED_PER_HOUR = 20

log = structlog.get_logger()


class UnknownCode(msgspec.Struct):
    """What is remembered of one unknown code."""

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
        """The beginning of the last message, redacted when it is first asked for."""
        if self._message and not self._is_redacted:
            self._message, self._is_redacted = _shown(self._message, _MAX_MESSAGE), True
        return self._message

    def use(self, message: str | None) -> None:
        """Note another result, and its message if it has one."""
        self.last_used, self.seen = time.time(), True
        if message and not message.isspace():
            self._message, self._is_redacted = message[: 3 * _MAX_MESSAGE], False


class UnknownHint(msgspec.Struct, frozen=True):
    """What is remembered of one hint that no table knows."""

    hint: str
    """In the sender's own word, unless that is too long for a hint or may hold a token."""
    code: str
    """The latest code that came with it."""
    last_seen: float
    """Unix time in seconds."""


Codes = dict[str, UnknownCode]
"""By code, the least recently used first."""


class UnknownCodes:
    """The unknown codes of each channel, and the hints that no table knows."""

    def __init__(self, counts: Callable[[], Mapping[Series, Count]]) -> None:
        """Start empty; `counts` returns the counts in the ledger."""
        self._counts = counts
        self._classify: Callable[[Series], ClassifiedResult] = _unclassified
        self._labelled: dict[str, Codes] = {}
        self._others: dict[str, Codes] = {}
        self._hints: dict[str, UnknownHint] = {}
        self._logged: dict[str, tuple[int, int]] = {}
        """The hour in which codes under `other` were logged last, and how many, by channel."""

    @property
    def labelled(self) -> Iterator[UnknownCode]:
        """The codes with a label of their own."""
        for codes in self._labelled.values():
            yield from codes.values()

    @property
    def others(self) -> Iterator[UnknownCode]:
        """The last codes under the label `other`."""
        for codes in self._others.values():
            yield from codes.values()

    @property
    def hints(self) -> list[UnknownHint]:
        """The first `MAX_HINTS` hints since the start that no table knows."""
        return list(self._hints.values())

    def restore(self) -> None:
        """Continue with the codes in the ledger; facts about them stay."""
        oldest = time.time() - UNKNOWN_CODE_SECONDS
        for series, count in self._counts().items():
            meaning = self._classify(series)
            channel, code = meaning.series.channel, meaning.series.code
            if not meaning.known and code != OTHER and count.last_at > oldest:
                new = UnknownCode(channel, code, count.last_at)
                self._labelled.setdefault(channel, {}).setdefault(code, new)

    def admit(self, series: Series, message: str | None, hint: str | None = None) -> Series:
        """Return the series under its own code, or under `other` where the bound is reached.

        `hint` is the sender's word for the channel; it is remembered if no table knows it.
        """
        channel, code = series.channel, series.code
        if channel == OTHER and hint and not hint.isspace():
            self._remember_hint(hint.strip()[: 10 * _MAX_HINT], code)
        labelled = self._labelled.setdefault(channel, {})
        known = labelled.get(code)
        if known is None and code != OTHER and _has_place(labelled):
            log.warning("unknown code", channel=channel, code=code)
            known = labelled[code] = UnknownCode(channel, code, time.time())
        if known is None:
            self._remember_other(channel, code, message)
            return series._replace(code=OTHER)
        known.use(message)
        return series

    def update(self, snapshot: Snapshot) -> None:
        """Drop the codes and hints that the tables know now; restore those they no longer know."""
        self._classify = snapshot.classifier.current
        for codes in (*self._labelled.values(), *self._others.values()):
            for one in list(codes.values()):
                if self._classify(Series(one.channel, one.code, "")).known:
                    del codes[one.code]
        for key, hint in list(self._hints.items()):
            if snapshot.classifier.channel(hint.hint):
                del self._hints[key]
        self.restore()

    def _remember_other(self, channel: str, code: str, message: str | None) -> None:
        """Remember a code under `other`; the first time, log it, but only some every hour."""
        if code == OTHER:
            return
        codes = self._others.setdefault(channel, {})
        known = codes.pop(code, None)
        if known is None:
            known = UnknownCode(channel, code, time.time())
            hour, logged = self._logged.get(channel, (0, 0))
            now = int(time.time() // 3600)
            logged = logged + 1 if hour == now else 1
            self._logged[channel] = now, logged
            if logged <= _LOGGED_PER_HOUR:
                log.warning("unknown code counted as other", channel=channel, code=code)
        known.use(message)
        codes[code] = known
        while len(codes) > MAX_OTHERS:
            del codes[next(iter(codes))]

    def _remember_hint(self, hint: str, code: str) -> None:
        """Remember a hint; the first time, log it with the line that would make it an alias."""
        key = fold(hint)[:_MAX_HINT]
        known = self._hints.get(key)
        if known is None and (len(self._hints) >= MAX_HINTS or key == OTHER):
            return
        shown = known.hint if known else _shown(hint, _MAX_HINT)
        if known is None:
            log.warning("unknown hint", hint=shown, toml=draft_alias(shown))
        self._hints[key] = UnknownHint(shown, code, time.time())


def _has_place(codes: Codes) -> bool:
    """Whether another code may have a label; drops codes that were not used for long."""
    if len(codes) >= MAX_PER_CHANNEL:
        oldest = time.time() - UNKNOWN_CODE_SECONDS
        for one in list(codes.values()):
            if one.last_used <= oldest:
                del codes[one.code]
    return len(codes) < MAX_PER_CHANNEL


def _shown(text: str, length: int) -> str:
    """Return the beginning of what a sender wrote, redacted."""
    return redact_text(text[: 3 * length])[:length]


def _unclassified(series: Series) -> ClassifiedResult:
    return ClassifiedResult.unknown(series.channel, series.code)
