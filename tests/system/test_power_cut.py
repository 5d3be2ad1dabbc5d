"""Power cuts: what the exporter had acknowledged is on disk, whatever else is or is not."""

import logging
import random
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.ledger.sqlite import LedgerFile, read_all_keys
from tests.support.exporter import KeyPair
from tests.support.programs import Settings, exporter_process, frozen, mounted, program, wait_for
from tests.support.traffic import (
    Call,
    Client,
    Gateway,
    Totals,
    add,
    copy_ledger,
    exposed,
    mixed_calls,
    results_call,
    signed_calls,
    stored,
)

pytestmark = pytest.mark.load

CALLS = 1000
CUTS = 12
DISK_CUTS = 6
SENDERS = 4

log = logging.getLogger(__name__)


class Mark(NamedTuple):
    """The state at an acknowledgement: requests, and the part of the log that holds them."""

    calls: int
    salts: bytes
    """Which of its lives the log is in: after a checkpoint it begins again."""
    end: int
    """Bytes up to the last commit."""


class Writer:
    """The only sender, so that after an acknowledgement nothing is being written."""

    def __init__(self, url: str, ledger: Path) -> None:
        rng = random.Random(7)
        self.calls = [
            results_call(rng, f"w{number}", rng.choice((1, 2, 30, 900))) for number in range(CALLS)
        ]
        self.mark = Mark(0, b"", 0)
        self.lives: set[bytes] = set()
        self._client = Client(url)
        self._log = ledger.with_name(ledger.name + "-wal")

    def wait_for_acknowledged(self, calls: int) -> None:
        """Wait until so many calls are acknowledged."""
        wait_for(lambda: self.mark.calls >= calls, "more calls are acknowledged")

    def write(self) -> None:
        """Make every call once and mark each acknowledgement."""
        for number, call in enumerate(self.calls, 1):
            status, answer = self._client.post(call)
            assert (status, answer["accepted"]) == (200, call.totals.total())
            self.mark = self._read_log(number)
            self.lives.add(self.mark.salts)
        self._client.close()

    def _read_log(self, calls: int) -> Mark:
        """Find the end of the last commit; https://sqlite.org/fileformat2.html, section 4.1."""
        with self._log.open("rb") as file:
            page, salts = struct.unpack(">8xI4x8s8x", file.read(32))
            mark = Mark(calls, salts, 32)
            position = mark.end
            if salts == self.mark.salts:
                mark = self.mark._replace(calls=calls)
                position = mark.end
            while True:
                file.seek(position)
                frame = file.read(24)
                if len(frame) < 24 or frame[8:16] != salts:
                    return mark
                position += 24 + page
                if frame[4:8] != bytes(4):  # the database's size, in the last frame of a commit
                    mark = mark._replace(end=position)


Damage = Callable[[random.Random, bytes, int], bytes]


def _shorten(rng: random.Random, log: bytes, safe: int) -> bytes:
    return log[: rng.randint(safe, len(log))]


def _cut_in_frame(rng: random.Random, log: bytes, safe: int) -> bytes:
    return log[: safe + rng.choice((1, 23, 24, 25, 2000, 4119))]


def _zeros(rng: random.Random, log: bytes, safe: int) -> bytes:
    return _shorten(rng, log, safe) + bytes(rng.randint(1, 20_000))


def _noise(rng: random.Random, log: bytes, safe: int) -> bytes:
    return _shorten(rng, log, safe) + rng.randbytes(rng.randint(1, 20_000))


DAMAGES: tuple[Damage, ...] = (
    lambda _dice, log, _safe: log,
    lambda _dice, log, safe: log[:safe],
    _shorten,
    _cut_in_frame,
    _zeros,
    _noise,
)
"""What may be left of the log of which so many bytes are safe."""


def test_any_tail_of_the_log_may_be_lost(tmp_path: Path, settings: Settings) -> None:
    """Damage after the last acknowledgement leaves all acknowledged results, once each."""
    rng = random.Random(20261124)
    ledger = tmp_path / "ledger.sqlite3"
    total, torn = CUTS * len(DAMAGES), 0
    kept = {number: tmp_path / f"kept-{number}" for number in rng.sample(range(total), 2)}
    with exporter_process(tmp_path, ledger_sync="full", **settings) as exporter:
        writer = Writer(exporter.ingest, ledger)
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(writer.write)
            for cut in range(CUTS):
                writer.wait_for_acknowledged((cut + 1) * CALLS // (CUTS + 1))
                time.sleep(rng.uniform(0, 0.01))
                with frozen(exporter.process):
                    mark = writer.mark
                    image = copy_ledger(ledger, tmp_path / "image")
                for number, damage in enumerate(DAMAGES, cut * len(DAMAGES)):
                    remains = copy_ledger(image, kept.get(number, tmp_path / "cut"))
                    torn += damage_log(remains, mark, partial(damage, rng))
                    found = check_prefix(remains, writer.calls)
                    assert mark.calls <= found <= mark.calls + 1
            writing.result()
    assert len(writer.lives) > 2  # it went through checkpoints
    for folder in kept.values():
        check_retries(folder, settings, writer.calls)
    log.info(
        "%d cuts, %d of them within a commit, %d lives of the log; lost 0, twice 0",
        total,
        torn,
        len(writer.lives),
    )


def damage_log(ledger: Path, mark: Mark, damage: Callable[[bytes, int], bytes]) -> bool:
    """Damage the log after the last acknowledgement; return whether there was any to damage."""
    file = ledger.with_name(ledger.name + "-wal")
    written = file.read_bytes()
    # In a new life it holds nothing that was promised: the checkpoint has it all in the database.
    safe = mark.end if written[16:24] == mark.salts else 0
    file.write_bytes(damage(written, safe))
    return written[16:24] != mark.salts or written[safe + 8 : safe + 16] == mark.salts


def check_prefix(ledger: Path, calls: list[Call]) -> int:
    """Open a ledger that is to hold the first calls, each whole; return how many."""
    with closing(LedgerFile(ledger, "full")) as file:
        held = file.open()
        keys = sum(len(stored.keys) for stored in read_all_keys(file))
    counts: Totals = Counter()
    for series, total, _ in held.counts:
        counts[series.channel, series.code] += total
    sums = [0, *accumulate(call.totals.total() for call in calls)]
    number = sums.index(counts.total())
    assert counts == add(calls[:number])
    assert keys == sums[number]
    return number


def check_retries(folder: Path, settings: Settings, calls: list[Call]) -> None:
    """Make every call again: afterwards each is counted once."""
    with exporter_process(folder, **settings) as exporter:
        held = exposed(exporter.admin).total()
        client = Client(exporter.ingest)
        new = 0
        for call in calls:
            status, answer = client.post(call)
            assert status == 200
            new += answer["accepted"]
        client.close()
        assert held + new == add(calls).total()
        assert exposed(exporter.admin) == add(calls)


def test_disk_without_its_caches_has_all_acknowledged_results(
    tmp_path: Path, keys: KeyPair, settings: Settings
) -> None:
    """The disk without the kernel's caches has all acknowledged results."""
    rng = random.Random(20261125)
    signed = signed_calls(keys, 100)
    gateway = Gateway(f"http://127.0.0.1:{settings['ingest_port']}")
    image = make_disk(tmp_path)
    with (
        mounted(image, tmp_path / "disk", "-o", "loop") as disk,
        exporter_process(
            tmp_path, ledger_path=disk / "ledger.sqlite3", ledger_sync="full", **settings
        ) as exporter,
        gateway.sending(*(mixed_calls(number, signed) for number in range(SENDERS))),
    ):
        for _ in range(DISK_CUTS):
            gateway.wait_for_more(rng.randint(1, 300))
            with frozen(exporter.process):
                acknowledged = add(list(gateway.acknowledged))
                copy = copy_disk(image)
            begun = list(gateway.begun)
            with mounted(copy, tmp_path / "copy", "-o", "loop") as remains:
                ledger = copy_ledger(remains / "ledger.sqlite3", tmp_path / "remains")
            held = stored(ledger)
            assert acknowledged <= held <= add(begun)
    check_retries(ledger.parent, settings, begun)
    log.info("%d cuts, %d calls acknowledged", DISK_CUTS, len(gateway.acknowledged))


def make_disk(folder: Path) -> Path:
    """Make the image of a small disk with a file system."""
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run([program("mkfs.ext4", "e2fsprogs"), "-q", "-F", str(image)], check=True)
    return image


def copy_disk(image: Path) -> Path:
    """Copy a disk at a moment when nothing is being written to it."""
    copy = image.with_name("copy.img")

    def copied() -> bool:
        data = image.read_bytes()
        copy.write_bytes(data)
        return image.read_bytes() == data

    wait_for(copied, "nothing is being written")
    return copy
