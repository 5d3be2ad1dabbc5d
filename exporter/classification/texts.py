"""Texts of vendors, compared by their words whatever their case, spacing and punctuation.

Not by regular expressions: one that skips punctuation takes milliseconds for a hostile message.
"""

import re
from collections.abc import Iterable
from itertools import accumulate

MAX_TEXT_LENGTH = 1000
"""Characters of a message that are compared: longer than any vendor's, and a bound on the work."""

_SEPARATORS = re.compile(r"[\W_]+")
_TO_SPACES = str.maketrans({chr(at): " " for at in range(128) if not chr(at).isalnum()})

NEGATIONS = frozenset({"not", "no", "non", "never", "without", "neither", "nor", "cannot", "t"})
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


class Message:
    """A message in which the texts of rows are looked for."""

    __slots__ = ("_ends", "_words", "letters")

    def __init__(self, text: str) -> None:
        self._words = words_of(text[:MAX_TEXT_LENGTH])
        self.letters = "".join(self._words)
        self._ends: list[int] = []
        """Where words end, and the first one begins, among the letters; empty until needed."""

    def states_any(self, texts: Iterable[str]) -> bool:
        """Whether one of the texts, as letters, stands here in whole words, and not negated.

        No `success` in `unsuccessful`, and none in `not a success` or `success: false`.
        """
        return any(text in self.letters and self._states(text) for text in texts)

    def _states(self, text: str) -> bool:
        ends = self._ends = self._ends or list(accumulate(map(len, self._words), initial=0))
        start = self.letters.find(text)
        while start >= 0:
            end = start + len(text)
            if (start in ends or self._is_foreign(start)) and (
                end in ends or self._is_foreign(end)
            ):
                return not self._is_negated(start, end)
            start = self.letters.find(text, start + 1)
        return False

    def _is_foreign(self, place: int) -> bool:
        """Whether words are not parted by spaces here, so that one may begin or end anywhere."""
        return not self.letters[place - 1 : place + 1].isascii()

    def _is_negated(self, start: int, end: int) -> bool:
        ends, words = self._ends, self._words
        if start in ends:
            before = ends.index(start) - 1
            while before >= 0 and words[before] in _FILLERS:
                before -= 1
            if before >= 0 and words[before] in NEGATIONS:
                return True
        if end in ends and words[ends.index(end) :][:1] == ["false"]:
            return True
        return self.letters[:start].endswith(_CHINESE_NEGATIONS)
