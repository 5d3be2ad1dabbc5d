"""Files that change under a running exporter: each change is noticed, and loaded as a whole."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from exporter.configuration.settings import Settings, load_settings
from exporter.errors import ConfigurationError
from exporter.runtime.snapshot import load_snapshot
from exporter.runtime.watch import watching
from tests.support.certificates import make_certificate
from tests.support.programs import until

DESCRIPTION = '[auth]\nscheme = "bearer"\nsecrets = ["{secret}"]\n[fields]\ncode = "code"\n'


class Current:
    """The current snapshot, and how often it was to be replaced."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.snapshot = load_snapshot(settings)
        self.reloads = 0
        self.failures = 0

    def reload(self) -> None:
        """Replace the snapshot, or keep it if a file is bad."""
        self.reloads += 1
        try:
            self.snapshot = load_snapshot(self.settings)
        except ConfigurationError:
            self.failures += 1
            raise


@asynccontextmanager
async def watched(settings: Settings) -> AsyncIterator[Current]:
    """Watch the files of settings inside the block, many times a second."""
    current = Current(settings)
    async with watching(current, interval=0.01, settle=0.01):
        await asyncio.sleep(0.05)
        yield current


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """Give a file of tokens that is a minute old."""
    file = tmp_path / "token"
    file.write_text("first-token")
    os.utime(file, (0, 0))
    return file


def _in_place(file: Path) -> None:
    file.write_text("other-token")


def _same_size_and_time(file: Path) -> None:
    before = file.stat()
    file.write_text("fiRst-token")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _renamed(file: Path) -> None:
    new = file.with_name(".token.swp")
    new.write_text("other-token")
    new.rename(file)


def _removed_and_written(file: Path) -> None:
    file.unlink()
    file.write_text("other-token")


@pytest.mark.parametrize("change", [_in_place, _same_size_and_time, _renamed, _removed_and_written])
async def test_changed_content_is_loaded(token: Path, change: Callable[[Path], None]) -> None:
    """However a file gets its new content, it is loaded, and once."""
    async with watched(load_settings(results_token_files=[token])) as current:
        before = current.snapshot
        change(token)
        await until(lambda: current.snapshot is not before)
        await asyncio.sleep(0.1)
    assert (current.reloads, current.failures) == (1, 0)


async def test_link_of_a_secret_is_followed(tmp_path: Path) -> None:
    """Kubernetes replaces a Secret by pointing `..data` to another folder."""
    for name, content in (("..1", "first-token"), ("..2", "other-token")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(content)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "token").symlink_to("..data/token")
    async with watched(load_settings(results_token_files=[tmp_path / "token"])) as current:
        before = current.snapshot
        (tmp_path / "..new").symlink_to("..2")
        (tmp_path / "..new").rename(tmp_path / "..data")
        shutil.rmtree(tmp_path / "..1")
        await until(lambda: current.snapshot is not before)
    assert current.reloads == 1


async def test_touched_file_is_not_loaded(token: Path) -> None:
    """A new modification time, or the same content in a new file, is not a change."""
    async with watched(load_settings(results_token_files=[token])) as current:
        os.utime(token)
        copy = token.with_name("copy")
        shutil.copy(token, copy)
        copy.rename(token)
        await asyncio.sleep(0.2)
    assert current.reloads == 0


async def test_broken_file_changes_nothing_and_is_tried_once(token: Path) -> None:
    """The old snapshot stays until the file is good again; the bad one is not tried repeatedly."""
    async with watched(load_settings(results_token_files=[token])) as current:
        before = current.snapshot
        token.write_text("# nothing but a comment\n")
        await until(lambda: current.failures)
        await asyncio.sleep(0.2)
        assert (current.reloads, current.snapshot) == (1, before)
        token.unlink()
        await until(lambda: current.failures == 2)
        token.write_text("first-token")
        await until(lambda: current.snapshot is not before)
        assert (current.reloads, current.failures) == (3, 2)


async def test_file_named_by_a_failed_reload_is_watched(tmp_path: Path) -> None:
    """A description may name a new secret before that is there."""
    description = tmp_path / "acme.toml"
    (tmp_path / "old").write_text("old-secret")
    description.write_text(DESCRIPTION.format(secret="old"))
    async with watched(load_settings(gateway_files=[description])) as current:
        before = current.snapshot
        description.write_text(DESCRIPTION.format(secret="new"))
        await until(lambda: current.failures)
        (tmp_path / "new").write_text("new-secret")
        await until(lambda: current.snapshot is not before)
        (tmp_path / "old").unlink()
        await asyncio.sleep(0.1)
    assert (current.reloads, current.failures) == (2, 1)


async def test_certificate_and_key_are_loaded_together(tmp_path: Path) -> None:
    """A certificate that is replaced shortly before its key causes no failed reload."""
    pair, renewed = (make_certificate(tmp_path, name) for name in ("old", "new"))
    settings = load_settings(tls_cert_file=pair.chain, tls_key_file=pair.key, allow_unsigned=True)
    current = Current(settings)
    async with watching(current, interval=0.05, settle=0.5):
        await asyncio.sleep(0.1)
        renewed.chain.rename(pair.chain)
        await asyncio.sleep(0.2)
        renewed.key.rename(pair.key)
        await until(lambda: current.reloads)
    assert current.failures == 0


async def test_files_of_every_kind_are_watched(tmp_path: Path) -> None:
    """All files that a reload reads are watched, except the shipped ones."""
    pair = make_certificate(tmp_path, "pair")
    secret, description, table = (tmp_path / name for name in ("secret", "vivo.toml", "t.toml"))
    secret.write_text("a-secret")
    description.write_text('use = "vivo-receipts"\n[auth]\nsecrets = ["secret"]\n')
    table.write_text('channel = "acme"\n[codes]\n')
    settings = load_settings(
        gateway_files=[description],
        code_table_files=[table],
        admin_tls_cert_file=pair.chain,
        admin_tls_key_file=pair.key,
        admin_tls_client_ca_file=pair.chain,
    )
    assert load_snapshot(settings).files.keys() == {
        secret, description, table, pair.chain, pair.key,
    }  # fmt: skip


async def test_file_that_keeps_changing_is_loaded(token: Path) -> None:
    """A file that never settles is loaded after a bounded time."""
    async with watched(load_settings(results_token_files=[token])) as current:
        for number in range(400):
            if current.reloads:
                break
            token.write_text(f"token-{number}")
            await asyncio.sleep(0.005)
        assert current.reloads


@pytest.mark.parametrize("seconds_after_the_change", [0, 0.1], ids=["at once", "while it settles"])
async def test_manual_reload_is_not_repeated(token: Path, seconds_after_the_change: float) -> None:
    """Files that an operator has reloaded are not reloaded again."""
    current = Current(load_settings(results_token_files=[token]))
    async with watching(current, interval=0.01, settle=0.3):
        await asyncio.sleep(0.05)
        token.write_text("other-token")
        await asyncio.sleep(seconds_after_the_change)
        current.reload()
        await asyncio.sleep(0.7)
    assert current.reloads == 1


async def test_watching_survives_an_unexpected_error(token: Path) -> None:
    """An error of the exporter itself is logged with its traceback, and watching goes on."""
    current = Current(load_settings(results_token_files=[token]))
    reload = current.reload

    def fail() -> None:
        current.reload = reload  # type: ignore[method-assign]
        raise ZeroDivisionError

    current.reload = fail  # type: ignore[method-assign]
    with structlog.testing.capture_logs() as logs:
        async with watching(current, interval=0.01, settle=0.01):
            token.write_text("other-token")
            await until(lambda: current.reload == reload)
            token.write_text("third-token")
            await until(lambda: current.reloads)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["reload failed"]
