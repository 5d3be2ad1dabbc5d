"""Say which channel a result belongs to and what its code means there: pure and total."""

from collections.abc import Iterator
from typing import Literal

from exporter.classification.codespace import CodeSpace, RowRule, Rows, mentioned
from exporter.classification.tables import GATEWAY, OTHER, CodeRow, CodeTable, Tables, fold
from exporter.results import ClassifiedResult, PushResult, Series

_MAX_HINT = 64

ChannelRule = Literal[
    "hint", "unknown_hint", "ios", "common_code", "only_table", "message", "nothing"
]
"""By which rule a result got its channel."""

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
        self._spaces = {
            channel: CodeSpace(channel, Rows(channel, table), Rows(channel, _common(tables, table)))
            for channel, table in tables.items()
        }
        self._hintless = [
            self._spaces[channel].own for channel, table in tables.items() if not table.hint_only
        ]
        """Where a code without a hint may belong."""
        self._owners: dict[str, list[Rows]] = {}
        for rows in self._hintless:
            for code, row in rows.rows.items():
                if not row.http_status:
                    self._owners.setdefault(code, []).append(rows)

    def classify(self, result: PushResult) -> ClassifiedResult:
        """Find what the result means; an unknown code is a result too."""
        return self.decide(result)[0]

    def decide(self, result: PushResult) -> Decision:
        """Find what the result means, and by which rules."""
        if result.hint and (hint := result.hint.strip()):
            channel = self.channel(hint)
            if channel is None:
                unknown = ClassifiedResult.unknown(OTHER, result.code)
                return unknown, "unknown_hint", "one_row"
            return self._on_channel(channel, result, "hint")
        if result.code in self._spaces[GATEWAY].own.by_code:
            return self._from_gateway(result)
        return self._inferred(result)

    def channel(self, word: str) -> str | None:
        """Return the channel of which this is the name or an alias."""
        if len(word) > _MAX_HINT:
            return None
        return self._channels.get(word) or self._channels.get(fold(word))

    def resembling(self, hint: str) -> str | None:
        """Return the only channel of sending whose name or alias is a part of an unknown hint."""
        folded = fold(hint[:_MAX_HINT])
        found = {channel for word, channel in self._channels.items() if word in folded}
        return found.pop() if len(found) == 1 else None

    def current(self, series: Series) -> ClassifiedResult:
        """Say what a series of the ledger means by the tables of today.

        What was counted by a common row stays common. An unknown code that is a name or alias
        of a row by now means that row.
        """
        channel, code, table = series[:3]
        space = self._spaces.get(channel)
        if space is None:
            return ClassifiedResult.unknown(channel, code)
        if table == channel and (own := space.own.by_code.get(code)):
            return own
        if table == GATEWAY and code in self._tables[GATEWAY].codes:
            common = space.common.by_code.get(code)
            return common or Rows(channel, self._tables[GATEWAY]).by_code[code]
        return space.find(code, None)[0]

    def known(self) -> Iterator[ClassifiedResult]:
        """Yield every pair of channel and code that the tables can produce, own rows first."""
        for space in self._spaces.values():
            yield from space

    def has_receipts(self, channel: str) -> bool:
        """Whether the results of a channel are receipts of pushes that another one accepted."""
        table = self._tables.get(channel)
        return bool(table and table.receipts_of)

    def receipt_channels(self) -> dict[str, str]:
        """Return the channel that each channel's receipts are of, empty for channels of sending."""
        return {channel: table.receipts_of for channel, table in self._tables.items()}

    def channels(self) -> list[str]:
        """List every value that the label `channel` can take."""
        return [*self._tables, OTHER]

    def row(self, series: Series) -> CodeRow | None:
        """Return the row behind a known series."""
        table = self._tables.get(series.table)
        return table.codes.get(series.code) if table else None

    def meanings(self, code: str) -> list[ClassifiedResult]:
        """List what a code, name or alias means in each table that has it."""
        spaces = self._spaces.values()
        exact = [found for space in spaces if (found := space.own.spelled(code))]
        return exact or [found for space in spaces if (found := space.own.named(code))]

    def _on_channel(self, channel: str, result: PushResult, rule: ChannelRule) -> Decision:
        space = self._spaces[channel]
        if plain := space.plain.get(result.code):
            return plain, rule, "one_row"
        meaning, row_rule = space.find(result.code, result.message)
        return meaning, rule, row_rule

    def _from_gateway(self, result: PushResult) -> Decision:
        """Place a common code: MPS reaches iOS through APNs alone."""
        if result.ios:
            return self._on_channel("apns", result, "ios")
        return self._on_channel(GATEWAY, result, "common_code")

    def _inferred(self, result: PushResult) -> Decision:
        """Place a result without a hint by the only table that has its code, or by its message."""
        owners = [(rows, result.code) for rows in self._owners.get(result.code, ())]
        owners = owners or self._namesakes(result.code)
        if len(owners) == 1:
            channel = owners[0][0].channel
            if channel == GATEWAY:
                return self._from_gateway(result)
            return self._on_channel(channel, result, "only_table")
        if meant := mentioned(result.message, [rows.candidate(code) for rows, code in owners]):
            return meant, "message", "one_row"
        return ClassifiedResult.unknown(OTHER, result.code), "nothing", "one_row"

    def _namesakes(self, text: str) -> list[tuple[Rows, str]]:
        """List the rows whose name or alias this is, in the tables that need no hint."""
        exact = [(rows, one) for rows in self._hintless if (one := rows.spelled(text))]
        found = exact or [(rows, one) for rows in self._hintless if (one := rows.named(text))]
        codes = [(rows, one.series.code) for rows, one in found]
        return [(rows, code) for rows, code in codes if code != text]  # no bare HTTP status


def _common(tables: Tables, table: CodeTable) -> CodeTable:
    """Return the table of the common codes as far as they apply on a table's channel."""
    gateway = tables[GATEWAY]
    applies = table.common_codes and table is not gateway
    return gateway if applies else gateway.model_copy(update={"codes": {}})
