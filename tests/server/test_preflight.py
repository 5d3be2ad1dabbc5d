"""Preflight checks: folders that cannot be written, network file systems, clocks."""

import os
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.server import preflight as module
from exporter.server.preflight import FailedCheck, file_system, preflight
from tests.support.programs import mounted, unavailable

UID, OTHER_GID = 10001, 10002


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


def check(
    ledger: Path | None, record: Path | None = None, now: float | None = None
) -> list[FailedCheck]:
    """Check this machine as if its clock said `now`."""
    return preflight(ledger=ledger, record=record, now=time.time() if now is None else now)


def test_good_machine_fails_no_check(folder: Path) -> None:
    """Folders may exist or be made, there may be a ledger already, or none at all."""
    ledger = folder / "ledger.sqlite3"
    assert not check(ledger, folder / "records")
    assert not check(folder / "not" / "there" / "yet" / "ledger.sqlite3")
    ledger.touch()
    assert not check(ledger)
    assert not check(None)


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
    """The failed check names the setting, the path, its owner and mode, and who runs."""
    data = folder / "data"
    data.mkdir()
    os.chown(data, owner, 0)
    data.chmod(mode)
    with running_as(UID, gid):
        failed = check(data / "new" / "ledger.sqlite3")
    if writable:
        assert not failed
        return
    ((problem, action),) = failed
    assert problem.startswith(f"LEDGER_PATH {data}/new/ledger.sqlite3 cannot be written: {data} ")
    assert f"belongs to uid {owner} and gid 0 with mode {mode:04o}" in problem
    assert f"runs as uid {UID} and gid {gid}" in problem
    assert action.startswith(f"Run as root: install -d -o {UID} -g {gid} {data}/new. Or set ")


@pytest.mark.parametrize(
    ("setting", "name", "existing", "owned"),
    [
        ("LEDGER_PATH", "data/ledger.sqlite3", [], {"data"}),
        ("LEDGER_PATH", "a b/it's/ledger.sqlite3", [], {"a b/it's"}),
        ("LEDGER_PATH", "data/ledger.sqlite3", ["data/lost+found/"], {"data"}),
        ("LEDGER_PATH", "data/ledger.sqlite3", ["data/ledger.sqlite3-wal"], {"data"}),
        ("LEDGER_PATH", "ledger.sqlite3", ["etc/passwd"], {"push-result-exporter"}),
        ("LEDGER_PATH", "var/lib/ledger.sqlite3", ["var/lib/dpkg/"],
         {"var/lib/push-result-exporter"}),
        ("LEDGER_PATH", "open/ledger.sqlite3",
         ["open/", "open/ledger.sqlite3", "open/ledger.sqlite3-wal", "open/other"],
         {"open/ledger.sqlite3", "open/ledger.sqlite3-wal"}),
        ("RECORD", "records", [], {"records"}),
        ("RECORD", "records", ["records/record-1.json"], {"records"}),
        ("RECORD", "var/log", ["var/log/syslog"], {"var/log/push-result-exporter"}),
    ],
)  # fmt: skip
def test_advice_for_root_does_no_harm(
    folder: Path, setting: str, name: str, existing: list[str], owned: set[str]
) -> None:
    """The advised command makes the path writable, and gives the exporter nothing else."""
    for path in existing:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).mkdir() if path.endswith("/") else (folder / path).touch(0o644)
    if (folder / "open").exists():
        (folder / "open").chmod(0o777)
    place = folder / name
    command, settings = advice(setting, place)
    assert "-R" not in command
    subprocess.run(command, check=True)
    changed = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.stat().st_uid}
    assert changed == owned
    place = Path(settings.get(setting, place))
    with running_as(UID, UID):
        assert not check(None, place) if setting == "RECORD" else not check(place)


def advice(setting: str, path: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command that an unprivileged exporter advises, and the setting to change."""
    with running_as(UID, UID):
        ((problem, action),) = check(None, path) if setting == "RECORD" else check(path)
    assert problem.startswith(f"{setting} {path} cannot be written: ")
    command, _, rest = re.sub(".*?un as root: ", "", action).partition(". Or set ")
    assert rest == f"{setting} to a path that the exporter can write to."
    command, _, change = command.partition(", and set ")
    name, _, value = change.partition("=")
    return shlex.split(command), {name: value}


def test_file_of_another_program_keeps_its_owner(folder: Path) -> None:
    """No command is advised for a file that is not a ledger."""
    file = folder / "grafana.db"
    file.write_text("a database of Grafana")
    with running_as(UID, UID):
        [failed] = check(file)
    assert failed == FailedCheck(
        f"LEDGER_PATH {file} cannot be written: {file} is a file of another program.",
        "Set LEDGER_PATH to a path that the exporter can write to.",
    )


def test_file_of_the_exporter_that_is_read_only(folder: Path) -> None:
    """The owner of a file needs no root, only the mode."""
    file = folder / "ledger.sqlite3"
    file.touch(0o444)
    os.chown(file, UID, UID)
    with running_as(UID, UID):
        [(_, action)] = check(file)
    assert action.startswith(f"Run: chmod u+rw {file}. Or set LEDGER_PATH")


def test_file_in_the_place_of_a_folder(folder: Path) -> None:
    """A file where a folder should be is to be moved away."""
    file = folder / "file"
    file.touch()
    assert check(folder / "ledger.sqlite3", file) == [
        FailedCheck(
            f"RECORD {file} cannot be written: {file} is a file, not a folder.",
            "Move it away. Or set RECORD to a path that the exporter can write to.",
        )
    ]


def test_read_only_file_system(folder: Path) -> None:
    """A read-only mount is reported as such: no owner or mode would help."""
    with mounted("tmpfs", folder / "mount", "-t", "tmpfs", "-o", "ro") as place:
        ((problem, action),) = check(place / "ledger.sqlite3")
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
    failed = [
        problem
        for problem in check(Path("/srv/push/ledger.sqlite3"))
        if "network" in problem.problem
    ]
    assert bool(failed) == network
    for finding in failed:
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
    """A ledger written in the future shows by how much the clock is behind at least."""
    ledger = folder / "ledger.sqlite3"
    ledger.touch()
    os.utime(ledger, (0, 0))
    (folder / name).touch()
    then = time.time() + ahead
    os.utime(folder / name, (then, then))
    failed = check(ledger)
    assert bool(failed) == found
    for problem, action in failed:
        assert f"the ledger was last written ({ledger})" in problem
        assert "it is at least 10 minutes behind" in problem
        assert "timedatectl" in action


def test_clock_behind_the_installation(folder: Path) -> None:
    """A clock in 1970, as on boards without a battery, is reported."""
    ((problem, _),) = check(folder / "ledger.sqlite3", now=1000.0)
    assert problem.startswith(
        "The clock shows 1970-01-01 00:16 UTC, but the exporter was installed"
    )
