"""Where a result without a hint may belong: the tables that need none."""

from collections.abc import Iterable

from exporter.classification.codespace import REASON_PHRASES, Rows
from exporter.classification.texts import letters_of

Owner = tuple[Rows, str]
"""The rows of a table, and the code of one of them."""


class Hintless:
    """The codes, names and aliases that need no hint, with the rows that have them.

    Bare HTTP statuses and reason phrases of HTTP are not among them: any service may send them.
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
        """List the rows of which this is the code, or else the name, or else in another case."""
        return (
            self._codes.get(text)
            or self._names.get(text)
            or self._folded.get(text.casefold())
            or []
        )


def _add(owners: dict[str, list[Owner]], spellings: dict[str, str | None], rows: Rows) -> None:
    """Add the names and aliases of a table; a code in its own case is found before."""
    for spelling, code in spellings.items():
        if code and spelling != code and letters_of(spelling) not in REASON_PHRASES:
            owners.setdefault(spelling, []).append((rows, code))
