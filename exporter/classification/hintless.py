"""Looks up results without a hint, in the tables that do not require one."""

from collections.abc import Iterable

from exporter.classification.codespace import REASON_PHRASES, Rows
from exporter.classification.texts import letters_of

Owner = tuple[Rows, str]
"""The rows of a table, and the code of one row."""


class Hintless:
    """The codes, names and aliases that need no hint, and their rows.

    Bare HTTP statuses and reason phrases are excluded: any service may send them.
    """

    def __init__(self, tables: Iterable[Rows]) -> None:
        self._codes: dict[str, list[Owner]] = {}
        self._names: dict[str, list[Owner]] = {}
        self._folded: dict[str, list[Owner]] = {}
        for rows in tables:
            for code, row in rows.rows.items():
                if not row.http_status and letters_of(code) not in REASON_PHRASES:
                    self._codes.setdefault(code, []).append((rows, code))
            _add(self._names, rows.exact, rows)
            _add(self._folded, rows.folded, rows)

    def owners(self, text: str) -> list[Owner]:
        """Return the rows with this code; if there are none, with this name in this or any case."""
        return (
            self._codes.get(text)
            or self._names.get(text)
            or self._folded.get(text.casefold())
            or []
        )


def _add(owners: dict[str, list[Owner]], spellings: dict[str, str | None], rows: Rows) -> None:
    """Add the names and aliases of a table; exact codes are looked up first."""
    for spelling, code in spellings.items():
        if code and spelling != code and letters_of(spelling) not in REASON_PHRASES:
            owners.setdefault(spelling, []).append((rows, code))
