"""The whole thing at once: an exporter, a key made on the spot, and signed traffic."""

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.commands.sender import Progress, Summary
from exporter.commands.simulator import GATEWAY, simulate
from exporter.gateways.mps import signer
from exporter.server import Ports, running
from exporter.settings import Settings


async def demo(
    load: Callable[[Path, Path], Settings],
    *,
    scenario: str,
    rate: float,
    seconds: float | None,
    ready: Callable[[Ports], None],
    progress: Progress,
) -> Summary | None:
    """Run until `seconds` are over, or SIGINT or SIGTERM (then None).

    `load` makes the settings from the path of a public key and of a ledger, both temporary.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with tempfile.TemporaryDirectory(prefix="push-result-exporter-") as folder:
        public = Path(folder, "public.pem")
        public.write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        settings = load(public, Path(folder, "ledger.sqlite3"))
        async with running(settings) as (_service, ports):
            ready(ports)
            traffic = asyncio.create_task(
                simulate(
                    f"{ports.ingest_url}/webhooks/{GATEWAY}",
                    signer(key),
                    scenario=scenario,
                    rate=rate,
                    seconds=seconds,
                    progress=progress,
                )
            )
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({traffic, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if traffic.done():
                return traffic.result()
            traffic.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await traffic
    return None
