"""The folder of records: one file per record, bounded in size.

When it is full, the oldest records are deleted: a record of a new problem, such as a changed
format, must not be dropped because the folder is full of old ones.
"""

import os
from collections import deque
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from exporter.records.record import Record

_PREFIX = "record-"
_BLOCK_BYTES = 4096
"""Disk space of a small file."""

WriteOutcome = Literal["written", "dropped", "failed"]
"""The outcome of writing a record: the label `outcome`."""

log = structlog.get_logger()


class Folder:
    """Writes records, from one thread at a time."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._files: deque[tuple[Path, int]] | None = None
        """The records in the folder with their sizes, the oldest first; None if unknown."""
        self._bytes = 0
        self._number = 0
        self._failing = False

    def write(self, record: Record) -> WriteOutcome:
        """Write a record; log the first of several failures, and never raise."""
        try:
            outcome = self._write(record)
        except Exception as error:  # noqa: BLE001 - no request depends on a record
            if not self._failing:
                problem = getattr(error, "strerror", None) or type(error).__name__
                log.warning(
                    "rejected requests cannot be recorded", folder=str(self._path), problem=problem
                )
            self._failing = True
            self._files = None  # the folder may have been removed: list it again
            return "failed"
        self._failing = False
        return outcome

    def _write(self, record: Record) -> WriteOutcome:
        data = msgspec.json.encode(record) + b"\n"
        size = _size_on_disk(len(data))
        if size > self._max_bytes:
            return "dropped"
        files = self._opened() if self._files is None else self._files
        while files and self._bytes + size > self._max_bytes:
            oldest, freed = files.popleft()
            oldest.unlink(missing_ok=True)
            self._bytes -= freed
        self._number += 1
        written_at = record.time.translate({ord("-"): None, ord(":"): None})
        name = f"{written_at}-{self._number}-{record.source}-{record.reason}"
        path, unfinished = self._path / f"{_PREFIX}{name}.json", self._path / f".{_PREFIX}{name}"
        try:
            with open(unfinished, "xb", opener=_open_private) as file:
                file.write(data)
            unfinished.rename(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        files.append((path, size))
        self._bytes += size
        return "written"

    def _opened(self) -> deque[tuple[Path, int]]:
        """Create the folder if necessary, and list the records of earlier runs."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for unfinished in self._path.glob(f".{_PREFIX}*"):
            unfinished.unlink(missing_ok=True)
        paths = sorted(self._path.glob(f"{_PREFIX}*.json"))
        self._files = deque((path, _size_on_disk(path.stat().st_size)) for path in paths)
        self._bytes = sum(size for _, size in self._files)
        return self._files


def _size_on_disk(size: int) -> int:
    return -(-size // _BLOCK_BYTES) * _BLOCK_BYTES


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
