"""The units as a real systemd runs them, in a container of its own without a network."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.debian import LOCKS, ROOT, children, run
from tests.support.exporter import KeyPair
from tests.support.programs import program, started, unavailable, wait_for
from tests.support.traffic import Call, Totals, add, signed_calls, totals_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

UNITS = sorted(
    path
    for kind in ("service", "socket")
    for path in (ROOT / "deploy" / "systemd").glob(f"*.{kind}")
)
SINGLE, FIRST, SECOND = (
    "push-result-exporter",
    "push-result-exporter@1",
    "push-result-exporter@2",
)
INGEST = {SINGLE: 10987, FIRST: 11987, SECOND: 12987}
SHORT_TIMEOUTS = "[Service]\nWatchdogSec=1s\nTimeoutStopSec=1s\nTimeoutAbortSec=1s\n"

SENDERS = 6
RESTARTS = 3
"""Fewer than the five starts in ten seconds at which systemd stops trying."""

# Each thread sends its requests once, half of them over kept connections, and goes on with the next
# whatever happens to one.
SEND = """
import http.client, json, sys, threading, time
requests, outcomes = json.load(sys.stdin), []

def send(number):
    connection = http.client.HTTPConnection("127.0.0.1", 10987, timeout=20)
    for path, body in requests[number::threads]:
        try:
            connection.request("POST", path, body)
            response = connection.getresponse()
            response.read()
            outcomes.append(response.status)
        except OSError as error:
            outcomes.append(repr(error))
            connection.close()
        if number % 2:
            connection.close()
        time.sleep(0.05)

threads = int(sys.argv[1])
pool = [threading.Thread(target=send, args=(number,)) for number in range(threads)]
for one in pool: one.start()
for one in pool: one.join()
print(json.dumps(outcomes))
"""

POST = """
import sys, urllib.request
body = sys.argv[2].encode() if len(sys.argv) > 2 else None
print(urllib.request.urlopen(sys.argv[1], body).read().decode())
"""

HOLD = """
import signal, socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    print("listening", flush=True)
    signal.pause()
"""


def install(machine: Path, wheels: Path, key: Path) -> None:
    """Install as README describes: a venv from the lock, the units, the key."""
    shutil.copytree(LOCKS, machine / "install")
    shutil.copytree(wheels, machine / "install" / "wheels")
    pip = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps"]
    run(*pip, "--wheel-dir", machine / "install", ROOT)
    (wheel,) = (path.name for path in (machine / "install").glob("*.whl"))
    home = "/opt/push-result-exporter"
    run("chroot", machine, "python3", "-m", "venv", home)
    offline = ["chroot", machine, f"{home}/bin/pip", "--isolated", "install", "--no-index"]
    lock = ["--require-hashes", "-r", "/install/requirements.txt"]
    run(*offline, "--find-links", "/install/wheels", *lock)
    run(*offline, "--no-deps", f"/install/{wheel}")
    units = machine / "etc" / "systemd" / "system"
    for unit in UNITS:
        shutil.copy(unit, units)
    drop_in = units / f"{SECOND}.service.d"
    drop_in.mkdir()
    (drop_in / "timeouts.conf").write_text(SHORT_TIMEOUTS)
    secrets = machine / "etc" / "push-result-exporter"
    secrets.mkdir(mode=0o700)
    shutil.copy(key, secrets / "mps-public-key")
    (secrets / "mps-public-key").chmod(0o600)
    (secrets / "environment").write_text("PUSH_EXPORTER_LOG_FORMAT=json\n")
    run("chroot", machine, "systemctl", "enable", *INGEST, f"{SINGLE}.socket")


class Machine(NamedTuple):
    """A running systemd."""

    leader: str
    log: Path

    def control(self, *words: str) -> str:
        """Run systemctl, or what else is there, inside."""
        return run("nsenter", "--target", self.leader, "--all", "--", *words).strip()

    def show(self, unit: str, what: str) -> str:
        """Return a property of a unit."""
        return self.control("systemctl", "show", "--value", "--property", what, unit)

    def ask(self, url: str, *body: str) -> str:
        """Get or post, in the machine's network."""
        inside = ["nsenter", "--target", self.leader, "--net", "--"]
        return run(*inside, sys.executable, "-c", POST, url, *body)

    def send_once(self, calls: list[Call]) -> list[int | str]:
        """Send requests to the single exporter once; return the status or error of each."""
        inside = ["nsenter", "--target", self.leader, "--net", "--"]
        requests = json.dumps([(call.path, call.body.decode()) for call in calls])
        command = [*inside, sys.executable, "-c", SEND, str(SENDERS)]
        done = subprocess.run(command, input=requests, capture_output=True, text=True, check=True)
        return list(json.loads(done.stdout))

    def counted(self, unit: str) -> Totals:
        """Scrape the exporter of a unit."""
        return totals_of(self.ask(f"http://127.0.0.1:{INGEST[unit] + 1}/metrics"))

    def deliver(self, unit: str, calls: list[Call]) -> None:
        """Post to the exporter of a unit; each request is acknowledged."""
        for call in calls:
            answer = self.ask(f"http://127.0.0.1:{INGEST[unit]}{call.path}", call.body.decode())
            assert json.loads(answer)["accepted"] == 1


@contextmanager
def booted(root: Path, log: Path) -> Iterator[Machine]:
    """Boot a Debian inside the block; where that is not possible skip, but fail in CI."""
    nspawn = program("systemd-nspawn", "systemd-container")
    command = [nspawn, "--directory", str(root), "--boot", "--register=no", "--keep-unit"]
    with started([*command, "--private-network", "--console=pipe"], log) as outer:

        def leader() -> str | None:
            if outer.poll() is not None:
                unavailable(f"systemd-nspawn cannot boot here:\n{log.read_text()[-2000:]}")
            found = [str(child) for child in children(outer.pid)]
            inside = ["nsenter", "--target", *found[:1], "--all", "--", "systemctl", "is-active"]
            state = subprocess.run([*inside, *INGEST], capture_output=True, text=True, check=False)
            return found[0] if state.stdout.split() == ["active"] * len(INGEST) else None

        yield Machine(wait_for(leader, "the units are active"), log)


@pytest.fixture(scope="module")
def machine(
    debian: Path, wheels: Path, keys: KeyPair, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """Run a Debian on which the exporter is installed as a service."""
    program("systemd-nspawn", "systemd-container")
    folder = tmp_path_factory.mktemp("machine")
    run("cp", "-a", debian, folder / "root")
    install(folder / "root", wheels, keys.public)
    with booted(folder / "root", folder / "boot.log") as machine:
        yield machine
    shutil.rmtree(folder / "root")


def test_services_count_and_continue(machine: Machine, keys: KeyPair) -> None:
    """One exporter and two instances run side by side, reload, and continue after restarts."""
    calls = list(signed_calls(keys, 9))
    parts = {unit: calls[number::3] for number, unit in enumerate(INGEST)}
    for unit, part in parts.items():
        machine.deliver(unit, part)
        machine.control("systemctl", "reload", unit)
    machine.control("systemctl", "restart", *parts)
    for unit, part in parts.items():
        assert machine.counted(unit) == add(part)
        log = machine.control("journalctl", "--unit", unit, "--output", "cat")
        assert '"event": "configuration reloaded"' in log
        assert '"event": "stopped"' in log


def test_restart_refuses_no_request(machine: Machine, keys: KeyPair) -> None:
    """With the socket unit, a sender without retries loses nothing over restarts."""
    before = machine.counted(SINGLE)
    calls = list(signed_calls(keys, 900))[12:]
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(machine.send_once, calls)
        for _ in range(RESTARTS):
            assert not sending.done()
            machine.control("systemctl", "restart", SINGLE)
        assert sending.result() == [200] * len(calls)
    assert machine.counted(SINGLE) == before + add(calls)


def test_services_are_confined(machine: Machine) -> None:
    """The process has no privileges, reads no key of root's, and writes to its own folder only."""
    process = machine.show(SINGLE, "MainPID")
    status = machine.control("cat", f"/proc/{process}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(fields["Uid"].split()).isdisjoint({"0"})
    assert int(fields["CapBnd"], 16) == int(fields["CapEff"], 16) == 0
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    inside = ["nsenter", "--target", process, "--mount", "--"]
    tried = "for one in /etc/x /usr/x /var/x; do touch $one 2>&1; done; true"
    refused = machine.control(*inside, "sh", "-c", tried).splitlines()
    assert [line.rpartition(": ")[2] for line in refused] == ["Read-only file system"] * 3
    become = ["setpriv", f"--reuid={fields['Uid'].split()[0]}", "--clear-groups"]
    key = "cat /etc/push-result-exporter/mps-public-key 2>&1; true"
    assert machine.control(*inside, *become, "sh", "-c", key).endswith("Permission denied")


def test_hung_service_is_restarted(machine: Machine, keys: KeyPair) -> None:
    """The watchdog restarts an exporter with a blocked event loop, and counting continues."""
    before = machine.counted(SECOND)
    calls = list(signed_calls(keys, 12))[9:]
    machine.deliver(SECOND, calls)
    machine.control("kill", "-STOP", machine.show(SECOND, "MainPID"))
    wait_for(lambda: machine.show(SECOND, "NRestarts") == "1", "systemd restarts it")
    wait_for(lambda: machine.show(SECOND, "ActiveState") == "active", "it is active")
    assert machine.counted(SECOND) == before + add(calls)
    assert machine.show(FIRST, "NRestarts") == "0"


def test_service_waits_for_its_port(machine: Machine) -> None:
    """While another process has the port, systemd starts the exporter again and again."""
    machine.control("systemctl", "stop", SECOND)
    inside = ["nsenter", "--target", machine.leader, "--net", "--", sys.executable, "-c"]
    log = machine.log.with_name("holder.log")
    with started([*inside, HOLD, str(INGEST[SECOND])], log):
        wait_for(log.read_text, "another process listens")
        machine.control("systemctl", "start", "--no-block", SECOND)
        wait_for(lambda: machine.show(SECOND, "ExecMainStatus") == "1", "the start fails")
        wait_for(lambda: machine.show(SECOND, "NRestarts") != "0", "systemd restarts it")
    wait_for(lambda: machine.show(SECOND, "ActiveState") == "active", "it is active")
