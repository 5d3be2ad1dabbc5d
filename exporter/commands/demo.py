"""The whole thing at once: an exporter, a key made on the spot, and signed traffic."""

import argparse
import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.commands.progress import ProgressLine
from exporter.commands.sender import Progress, Summary
from exporter.commands.simulator import GATEWAY, simulate
from exporter.commands.traffic import report, run, show
from exporter.gateways.mps import signer
from exporter.logs import configure_logs
from exporter.server import Ports, running
from exporter.settings import Settings, load_settings


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


def run_demo(options: argparse.Namespace) -> int:
    """Run the demo."""

    def load(key: Path, ledger: Path) -> Settings:
        settings = load_settings(
            options.flags, options, mps_public_key_files=[key], ledger_path=ledger
        )
        configure_logs(settings.log_level, settings.log_format)
        return settings

    def ready(ports: Ports) -> None:
        print(f"Signed results are being sent. Open {ports.admin_url}", flush=True)
        print("Ctrl-C ends the demo.", flush=True)

    line = ProgressLine()
    summary = run(
        demo(
            load,
            scenario=options.scenario,
            rate=options.rate,
            seconds=options.seconds,
            ready=ready,
            progress=lambda summary: show(line, summary, options.seconds),
        )
    )
    return report(line, summary) if summary else 0
