"""Faults of ours in a store: no request is left waiting."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.errors import RequestError
from exporter.ledger.sqlite import SqliteStore
from exporter.ledger.store import Commit, Outcome, StoredKeys
from tests.support.deliveries import delivery
from tests.support.programs import until
from tests.support.stores import running


class FaultyStore(SqliteStore):
    """A store whose first commit raises what no store should."""

    faults = 1

    async def commit(self, commit: Commit) -> Outcome:
        """Fail once, then commit."""
        if self.faults:
            self.faults -= 1
            raise KeyError(commit.number)
        return await super().commit(commit)


class ForgetfulStore(SqliteStore):
    """A store whose keys cannot be read for want of memory, once."""

    faults = 1

    async def read_keys(self, after: int) -> list[StoredKeys]:
        """Fail once, then read."""
        if self.faults:
            self.faults -= 1
            raise MemoryError
        return await super().read_keys(after)


async def test_fault_while_keys_are_read_is_a_problem_for_a_moment(tmp_path: Path) -> None:
    """They are read again, and the log says why nothing was accepted meanwhile."""
    path = tmp_path / "ledger.sqlite3"
    async with running(SqliteStore(path)) as ledger:
        await ledger.record([delivery(1)])
    with capture_logs() as logs:
        async with running(ForgetfulStore(path)) as ledger:
            await until(lambda: ledger.problem is None)
            assert await ledger.record([delivery(1), delivery(2)]) == 1
    assert [(entry["event"], entry.get("problem")) for entry in logs] == [
        ("ledger unavailable", "MemoryError"),
        ("ledger recovered", None),
    ]


async def test_fault_refuses_the_requests_and_is_logged(tmp_path: Path) -> None:
    """They may be repeated, and are counted then."""
    async with running(FaultyStore(tmp_path / "ledger.sqlite3")) as ledger:
        with capture_logs() as logs, pytest.raises(RequestError, match="repeat the request"):
            await ledger.record([delivery(1)])
        assert [entry["event"] for entry in logs if entry.get("exc_info")] == ["ledger unavailable"]
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(1)]) == 1
