"""Leases: the name under which a process counts in PostgreSQL, exclusively.

The row of the name has an epoch, which every commit checks. Reconnecting increments the epoch: a
commit in progress on the lost connection has then either taken effect, and its number is in the
row, or never will.
"""

import os
import secrets
import socket
from array import array
from collections.abc import Iterator
from itertools import count, filterfalse, repeat
from typing import NamedTuple

from exporter.ledger.arrays import unsigned
from exporter.ledger.database import Database, StatementError
from exporter.ledger.sql import read_sql
from exporter.ledger.store import StoreError

LEASE_SECONDS = 5
"""Time after which the name of a dead process is free."""

PREFIX = "replica-"
"""Leased names are this prefix and a number from 0."""


class LastCommit(NamedTuple):
    """The last commit under a name, and the keys that were already known."""

    number: int
    epoch: int
    known: "array[int]" = array("Q")
    contents: "array[int]" = array("Q")

    def is_of(self, number: int, epoch: int) -> bool:
        """Whether it is the commit of this number and epoch."""
        return (self.number, self.epoch) == (number, epoch)


class Lease:
    """Takes the given name, or leases one from a small set."""

    def __init__(self, database: Database, instance: str | None, holder: str | None = None) -> None:
        """`holder` identifies the process; the default is unique."""
        self.instance = instance
        """The name; None until one is leased."""
        self.epoch = 0
        """The epoch in which the name was last taken; 0 before."""
        self.last = LastCommit(0, 0)
        self._given = instance
        self._database = database
        self._holder = holder or (
            f"{socket.gethostname()} process {os.getpid()} ({secrets.token_hex(4)})"
        )

    async def take(self) -> None:
        """Take the name, or a free one; raises StoreError while another process holds it."""
        if self._given is not None:
            if not await self._take(self._given, False):
                raise StatementError(await self._held_by(self._given), "")
            return
        rows = await self._database.run(read_sql("postgresql", "names"), {"lease": LEASE_SECONDS})
        names = self._candidates(rows)
        while not await self._take(*next(names)):
            pass  # another process took it first

    def _candidates(self, rows: list[tuple[str, bool, bool]]) -> Iterator[tuple[str, bool]]:
        """Yield the names to try, and whether each is leased.

        The previous name, the host name if it has counted, then the free names of the set in order.
        """
        if self.instance is not None:
            yield self.instance, True
        if any(name == socket.gethostname() and not leased for name, leased, _ in rows):
            yield socket.gethostname(), False
        taken = {name for name, leased, free in rows if not (leased and free)}
        names = (f"{PREFIX}{number}" for number in count())
        yield from zip(filterfalse(taken.__contains__, names), repeat(True))

    async def _take(self, name: str, leased: bool) -> bool:
        values = {
            "instance": name, "holder": self._holder, "leased": leased, "lease": LEASE_SECONDS
        }  # fmt: skip
        rows = await self._database.run(read_sql("postgresql", "take"), values)
        for self.epoch, number, epoch, known, contents in rows:
            self.instance = name
            self.last = LastCommit(number, epoch, unsigned(known), unsigned(contents))
        return bool(rows)

    async def _held_by(self, name: str) -> str:
        rows = await self._database.run(read_sql("postgresql", "holder"), {"instance": name})
        holder = rows[0][0] if rows else "another process"
        return (
            f"{holder} already counts as INSTANCE {name}; give each replica a different INSTANCE, "
            f"or none, or stop the other process: this one takes over {LEASE_SECONDS} s later"
        )

    def taken_over(self) -> StoreError:
        """Return the error that another process has taken the name."""
        return StoreError(
            f"another process has taken over INSTANCE {self.instance}; give each replica a "
            "different INSTANCE, or none"
        )
