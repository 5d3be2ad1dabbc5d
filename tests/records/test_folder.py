"""What a running exporter keeps of rejected calls, and that this never costs it an answer."""

import asyncio
import threading
import time
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from exporter.gateways.gateway import ReceivedRequest
from exporter.records.folder import Folder
from exporter.records.record import Record
from exporter.records.redactor import MAX_WAITING, PAUSE_SECONDS, Redactor
from tests.support.exporter import Exporter, KeyPair, MakeSettings, started, url_sign

BAD = b'{"targetId": "abc", "statusDesc": "bad"}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Name a folder that does not exist yet."""
    return tmp_path / "deep" / "records"


def records(folder: Path) -> list[Record]:
    """Read the records of a folder, the oldest first."""
    return [msgspec.json.decode(one.read_bytes(), type=Record) for one in sorted(folder.iterdir())]


async def signed(exporter: Exporter, keys: KeyPair, body: bytes, query: str = "") -> int:
    """Post a signed callback; return the status."""
    path = f"/webhooks/mps?sign={url_sign(keys.sign(body))}{query}"
    return (await exporter.post(path, body))[0]


async def outcomes(exporter: Exporter) -> dict[str, float]:
    """Scrape what became of the records."""
    samples = await exporter.series("push_exporter_records_total")
    return {labels[0]: value for labels, value in samples.items() if value}


def size_on_disk(folder: Path) -> int:
    """Add up the blocks that the files of a folder take."""
    return sum(-(-one.stat().st_size // 4096) * 4096 for one in folder.iterdir())


async def test_rejected_calls_are_kept_and_others_are_not(
    make_settings: MakeSettings, keys: KeyPair, folder: Path
) -> None:
    """Authenticated calls that are malformed or have a rejected item are kept, redacted."""
    async with started(make_settings(record=folder)) as exporter:
        assert await signed(exporter, keys, b'{"statusCode": "2"}') == 200
        assert await signed(exporter, keys, b'{"statusCode": "4242"}') == 200
        assert await signed(exporter, keys, BAD, "&channel=IOS&channel=HMS") == 400
        assert await signed(exporter, keys, b'{"statusCode"') == 400
        status, _ = await exporter.results(b'[{"code": 2}, {"code": true, "token": "xyz"}]')
        assert status == 200
        for kind in ("application/x-ndjson; a=b", "application/x-www-form-urlencoded"):
            status, _ = await exporter.results(b"x\n", content_type=kind)
            assert status == 400
    kept = records(folder)
    assert [(one.source, one.reason) for one in kept] == [
        ("mps", "code_missing"),
        ("mps", "malformed_body"),
        ("results", "code_invalid"),
        ("results", "malformed_json"),
        ("results", "malformed_body"),
    ]
    assert kept[0].body == '{"targetId":"…","statusDesc":"bad"}'
    assert (kept[0].query, kept[0].channel) == (["sign", "channel"], "IOS")
    assert kept[2].body == '[{"code":2},{"code":true,"token":"…"}]'
    assert [one.content_type for one in kept[3:]] == [
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
    ]
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("wanted", [False, True])
async def test_unsigned_and_forged_calls_are_kept_only_if_asked(
    make_settings: MakeSettings, unknown_key: KeyPair, folder: Path, *, wanted: bool
) -> None:
    """Calls that prove nothing are kept with RECORD_UNAUTHENTICATED alone."""
    settings = make_settings(record=folder, record_unauthenticated=wanted)
    async with started(settings) as exporter:
        assert await signed(exporter, unknown_key, BAD) == 401
        assert (await exporter.post("/webhooks/results", BAD))[0] == 401
    assert folder.exists() == wanted
    if wanted:
        assert [one.reason for one in records(folder)] == ["bad_signature", "missing_credentials"]


async def test_unauthenticated_requests_are_not_recorded_by_default(
    make_settings: MakeSettings, folder: Path
) -> None:
    """ALLOW_UNSIGNED accepts calls, but does not make them authenticated."""
    settings = make_settings(mps_public_key_files=[], allow_unsigned=True, record=folder)
    async with started(settings) as exporter:
        assert (await exporter.post("/webhooks/mps", BAD))[0] == 400
    assert not folder.exists()


async def test_nothing_is_kept_by_default(exporter: Exporter, tmp_path: Path) -> None:
    """Without RECORD a rejection leaves no file and no thread."""
    before = {*tmp_path.rglob("*")}
    assert (await exporter.results(b"nonsense"))[0] == 400
    assert {*tmp_path.rglob("*")} == before
    assert await outcomes(exporter) == {}


async def test_the_oldest_go_and_strangers_stay(make_settings: MakeSettings, folder: Path) -> None:
    """The folder keeps to its size over restarts; the newest records stay, and others' files."""
    folder.mkdir(parents=True)
    notes = folder / "notes.txt"
    notes.write_text("mine")
    unfinished = folder / ".record-x"
    unfinished.write_text("cut off")
    for run in range(2):
        async with started(make_settings(record=folder, record_max_bytes=3 * 4096)) as exporter:
            for number in range(4):
                await exporter.results(b'{"x": %d}' % (10 * run + number))
    assert (notes.read_text(), unfinished.exists()) == ("mine", False)
    notes.unlink()
    assert [one.body for one in records(folder)] == ['{"x":11}', '{"x":12}', '{"x":13}']
    assert size_on_disk(folder) <= 3 * 4096


class Kept:
    """A folder behind a redactor, and what became of the requests."""

    def __init__(self, path: Path, max_bytes: int = 10**6) -> None:
        self.outcomes: list[str] = []
        self._folder = Folder(path, max_bytes)
        self._redactor = Redactor(self._write)
        self.settled = threading.Event()

    def keep(self, body: bytes) -> None:
        """Hand over a rejected request."""
        self.settled.clear()
        request = ReceivedRequest(body, {"Content-Type": "application/json"})
        self._redactor.submit("results", "code_missing", request)

    def close(self) -> None:
        """Finish all records."""
        self._redactor.close()

    def _write(self, record: Record | None) -> None:
        self.outcomes.append(self._folder.write(record) if record else "dropped")
        self.settled.set()


def test_a_request_larger_than_the_folder_is_dropped(folder: Path) -> None:
    """A body that the folder cannot hold pushes nothing out."""
    kept = Kept(folder, 4096)
    kept.keep(b'{"x": 1}')
    kept.keep(b'{"x": "%b"}' % (b"word " * 1000))
    kept.close()
    assert kept.outcomes == ["written", "dropped"]
    assert [one.body for one in records(folder)] == ['{"x":1}']


def test_a_flood_is_not_recorded_request_by_request(folder: Path) -> None:
    """Of a flood a few requests a second are kept, so that good ones are not kept waiting."""
    kept = Kept(folder)
    begun = time.monotonic()
    for _ in range(4 * MAX_WAITING):
        kept.keep(b'{"x": 1}')
    kept.close()
    most = MAX_WAITING + 1 + (time.monotonic() - begun) / PAUSE_SECONDS
    assert MAX_WAITING <= kept.outcomes.count("written") <= most
    assert len(kept.outcomes) == 4 * MAX_WAITING


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """Give a path at which no folder can be made, for root neither."""
    path = tmp_path / "file"
    path.write_text("")
    return path / "records"


async def test_an_unwritable_folder_is_logged_once_and_breaks_nothing(
    make_settings: MakeSettings, unwritable: Path
) -> None:
    """Requests are answered as ever; each failure counts and the first is a line in the log."""
    with capture_logs() as logs:
        async with started(make_settings(record=unwritable)) as exporter:
            statuses = [(await exporter.results(b'{"x": 1}'))[0] for _ in range(5)]
            async with asyncio.timeout(5):
                while await outcomes(exporter) != {"failed": 5}:  # noqa: ASYNC110 - as a scraper
                    await asyncio.sleep(0.05)
    assert statuses == [400] * 5
    failures = [one for one in logs if one["event"] == "rejected requests cannot be recorded"]
    assert [one["problem"] for one in failures] == ["Not a directory"]


def test_a_folder_that_can_be_written_again_is_used(folder: Path) -> None:
    """A failure in the middle leaves no half file, and the next request is recorded."""
    kept = Kept(folder)
    kept.keep(b'{"x": 1}')
    assert kept.settled.wait(5)
    moved = folder.rename(folder.with_name("moved"))
    kept.keep(b'{"x": 2}')
    assert kept.settled.wait(5)
    moved.rename(folder)
    kept.keep(b'{"x": 3}')
    kept.close()
    assert kept.outcomes == ["written", "failed", "written"]
    assert [one.body for one in records(folder)] == ['{"x":1}', '{"x":3}']


def test_a_slow_disk_drops_records_and_delays_nobody() -> None:
    """While the disk hangs, nothing waits for it; past the bound nothing more is recorded."""
    outcomes: list[str] = []
    disk = threading.Event()  # no disk hangs on demand

    def write(record: Record | None) -> None:
        if record:
            disk.wait()
        outcomes.append("written" if record else "dropped")

    redactor = Redactor(write)
    request = ReceivedRequest(b'{"x": 1}')
    for _ in range(MAX_WAITING + 3):
        redactor.submit("results", "code_missing", request)
    assert outcomes == ["dropped"] * 3
    disk.set()
    redactor.close()
    assert outcomes == ["dropped"] * 3 + ["written"] * MAX_WAITING
