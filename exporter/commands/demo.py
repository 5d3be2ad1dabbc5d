"""The command `demo`: run an exporter with simulated traffic of two apps."""

import argparse
import asyncio
import contextlib
import json
import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.commands.flags import add_flags
from exporter.commands.gateways import described
from exporter.commands.loop import run
from exporter.commands.progress import ProgressLine
from exporter.commands.traffic import add_traffic, report, show
from exporter.configuration.settings import Settings, load_settings
from exporter.server.logs import configure_logs
from exporter.server.server import running
from exporter.traffic.described import DescribedSigner
from exporter.traffic.mps import ACKNOWLEDGED, signer
from exporter.traffic.outgoing import Signer
from exporter.traffic.receipts import receipts
from exporter.traffic.sender import Progress, Request, Summary, send
from exporter.traffic.simulator import GATEWAY, signed_request
from exporter.traffic.story import APPS, STORY, AppResult, Phase, tell

RECEIPTS, RECEIPTS_OF = "mipush-receipts", "MIUI"
"""The shipped gateway of the receipts, and MPS's word for the channel of their pushes."""

_STORY = "story"


class Folder(NamedTuple):
    """The temporary files of a demo."""

    public_key: Path
    description: Path
    ledger: Path

    @classmethod
    def at(cls, path: Path) -> "Folder":
        """Name the files in a folder."""
        return cls(path / "mps.pem", path / f"{RECEIPTS}.toml", path / "ledger.sqlite3")


class Senders(NamedTuple):
    """Functions that make requests from bodies, one per webhook."""

    result: Callable[[str, bytes], Request]
    """Takes the app and the body."""
    receipt: Callable[[str, bytes], Request]
    """Takes the app and the body."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_traffic(parser, _STORY)
    add_flags(parser, Settings)
    parser.set_defaults(run=run_demo)


def run_demo(options: argparse.Namespace) -> int:
    """Run an exporter and its senders until they are done or a signal arrives."""
    line = ProgressLine()

    def announce(text: str) -> None:
        line.clear()
        print(text, flush=True)

    work = demo(
        lambda folder: _settings(options, folder),
        story=story_of(options.scenario),
        rate=options.rate,
        seconds=options.seconds,
        announce=announce,
        progress=lambda summary: show(line, summary, options.seconds),
    )
    summary = run(work)
    return report(line, summary) if summary else 0


def story_of(scenario: str) -> tuple[Phase, ...]:
    """Return the demo's story, or a scenario as a story of one phase."""
    if scenario == _STORY:
        return STORY
    return (Phase(1, scenario, f"Scenario {scenario} affects the app {{app}}."),)


def _settings(options: argparse.Namespace, folder: Folder) -> Settings:
    settings = load_settings(
        Settings,
        options,
        apps=APPS,
        mps_public_key_files=[folder.public_key],
        ledger_path=folder.ledger,
    )
    configure_logs(settings.log_level, settings.log_format)
    gateways = (*settings.gateway_files, folder.description)  # in addition to the user's
    return settings.model_copy(update={"gateway_files": gateways})


async def demo(
    load: Callable[[Folder], Settings],
    *,
    story: tuple[Phase, ...],
    rate: float,
    seconds: float | None,
    announce: Callable[[str], None],
    progress: Progress,
) -> Summary | None:
    """Run for a number of seconds, or until SIGINT or SIGTERM; then return None."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="push-result-exporter-") as name:
        folder = Folder.at(Path(name))
        sign_result = signer(_make_key(folder.public_key))
        sign_receipts = _describe(folder.description)
        async with running(load(folder)) as exporter:
            _introduce(announce, exporter.admin_url, story)
            gateway = described(folder.description)
            table = exporter.current.snapshot.tables.get(gateway.description.channel or "")
            senders = _senders(f"{exporter.ingest_url}/webhooks", sign_result, sign_receipts)
            start = time.monotonic()
            app_results = tell(story, lambda: time.monotonic() - start, announce)
            requests = requests_of(app_results, receipts(gateway, table), senders)
            sending = send(requests, rate=rate, seconds=seconds, progress=progress)
            return await _unless_stopped(asyncio.create_task(sending), stop)


def _introduce(announce: Callable[[str], None], url: str, story: tuple[Phase, ...]) -> None:
    announce(f"Sending signed results of the apps {' and '.join(APPS)}. Open {url}")
    if story is STORY:
        good, bad, _ = STORY
        announce(
            f"Scenario {_STORY}: in {good.seconds:.0f} s the certificate of {APPS[0]} is refused, "
            f"for {bad.seconds:.0f} s. For another scenario, use --scenario NAME; see --help."
        )
    announce("Press Ctrl-C to end the demo.")


def _make_key(public: Path) -> rsa.RSAPrivateKey:
    """Make a key pair and write the public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return key


def _describe(file: Path) -> dict[str, DescribedSigner]:
    """Write the description of the receipts' gateway, and a secret for each app."""
    named = []
    for app in APPS:
        secret = file.with_suffix(f".{app}")
        secret.write_text(secrets.token_urlsafe(32))
        named.append(f"{app}={secret.name}")
    file.write_text(f'use = "{RECEIPTS}"\n[auth]\nsecrets = {json.dumps(named)}\n')
    description = described(file).description
    return {app: DescribedSigner(description, file, apps=APPS, app=app) for app in APPS}


def _senders(webhooks: str, sign_result: Signer, sign_receipts: Mapping[str, Signer]) -> Senders:
    def result(app: str, body: bytes) -> Request:
        return signed_request(sign_result, f"{webhooks}/{GATEWAY}?app={quote(app)}", body)

    def receipt(app: str, body: bytes) -> Request:
        return signed_request(sign_receipts[app], f"{webhooks}/{RECEIPTS}", body)

    return Senders(result, receipt)


def requests_of(
    app_results: Iterator[AppResult], receipt_bodies: Iterator[bytes], senders: Senders
) -> Iterator[Request]:
    """Yield the results of a story, each accepted push of the channel followed by its receipt."""
    previous: dict[str, object] = {}
    for app, result in app_results:
        yield senders.result(app, result.body)
        is_accepted = (result.kind.channel, result.kind.code) == (RECEIPTS_OF, ACKNOWLEDGED)
        if is_accepted and result is not previous.get(app):  # a duplicate has no receipt
            yield senders.receipt(app, next(receipt_bodies))
        previous[app] = result


async def _unless_stopped(traffic: asyncio.Task[Summary], stop: asyncio.Event) -> Summary | None:
    """Wait for the end of the traffic, or cancel it on a signal."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({traffic, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if traffic.done():
        return traffic.result()
    traffic.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await traffic
    return None
