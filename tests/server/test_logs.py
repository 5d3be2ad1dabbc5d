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


def test_stream_that_is_no_file() -> None:
    """A stream without a descriptor gets every line."""
    stream = io.StringIO()
    LogHandler(stream).emit(logging.makeLogRecord({"msg": "line"}))
    assert stream.getvalue() == "line\n"
