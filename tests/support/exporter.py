"""A running exporter and a client of it; keys, tokens and signatures as senders have them."""

import asyncio
import base64
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.configuration.settings import Settings
from exporter.server.server import Running, running
from exporter.webhooks.limits import Limits


class KeyPair(NamedTuple):
    """The files of an RSA key made by openssl."""

    private: Path
    public: Path

    def sign(self, body: bytes) -> bytes:
        """Sign with the openssl program, as a gateway that shares no code with us would."""
        return subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", str(self.private)],
            input=body,
            capture_output=True,
            check=True,
        ).stdout


def url_sign(signature: bytes) -> str:
    """Encode a signature as MPS does: `-` for `+`, `_` for `/`."""
    return quote(base64.b64encode(signature).decode().replace("+", "-").replace("/", "_"))


def make_key_pair(folder: Path, name: str) -> KeyPair:
    """Make an RSA key pair with openssl."""
    if not shutil.which("openssl"):
        pytest.fail("these tests sign with the openssl program: install it")
    pair = KeyPair(folder / f"{name}.pem", folder / f"{name}.pub.pem")
    generate = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
    subprocess.run([*generate, "-out", str(pair.private)], check=True, capture_output=True)
    extract = ["openssl", "pkey", "-in", str(pair.private), "-pubout", "-out", str(pair.public)]
    subprocess.run(extract, check=True, capture_output=True)
    return pair


TOKEN = "correct-horse-battery-staple"
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ....").decode()


def webhook_headers(body: bytes, at: float, webhook_id: str = "msg_1") -> dict[str, str]:
    """Sign a request with openssl according to Standard Webhooks."""
    signed = f"{webhook_id}.{int(at)}.".encode() + body
    key = base64.b64decode(SECRET.removeprefix("whsec_")).hex()
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key}", "-binary"]
    mac = subprocess.run(command, input=signed, capture_output=True, check=True).stdout
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


MakeSettings = Callable[..., Settings]


class Exporter:
    """A running exporter and a client of it."""

    def __init__(self, running: Running, client: aiohttp.ClientSession) -> None:
        self.current, self.hub, self.service = running
        self.ingest = running.ingest_url
        self.admin = running.admin_url
        self.client = client

    async def post(
        self, path: str, body: bytes, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Post a body; return the status and the answer."""
        async with self.client.post(self.ingest + path, data=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def results(self, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
        """Post a body to the generic webhook with the token."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.post(
            "/webhooks/results", body, {"Authorization": f"Bearer {TOKEN}"} | given
        )

    async def connect(
        self, url: str | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a bare connection to the public listener, or to that of a URL."""
        port = int((url or self.ingest).rpartition(":")[2])
        return await asyncio.open_connection("127.0.0.1", port)

    async def exchange(self, sent: bytes, url: str | None = None) -> bytes:
        """Send bytes; return all that comes back until the exporter closes the connection."""
        reader, writer = await self.connect(url)
        try:
            writer.write(sent)
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()

    async def samples(self, *names: str) -> dict[str, dict[tuple[str, ...], float]]:
        """Scrape; return the value of each sample by its label values in alphabetical order.

        Of all metrics, or of those named, which takes a tenth of the time.
        """
        query = [("name[]", name) for name in names]
        async with self.client.get(self.admin + "/metrics", params=query) as answer:
            text = await answer.text()
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = tuple(value for _, value in sorted(sample.labels.items()))
                found.setdefault(sample.name, {})[labels] = sample.value
        return found

    async def series(self, name: str) -> dict[tuple[str, ...], float]:
        """Scrape one metric."""
        return (await self.samples(name))[name]

    @property
    def in_flight(self) -> int:
        """The requests that have no response yet."""
        [metric] = self.hub.metrics.webhooks.in_flight.collect()
        return int(metric.samples[0].value)

    async def counted(self) -> dict[tuple[str, ...], float]:
        """Scrape; return the results that are not 0 by channel, code and severity."""
        results = await self.series("push_results_total")
        return {labels: value for labels, value in results.items() if value}


@asynccontextmanager
async def started(settings: Settings, limits: Limits | None = None) -> AsyncIterator[Exporter]:
    """Run an exporter inside the block."""
    async with running(settings, limits) as exporter, aiohttp.ClientSession() as client:
        yield Exporter(exporter, client)
