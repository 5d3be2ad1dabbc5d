"""A replica over PostgreSQL in one process with the test."""

from pathlib import Path

from exporter.metrics.metrics import EXPIRY_SECONDS
from tests.support.exporter import MakeSettings, started
from tests.support.postgres import PASSWORD, running_server


async def test_replica_is_ready_after_its_first_scrape(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """A replica becomes ready with its first scrape, which has the metrics of the database."""
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    with running_server() as server:
        settings = make_settings(ledger_url=server.url(), ledger_password_file=password)
        async with started(settings) as exporter:
            ready = exporter.admin + "/-/ready"
            async with exporter.client.get(ready) as response:
                assert (response.status, "scrape" in await response.text()) == (503, True)
            assert EXPIRY_SECONDS in await exporter.samples()
            async with exporter.client.get(ready) as response:
                assert response.status == 200
