"""Reads the header of a SQLite file, without opening it as a database.

SQLite would create files beside it, as the wrong user. The layout of the header is described at
https://www.sqlite.org/fileformat.html#the_database_header.
"""

from pathlib import Path
from typing import NamedTuple

APPLICATION_ID = 0x50524558
"""Identifies a ledger; `PREX`."""

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES, _VERSION_AT, _APPLICATION_AT = 100, 60, 68


class Header(NamedTuple):
    """The header of a file."""

    is_ledger: bool
    version: int
    """The version of the ledger's format."""


def read_header(file: Path) -> Header | None:
    """Read the header of a file, or return None for an empty one; OSError if it is unreadable."""
    with file.open("rb") as opened:
        header = opened.read(_HEADER_BYTES)
    if not header:
        return None
    version, application = (
        int.from_bytes(header[at : at + 4], "big") for at in (_VERSION_AT, _APPLICATION_AT)
    )
    return Header(header.startswith(_MAGIC) and application == APPLICATION_ID, version)
