"""Progress of a command: a line that is updated on a terminal, and printed once elsewhere."""

import sys
import time
from collections.abc import Callable

_WIDTH = 30  # characters
_INTERVAL = 0.1  # seconds between updates
_CLEAR = "\r\x1b[K"


class ProgressLine:
    """A progress line on standard error."""

    def __init__(self) -> None:
        self._stream = sys.stderr
        self._terminal = self._stream.isatty()
        self._shown = float("-inf")

    def show(self, text: Callable[[], str], *, last: bool = False) -> None:
        """Update the line on a terminal, at most ten times per second except for the last time."""
        now = time.monotonic()
        if self._terminal and (last or now - self._shown >= _INTERVAL):
            self._shown = now
            self._write(f"\r{text()}\x1b[K")

    def clear(self) -> None:
        """Clear the line on a terminal for other output, until the next `show`."""
        if self._terminal:
            self._write(_CLEAR)
            self._shown = float("-inf")

    def end(self, text: str) -> None:
        """Write the final line, even if the output is not a terminal."""
        self._write(f"\r{text}\x1b[K\n" if self._terminal else f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def bar(done: float, total: float) -> str:
    """Draw a bar; `done` may exceed the total."""
    marks = "#" * int(_WIDTH * min(done, total) / total)
    return f"[{marks:.<{_WIDTH}}]"
