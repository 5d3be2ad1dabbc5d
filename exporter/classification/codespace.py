"""The codes of one channel: found by code, by name or alias, and by the words of a message."""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Literal

from exporter.classification.tables import HTTP_ERRORS, CodeRow, CodeTable
from exporter.results import ClassifiedResult, Series, canonical_code

_PUNCTUATION = re.compile(r"[\W_]+")
_MAX_MESSAGE = 1000  # more than any vendor's message; bounds the work on a hostile one

RowRule = Literal["one_row", "name", "http_message", "message", "own_row", "common_row"]
"""By which rule a result got its row: the only one of its code, or that of its name or alias, or
of the name in its message; of two rows that have the code, by its message, or else the channel's
own or the common one."""

Found = tuple[ClassifiedResult, RowRule]


Candidate = tuple[ClassifiedResult, tuple[str, ...]]
"""What a code may mean, and the texts that a message would contain if it did."""


class Rows:
    """The rows of one table, as they are counted on one channel."""

    def __init__(self, channel: str, table: CodeTable) -> None:
        self.channel = channel
        self.rows = table.codes
        self.by_code = {
            code: ClassifiedResult(
                Series(channel, code, table.channel),
                row.name,
                row.severity,
                row.category,
                row.retry,
            )
            for code, row in table.codes.items()
        }
        self._texts: dict[str, tuple[str, ...]] = {}
        self._exact: dict[str, str | None] = {}
        self._folded: dict[str, str | None] = {}
        for code, spelling in _spellings(table):
            _claim(self._exact, spelling, code)
            _claim(self._folded, spelling.casefold(), code)

    def __iter__(self) -> Iterator[ClassifiedResult]:
        return iter(self.by_code.values())

    def candidate(self, code: str) -> Candidate:
        """Return a code of the table, to hold it against a message."""
        if code not in self._texts:  # few are ever asked for
            self._texts[code] = tuple(_Letters(text).text for text in _texts(self.rows[code]))
        return self.by_code[code], self._texts[code]

    def spelled(self, text: str) -> ClassifiedResult | None:
        """Find the row whose code, name or alias this is, letter by letter."""
        return self.by_code.get(text) or self.by_code.get(self._exact.get(text) or "")

    def named(self, text: str) -> ClassifiedResult | None:
        """Find the row whose code, name or alias this is; case matters where two differ by it."""
        return self.spelled(text) or self.by_code.get(self._folded.get(text.casefold()) or "")


class CodeSpace:
    """What codes mean on one channel: by its own rows, and by the common ones where they apply."""

    def __init__(self, channel: str, own: Rows, common: Rows) -> None:
        self.channel = channel
        self.own = own
        self.common = common
        self._shared = own.by_code.keys() & common.by_code.keys()
        self._statuses = {code for code, row in own.rows.items() if row.http_status}
        self._narrowing: dict[str, list[Candidate]] = {}
        for code, row in own.rows.items():
            for vague in row.narrows:
                self._narrowing.setdefault(vague, []).append(own.candidate(code))
        special = self._shared | self._statuses | self._narrowing.keys()
        self.plain = {
            code: meaning
            for code, meaning in {**common.by_code, **own.by_code}.items()
            if code not in special
        }
        """What needs nothing but its code to be found: nearly every result."""

    def __iter__(self) -> Iterator[ClassifiedResult]:
        yield from self.own
        yield from self.common

    def find(self, code: str, message: str | None) -> Found:
        """Find what a code means here; one without a row is unknown."""
        if plain := self.plain.get(code):
            return plain, "one_row"
        found, rule = self._find(code, message)
        if meant := mentioned(message, self._narrowing.get(found.series.code, ())):
            return meant, "message"
        return found, rule

    def _find(self, code: str, message: str | None) -> Found:
        if code in self._shared:
            return self._one_of_two(code, message)
        row = self.own.by_code.get(code) or self.common.by_code.get(code)
        if row and code not in self._statuses:
            return row, "one_row"
        if row is None and (named := self.own.named(code) or self.common.named(code)):
            return named, "name"
        if _is_http_error(code) and (named := self.own.named(canonical_code(message) or "")):
            return named, "http_message"
        return row or ClassifiedResult.unknown(self.channel, code), "one_row"

    def _one_of_two(self, code: str, message: str | None) -> Found:
        """Choose between a row of the channel's own and a common one."""
        own, common = self.own.candidate(code), self.common.candidate(code)
        if meant := mentioned(message, [own, common]):
            return meant, "message"
        if self.own.rows[code].overrides_common:
            return own[0], "own_row"
        return common[0], "common_row"


def mentioned(message: str | None, candidates: Sequence[Candidate]) -> ClassifiedResult | None:
    """Return the only candidate of which the message contains a text: never a guess."""
    if not message or not candidates:
        return None
    letters = _Letters(message[:_MAX_MESSAGE])
    matching = [meaning for meaning, texts in candidates if any(map(letters.contain, texts))]
    return matching[0] if len(matching) == 1 else None


def _spellings(table: CodeTable) -> Iterator[tuple[str, str]]:
    """Yield each code with its own spelling and those of its name and aliases."""
    for code, row in table.codes.items():
        for word in (code, row.name, *row.aliases):
            spelling = canonical_code(word)
            if spelling and any(map(str.isalnum, spelling)):  # not what is left of another script
                yield code, spelling


def _claim(owners: dict[str, str | None], spelling: str, code: str) -> None:
    """Note whose spelling it is; None for one that several rows share, since it means none."""
    owners[spelling] = code if owners.get(spelling, code) == code else None


def _texts(row: CodeRow) -> Iterator[str]:
    """Yield the texts that tell a row; a number may stand in any message."""
    texts = (row.name, row.description, *row.aliases, *row.messages)
    return (text for text in texts if any(map(str.isalpha, text)))


class _Letters:
    """A text reduced to what vendors do not vary, letters and digits, and where its words end.

    Not a regular expression: one that skips punctuation takes milliseconds for a hostile message.
    """

    def __init__(self, text: str) -> None:
        words = _PUNCTUATION.split(text.casefold())
        self.text = "".join(words)
        self._ends = set(accumulate(map(len, words), initial=0))

    def contain(self, text: str) -> bool:
        """Whether a reduced text stands here in whole words: no `success` in `unsuccessful`."""
        start = self.text.find(text)
        while start >= 0:
            if self._parted(start) and self._parted(start + len(text)):
                return True
            start = self.text.find(text, start + 1)
        return False

    def _parted(self, place: int) -> bool:
        """Whether a word may begin or end here; scripts without spaces are parted anywhere."""
        around = self.text[place - 1 : place + 1]
        return place in self._ends or not around.isascii()


def _is_http_error(code: str) -> bool:
    return len(code) == len("400") and code.isdecimal() and int(code) in HTTP_ERRORS
