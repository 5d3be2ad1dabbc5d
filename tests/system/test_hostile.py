"""Thousands of hostile connections against the real process: honest calls still get through."""

import asyncio
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter import connections
from exporter.connections import HEAD_SECONDS, LINGER_SECONDS
from exporter.server import DRAIN_SECONDS
from tests.conftest import KeyPair, MakeSettings, started
from tests.system.hostile import (
    BODIES,
    FORGED,
    HEAD,
    HEADS,
    IDLE,
    Attack,
    Gateway,
    allow_descriptors,
    complaints,
    descriptors,
    hold,
    patiently,
    resident,
    unread,
)
from tests.system.programs import (
    ExporterProcess,
    Launch,
    answers,
    exporter_process,
    fetch,
    program,
    wait_for,
)
from tests.test_tls import make_certificate

BODY_SECONDS = 2
SLACK = 2.0
"""Seconds that a slow machine may add to a limit."""


@contextmanager
def attacked(
    folder: Path, keys: KeyPair, launch: Launch | None = None, **settings: object
) -> Iterator[tuple[ExporterProcess, Gateway]]:
    """Run an exporter that expects bodies within BODY_SECONDS; afterwards it must be well."""
    settings = {
        "mps_public_key_files": keys.public,
        "body_timeout_seconds": BODY_SECONDS,
        **settings,
    }
    with exporter_process(folder, launch or Launch(), **settings) as exporter:
        gateway = Gateway(exporter, keys)
        yield exporter, gateway
        assert answers(f"{exporter.admin}/-/ready")
        gateway.call()
        assert complaints(exporter) == []


async def test_two_thousand_hostile_connections(tmp_path: Path, keys: KeyPair) -> None:
    """Honest calls are answered soon while 2,000 connections stall, and those are got rid of."""
    allow_descriptors(8192)
    kinds = HEADS | BODIES | IDLE
    with attacked(tmp_path, keys) as (exporter, gateway), gateway.calling():
        begun = time.monotonic()
        attacks: dict[str, list[asyncio.Task[float]]] = defaultdict(list)
        for number in range(2000):
            kind = list(kinds)[number % len(kinds)]
            attacks[kind].append(asyncio.create_task(hold(exporter, kinds[kind])))
        for names, limit in (
            (BODIES, BODY_SECONDS + LINGER_SECONDS),
            (HEADS, HEAD_SECONDS),
        ):
            for name in names:
                held = await asyncio.gather(*attacks[name])
                assert max(held) < limit + SLACK, name
                assert time.monotonic() - begun < limit + 2 * SLACK
        idle = [task for name in IDLE for task in attacks[name]]
        assert not any(task.done() for task in idle)  # they may stay for a minute
        for task in idle:
            task.cancel()
        await asyncio.gather(*idle, return_exceptions=True)
    report = gateway.report("2,000 hostile connections")
    assert len(gateway.seconds) > 50, report
    assert max(gateway.seconds) < 1, report


async def test_idle_connection_is_closed(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that called once and then says nothing, or too little, is closed."""
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.5)
    async with started(make_settings()) as exporter:
        port = int(exporter.ingest.rpartition(":")[2])
        for rest in (b"", HEAD):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(FORGED + rest)
            answer = await asyncio.wait_for(reader.read(), 10)
            assert answer.startswith(b"HTTP/1.1 401 ")
            writer.close()


SLOW_MODES = {
    "slow headers": ["-H"],
    "slow body": ["-B", "-s", "8192"],
    "slow read": ["-X", "-k", "10", "-w", "1", "-y", "2", "-z", "1", "-n", "1"],
}


def test_slowhttptest(tmp_path: Path, keys: KeyPair) -> None:
    """The three attacks of slowhttptest at once, 500 connections each, deny nobody the service."""
    path = program("slowhttptest", "slowhttptest")
    allow_descriptors(8192)
    with attacked(tmp_path, keys) as (exporter, gateway), ThreadPoolExecutor(3) as pool:
        gateway.call()
        before = resident(exporter)
        options = ["-c", "500", "-r", "500", "-i", "1", "-l", "8", "-p", "3"]
        url = f"{exporter.ingest}/webhooks/mps"

        def attack(mode: list[str]) -> str:
            command = [path, *mode, *options, "-u", url]
            done = subprocess.run(command, capture_output=True, timeout=60, check=True)
            return done.stdout.decode(errors="replace")

        with gateway.calling():
            reports = list(pool.map(attack, SLOW_MODES.values()))
        for report in reports:
            assert "service available" in report
            assert "NO" not in report.rpartition("service available:")[2].split("\n")[0]
        grown = resident(exporter) - before
        line = f"{gateway.report('slowhttptest')}, memory {before:.0f} MiB + {grown:.0f}"
        assert max(gateway.seconds) < 1, line
        assert grown < 50, line


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        *((name, 0.0) for name in HEADS | IDLE),
        *((name, BODY_SECONDS + SLACK) for name in BODIES),
    ],
)
async def test_new_connection_gets_through_at_the_bound(
    tmp_path: Path, keys: KeyPair, kind: str, seconds: float
) -> None:
    """200 attackers at a bound of 50 keep a gateway out for no longer than their limit."""
    attack: Attack = (HEADS | IDLE | BODIES)[kind]
    with attacked(tmp_path, keys, max_connections=50) as (exporter, gateway):
        before = descriptors(exporter)
        attacks = [asyncio.create_task(hold(exporter, attack)) for _ in range(200)]
        await asyncio.to_thread(
            wait_for, lambda: descriptors(exporter) >= before + 50, "the bound is reached"
        )
        await asyncio.to_thread(patiently, gateway.call, seconds)
        assert descriptors(exporter) <= before + 60
        for task in attacks:
            task.cancel()
        await asyncio.gather(*attacks, return_exceptions=True)


def test_clients_that_never_read_make_room(tmp_path: Path, keys: KeyPair) -> None:
    """Connections whose answers nobody reads keep neither their place nor a gateway out."""
    with attacked(tmp_path, keys, max_connections=20) as (exporter, gateway):
        gateway.call()
        before, memory = descriptors(exporter), resident(exporter)
        with unread(exporter, 20), unread(exporter, 20), unread(exporter, 20):
            held, grown = descriptors(exporter) - before, resident(exporter) - memory
            patiently(gateway.call, SLACK)
            assert held <= 20 + 5, "more connections than the bound"
            assert grown < 50


def test_stop_does_not_wait_for_clients_that_never_read(tmp_path: Path, keys: KeyPair) -> None:
    """SIGTERM ends the exporter within its grace, whoever holds a connection open."""
    with exporter_process(tmp_path, mps_public_key_files=keys.public) as exporter:
        with unread(exporter, 20):
            begun = time.monotonic()
            exporter.process.terminate()
            assert exporter.process.wait(60) == 0
            assert time.monotonic() - begun < DRAIN_SECONDS + 1
        assert complaints(exporter) == []


def test_connections_are_bounded_by_the_open_files_too(tmp_path: Path, keys: KeyPair) -> None:
    """Where the process may open fewer files than MAX_CONNECTIONS, idle ones make room before."""
    launch = Launch(("sh", "-c", f'ulimit -Sn 256; exec "{Launch().command[0]}" -m exporter serve'))
    allow_descriptors(8192)
    with attacked(tmp_path, keys, launch) as (exporter, gateway):
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(asyncio.run, _silence(exporter, 400, 3))
            time.sleep(1)
            gateway.call()
            assert answers(f"{exporter.admin}/-/ready")
            running.result()


async def _silence(exporter: ExporterProcess, number: int, seconds: float) -> None:
    attacks = [asyncio.create_task(hold(exporter, HEADS["silent"])) for _ in range(number)]
    await asyncio.wait(attacks, timeout=seconds)
    for task in attacks:
        task.cancel()
    await asyncio.gather(*attacks, return_exceptions=True)
