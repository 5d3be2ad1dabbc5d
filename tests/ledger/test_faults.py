"""A fault of ours in a store: no request is left waiting."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.errors import RequestError
from exporter.ledger.sqlite import SqliteStore
from exporter.ledger.store import Commit, Outcome
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


async def test_fault_refuses_the_requests_and_is_logged(tmp_path: Path) -> None:
    """They may be repeated, and are counted then."""
    async with running(FaultyStore(tmp_path / "ledger.sqlite3")) as ledger:
        with capture_logs() as logs, pytest.raises(RequestError, match="repeat the request"):
            await ledger.record([delivery(1)])
        assert [entry["event"] for entry in logs if entry.get("exc_info")] == ["a commit failed"]
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(1)]) == 1
