"""Texts of vendors, compared by their words whatever their case, spacing and punctuation.

Not by regular expressions: one that skips punctuation takes milliseconds for a hostile message.
"""

import re
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

MAX_TEXT_LENGTH = 1000
"""Characters of a message that are compared: longer than any vendor's, and a bound on the work."""

MAX_NEGATION = 4
"""Words before a text among which a negation is looked for."""

_SEPARATORS = re.compile(r"[\W_]+")
_TO_SPACES = str.maketrans({chr(at): " " for at in range(128) if not chr(at).isalnum()})

_NEGATIONS = frozenset({"not", "no", "non", "never", "without", "neither", "nor", "cannot", "t"})
"""Words that negate the next one; `t` is what is left of `isn't`."""

_FILLERS = frozenset({"a", "an", "the", "any", "yet", "really", "be", "been"})
"""Words that may stand between a negation and what it negates."""

_CHINESE_NEGATIONS = ("不", "未", "非", "无", "没", "没有", "不是", "并非")


def words_of(text: str) -> list[str]:
    """Return the words of a text, folded."""
    folded = text.casefold()
    if folded.isascii():
        return folded.translate(_TO_SPACES).split()
    return [word for word in _SEPARATORS.split(folded) if word]


def letters_of(text: str) -> str:
    """Return the letters and digits of a text, folded: what vendors do not vary."""
    return "".join(words_of(text))


class Texts(NamedTuple):
    """The texts by which a message names a row."""

    names: tuple[str, ...]
    """Folded words with spaces around each: `NotRegistered` is not `not registered`."""
    letters: tuple[str, ...]
    """What may be spaced and punctuated in any way, as letters."""


def texts_of(names: Iterable[str], texts: Iterable[str]) -> Texts:
    """Prepare names and texts, but for numbers, which any message may hold."""
    words = [words_of(name) for name in names if any(map(str.isalpha, name))]
    letters = [letters_of(text) for text in texts if any(map(str.isalpha, text))]
    return Texts(
        tuple(dict.fromkeys(f" {' '.join(one)} " for one in words if one)),
        tuple(dict.fromkeys(filter(None, letters))),
    )


class Message:
    """A message in which the texts of rows are looked for."""

    __slots__ = ("_ends", "_letters", "_spaced", "_words")

    def __init__(self, text: str) -> None:
        self._words = words_of(text[:MAX_TEXT_LENGTH])
        self._letters = "".join(self._words)
        self._spaced = f" {' '.join(self._words)} "
        self._ends: list[int] = []
        """Where words end, and the first one begins, among the letters; empty until needed."""

    def names(self, texts: Texts) -> bool:
        """Whether one of the texts stands here in whole words, and not negated.

        No `success` in `unsuccessful`, and none in `not a success` or `success: false`.
        """
        spaced, letters = self._spaced, self._letters
        for name in texts.names:
            if name in spaced and self._has_name(name):
                return True
        for text in texts.letters:  # noqa: SIM110 - a generator takes longer than the search
            if text in letters and self._has_letters(text):
                return True
        return False

    def _has_name(self, name: str) -> bool:
        start = self._spaced.find(name)
        before = self._spaced[max(0, start - 40) : start].split()
        after = self._spaced[start + len(name) :][: len("false ")].split()
        return not is_negated(before, after)

    def _has_letters(self, text: str) -> bool:
        ends = self._ends = self._ends or list(accumulate(map(len, self._words), initial=0))
        start = self._letters.find(text)
        while start >= 0:
            end = start + len(text)
            if (start in ends or self._is_foreign(start)) and (
                end in ends or self._is_foreign(end)
            ):
                before = self._words[: ends.index(start)][-MAX_NEGATION:] if start in ends else []
                after = self._words[ends.index(end) :][:1] if end in ends else []
                chinese = self._letters[:start].endswith(_CHINESE_NEGATIONS)
                return not (chinese or is_negated(before, after))
            start = self._letters.find(text, start + 1)
        return False

    def _is_foreign(self, place: int) -> bool:
        """Whether words are not parted by spaces here, so that one may begin or end anywhere."""
        return not self._letters[place - 1 : place + 1].isascii()


def is_negated(before: list[str], after: list[str]) -> bool:
    """Whether the words around a text negate it."""
    while before and before[-1] in _FILLERS:
        before = before[:-1]
    return (bool(before) and before[-1] in _NEGATIONS) or after[:1] == ["false"]
