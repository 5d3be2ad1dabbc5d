"""Finds the row named by a sentence, which libraries and senders report in place of a bare code.

Examples are `APNS Error: 410 - Unregistered`, `Requested entity was not found.`, an exception with
its message, or the body of a response. If the strongest evidence names several rows, none is found.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from exporter.classification.schema import CLASS_SUFFIXES, SUCCESS, CodeRow, CodeTable
from exporter.classification.texts import (
    MAX_NEGATION,
    MAX_TEXT_LENGTH,
    Message,
    Texts,
    is_negated,
    letters_of,
    texts_of,
)
from exporter.results import canonical_code

_WORDS = re.compile(r"[^\W_]+")

_IDENTIFIER = re.compile(r"[a-z0-9][A-Z]|[A-Z]{3}|[A-Za-z][0-9]")
"""Matches an identifier, not a word of prose: inner or consecutive capitals, or digits."""

_ANNOUNCING = (
    *("code", "status", "http", "response", "result", "ret"),
    *("error", "errno", "exception", "failed"),
)
"""Suffixes of words that announce a code: a number after such a word is a code."""

_HTTP_VERSIONS = {"0", "1", "2"}
"""The last word before the status in `HTTP/1.1 404 Not Found`."""

# Kinds of evidence, the strongest first. If the connection failed, the operation that the library
# attempted is not the cause.
_NAME, _CONNECTION, _TEXT, _NUMBER, _SHARED_WORD = range(5)


class _Phrase(NamedTuple):
    """A sequence of words that names a row."""

    words: list[str]
    folded: bool
    """Whether case is ignored."""
    evidence: int
    code: str


class Sentences:
    """Finds the rows of one table in sentences."""

    def __init__(self, table: CodeTable, shared_words: Mapping[str, Iterable[str]]) -> None:
        self._rows = table.codes
        self._whole: dict[str, str | None] = {}
        self._phrases: dict[str, list[_Phrase]] = {}
        """By their first two words, or their only word, folded."""
        self._plain: dict[str, str] = {}
        """Names that are also words of prose: they count quoted, before a colon, or at the end."""
        self._foreign: list[tuple[Texts, str]] = []
        """Texts in scripts without spaces."""
        for code, row in table.codes.items():
            self._add_whole(code, row)
            if row.category not in SUCCESS:  # a sentence that contains "success" may deny it
                self._add_row(code, row, shared_words.get(row.aliases_from or "", ()))

    def find(self, text: str) -> str | None:
        """Return the code of the only row named by a sentence, or None."""
        text = text[:MAX_TEXT_LENGTH]
        if code := self._whole.get(letters_of(text)):
            return code
        evidence = list(self._evidence(text))
        if not evidence:
            return None
        strongest = min(kind for kind, _ in evidence)
        codes = self._most_specific({code for kind, code in evidence if kind == strongest})
        return codes.pop() if len(codes) == 1 else None

    def _evidence(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield the rows named by a sentence, each with its kind of evidence."""
        words = _WORDS.findall(text)
        folded = _folded(words)
        for at, word in enumerate(words):
            for key in (folded[at], " ".join(folded[at : at + 2])):
                for phrase in self._phrases.get(key, ()):
                    if _matches(phrase, folded if phrase.folded else words, at):
                        yield phrase.evidence, phrase.code
            if code_of_class := self._of_class(word):
                yield _NAME, code_of_class
            elif word in self._plain and _stands_out(word, text, words):
                yield _NAME, self._plain[word]
            elif word.isdecimal() and (code := self._numbered(words, at)):
                yield _NUMBER, code
        if self._foreign and not text.isascii():
            message = Message(text)
            yield from ((_TEXT, code) for texts, code in self._foreign if message.names(texts))

    def _of_class(self, word: str) -> str | None:
        """Return the code in the name of an exception, unless the whole name is a phrase."""
        if not word.endswith(CLASS_SUFFIXES) or word.casefold() in self._phrases:
            return None
        name = word.removesuffix("Error").removesuffix("Exception")
        phrases = self._phrases.get(name.casefold())
        return phrases[0].code if phrases else self._plain.get(name)

    def _numbered(self, words: list[str], at: int) -> str | None:
        """Return a number as a code if it is an HTTP status, or announced by the word before it."""
        code, before = words[at], words[at - 1].casefold() if at else ""
        row = self._rows.get(code)
        if row is None or len(code) == 1 or row.category in SUCCESS:
            return None
        if row.http_status and (not at or before in _HTTP_VERSIONS):
            return code
        announcing = _ANNOUNCING if len(code) > len("99") else "code"
        return code if before.endswith(announcing) else None

    def _most_specific(self, codes: set[str]) -> set[str]:
        """Remove codes that another row narrows, and HTTP statuses beside another code."""
        narrowed = {vague for code in codes for vague in self._rows[code].narrows}
        specific = codes - narrowed or codes
        return {code for code in specific if not self._rows[code].http_status} or specific

    def _add_whole(self, code: str, row: CodeRow) -> None:
        """Register the messages of a row as whole sentences, also in the form of a code."""
        for text in row.messages:
            for letters in {letters_of(text), letters_of(canonical_code(text) or "")} - {""}:
                known = self._whole.setdefault(letters, code)
                if known != code:
                    self._whole[letters] = None

    def _add_row(self, code: str, row: CodeRow, shared_words: Iterable[str]) -> None:
        """Register the names, texts and shared words of a row."""
        hides_reason = row.aliases_from == "unexplained"
        for name in {code, row.name, *row.aliases}:
            words = _WORDS.findall(name)
            if len(words) > 1 or _IDENTIFIER.search(name):
                self._add_phrase(words, _SHARED_WORD if hides_reason else _NAME, code)
            elif name.istitle() and not hides_reason:
                self._plain[name] = code
        for text in row.messages:
            if text.isascii():
                words = _WORDS.findall(text.casefold())
                self._add_phrase(words, _SHARED_WORD if hides_reason else _TEXT, code, folded=True)
            else:
                self._foreign.append((texts_of((), [text]), code))
        for word in filter(_IDENTIFIER.search, shared_words):
            evidence = _CONNECTION if row.aliases_from == "connection" else _SHARED_WORD
            self._add_phrase(_WORDS.findall(word), evidence, code)

    def _add_phrase(
        self, words: list[str], evidence: int, code: str, *, folded: bool = False
    ) -> None:
        if any(word.isalpha() or _IDENTIFIER.search(word) for word in words):
            phrases = self._phrases.setdefault(" ".join(words[:2]).casefold(), [])
            phrases.append(_Phrase(words, folded, evidence, code))


def _matches(phrase: _Phrase, words: list[str], at: int) -> bool:
    """Whether a phrase starts at a word, and is not negated."""
    end = at + len(phrase.words)
    return words[at:end] == phrase.words and not is_negated(
        _before(words, at), words[end : end + 1]
    )


def _stands_out(word: str, text: str, words: list[str]) -> bool:
    """Whether a word of prose is used as a name: quoted, before a colon, or at the end."""
    if f'"{word}"' in text or f"'{word}'" in text or text.startswith(f"{word}:"):
        return True
    return len(words) > 1 and word == words[-1] and not is_negated(_before(words, -1), [])


def _before(words: list[str], at: int) -> list[str]:
    """Return the words before a place that may negate it, folded."""
    return _folded(words[:at][-MAX_NEGATION:])


def _folded(words: list[str]) -> list[str]:
    return [word.casefold() for word in words]
