"""Preflight checks: problems of this machine that can be detected without a network.

A clock that is behind can be detected by the times of files; a clock that is ahead cannot.
"""

import glob
import os
import re
import shlex
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from exporter.ledger.header import read_header

MOUNTS = Path("/proc/self/mountinfo")

CLOCK_TOLERANCE_SECONDS = 60.0
"""Tolerance for file systems that round times, and for small adjustments of the clock."""

_NETWORK_TYPES = re.compile(
    r"nfs4?|cifs|smb3?|smbfs|9p|afs|beegfs|ceph|coda|fhgfs|glusterfs|gpfs|lustre|ocfs2|gfs2|virtiofs"
    r"|fuse\.(?!fuse-overlayfs$).+"
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


_ENDINGS = ("", "-wal", "-shm", ".lock")
"""Endings of the names of a ledger's files."""


class FailedCheck(NamedTuple):
    """A problem of this machine, and the action to take."""

    problem: str
    action: str


class Written(NamedTuple):
    """A path to which the exporter writes."""

    setting: str
    given: Path
    file: Path
    """A file that exists or would be written there."""
    own: tuple[str, ...]
    """Patterns that match the names of the exporter's files in the folder."""


def preflight(*, ledger: Path | None, record: Path | None, now: float) -> list[FailedCheck]:
    """Check the writable folders, and the clock (`now`, in Unix seconds).

    `ledger` is None for a ledger in PostgreSQL, `record` if no records are kept.
    """
    return list(_checks(ledger, record, now))


def _checks(ledger: Path | None, record: Path | None, now: float) -> Iterator[FailedCheck]:
    written = []
    if ledger:
        own = tuple(glob.escape(ledger.name) + ending for ending in _ENDINGS)
        written.append(Written("LEDGER_PATH", ledger, ledger.absolute(), own))
    if record:
        file = record.absolute() / "record.json"
        written.append(Written("RECORD", record, file, ("record-*",)))
    for failed in (
        *map(_check_writable, written),
        _check_file_system(ledger, MOUNTS) if ledger else None,
        _check_clock(now, ledger),
    ):
        if failed:
            yield failed


def _check_writable(path: Written) -> FailedCheck | None:
    """Check that this process can write a file, or create the file and its folder."""
    if os.path.exists(path.file) and not _allows(path.file, os.R_OK | os.W_OK):  # noqa: PTH110
        place = path.file
    else:  # unlike Path.exists, os.path.exists never raises
        place = next(folder for folder in path.file.parents if os.path.exists(folder))  # noqa: PTH110
        if place.is_dir() and _allows(place, os.W_OK | os.X_OK):
            return None
    if place == path.file and _is_foreign(place):
        why, remedy = f"{place} is a file of another program", ""
    elif place != path.file and not place.is_dir():
        why, remedy = f"{place} is a file, not a folder", "Move it away"
    elif os.statvfs(place).f_flag & os.ST_RDONLY:
        why, remedy = f"{place} is on a read-only file system", "Mount a writable volume there"
    else:
        why, remedy = f"{place} {_rights(place)}", _remedy(path, place)
    return FailedCheck(
        f"{path.setting} {path.given} cannot be written: {why}.",
        f"{remedy}{'. Or set' if remedy else 'Set'} {path.setting} to a path that the exporter can "
        "write to.",
    )


def _allows(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _rights(place: Path) -> str:
    status = place.stat()
    return (
        f"belongs to uid {status.st_uid} and gid {status.st_gid} with mode "
        f"{stat.S_IMODE(status.st_mode):04o}, but the exporter runs as uid {os.geteuid()} and "
        f"gid {os.getegid()}"
    )


def _remedy(path: Written, place: Path) -> str:
    """Return a safe command, which does not change the owner of a shared folder."""
    uid, gid, folder = os.geteuid(), os.getegid(), path.file.parent
    if place == path.file:
        files = [str(file) for name in path.own for file in sorted(folder.glob(name))]
        if place.stat().st_uid == uid:
            return f"Run: {shlex.join(['chmod', 'u+rw', *files])}"
        return f"If it is a ledger, run as root: {shlex.join(['chown', f'{uid}:{gid}', *files])}"
    shared = place == folder and not _is_exclusive(folder, path.own)
    if shared:
        folder /= "push-result-exporter"
    inside = folder if path.setting == "RECORD" else folder / path.file.name
    made = shlex.join(["install", "-d", "-o", str(uid), "-g", str(gid), str(folder)])
    return f"Run as root: {made}" + (f", and set {path.setting}={inside}" if shared else "")


def _is_foreign(file: Path) -> bool:
    """Whether a file is known to be no ledger; an unreadable or empty one may be a ledger."""
    try:
        header = read_header(file)
    except OSError:
        return False
    return header is not None and not header.is_ledger


def _is_exclusive(folder: Path, own: tuple[str, ...]) -> bool:
    """Whether a folder is empty or contains only the exporter's files."""
    patterns = (*own, "lost+found")
    try:
        return all(any(map(path.match, patterns)) for path in folder.iterdir())
    except OSError:
        return False


def _check_file_system(file: Path, mounts: Path) -> FailedCheck | None:
    """Check that a SQLite ledger is on a file system on which its write-ahead log is reliable.

    SQLite: "WAL does not work over a network filesystem" (https://www.sqlite.org/wal.html).
    """
    kind = file_system(file, mounts)
    if not kind or not _NETWORK_TYPES.fullmatch(kind):
        return None
    return FailedCheck(
        f"LEDGER_PATH {file} is on a network file system ({kind}), where SQLite's write-ahead log "
        "can lose or damage counts.",
        "Move the ledger to a local disk or a block volume, or use PostgreSQL (LEDGER_URL).",
    )


def file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the type of a path's file system (proc_pid_mountinfo(5)), or None."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
        place = path.resolve()
    except (OSError, RuntimeError):  # not Linux, or a loop of links
        return None
    found: tuple[int, str | None] = (-1, None)
    for line in lines:
        mount, _, source = line.partition(" - ")
        point = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), mount.split()[4]))
        # The last of several mounts at the same point hides the others.
        if place.is_relative_to(point) and len(point.parts) >= found[0]:
            found = (len(point.parts), source.split()[0])
    return found[1]


def _check_clock(now: float, ledger: Path | None) -> FailedCheck | None:
    """Check that the clock is not behind the times of files on this machine."""
    written = {f"the exporter was installed ({Path(__file__).parent})": _modified(Path(__file__))}
    if ledger:
        log = ledger.with_name(ledger.name + "-wal")
        written[f"the ledger was last written ({ledger})"] = max(_modified(ledger), _modified(log))
    event, last = max(written.items(), key=lambda item: item[1])
    if now >= last - CLOCK_TOLERANCE_SECONDS:
        return None
    return FailedCheck(
        f"The clock shows {_utc(now)}, but {event} at {_utc(last)}: it is at least "
        f"{round((last - now) / 60)} minutes behind.",
        "Set the clock (timedatectl set-ntp true, chronyc makestep). Until then signed requests "
        "may be refused as stale_timestamp, and deduplication keys expire late.",
    )


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
