"""Killed at any moment under load: what was acknowledged is counted, and counted once."""

import logging
import random
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.exporter import KeyPair
from tests.support.programs import (
    Settings,
    exporter_process,
    exporter_starting,
)
from tests.support.traffic import (
    Call,
    Client,
    Gateway,
    add,
    copy_ledger,
    exposed,
    mixed_calls,
    signed_calls,
    stored,
)

pytestmark = pytest.mark.load

SENDERS = 8
KILLS = 14

log = logging.getLogger(__name__)


def test_kill_loses_nothing_and_counts_nothing_twice(
    tmp_path: Path, keys: KeyPair, settings: Settings
) -> None:
    """After twenty-one SIGKILLs under load each acknowledged result is counted exactly once."""
    rng = random.Random(20261123)
    signed = signed_calls(keys, 300)
    gateway = Gateway(f"http://127.0.0.1:{settings['ingest_port']}")
    with gateway.sending(*(mixed_calls(number, signed) for number in range(SENDERS))):
        for kill in range(KILLS):
            if kill % 6 == 5:
                kill_at_start(rng, tmp_path, settings)
            else:
                kill_under_load(rng, tmp_path, settings, gateway)
            check_between(gateway, tmp_path)
        with exporter_process(tmp_path, **settings) as exporter:
            gateway.finish()
            expected = add(gateway.acknowledged)
            assert exposed(exporter.admin) == expected
            check_again(rng.sample(gateway.acknowledged, 300), gateway.url)
            assert exposed(exporter.admin) == expected
    log.info(
        "%d kills, %d calls with %d results acknowledged; %d retries, %d of them duplicates; "
        "lost 0, twice 0",
        KILLS,
        len(gateway.acknowledged),
        expected.total(),
        gateway.retries,
        gateway.duplicates,
    )


def check_again(calls: list[Call], url: str) -> None:
    """Make calls again: none of their results is new."""
    with closing(Client(url)) as client:
        for call in calls:
            status, answer = client.post(call)
            assert (status, answer["accepted"]) == (200, 0)


def kill_under_load(rng: random.Random, folder: Path, settings: Settings, gateway: Gateway) -> None:
    """Start the exporter, and kill it at some moment after it has acknowledged again."""
    with exporter_process(folder, **settings) as exporter:
        gateway.wait_for_more(rng.randint(1, 150))
        time.sleep(rng.uniform(0, 0.05))
        exporter.process.kill()
        assert exporter.process.wait(20) == -signal.SIGKILL


def kill_at_start(rng: random.Random, folder: Path, settings: Settings) -> None:
    """Start the exporter, and kill it before, while or after it recovers."""
    with exporter_starting(folder, **settings) as exporter:
        time.sleep(rng.uniform(0.2, 0.7))
        exporter.process.kill()
        assert exporter.process.wait(20) == -signal.SIGKILL


def check_between(gateway: Gateway, folder: Path) -> None:
    """Check that a dead exporter's ledger has all acknowledged results, and none never sent."""
    acknowledged = add(list(gateway.acknowledged))
    held = stored(copy_ledger(folder / "ledger.sqlite3", folder / "copy"))
    assert held >= acknowledged
    assert held <= add(list(gateway.begun))
