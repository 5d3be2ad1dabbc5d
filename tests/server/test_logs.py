"""Log lines: a reader that has stopped holds up nobody."""

import io
import logging
import os

import pytest

from exporter.server.logs import LogHandler

LINE = "a line of eighty characters, more or less, as level debug writes it per request"


@pytest.mark.timeout(20)
def test_full_pipe_is_not_waited_for() -> None:
    """Lines are dropped while the pipe is full, and written again when it is read."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as read_end, os.fdopen(writer, "w", encoding="utf-8") as write_end:
        handler = LogHandler(write_end)
        for number in range(5000):
            handler.emit(logging.makeLogRecord({"msg": f"{number}: {LINE}"}))
        written = read_end.read1(1 << 20).decode().splitlines()
        assert written[0] == f"0: {LINE}"
        assert len(written) < 5000
        handler.emit(logging.makeLogRecord({"msg": "the last"}))
        assert read_end.read1(1 << 20).decode().splitlines()[-1] == "the last"


@pytest.mark.timeout(20)
def test_long_line_is_not_waited_for() -> None:
    """A traceback that is longer than the room in the pipe is cut, and the next line is whole."""
    reader, writer = os.pipe()
    ascii_file = os.fdopen(writer, "w", encoding="ascii", errors="backslashreplace")
    with os.fdopen(reader, "rb") as read_end, ascii_file as write_end:
        handler = LogHandler(write_end)
        handler.emit(logging.makeLogRecord({"msg": "\U0001f600" * 100_000}))
        handler.emit(logging.makeLogRecord({"msg": "dropped"}))
        assert set(read_end.read1(1 << 20).decode().split("\\U")) == {"", "0001f600"}
        handler.emit(logging.makeLogRecord({"msg": "the next"}))
        assert read_end.read1(1 << 20) == b"\nthe next\n"


def test_log_that_cannot_be_formatted(capsys: pytest.CaptureFixture[str]) -> None:
    """A faulty call is reported as Python's logging does, and raises nothing."""
    LogHandler(io.StringIO()).emit(logging.makeLogRecord({"msg": "%d", "args": ("x",)}))
    assert "Logging error" in capsys.readouterr().err


def test_stream_that_is_no_file() -> None:
    """A stream without a descriptor gets every line."""
    stream = io.StringIO()
    LogHandler(stream).emit(logging.makeLogRecord({"msg": "line"}))
    assert stream.getvalue() == "line\n"
