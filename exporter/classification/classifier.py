"""Say which channel a result belongs to and what its code means there: pure and total."""

from collections.abc import Iterator
from itertools import chain
from typing import Literal

from exporter.classification.tables import GATEWAY, OTHER, CodeRow, Tables, fold
from exporter.results import ClassifiedResult, PushResult, Series

_MAX_HINT = 64
_MAX_MESSAGE = 1000  # more than any vendor's message; bounds the work on a hostile one

Meanings = dict[str, ClassifiedResult]  # by code

ChannelRule = Literal[
    "hint", "unknown_hint", "ios", "common_code", "only_table", "message", "nothing"
]
"""By which rule a result got its channel."""

RowRule = Literal["one_row", "message", "own_row"]
"""By which rule it got its row: the only one, or one of the channel's own and a common one."""

Decision = tuple[ClassifiedResult, ChannelRule, RowRule]
"""What a result means, and why; a bare tuple of constants, since every result pays for it."""


class Classifier:
    """The rules of classification over one set of tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._channels = {
            spelling: table.channel
            for table in tables.values()
            for word in (table.channel, *table.aliases)
            for spelling in (fold(word), word.upper())  # MPS's own needs no folding
        }
        self._own: dict[str, Meanings] = {
            channel: {code: _meaning(channel, code, channel, row) for code, row in rows.items()}
            for channel, rows in ((table.channel, table.codes) for table in tables.values())
        }
        common = tables[GATEWAY].codes
        self._common: dict[str, Meanings] = {
            channel: {code: _meaning(channel, code, GATEWAY, row) for code, row in common.items()}
            for channel in tables
        }
        self._owners: dict[str, list[ClassifiedResult]] = {}
        for meaning in chain.from_iterable(meanings.values() for meanings in self._own.values()):
            self._owners.setdefault(meaning.series.code, []).append(meaning)

    def classify(self, result: PushResult) -> ClassifiedResult:
        """Find what the result means; a code that no table has is a result too."""
        return self.decide(result)[0]

    def decide(self, result: PushResult) -> Decision:
        """Find what the result means, and by which rules."""
        if result.hint and (hint := result.hint.strip()):
            channel = self.channel(hint)
            if channel is None:
                unknown = ClassifiedResult.unknown(OTHER, result.code)
                return unknown, "unknown_hint", "one_row"
            return self._on_channel(channel, result, "hint")
        if result.code in self._own[GATEWAY]:
            if result.ios:  # MPS reaches iOS through APNs alone.
                return self._on_channel("apns", result, "ios")
            return self._on_channel(GATEWAY, result, "common_code")
        return self._inferred(result)

    def channel(self, word: str) -> str | None:
        """Return the channel that a table lists under this name or alias."""
        if len(word) > _MAX_HINT:
            return None
        return self._channels.get(word) or self._channels.get(fold(word))

    def current(self, series: Series) -> ClassifiedResult:
        """Say what a series of the ledger means by the tables of today."""
        if series.table == GATEWAY and (
            common := self._common.get(series.channel, {}).get(series.code)
        ):
            return common
        return self._row(series.channel, series.code) or ClassifiedResult.unknown(*series[:2])

    def known(self) -> Iterator[ClassifiedResult]:
        """Yield every pair of channel and code that the tables can produce, own rows first."""
        for channel, own in self._own.items():
            yield from own.values()
            if channel != GATEWAY:
                yield from self._common[channel].values()

    def channels(self) -> list[str]:
        """List every value that the label `channel` can take."""
        return [*self._tables, OTHER]

    def row(self, series: Series) -> CodeRow | None:
        """Return the row behind a known series."""
        table = self._tables.get(series.table)
        return table.codes.get(series.code) if table else None

    def meanings(self, code: str) -> list[ClassifiedResult]:
        """List what a code means in each table that has it."""
        return list(self._owners.get(code, ()))

    def _row(self, channel: str, code: str) -> ClassifiedResult | None:
        own = self._own.get(channel, {}).get(code)
        return own or self._common.get(channel, {}).get(code)

    def _on_channel(self, channel: str, result: PushResult, rule: ChannelRule) -> Decision:
        own = self._own[channel].get(result.code)
        common = self._common[channel].get(result.code)
        if own and common and channel != GATEWAY:
            said = self._mentioned(result.message, [own, common])
            return (said, rule, "message") if said else (own, rule, "own_row")
        meaning = own or common or ClassifiedResult.unknown(channel, result.code)
        return meaning, rule, "one_row"

    def _inferred(self, result: PushResult) -> Decision:
        owners = self._owners.get(result.code, [])
        if len(owners) == 1:
            return owners[0], "only_table", "one_row"
        if matching := self._mentioned(result.message, owners):
            return matching, "message", "one_row"
        return ClassifiedResult.unknown(OTHER, result.code), "nothing", "one_row"

    def _mentioned(
        self, message: str | None, candidates: list[ClassifiedResult]
    ) -> ClassifiedResult | None:
        """Return the only candidate whose words the message contains: never a guess."""
        said = _letters(message or "")
        matching = [one for one in candidates if any(word in said for word in self._words(one))]
        return matching[0] if len(matching) == 1 else None

    def _words(self, meaning: ClassifiedResult) -> list[str]:
        row = self.row(meaning.series)
        texts = (row.name, row.description, *row.messages) if row else ()
        return [letters for text in texts if (letters := _letters(text))]


def _meaning(channel: str, code: str, table: str, row: CodeRow) -> ClassifiedResult:
    return ClassifiedResult(
        Series(channel, code, table), row.name, row.severity, row.category, row.retry
    )


def _letters(text: str) -> str:
    """Reduce a message to what vendors do not vary: letters and digits without case."""
    return "".join(filter(str.isalnum, text[:_MAX_MESSAGE].casefold()))
