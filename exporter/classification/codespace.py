"""Looks up the codes of one channel: by code, by name or alias, and by the text of a message."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Literal

from exporter.classification.schema import (
    ANY_TEXT,
    CLASS_SUFFIXES,
    SUCCESS,
    CodeTable,
    is_http_error,
)
from exporter.classification.sentences import Sentences
from exporter.classification.texts import Message, Texts, letters_of, texts_of
from exporter.results import ClassifiedResult, Series, canonical_code

RowRule = Literal["one_row", "name", "sentence", "http_message", "message", "own_row", "common_row"]
"""The rule that determined the row of a result: the only row of its code; the row of a name or
alias; the row named by a sentence in place of the code; the row named by the message of an HTTP
status; of several rows, the one named by the message, else the channel's or the common row."""

Found = tuple[ClassifiedResult, RowRule]

Candidate = tuple[ClassifiedResult, Texts]
"""A possible meaning of a code, and the texts with which a message names it."""

REASON_PHRASES = {letters_of(status.phrase): str(status.value) for status in HTTPStatus} | {
    "payloadtoolarge": "413",
    "requestentitytoolarge": "413",
    "contenttoolarge": "413",
}
"""The HTTP status of each reason phrase, as letters; the phrase of 413 varies between versions."""


class Rows:
    """The rows of one table, classified on one channel."""

    def __init__(
        self, channel: str, table: CodeTable, shared_words: Mapping[str, Iterable[str]]
    ) -> None:
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
        self._table = table
        self._shared_words = shared_words
        self._candidates: dict[str, Candidate] = {}
        self.exact: dict[str, str | None] = {}
        """The code of each spelling; None if several rows share it."""
        self.folded: dict[str, str | None] = {}
        """The same for folded spellings."""
        for code, spelling in _spellings(table):
            _register(self.exact, spelling, code)
            _register(self.folded, spelling.casefold(), code)

    def __iter__(self) -> Iterator[ClassifiedResult]:
        return iter(self.by_code.values())

    def spelled(self, text: str) -> ClassifiedResult | None:
        """Find the row with a code, name or alias, case-sensitively."""
        return self.by_code.get(text) or self.by_code.get(self.exact.get(text) or "")

    def named(self, text: str) -> ClassifiedResult | None:
        """Find the row with a code, name or alias; case matters only if rows differ by it."""
        return self.spelled(text) or self.by_code.get(self.folded.get(text.casefold()) or "")

    def candidate(self, code: str) -> Candidate:
        """Return a row with its texts, to distinguish it from the same code in another table."""
        if code not in self._candidates:  # few are ever used
            row = self.rows[code]
            texts = (row.name, row.description, *row.aliases, *row.messages)
            self._candidates[code] = self.by_code[code], texts_of((), texts)
        return self._candidates[code]

    def narrower(self, code: str) -> Candidate:
        """Return a row with its texts, to distinguish it from the vaguer code that it narrows."""
        row = self.rows[code]
        return self.by_code[code], texts_of((row.name, *row.aliases), row.messages)

    def stated_by(self, sentence: str) -> ClassifiedResult | None:
        """Find the row named by a sentence."""
        return self.by_code.get(self._sentences.find(sentence) or "")

    @cached_property
    def words(self) -> dict[str, ClassifiedResult]:
        """The meaning of each shared word of the table, folded."""
        return {
            (canonical_code(word) or "").casefold(): self.by_code[code]
            for code, row in self.rows.items()
            for word in self._shared_words.get(row.aliases_from or "", ())
        }

    @cached_property
    def patterns(self) -> list[tuple[list[str], ClassifiedResult]]:
        """The aliases with wildcards, split at the wildcards, each with its meaning."""
        return [
            ([canonical_code(part) or "" for part in alias.split(ANY_TEXT)], self.by_code[code])
            for code, row in self.rows.items()
            for alias in row.aliases
            if ANY_TEXT in alias
        ]

    @cached_property
    def _sentences(self) -> Sentences:
        return Sentences(self._table, self._shared_words)


class CodeSpace:
    """The meanings of codes on one channel, by its own rows and the common rows if they apply."""

    def __init__(self, channel: str, own: Rows, common: Rows) -> None:
        self.channel = channel
        self.own = own
        self.common = common
        self._shared = {
            code: [own.candidate(code), common.candidate(code)]
            for code in own.by_code.keys() & common.by_code.keys()
        }
        self._statuses = {code for code, row in own.rows.items() if row.http_status}
        self._narrowing: dict[str, list[Candidate]] = {}
        for code, row in own.rows.items():
            for vague in row.narrows:
                self._narrowing.setdefault(vague, []).append(own.narrower(code))
        special = self._shared.keys() | self._statuses | self._narrowing.keys()
        self.plain = {
            code: classified
            for code, classified in {**common.by_code, **own.by_code}.items()
            if code not in special
        }
        """The codes whose row does not depend on the message: nearly every result."""

    def __iter__(self) -> Iterator[ClassifiedResult]:
        yield from self.own
        yield from self.common

    def find(self, code: str, message: str | None) -> Found:
        """Return the meaning of a code on this channel; unknown if it has no row."""
        if plain := self.plain.get(code):
            return plain, "one_row"
        found, rule = self._find(code, message)
        if narrowing := self._narrowing.get(found.series.code):
            sentence = rule == "sentence"
            informative = sentence or message is None or canonical_code(message) != code
            text = _sentence(code, message) if sentence else message
            if informative and (narrower := stated(text, narrowing)):
                return narrower, "message"
        return found, rule

    def _find(self, code: str, message: str | None) -> Found:
        if code in self._shared:
            return self._resolve_shared(code, message)
        row = self.own.by_code.get(code) or self.common.by_code.get(code)
        if row and code not in self._statuses:
            return row, "one_row"
        if row is None and (named := self.own.named(code) or self.common.named(code)):
            return named, "name"
        found = self._of_status(message) if is_http_error(code) else self._of_words(code, message)
        return found or (row or ClassifiedResult.unknown(self.channel, code), "one_row")

    def _resolve_shared(self, code: str, message: str | None) -> Found:
        """Choose between the channel's row and the common row of a code."""
        own, common = self._shared[code]
        if chosen := stated(message, [own, common]):
            return chosen, "message"
        if self.own.rows[code].overrides_common:
            return own[0], "own_row"
        return common[0], "common_row"

    def _of_status(self, message: str | None) -> Found | None:
        """Find the failure named by the message of an HTTP status."""
        if not message:
            return None
        named = self.own.named(canonical_code(message) or "") or self.own.stated_by(message)
        return (named, "http_message") if named and named.category not in SUCCESS else None

    def _of_words(self, code: str, message: str | None) -> Found | None:
        """Find the row of a library's word for a code, or of a sentence in place of a code."""
        if word := self._words.get(code.casefold()):
            return word, "name"
        if code.lstrip("-").isdecimal():
            return None
        if named := self._recognized(code):
            return named, "name"
        named = None if code.isalnum() else self.own.stated_by(_sentence(code, message))
        return (named, "sentence") if named else None

    def _recognized(self, code: str) -> ClassifiedResult | None:
        """Find the row of an exception, a reason phrase, or an alias with `*`."""
        if code.endswith(CLASS_SUFFIXES):
            name = code.removesuffix("Error").removesuffix("Exception")
            if named := self.own.named(name):
                return named
        status = REASON_PHRASES.get(code.casefold() if code.isalnum() else letters_of(code))
        if status in self._statuses:
            return self.own.by_code[status]
        matches = (found for parts, found in self._patterns if _fits(code, parts))
        return next(matches, None)

    @cached_property
    def _words(self) -> dict[str, ClassifiedResult]:
        return self.common.words | self.own.words

    @cached_property
    def _patterns(self) -> list[tuple[list[str], ClassifiedResult]]:
        return self.own.patterns + self.common.patterns


def stated(message: str | None, candidates: Sequence[Candidate]) -> ClassifiedResult | None:
    """Return the only candidate named by a message; None if there are several, or none."""
    if not message:
        return None
    parsed = Message(message)
    matching = [classified for classified, texts in candidates if parsed.names(texts)]
    return matching[0] if len(matching) == 1 else None


def _spellings(table: CodeTable) -> Iterator[tuple[str, str]]:
    """Yield each code with the spellings of code, name and aliases."""
    for code, row in table.codes.items():
        for word in (code, row.name, *row.aliases):
            spelling = canonical_code(word)
            if spelling and any(map(str.isalnum, spelling)):  # else a text in another script
                yield code, spelling


def _register(owners: dict[str, str | None], spelling: str, code: str) -> None:
    """Register the code of a spelling; None if several rows share it."""
    owners[spelling] = code if owners.get(spelling, code) == code else None


def _sentence(code: str, message: str | None) -> str:
    """Return the text that was sent as the code: the message, if the code is derived from it."""
    return message if message and canonical_code(message) == code else code


def _fits(code: str, parts: Sequence[str]) -> bool:
    """Whether a code matches an alias that is split at its wildcards."""
    first, *others, last = parts
    if not (code.startswith(first) and code.endswith(last)):
        return False
    place = len(first)
    for part in others:
        place = code.find(part, place) + len(part)
        if place < len(part):
            return False
    return place <= len(code) - len(last)
