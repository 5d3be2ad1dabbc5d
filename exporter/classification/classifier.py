"""Classifies results: a pure, total function from a result to its channel and meaning."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from exporter.classification.codespace import CodeSpace, Found, RowRule, Rows, stated
from exporter.classification.hintless import Hintless
from exporter.classification.schema import MAX_HINT_LENGTH
from exporter.classification.tables import (
    COMMON_CHANNEL,
    OTHER,
    CodeRow,
    CodeTable,
    Tables,
    fold,
    shared_words,
)
from exporter.results import ClassifiedResult, PushResult, Series

ChannelRule = Literal[
    "hint", "unknown_hint", "ios", "common_code", "only_table", "message", "nothing"
]
"""The rule that determined the channel of a result."""

_MAX_CACHED_MESSAGE = 200
"""Maximum number of characters of a message in the cache, which bounds its memory."""

Decision = tuple[ClassifiedResult, ChannelRule, RowRule]
"""A classified result with the rules; a plain tuple, since it is made for every result."""


class Classifier:
    """Classifies results by one set of tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._channels = {
            spelling: table.channel
            for table in tables.values()
            for word in (table.channel, *table.aliases)
            for spelling in (fold(word), word.upper())  # MPS's words are found without folding
        }
        for table in tables.values():
            self._channels |= dict.fromkeys(table.exact_aliases, table.channel)
        self._spaces = {
            channel: CodeSpace(channel, _rows(channel, table), _rows(channel, common))
            for channel, table in tables.items()
            for common in [_common(tables, table)]
        }
        # Most senders report only a few distinct messages.
        self._find_cached = lru_cache(maxsize=512)(self._find)
        self._choose_cached = lru_cache(maxsize=512)(self._choose)
        self._common_codes = self._spaces[COMMON_CHANNEL].own.by_code
        self._hintless = Hintless(
            self._spaces[channel].own for channel, table in tables.items() if not table.hint_only
        )

    def classify(self, result: PushResult) -> ClassifiedResult:
        """Classify a result; an unknown code is a result, too."""
        return self.decide(result)[0]

    def decide(self, result: PushResult) -> Decision:
        """Classify a result, and return the rules that applied."""
        if result.hint and (hint := result.hint.strip()):
            channel = self.channel(hint)
            if channel is None:
                unknown = ClassifiedResult.unknown(OTHER, result.code)
                return unknown, "unknown_hint", "one_row"
            return self._on_channel(channel, result, "hint")
        if result.code in self._common_codes:
            return self._from_common_channel(result)
        return self._inferred(result)

    def channel(self, word: str) -> str | None:
        """Return the channel with a name or alias, or None."""
        if len(word) > MAX_HINT_LENGTH:
            return None
        return self._channels.get(word) or self._channels.get(fold(word))

    def current(self, series: Series) -> ClassifiedResult:
        """Classify a series of the ledger by the current tables.

        A result counted by a common row keeps that row. An unknown code that is now a name or alias
        has the meaning of its row.
        """
        channel, code, table = series[:3]
        space = self._spaces.get(channel)
        if space is None:
            return ClassifiedResult.unknown(channel, code)
        if table == channel and (own := space.own.by_code.get(code)):
            return own
        if table == COMMON_CHANNEL and code in self._tables[COMMON_CHANNEL].codes:
            common = space.common.by_code.get(code)
            return common or _rows(channel, self._tables[COMMON_CHANNEL]).by_code[code]
        return space.find(code, None)[0]

    def known(self) -> Iterator[ClassifiedResult]:
        """Yield a classified result for each channel and code in the tables."""
        for space in self._spaces.values():
            yield from space

    def has_receipts(self, channel: str) -> bool:
        """Whether the results of a channel are receipts of pushes accepted by another channel."""
        table = self._tables.get(channel)
        return bool(table and table.receipts_of)

    def receipt_channels(self) -> dict[str, str]:
        """Map each channel of receipts to the channel of its pushes, and other channels to ''."""
        return {channel: table.receipts_of for channel, table in self._tables.items()}

    def channels(self) -> list[str]:
        """Return all values of the label `channel`."""
        return [*self._tables, OTHER]

    def row(self, series: Series) -> CodeRow | None:
        """Return the row of a known series, or None."""
        table = self._tables.get(series.table)
        return table.codes.get(series.code) if table else None

    def meanings(self, code: str) -> list[ClassifiedResult]:
        """Return the meanings of a code, name or alias in all tables."""
        spaces = self._spaces.values()
        exact = [found for space in spaces if (found := space.own.spelled(code))]
        return exact or [found for space in spaces if (found := space.own.named(code))]

    def _on_channel(self, channel: str, result: PushResult, rule: ChannelRule) -> Decision:
        space = self._spaces[channel]
        if plain := space.plain.get(result.code):
            return plain, rule, "one_row"
        find = self._find_cached if _is_short(result.message) else self._find
        classified, row_rule = find(channel, result.code, result.message)
        return classified, rule, row_rule

    def _find(self, channel: str, code: str, message: str | None) -> Found:
        return self._spaces[channel].find(code, message)

    def _from_common_channel(self, result: PushResult) -> Decision:
        """Classify a common code; MPS sends to iOS through APNs only."""
        if result.ios:
            return self._on_channel("apns", result, "ios")
        return self._on_channel(COMMON_CHANNEL, result, "common_code")

    def _inferred(self, result: PushResult) -> Decision:
        """Classify a result without a hint: by the only table with its code, or by its message."""
        owners = self._hintless.owners(result.code)
        if len(owners) == 1:
            channel = owners[0][0].channel
            if channel == COMMON_CHANNEL:
                return self._from_common_channel(result)
            return self._on_channel(channel, result, "only_table")
        if owners and result.message:
            choose = self._choose_cached if _is_short(result.message) else self._choose
            if chosen := choose(result.code, result.message):
                return chosen, "message", "one_row"
        return ClassifiedResult.unknown(OTHER, result.code), "nothing", "one_row"

    def _choose(self, code: str, message: str) -> ClassifiedResult | None:
        """Choose by the message between the tables with a code."""
        owners = self._hintless.owners(code)
        return stated(message, [rows.candidate(found) for rows, found in owners])


def _is_short(message: str | None) -> bool:
    return message is None or len(message) <= _MAX_CACHED_MESSAGE


def _rows(channel: str, table: CodeTable) -> Rows:
    return Rows(channel, table, shared_words())


def _common(tables: Tables, table: CodeTable) -> CodeTable:
    """Return the table of common codes, without rows if they do not apply to a table's channel."""
    common = tables[COMMON_CHANNEL]
    applies = table.common_codes and table is not common
    return common if applies else common.model_copy(update={"codes": {}})
