"""Senders' commonest HTTP clients, set as the manual says: each result counts once."""

import json
import subprocess
from collections import Counter
from itertools import count, cycle
from pathlib import Path

import pytest

from tests.support.exporter import TOKEN
from tests.support.libraries import Libraries
from tests.support.programs import Settings, exporter_process, program, wait_for
from tests.support.proxy import Cut, proxy_to
from tests.support.senders import RECIPES
from tests.support.traffic import exposed

CLIENTS = {
    "client_requests.py": "2001",
    "client_httpx.py": "2002",
    "client_aiohttp.py": "2009",
    "client_fetch.mjs": "2010",
    "client_axios.mjs": "2011",
    "client_curl.sh": "2018",
}
"""Programs, each with the code of its results."""

CALLS = 10
"""Requests of each client, every other one through a proxy that loses responses."""


def lost_responses(every: int) -> Cut:
    """Make a cut that loses one of so many responses to accepted requests."""
    numbers = count(1)
    return lambda data, from_server: from_server and b" 200 " in data and not next(numbers) % every


def start(
    libraries: Libraries, folder: Path, name: str, ports: tuple[int, int]
) -> subprocess.Popen[bytes]:
    """Start a client that sends each request with a new `webhook-id`."""
    body = json.dumps([{"channel": "apns", "code": CLIENTS[name]}])
    urls = cycle(f"http://127.0.0.1:{port}/webhooks/results" for port in ports)
    calls = [f"{name}-{number}={url}" for number, url in zip(range(CALLS), urls, strict=False)]
    command = libraries.command(folder, name, [RECIPES / "post_results.mjs"])
    return subprocess.Popen([*command, f"Bearer {TOKEN}", body, *calls], env=libraries.environment)


@pytest.mark.slow
def test_each_result_counts_once(libraries: Libraries, tmp_path: Path, settings: Settings) -> None:
    """Requests of which responses are lost, over a restart, are counted, each of them once."""
    program("curl", "curl")
    port = int(str(settings["ingest_port"]))
    with proxy_to(port) as proxy:
        proxy.cut = lost_responses(every=5)
        with exporter_process(tmp_path, **settings) as exporter:
            clients = [start(libraries, tmp_path, name, (port, proxy.port)) for name in CLIENTS]
            wait_for(lambda: len(exposed(exporter.admin)) == len(CLIENTS), "every client has begun")
            assert any(client.poll() is None for client in clients)
        with exporter_process(tmp_path, **settings) as exporter:
            statuses = {
                name: client.wait(60) for name, client in zip(CLIENTS, clients, strict=True)
            }
            assert statuses == dict.fromkeys(CLIENTS, 0)
            assert exposed(exporter.admin) == Counter(
                {("apns", code): CALLS for code in CLIENTS.values()}
            )
    assert proxy.cuts
