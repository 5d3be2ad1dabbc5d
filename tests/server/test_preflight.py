"""What is found before the start: folders that cannot be written, network file systems, clocks."""

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.server import preflight as module
from exporter.server.preflight import Finding, file_system, preflight
from tests.support.programs import mounted, unavailable

UID, OTHER_GID = 10001, 10002


@pytest.fixture(autouse=True)
def _synchronized(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the kernel of the machine that runs these tests says of its clock."""
    monkeypatch.setattr(module, "_kernel_clock", lambda: (0, 1000))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder to which every user comes through."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@contextmanager
def running_as(uid: int, gid: int) -> Iterator[None]:
    """Be another user inside the block, with no privileges."""
    if os.geteuid():
        unavailable("becoming another user takes root")
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def look(
    ledger: Path | None, record: Path | None = None, now: float | None = None
) -> list[Finding]:
    """Look at this machine, whose clock says `now`."""
    return preflight(ledger=ledger, record=record, now=time.time() if now is None else now)


def test_a_good_machine_has_no_findings(folder: Path) -> None:
    """Folders may exist or be made, there may be a ledger already, or none at all."""
    ledger = folder / "ledger.sqlite3"
    assert not look(ledger, folder / "records")
    assert not look(folder / "not" / "there" / "yet" / "ledger.sqlite3")
    ledger.touch()
    assert not look(ledger)
    assert not look(None)


@pytest.mark.parametrize(
    ("mode", "owner", "gid", "writable"),
    [
        (0o700, 0, UID, False),
        (0o755, 0, 0, False),
        (0o770, 0, 0, True),  # OpenShift: any uid, group 0
        (0o770, 0, OTHER_GID, False),
        (0o700, UID, OTHER_GID, True),
        (0o500, UID, UID, False),
    ],
)
def test_folder_that_cannot_be_written(
    folder: Path, mode: int, owner: int, gid: int, writable: bool
) -> None:
    """The finding names the setting, the path, its owner and mode, who runs, and the command."""
    data = folder / "data"
    data.mkdir()
    os.chown(data, owner, 0)
    data.chmod(mode)
    with running_as(UID, gid):
        findings = look(data / "new" / "ledger.sqlite3")
    if writable:
        assert not findings
        return
    ((problem, action),) = findings
    assert problem.startswith(f"LEDGER_PATH {data}/new/ledger.sqlite3 cannot be written: {data} ")
    assert f"belongs to uid {owner} and gid 0 with mode {mode:04o}" in problem
    assert f"runs as uid {UID} and gid {gid}" in problem
    assert action.startswith(f"chown -R {UID}:{gid} {data}, or point LEDGER_PATH ")


def test_ledger_that_cannot_be_written_in_a_folder_that_can(folder: Path) -> None:
    """A file that root left behind is named itself."""
    folder.chmod(0o777)
    ledger = folder / "ledger.sqlite3"
    ledger.touch(0o644)
    with running_as(UID, UID):
        ((problem, action),) = look(ledger)
    assert f"{ledger} belongs to uid 0" in problem
    assert f"chown -R {UID}:{UID} {ledger}" in action


def test_both_folders_are_looked_at(folder: Path) -> None:
    """The folder of records is one that is written to, too."""
    file = folder / "file"
    file.touch()
    assert look(folder / "ledger.sqlite3", file) == [
        Finding(
            f"RECORD {file} cannot be written: {file} is a file, not a folder.",
            "Move it away, or point RECORD to a place that the exporter can write.",
        )
    ]


def test_read_only_file_system(folder: Path) -> None:
    """A read-only mount is said to be one: no owner or mode would help, root's neither."""
    with mounted("tmpfs", folder / "mount", "-t", "tmpfs", "-o", "ro") as place:
        ((problem, action),) = look(place / "ledger.sqlite3")
    assert f"{place} is on a read-only file system." in problem
    assert action.startswith("Mount a writable volume there")


MOUNTINFO = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 27 0:30 / /srv rw,relatime shared:1 - {kind} server:/export rw,vers=4.2
32 31 0:31 / /srv/local\\040disk rw - xfs /dev/vdb rw
33 27 0:32 / /twice rw - {kind} hidden rw
34 27 0:33 / /twice rw - ext4 /dev/vdc rw
"""


@pytest.mark.parametrize(
    ("kind", "network"),
    [
        *[(kind, True) for kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "virtiofs")],
        *[(kind, True) for kind in ("fuse.sshfs", "fuse.s3fs", "fuse.glusterfs", "lustre")],
        *[(kind, False) for kind in ("ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuseblk", "zfs")],
        ("fuse.fuse-overlayfs", False),
    ],
)
def test_ledger_on_a_network_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, network: bool
) -> None:
    """The mount that holds the path decides: the longest, and of two the one above."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTINFO.format(kind=kind))
    monkeypatch.setattr(module, "MOUNTS", mounts)
    findings = [one for one in look(Path("/srv/push/ledger.sqlite3")) if "network" in one.problem]
    assert bool(findings) == network
    for finding in findings:
        assert f"LEDGER_PATH /srv/push/ledger.sqlite3 is on a network file system ({kind})" in (
            finding.problem
        )
        assert "LEDGER_URL" in finding.action
    types = {
        path: file_system(Path(path), mounts)
        for path in ("/srv/a", "/srv/local disk/a", "/srvother/a", "/twice/a", "/")
    }
    assert types == {
        "/srv/a": kind, "/srv/local disk/a": "xfs", "/srvother/a": "ext4", "/twice/a": "ext4",
        "/": "ext4",
    }  # fmt: skip


def test_mounts_of_this_machine(folder: Path) -> None:
    """The kernel's own list is understood, links are followed, and without a list nothing is."""
    with mounted("tmpfs", folder / "mount", "-t", "tmpfs") as place:
        (folder / "link").symlink_to(place)
        assert file_system(folder / "link" / "ledger.sqlite3") == "tmpfs"
    assert file_system(folder, folder / "no-such-file") is None


@pytest.mark.parametrize("name", ["ledger.sqlite3", "ledger.sqlite3-wal"])
@pytest.mark.parametrize(("ahead", "found"), [(-3600, False), (30, False), (600, True)])
def test_clock_behind_the_ledger(folder: Path, name: str, ahead: float, found: bool) -> None:
    """A ledger that was written in the future says by how much the clock is behind at least."""
    ledger = folder / "ledger.sqlite3"
    ledger.touch()
    os.utime(ledger, (0, 0))
    (folder / name).touch()
    then = time.time() + ahead
    os.utime(folder / name, (then, then))
    findings = look(ledger)
    assert bool(findings) == found
    for problem, action in findings:
        assert f"the ledger was last written ({ledger})" in problem
        assert "it is 10 minutes behind or more" in problem
        assert "timedatectl" in action


def test_clock_behind_the_installation(folder: Path) -> None:
    """A machine that begins in 1970, as boards without a battery do, is told so."""
    ((problem, _),) = look(folder / "ledger.sqlite3", now=1000.0)
    assert problem.startswith("The clock says 1970-01-01 00:16 UTC, but the exporter was installed")


@pytest.mark.parametrize(
    ("status", "largest", "found"),
    [(0x40, 16_000_000, True), (0x40, 1000, False), (0, 16_000_000, False)],
)
def test_clock_that_nothing_sets(
    monkeypatch: pytest.MonkeyPatch, status: int, largest: int, found: bool
) -> None:
    """What the kernel says is passed on; it may be in order a moment after a start."""
    monkeypatch.setattr(module, "_kernel_clock", lambda: (status, largest))
    findings = look(None)
    assert [bool(re.match("Nothing synchronizes", one.problem)) for one in findings] == [
        True
    ] * found


def test_kernel_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux the kernel answers with its status and error bound; elsewhere nothing is known."""
    monkeypatch.undo()
    status, largest = module._kernel_clock() or (-1, -1)
    assert 0 <= status < 0x10000
    assert 0 < largest <= 16_000_000
    monkeypatch.setattr("platform.machine", lambda: "sparc64")
    assert module._kernel_clock() is None
    assert not look(None)
