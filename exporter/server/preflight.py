"""What will go wrong on this machine, found before the exporter starts and without a network.

A clock that is behind shows by what was written before; one that is ahead does not: then all that
can be known is that nothing sets it.
"""

import ctypes
import os
import platform
import re
import stat
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

MOUNTS = Path("/proc/self/mountinfo")

CLOCK_TOLERANCE_SECONDS = 60.0
"""File systems round times, and a clock that is being set may step back a little."""

_NETWORK_TYPES = re.compile(
    r"nfs4?|cifs|smb3?|smbfs|9p|afs|beegfs|ceph|coda|fhgfs|glusterfs|gpfs|lustre|ocfs2|gfs2|virtiofs"
    r"|fuse\.(?!fuse-overlayfs$).+"
)
_ESCAPED = re.compile(r"\\([0-7]{3})")

# adjtimex(2) by its number: what glibc calls in its place is not allowed in most containers.
_ADJTIMEX = {"x86_64": 159, "aarch64": 171}
_TIMEX_BYTES, _MAXERROR_AT, _STATUS_AT = 208, 24, 40
_STA_UNSYNC = 0x40
_LARGEST_ERROR = 16_000_000
"""Microseconds: where the kernel's own estimate ends, since nothing has set the clock."""


class Finding(NamedTuple):
    """What is wrong and what to do about it, each in words for the log."""

    problem: str
    action: str


def preflight(*, ledger: Path | None, record: Path | None, now: float) -> list[Finding]:
    """Look at the folders that are written to and at the clock (`now`, in Unix seconds).

    `ledger` is None where the counts are in a database, `record` where no records are kept.
    """
    findings = []
    if ledger:
        findings.append(_unwritable("LEDGER_PATH", ledger, ledger))
    if record:
        findings.append(_unwritable("RECORD", record, record / "record.json"))
    if ledger:
        findings.append(_network_file_system(ledger, MOUNTS))
    findings.append(_behind(now, ledger) or _unsynchronized())
    return [finding for finding in findings if finding]


def _unwritable(setting: str, given: Path, file: Path) -> Finding | None:
    """Find that this process cannot write a file of a setting, or make it in its folder."""
    if os.path.exists(file) and not _allows(file, os.R_OK | os.W_OK):  # noqa: PTH110 - see below
        place = file
    else:  # unlike Path.exists, os.path.exists never raises
        place = next(one for one in file.absolute().parents if os.path.exists(one))  # noqa: PTH110
        if place.is_dir() and _allows(place, os.W_OK | os.X_OK):
            return None
    elsewhere = f"point {setting} to a place that the exporter can write"
    if place != file and not place.is_dir():
        why, remedy = "is a file, not a folder", "Move it away"
    elif os.statvfs(place).f_flag & os.ST_RDONLY:
        why, remedy = "is on a read-only file system", "Mount a writable volume there"
    else:
        why, remedy = _rights(place), f"chown -R {os.geteuid()}:{os.getegid()} {place}"
    return Finding(
        f"{setting} {given} cannot be written: {place} {why}.", f"{remedy}, or {elsewhere}."
    )


def _allows(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _rights(place: Path) -> str:
    status = place.stat()
    return (
        f"belongs to uid {status.st_uid} and gid {status.st_gid} with mode "
        f"{stat.S_IMODE(status.st_mode):04o}, and the exporter runs as uid {os.geteuid()} and "
        f"gid {os.getegid()}"
    )


def _network_file_system(file: Path, mounts: Path) -> Finding | None:
    """Find that a SQLite ledger is where its write-ahead log cannot be relied on.

    SQLite: "WAL does not work over a network filesystem" (https://www.sqlite.org/wal.html).
    """
    kind = file_system(file, mounts)
    if not kind or not _NETWORK_TYPES.fullmatch(kind):
        return None
    return Finding(
        f"LEDGER_PATH {file} is on a network file system ({kind}), where SQLite's write-ahead log "
        "can lose or damage counts.",
        "Move the ledger to a local disk or a block volume, or use PostgreSQL (LEDGER_URL).",
    )


def file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the type of the file system that holds a path (proc_pid_mountinfo(5)), or None."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
        place = path.resolve()
    except (OSError, RuntimeError):  # no Linux, or a loop of links
        return None
    found: tuple[int, str | None] = (-1, None)
    for line in lines:
        mount, _, source = line.partition(" - ")
        point = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), mount.split()[4]))
        # Of mounts on the same point the last one hides the others.
        if place.is_relative_to(point) and len(point.parts) >= found[0]:
            found = (len(point.parts), source.split()[0])
    return found[1]


def _behind(now: float, ledger: Path | None) -> Finding | None:
    """Find that the clock is behind what was written on this machine before."""
    written = {f"the exporter was installed ({Path(__file__).parent})": _modified(Path(__file__))}
    if ledger:
        log = ledger.with_name(ledger.name + "-wal")
        written[f"the ledger was last written ({ledger})"] = max(_modified(ledger), _modified(log))
    what, last = max(written.items(), key=lambda item: item[1])
    if now >= last - CLOCK_TOLERANCE_SECONDS:
        return None
    return Finding(
        f"The clock says {_utc(now)}, but {what} at {_utc(last)}: it is "
        f"{round((last - now) / 60)} minutes behind or more.",
        "Set the clock (timedatectl set-ntp true, chronyc makestep). Until then signed requests "
        "may be refused as stale_timestamp, and duplicates are known for longer than the window.",
    )


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _unsynchronized() -> Finding | None:
    """Find that nothing sets the clock, so that it may be wrong by any amount."""
    state = _kernel_clock()
    if not state or not state[0] & _STA_UNSYNC or state[1] < _LARGEST_ERROR:
        return None
    return Finding(
        "Nothing synchronizes this machine's clock, by what the kernel says; whether it is right "
        "cannot be known here.",
        "Compare it with another clock, and run chrony or systemd-timesyncd: signed requests are "
        "refused as stale_timestamp when it is more than five minutes off.",
    )


def _kernel_clock() -> tuple[int, int] | None:
    """Return the kernel's clock status and largest error in microseconds, or None: not known."""
    number = _ADJTIMEX.get(platform.machine())
    if platform.system() != "Linux" or number is None:
        return None
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes 0: nothing is set
    if ctypes.CDLL(None).syscall(number, timex) < 0:
        return None
    (largest,) = struct.unpack_from("l", timex, _MAXERROR_AT)
    (status,) = struct.unpack_from("i", timex, _STATUS_AT)
    return status, largest
