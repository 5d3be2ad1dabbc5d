"""The whole thing at once: an exporter, secrets made on the spot, signed results and receipts."""

import argparse
import asyncio
import contextlib
import secrets
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.commands.flags import add_flags
from exporter.commands.gateways import described
from exporter.commands.loop import run
from exporter.commands.progress import ProgressLine
from exporter.commands.traffic import add_traffic, report, show
from exporter.configuration.settings import Settings, load_settings
from exporter.server.logs import configure_logs
from exporter.server.server import Ports, running
from exporter.traffic.described import DescribedSigner
from exporter.traffic.mps import ACKNOWLEDGED, signer
from exporter.traffic.receipts import receipts
from exporter.traffic.sender import Call, Progress, Summary, send
from exporter.traffic.simulator import GATEWAY, results, signed_call

RECEIPTS, RECEIPTS_OF = "mipush-receipts", "MIUI"
"""The shipped gateway that sends receipts, and MPS's word for the channel of the pushes."""

Signed = Callable[[bytes], Call]
"""Makes the call of a body, signed, to one webhook."""


async def demo(
    load: Callable[[Path, Path, Path], Settings],
    *,
    scenario: str,
    rate: float,
    seconds: float | None,
    ready: Callable[[Ports], None],
    progress: Progress,
) -> Summary | None:
    """Run until `seconds` are over, or SIGINT or SIGTERM (then None).

    `load` makes the settings from the paths of a public key, of a gateway's description and of a
    ledger, all temporary.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="push-result-exporter-") as name:
        folder = Path(name)
        public, description = folder / "public.pem", folder / f"{RECEIPTS}.toml"
        sign_result, sign_receipt = signer(_make_key(public)), _describe(description)
        settings = load(public, description, folder / "ledger.sqlite3")
        async with running(settings) as (runtime, ports):
            ready(ports)
            gateway = described(description)
            table = runtime.snapshot.tables.get(gateway.description.channel or "")
            webhooks = f"{ports.ingest_url}/webhooks"
            traffic = calls(
                scenario,
                receipts(gateway, table),
                lambda body: signed_call(sign_result, f"{webhooks}/{GATEWAY}", body),
                lambda body: signed_call(sign_receipt, f"{webhooks}/{RECEIPTS}", body),
            )
            sending = send(traffic, rate=rate, seconds=seconds, progress=progress)
            return await _unless_stopped(asyncio.create_task(sending), stop)


def _make_key(public: Path) -> rsa.RSAPrivateKey:
    """Make a key pair and write the public one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return key


def _describe(file: Path) -> DescribedSigner:
    """Write the description of the receipts' gateway, and a secret beside it."""
    secret = file.with_suffix(".secret")
    secret.write_text(secrets.token_urlsafe(32))
    file.write_text(f'use = "{RECEIPTS}"\n[auth]\nsecrets = ["{secret.name}"]\n')
    return DescribedSigner(described(file).description, file)


def calls(
    scenario: str,
    receipt_bodies: Iterator[bytes],
    result_call: Signed,
    receipt_call: Signed,
    seed: int | None = None,
) -> Iterator[Call]:
    """Yield the results of a scenario, and after each accepted push of the channel its receipt."""
    previous = None
    for result in results(scenario, seed):
        yield result_call(result.body)
        is_accepted = (result.kind.channel, result.kind.code) == (RECEIPTS_OF, ACKNOWLEDGED)
        if is_accepted and result is not previous:  # one that is sent twice is one push
            yield receipt_call(next(receipt_bodies))
        previous = result


async def _unless_stopped(traffic: asyncio.Task[Summary], stop: asyncio.Event) -> Summary | None:
    """Wait for the end of the traffic, or end it at a signal."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({traffic, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if traffic.done():
        return traffic.result()
    traffic.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await traffic
    return None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_traffic(parser)
    add_flags(parser, Settings)
    parser.set_defaults(run=run_demo)


def run_demo(options: argparse.Namespace) -> int:
    """Run the demo."""

    def load(key: Path, description: Path, ledger: Path) -> Settings:
        settings = load_settings(Settings, options, mps_public_key_files=[key], ledger_path=ledger)
        configure_logs(settings.log_level, settings.log_format)
        gateways = (*settings.gateway_files, description)  # beside those that somebody tries
        return settings.model_copy(update={"gateway_files": gateways})

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
