"""Suggestions for an unknown code."""

from collections.abc import Iterator
from difflib import get_close_matches

import msgspec

from exporter.classification.classifier import Classifier
from exporter.classification.tables import CodeRow, Tables
from exporter.results import canonical_code

MAX_SUGGESTIONS = 5

_SHORTEST_PART = 4
"""Minimum length of a word to search for; shorter words match too many rows."""


class Suggestion(msgspec.Struct, frozen=True):
    """A row of a code table."""

    channel: str
    code: str
    name: str


def suggest(
    classifier: Classifier, tables: Tables, code: str, channel: str | None
) -> list[Suggestion]:
    """Return the rows of other channels that have a code, else rows with a similar name."""
    canonical = canonical_code(code)
    elsewhere = classifier.meanings(canonical) if canonical else []
    if elsewhere:
        found = [
            Suggestion(classified.series.channel, classified.series.code, classified.name)
            for classified in elsewhere
        ]
        return found[:MAX_SUGGESTIONS]
    if code.lstrip("-").isdigit():  # similar numbers have unrelated meanings
        return []
    named = classifier.channel(channel) if channel else None
    of_channel = {name: table for name, table in tables.items() if name == named}
    return list(_similar(of_channel, code) or _similar(tables, code))[:MAX_SUGGESTIONS]


def _similar(tables: Tables, word: str) -> dict[Suggestion, None]:
    """Return rows by name, containing the word or similar; then by category or description."""
    part = word.casefold()
    rows = {
        Suggestion(channel, code, row.name): row
        for channel, table in tables.items()
        for code, row in table.codes.items()
    }
    names = {name: suggestion for suggestion, row in rows.items() for name in _names(row)}
    is_long = len(part) >= _SHORTEST_PART
    return dict.fromkeys([
        *(suggestion for name, suggestion in names.items() if is_long and part in name),
        *(names[name] for name in get_close_matches(part, names, MAX_SUGGESTIONS, cutoff=0.7)),
        *(
            suggestion
            for suggestion, row in rows.items()
            if is_long and part in f"{row.category} {row.description}"
        ),
    ])  # fmt: skip


def _names(row: CodeRow) -> Iterator[str]:
    yield row.name.casefold()
    yield from (alias.casefold() for alias in row.aliases)
