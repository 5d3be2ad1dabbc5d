"""Searches messages for vendors' texts, ignoring case, spacing and punctuation.

Not by regular expressions: skipping punctuation would take milliseconds for a hostile message.
"""

import re
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

MAX_TEXT_LENGTH = 1000
"""Maximum number of characters of a message that are searched; vendors' messages are shorter."""

MAX_NEGATION = 4
"""Number of words before a text that may negate it."""

_SEPARATORS = re.compile(r"[\W_]+")
_TO_SPACES = str.maketrans({chr(at): " " for at in range(128) if not chr(at).isalnum()})

_NEGATIONS = frozenset({"not", "no", "non", "never", "without", "neither", "nor", "cannot", "t"})
"""Words that negate the next word; `t` is the second word of `isn't`."""

_FILLERS = frozenset({"a", "an", "the", "any", "yet", "really", "be", "been"})
"""Words that may be between a negation and the negated word."""

_CHINESE_NEGATIONS = ("不", "未", "非", "无", "没", "没有", "不是", "并非")


def words_of(text: str) -> list[str]:
    """Return the words of a text, folded."""
    folded = text.casefold()
    if folded.isascii():
        return folded.translate(_TO_SPACES).split()
    return [word for word in _SEPARATORS.split(folded) if word]


def letters_of(text: str) -> str:
    """Return the letters and digits of a text, folded."""
    return "".join(words_of(text))


class Texts(NamedTuple):
    """The texts with which a message names a row."""

    names: tuple[str, ...]
    """Folded words, each between spaces: `NotRegistered` does not match `not registered`."""
    letters: tuple[str, ...]
    """Texts matched with any spacing and punctuation, as letters."""


def texts_of(names: Iterable[str], texts: Iterable[str]) -> Texts:
    """Prepare names and texts, without numbers, which any message may contain."""
    words = [words_of(name) for name in names if any(map(str.isalpha, name))]
    letters = [letters_of(text) for text in texts if any(map(str.isalpha, text))]
    return Texts(
        tuple(dict.fromkeys(f" {' '.join(name)} " for name in words if name)),
        tuple(dict.fromkeys(filter(None, letters))),
    )


class Message:
    """A message, prepared to be searched for the texts of rows."""

    __slots__ = ("_ends", "_letters", "_spaced", "_words")

    def __init__(self, text: str) -> None:
        self._words = words_of(text[:MAX_TEXT_LENGTH])
        self._letters = "".join(self._words)
        self._spaced = f" {' '.join(self._words)} "
        self._ends: list[int] = []
        """The boundaries of words among the letters; empty until needed."""

    def names(self, texts: Texts) -> bool:
        """Whether the message contains one of the texts as whole words, and not negated.

        `unsuccessful`, `not a success` and `success: false` do not contain `success`.
        """
        spaced, letters = self._spaced, self._letters
        for name in texts.names:
            if name in spaced and self._has_name(name):
                return True
        for text in texts.letters:  # noqa: SIM110 - a generator would take longer than the search
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
        """Whether the script here has no spaces, so that words may begin or end anywhere."""
        return not self._letters[place - 1 : place + 1].isascii()


def is_negated(before: list[str], after: list[str]) -> bool:
    """Whether the words around a text negate it."""
    while before and before[-1] in _FILLERS:
        before = before[:-1]
    return (bool(before) and before[-1] in _NEGATIONS) or after[:1] == ["false"]
