"""The progress line of a command."""

import io

import pytest

from exporter.commands.progress import ProgressLine, bar


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("stream", "written"),
    [
        (Terminal(), "\rone\x1b[K\r\x1b[K\rthree\x1b[K\rfour\x1b[K\rdone\x1b[K\n"),
        (io.StringIO(), "done\n"),
    ],
    ids=["terminal", "elsewhere"],
)
def test_line(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, written: str) -> None:
    """A terminal's line is rewritten, not too often; elsewhere there is the last text alone."""
    monkeypatch.setattr("sys.stderr", stream)
    line = ProgressLine()
    line.show(lambda: "one")
    line.show(lambda: "two")  # too soon after the first
    line.clear()
    line.show(lambda: "three")
    line.show(lambda: "four", last=True)
    line.end("done")
    assert stream.getvalue() == written


@pytest.mark.parametrize(("done", "marks"), [(0, 0), (0.5, 5), (2.99, 29), (3, 30), (7, 30)])
def test_bar(done: float, marks: int) -> None:
    """A bar of 30 characters is as full as the work is done, and never fuller."""
    assert bar(done, 3) == f"[{'#' * marks}{'.' * (30 - marks)}]"
