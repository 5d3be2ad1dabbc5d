"""Thousands of hostile connections against the real process: honest calls still get through."""

import asyncio
import socket
import subprocess
import sys
import time
import urllib.error
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median

import pytest

from exporter.webhooks.limits import Limits
from tests.support.certificates import make_certificate
from tests.support.exporter import KeyPair, MakeSettings, started
from tests.support.hostile import (
    BODIES,
    HEAD,
    HEADS,
    IDLE,
    STEADY,
    Attack,
    Gateway,
    address,
    allow_descriptors,
    descriptors,
    hold,
    logged_errors,
    resident,
    retried_until_it_works,
    unread,
)
from tests.support.programs import (
    ExporterProcess,
    Launch,
    answers,
    exporter_process,
    fetch,
    program,
    wait_for,
)

pytestmark = pytest.mark.load

# What README promises, in seconds.
HEAD_SECONDS = 10
BODY_SECONDS = 2
LINGER_SECONDS = 2
STOP_SECONDS = 8

SPARE = 5
"""Descriptors that may come and go beside the connections."""

SLACK = 5.0
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
        retried_until_it_works(gateway.call, SLACK)
        assert logged_errors(exporter) == ""


async def test_two_thousand_hostile_connections(tmp_path: Path, keys: KeyPair) -> None:
    """Honest calls are answered soon while 2,000 connections stall, and those are got rid of."""
    allow_descriptors(8192)
    kinds = HEADS | BODIES | STEADY | IDLE
    with attacked(tmp_path, keys) as (exporter, gateway), gateway.calling():
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
        waiting = [task for name in STEADY | IDLE for task in attacks[name]]
        assert not any(task.done() for task in waiting)  # they may stay for a minute
        await give_up(waiting)
    report = gateway.report("2,000 hostile connections")
    assert len(gateway.seconds) > 50, report
    assert median(gateway.seconds) < 0.1, report


SLOW_MODES = {
    "slow headers": ["-H"],
    "slow body": ["-B", "-s", "8192"],
    "slow read": ["-X", "-k", "10", "-w", "1", "-y", "2", "-z", "1", "-n", "1"],
}


def test_slowhttptest(tmp_path: Path, keys: KeyPair) -> None:
    """Three concurrent attacks by slowhttptest, 500 connections each, do not deny the service."""
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
        assert median(gateway.seconds) < 0.1, line
        assert grown < 50, line


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        ("silent", 0.0),
        ("dribbled head", 0.0),
        ("idle after a forged call", 0.0),
        ("dribbled body", BODY_SECONDS + SLACK),
    ],
)
async def test_new_connection_gets_through_at_the_bound(
    tmp_path: Path, keys: KeyPair, kind: str, seconds: float
) -> None:
    """200 attackers at a bound of 50 keep a gateway out for no longer than their limit."""
    attack: Attack = (HEADS | IDLE | STEADY)[kind]
    with attacked(tmp_path, keys, max_connections=50) as (exporter, gateway):
        before = descriptors(exporter)
        attacks = [asyncio.create_task(hold(exporter, attack)) for _ in range(200)]
        await asyncio.to_thread(
            wait_for, lambda: descriptors(exporter) >= before + 45, "the bound is reached"
        )
        await asyncio.to_thread(retried_until_it_works, gateway.call, seconds)
        assert descriptors(exporter) <= before + 50 + SPARE
        await give_up(attacks)


@pytest.mark.parametrize("field", [b"", b"Expect: 100-continue\r\n"], ids=["plain", "expecting"])
def test_clients_that_leave_before_their_body(tmp_path: Path, keys: KeyPair, field: bytes) -> None:
    """A client that disconnects before its body causes no error and no traceback."""
    with attacked(tmp_path, keys) as (exporter, _gateway):
        for _ in range(300):
            with socket.create_connection(address(exporter)) as client:
                client.sendall(HEAD + field + b"Content-Length: 9999\r\n\r\n")
        metrics = fetch(f"{exporter.admin}/metrics").decode()
        assert 'push_webhook_requests_total{source="mps",status="internal_error"} 0.0' in metrics


def test_clients_that_never_read_are_closed(tmp_path: Path, keys: KeyPair) -> None:
    """Connections with unread responses are closed, and do not exclude a gateway."""
    with attacked(tmp_path, keys, max_connections=5) as (exporter, gateway):
        gateway.call()
        before, memory = descriptors(exporter), resident(exporter)
        with unread(exporter, 20):
            for _ in range(10):
                retried_until_it_works(gateway.call, SLACK)
            held, grown = descriptors(exporter) - before, resident(exporter) - memory
        assert held <= 5 + SPARE, f"{held} connections at a bound of 5"
        assert grown < 50, f"{grown:.0f} MiB more"


def test_stop_does_not_wait_for_clients_that_never_read(tmp_path: Path, keys: KeyPair) -> None:
    """SIGTERM ends the exporter within its grace period, despite open connections."""
    with exporter_process(tmp_path, mps_public_key_files=keys.public) as exporter:
        with unread(exporter, 2):
            begun = time.monotonic()
            exporter.process.terminate()
            assert exporter.process.wait(60) == 0
            seconds = time.monotonic() - begun
        assert seconds < STOP_SECONDS + 1
        assert logged_errors(exporter) == ""


@pytest.mark.parametrize("limit", ["soft", "hard"])
async def test_open_files_bound_the_connections_too(
    tmp_path: Path, keys: KeyPair, limit: str
) -> None:
    """Where fewer files may be open than MAX_CONNECTIONS asks for, a gateway still gets through."""
    option = {"soft": "-S", "hard": ""}[limit]
    serve = f'ulimit {option} -n 300; exec "{sys.executable}" -m exporter serve'
    with attacked(tmp_path, keys, Launch(("sh", "-c", serve))) as (exporter, gateway):
        attacks = [asyncio.create_task(hold(exporter, HEADS["silent"])) for _ in range(500)]
        await asyncio.wait(attacks, timeout=1)
        await asyncio.to_thread(gateway.call)
        assert await asyncio.to_thread(answers, f"{exporter.admin}/-/ready")
        await give_up(attacks)


def test_unfinished_bodies_do_not_deny_the_service(tmp_path: Path, keys: KeyPair) -> None:
    """Unfinished large bodies, 64 MiB in all, do not exclude small ones."""
    size = 1024 * 1024
    head = HEAD + b"Content-Length: %d\r\n\r\n" % size
    with attacked(tmp_path, keys) as (exporter, gateway), ExitStack() as stack:
        before = resident(exporter)
        for _ in range(64):
            client = stack.enter_context(socket.create_connection(address(exporter)))
            client.sendall(head)
            with suppress(OSError):  # it may be refused before its end
                client.sendall(bytes(size - 1))
        for _ in range(30):
            gateway.call()
        grown = resident(exporter) - before
        assert grown < 250, f"{grown:.0f} MiB more"


def test_memory_under_large_forged_bodies(tmp_path: Path, keys: KeyPair) -> None:
    """Thirty strangers who send 1 MiB bodies for seconds leave little behind."""
    body = b" " * 1024 * 1024
    with attacked(tmp_path, keys) as (exporter, gateway), ThreadPoolExecutor(30) as pool:
        gateway.call()
        before = resident(exporter)
        end = time.monotonic() + 4

        def send(_sender: int) -> int:
            sent = 0
            while time.monotonic() < end:
                with pytest.raises(urllib.error.HTTPError) as refused:
                    fetch(f"{exporter.ingest}/webhooks/mps?sign=Zm9yZ2Vk", body)
                assert refused.value.code == 401
                refused.value.close()
                sent += 1
            return sent

        sent = sum(pool.map(send, range(30)))
        grown = resident(exporter) - before
        line = f"{sent} bodies of 1 MiB: memory {before:.0f} MiB + {grown:.0f}"
        print(line)  # noqa: T201 - a figure, shown by `pytest -s`
        assert sent > 30
        assert grown < 100, line


async def test_connection_without_a_handshake_is_closed(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """A TLS handshake has its time, too."""
    certificate = make_certificate(tmp_path, "exporter")
    settings = make_settings(tls_cert_file=certificate.chain, tls_key_file=certificate.key)
    async with started(settings, Limits(handshake_seconds=0.5)) as exporter:
        port = int(exporter.ingest.rpartition(":")[2])
        for beginning in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(beginning)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()


async def give_up(attacks: list[asyncio.Task[float]]) -> None:
    """End attacks that are still under way."""
    for attack in attacks:
        attack.cancel()
    await asyncio.gather(*attacks, return_exceptions=True)
