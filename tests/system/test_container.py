"""The image as the Dockerfile builds it, without a docker engine: its process runs and stops."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exporter.configuration.version import VERSION
from tests.support.debian import ROOT, children, run
from tests.support.exporter import KeyPair
from tests.support.programs import (
    answers,
    cpu_seconds,
    fetch,
    free_port,
    mounted,
    program,
    started,
    unavailable,
    wait_for,
)
from tests.support.traffic import Call, Totals, add, exposed, signed_calls

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HOME = "/opt/push-result-exporter"
VOLUME = "/var/lib/push-result-exporter"
UID = 10001
ANY_USER = "1000680000:0"
"""A user as OpenShift chooses them: any uid, group 0."""

REVISION = "0123456789abcdef"

LARGEST = 115_000_000
"""Bytes that we add to the base."""


class Buildah(NamedTuple):
    """Debian's buildah with a store of its own."""

    command: tuple[object, ...]

    def __call__(self, *words: object) -> str:
        """Run one of its commands."""
        return run(*self.command, *words)

    def build(self, tag: str, context: Path, *words: object) -> None:
        """Build an image in the way that needs no engine and no namespaces."""
        self("bud", "--isolation", "chroot", "--format", "docker", "--tag", tag, *words, context)


class Image(NamedTuple):
    """The built image."""

    buildah: Buildah
    config: dict[str, Any]
    root: Path
    container: str
    sizes: dict[str, str]


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    """Give a buildah whose images go with the tests."""
    path = program("buildah", "buildah")
    if os.geteuid():
        unavailable("building an image in a chroot takes root")
    store = tmp_path_factory.mktemp("store")
    command = (path, "--root", store / "root", "--runroot", store / "run")
    buildah = Buildah((*command, "--storage-driver", "vfs"))
    yield buildah
    buildah("rm", "--all")
    shutil.rmtree(store)


@pytest.fixture(scope="module")
def base(buildah: Buildah, debian: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a base image of Debian."""
    context = tmp_path_factory.mktemp("base")
    run("tar", "-C", debian, "--exclude=./dev/*", "-cf", context / "base.tar", ".")
    (context / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
    buildah.build("base", context)
    shutil.rmtree(context)
    return "localhost/base"


@pytest.fixture(scope="module")
def image(buildah: Buildah, base: str, wheels: Path) -> Iterator[Image]:
    """Build the image from the Dockerfile and the lock, without a network."""
    offline = {"BASE": base, "PIP_NO_INDEX": 1, "PIP_FIND_LINKS": "/wheels", "VERSION": VERSION}
    offline["REVISION"] = REVISION
    arguments = [word for name in offline for word in ("--build-arg", f"{name}={offline[name]}")]
    buildah.build("exporter", ROOT, *arguments, "--volume", f"{wheels}:/wheels:ro")
    images = json.loads(buildah("images", "--json"))
    sizes = {image["names"][0].split("/")[1]: image["size"] for image in images}
    config = json.loads(buildah("inspect", "--type", "image", "exporter"))["Docker"]["config"]
    container = buildah("from", "localhost/exporter").strip()
    # buildah gives a declared volume a folder of its own, which now and then hides the one of
    # `--volume`; an engine does not.
    buildah("config", "--volume", f"{VOLUME}-", container)
    yield Image(buildah, config, Path(buildah("mount", container).strip()), container, sizes)
    buildah("umount", container)


def test_image_declares_how_to_run_it(image: Image) -> None:
    """User, ports, volume, signal and commands are those that orchestrators and README expect."""
    config = image.config
    assert config["User"] == f"{UID}:{UID}"
    assert config["Entrypoint"] == [f"{HOME}/bin/push-result-exporter"]
    assert config["Cmd"] == ["serve"]
    assert set(config["ExposedPorts"]) == {"10987/tcp", "10988/tcp"}
    assert set(config["Volumes"]) == {VOLUME}
    assert config["StopSignal"] == "SIGTERM"
    folder = (image.root / VOLUME[1:]).stat()
    assert (folder.st_uid, folder.st_gid, folder.st_mode & 0o7777) == (UID, 0, 0o770)
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items()}
    assert labels["version"] == VERSION
    assert labels["revision"] == REVISION
    assert labels["licenses"] == "Apache-2.0"


def test_image_knows_its_revision(image: Image) -> None:
    """The revision that the image was built with is what `--version` prints."""
    command = [f"{HOME}/bin/push-result-exporter", "--version"]
    out = image.buildah("run", "--isolation", "chroot", image.container, "--", *command)
    assert f"(revision: {REVISION})" in out


def test_stripped_libraries_load(image: Image) -> None:
    """What the exporter imports only for a large window is in the image, and works."""
    command = [f"{HOME}/bin/python", "-c", "import numpy; print(numpy.arange(7).sum())"]
    out = image.buildah("run", "--isolation", "chroot", image.container, "--", *command)
    assert out.strip() == "21"


def test_image_holds_nothing_but_the_exporter(image: Image) -> None:
    """The image has no compiler, no pip, no cache, no source and no test."""
    for name in ("cc", "gcc", "make", "pip", "git"):
        assert not list(image.root.glob(f"usr/bin/{name}")), name
    home = image.root / HOME[1:]
    assert {path.name for path in home.iterdir()} >= {"bin", "lib", "healthcheck.py"}
    names = {path.name for path in home.rglob("*")}
    assert not names & {"pip", "hatchling", "setuptools", "push_result_exporter.egg-info"}
    assert not [*image.root.glob("root/.cache/*"), *image.root.glob("source"), *home.rglob("*.whl")]


def test_image_is_small(image: Image, capsys: pytest.CaptureFixture[str]) -> None:
    """What we add to the base is bounded: packages without debug symbols."""
    ours = sum(
        path.stat().st_size
        for path in (image.root / HOME[1:]).rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    with capsys.disabled():
        sys.stdout.write(f"\nimages: {image.sizes}; ours {ours / 1e6:.1f} MB\n")
    assert ours < LARGEST


def process_of(parent: int) -> int:
    """Find the container's process: the last of a line of only children."""
    while below := children(parent):
        (parent,) = below
    return parent


class Running(NamedTuple):
    """The exporter inside a container, from outside."""

    ingest: str
    admin: str
    process: int
    seconds: float
    """From the start of the container until it was ready."""
    cpu_seconds: float
    """What the exporter's process had used by then: the same on a busy machine."""


@contextmanager
def serving(
    command: list[object], log_file: Path, ports: tuple[int, int], host: str = "127.0.0.1"
) -> Iterator[Running]:
    """Run a container until its exporter is ready; at the end send SIGTERM as an engine does."""
    ingest, admin = (f"http://{host}:{port}" for port in ports)
    began = time.monotonic()
    with started([str(word) for word in command], log_file) as outer:

        def ready() -> bool:
            if outer.poll() is not None:
                pytest.fail(f"the container ended:\n{log_file.read_text()}")
            return answers(f"{admin}/-/ready")

        wait_for(ready, "the exporter is ready")
        seconds = time.monotonic() - began
        process = process_of(outer.pid)
        yield Running(ingest, admin, process, seconds, cpu_seconds(process))
        os.kill(process, signal.SIGTERM)
        assert outer.wait(20) == 0
    assert "stopped" in log_file.read_text()


@contextmanager
def in_container(
    image: Image, volume: Path, key: Path, log_file: Path, *flags: str, host: str = "127.0.0.1"
) -> Iterator[tuple[Running, list[object]]]:
    """Run the image's own command; give also the start of a command in the same container."""
    ports = (free_port(), free_port())
    settings = {
        "INGEST_PORT": ports[0],
        "ADMIN_PORT": ports[1],
        "MPS_PUBLIC_KEY_FILES": "/run/key.pem",
    }
    environment = [f"--env=PUSH_EXPORTER_{name}={value}" for name, value in settings.items()]
    mounts = [f"--volume={volume}:{VOLUME}", f"--volume={key}:/run/key.pem:ro"]
    start = [*image.buildah.command, "run", "--isolation", "chroot", *environment, *flags]
    command = [*start, *mounts, image.container, "--"]
    command += [*image.config["Entrypoint"], *image.config["Cmd"]]
    with serving(command, log_file, ports, host) as running:
        yield running, [*start, image.container, "--"]


@contextmanager
def on_read_only_root(image: Image, volume: Path, key: Path, log_file: Path) -> Iterator[Running]:
    """Run the image's command where nothing but the volume can be written."""
    root = log_file.parent / "root"
    ports = (free_port(), free_port())
    with (
        mounted(image.root, root, "--bind", "-o", "ro"),
        mounted("tmpfs", root / "run", "-t", "tmpfs"),
        mounted(volume, root / VOLUME[1:], "--bind"),
    ):
        assert not os.access(root / "tmp", os.W_OK)
        shutil.copy(key, root / "run" / "key.pem")
        flags = ["--ingest-port", ports[0], "--admin-port", ports[1]]
        flags += ["--mps-public-key-files", "/run/key.pem"]
        command = ["env", "-i", *image.config["Env"]]
        command += ["chroot", f"--userspec={image.config['User']}", root]
        command += [*image.config["Entrypoint"], *image.config["Cmd"], *flags]
        with serving(command, log_file, ports) as running:
            yield running


def deliver(url: str, calls: list[Call]) -> Totals:
    """Send each request once; return the number of results acknowledged as new."""
    accepted = [call for call in calls if json.loads(fetch(url + call.path, call.body))["accepted"]]
    return add(accepted)


def test_container_keeps_its_counts(
    image: Image, tmp_path: Path, keys: KeyPair, capsys: pytest.CaptureFixture[str]
) -> None:
    """Signed callbacks are counted; after SIGTERM the same volume goes on, on a read-only root."""
    volume = tmp_path / "volume"
    volume.mkdir()
    os.chown(volume, UID, UID)
    calls = list(signed_calls(keys, 60))
    log_file = tmp_path / "container.log"
    with in_container(image, volume, keys.public, log_file) as (running, inside):
        status = Path(f"/proc/{running.process}/status").read_text()
        assert f"Uid:\t{UID}\t{UID}\t{UID}\t{UID}" in status
        assert deliver(running.ingest, calls[:40]) == add(calls[:40]) == exposed(running.admin)
        run(*inside, *image.config["Healthcheck"]["Test"][1:])
        with capsys.disabled():
            sys.stdout.write(
                f"\nready after {running.seconds:.2f} s, {running.cpu_seconds:.2f} s of them CPU\n"
            )
    with pytest.raises(AssertionError):
        run(*inside, *image.config["Healthcheck"]["Test"][1:])
    assert (volume / "ledger.sqlite3").stat().st_uid == UID
    with on_read_only_root(image, volume, keys.public, log_file) as running:
        assert exposed(running.admin) == add(calls[:40])
        assert deliver(running.ingest, calls) == add(calls[40:])
        assert exposed(running.admin) == add(calls)


def test_any_user_at_ipv6(image: Image, tmp_path: Path, keys: KeyPair) -> None:
    """A uid that the image does not know, of group 0, counts on a new volume, with IPv6 too."""
    volume = tmp_path / "volume"
    run("cp", "-a", image.root / VOLUME[1:], volume)  # as an engine makes a new volume
    calls = list(signed_calls(keys, 9))
    hosts = [f"--env=PUSH_EXPORTER_{name}_HOST=::" for name in ("INGEST", "ADMIN")]
    log_file = tmp_path / "container.log"
    there = in_container(
        image, volume, keys.public, log_file, f"--user={ANY_USER}", *hosts, host="[::1]"
    )
    with there as (running, inside):
        uid = ANY_USER.partition(":")[0]
        assert f"Uid:\t{uid}" in Path(f"/proc/{running.process}/status").read_text()
        assert deliver(running.ingest, calls) == add(calls) == exposed(running.admin)
        run(*inside, *image.config["Healthcheck"]["Test"][1:])
    assert (volume / "ledger.sqlite3").stat().st_uid == int(uid)
