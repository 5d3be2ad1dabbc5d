"""The reporters of deploy/gateways, each with the real library and the vendor's answers."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.exporter import TOKEN, Exporter, MakeSettings, started
from tests.support.libraries import Libraries
from tests.support.senders import RECIPES, openssl
from tests.support.vendors import (
    APNS,
    FCM,
    UMENG_TASKS,
    Vendors,
    device_token,
    expo_token,
    vendors,
)

DEADLINE = 30
"""Seconds for a program to report everything."""


@pytest.fixture
async def receiver(make_settings: MakeSettings) -> AsyncIterator[Exporter]:
    """Run an exporter that has the code table of the reporters."""
    tables = [RECIPES / "codes" / "umeng-receipts.toml"]
    async with started(make_settings(code_table_files=tables)) as exporter:
        yield exporter


@pytest.fixture
async def servers(receiver: Exporter) -> AsyncIterator[Vendors]:
    """Run the vendors' servers."""
    async with vendors(receiver) as running:
        yield running


async def run(libraries: Libraries, servers: Vendors, *command: str) -> str:
    """Run a program that reports to the recorder; return its output."""
    url = f"http://127.0.0.1:{servers.port}"
    addresses = {"EXPORTER_URL": f"{url}/webhooks/results", "EXPO_BASE_URL": url}
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**libraries.environment, **addresses, "EXPORTER_TOKEN": TOKEN},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 0, errors.decode()
    return output.decode()


def reporter(name: str) -> list[Path]:
    """Return the file of a reporter and the one that it imports."""
    return [RECIPES / name, RECIPES / f"post_results{Path(name).suffix}"]


def reported(servers: Vendors) -> list[dict[str, Any]]:
    """Return the results of all requests to the exporter."""
    return [result for body in servers.reported for result in json.loads(body)]


async def codes(exporter: Exporter, channel: str) -> Counter[str]:
    """Scrape the results by code; all must be of one channel."""
    counted = await exporter.counted()
    assert {channel for channel, _, _ in counted} == {channel}
    return Counter({code: int(number) for (_, code, _), number in counted.items()})


@pytest.mark.parametrize("program", ["firebase_node.mjs", "firebase_python.py"])
async def test_firebase(
    program: str, libraries: Libraries, receiver: Exporter, servers: Vendors, tmp_path: Path
) -> None:
    """FCM's own code counts where `error.code` merges causes, and no token is sent."""
    tokens = [device_token(token) for token in FCM]
    files = reporter(f"firebase_results{Path(program).suffix}")
    command = libraries.command(tmp_path, program, files)
    await run(libraries, servers, *command, str(servers.port), *tokens)
    assert await codes(receiver, "fcm") == Counter(answer.code for answer in FCM.values())
    assert not [
        secret for secret in (*tokens, "access-token") if secret in "".join(servers.reported)
    ]


async def test_node_apn(
    libraries: Libraries, receiver: Exporter, servers: Vendors, tmp_path: Path
) -> None:
    """Apple's reason counts wherever the library has it, else the status, else the connection."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    openssl("req", "-x509", *curve, *names, "-keyout", key, "-out", certificate)
    answers = {device_token(token): [answer.status, answer.body] for token, answer in APNS.items()}
    command = libraries.command(tmp_path, "node_apn.mjs", reporter("node_apn_results.mjs"))
    await run(libraries, servers, *command, str(key), str(certificate), json.dumps(answers))
    unconnected = ["2025"]
    expected = Counter([*unconnected, *(answer.code for answer in APNS.values())])
    assert await codes(receiver, "apns") == expected
    assert not [answer for answer in answers if answer in "".join(servers.reported)]


async def test_expo(
    libraries: Libraries, receiver: Exporter, servers: Vendors, tmp_path: Path
) -> None:
    """A push counts by its ticket if that failed, else by its receipt once there is one."""
    tokens = [expo_token(token) for token in ("good", "gone", "large", "late", "odd")]
    command = libraries.command(tmp_path, "expo.mjs", reporter("expo_results.mjs"))
    assert json.loads(await run(libraries, servers, *command, *tokens)) == ["receipt-late"]
    receipts = [
        ("ok", "receipt-good"),
        ("MessageTooBig", "receipt-large"),
        ("error", "receipt-odd"),
    ]
    assert [(result["code"], result.get("id")) for result in reported(servers)] == [
        ("DeviceNotRegistered", None),
        *receipts,
        *receipts,
    ]
    expected = Counter(["DeviceNotRegistered", "MessageTooBig", "error", "ok"])
    assert await codes(receiver, "expo") == expected
    assert "01234567" not in "".join(servers.reported)


async def test_jpush(
    libraries: Libraries, receiver: Exporter, servers: Vendors, tmp_path: Path
) -> None:
    """The devices of a message are counted by status, once however often it is reported."""
    ids = [f"registration-{number}" for number in range(1001)]  # one more than a query may have
    command = libraries.command(tmp_path, "jpush_status.py", reporter("jpush_results.py"))
    await run(libraries, servers, *command, str(servers.port), "18100", *ids)
    statuses = [(result["code"], result["count"]) for result in reported(servers)]
    assert statuses == [(0, 334), (1, 333), (2, 333), (0, 1)] * 2
    assert await codes(receiver, "jpush-receipts") == {"0": 335, "1": 333, "2": 333}
    assert "registration-" not in "".join(servers.reported)


async def test_umeng(
    libraries: Libraries, receiver: Exporter, servers: Vendors, tmp_path: Path
) -> None:
    """The totals of a task are counted, once however often it is reported."""
    command = libraries.command(tmp_path, "umeng_status.py", reporter("umeng_results.py"))
    await run(libraries, servers, *command, str(servers.port), *UMENG_TASKS)
    assert await codes(receiver, "umeng-receipts") == {
        "delivered": 80,
        "opened": 16,
        "accepted": 90,
        "failed": 10,
        "task-without-targets": 1,
    }
