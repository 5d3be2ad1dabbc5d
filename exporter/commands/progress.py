"""How far a command has come: one line, rewritten on a terminal; elsewhere its last text alone."""

import sys
import time
from collections.abc import Callable

_WIDTH = 30  # characters
_INTERVAL = 0.1  # seconds between two texts: more often than that nobody can read
_CLEAR = "\r\x1b[K"


class ProgressLine:
    """A line on standard error, which is looked up when the line is made."""

    def __init__(self) -> None:
        self._stream = sys.stderr
        self._terminal = self._stream.isatty()
        self._shown = float("-inf")

    def show(self, text: Callable[[], str], *, last: bool = False) -> None:
        """Rewrite the line on a terminal, ten times per second at most unless it is the last."""
        now = time.monotonic()
        if self._terminal and (last or now - self._shown >= _INTERVAL):
            self._shown = now
            self._write(f"\r{text()}\x1b[K")

    def clear(self) -> None:
        """Make room on a terminal for other output; `show` writes the line again."""
        if self._terminal:
            self._write(_CLEAR)
            self._shown = float("-inf")

    def end(self, text: str) -> None:
        """Write the line for the last time, on a terminal or not."""
        self._write(f"\r{text}\x1b[K\n" if self._terminal else f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def bar(done: float, total: float) -> str:
    """Draw how much of a total is done; more than all of it is all."""
    marks = "#" * int(_WIDTH * min(done, total) / total)
    return f"[{marks:.<{_WIDTH}}]"
