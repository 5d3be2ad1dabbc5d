"""The command `replay`: send captured bodies to an exporter."""

import argparse
from pathlib import Path
from urllib.parse import urlsplit

from exporter.commands.flags import add_flags
from exporter.commands.gateways import described, formats
from exporter.commands.loop import run
from exporter.commands.progress import ProgressLine
from exporter.commands.traffic import add_json, add_key, add_rate, report, show
from exporter.configuration.groups import FormatSettings
from exporter.configuration.settings import Sourced, load_settings
from exporter.errors import Reason
from exporter.records.record import read_captured
from exporter.traffic.captured import check_url, requests_of
from exporter.traffic.described import DescribedSigner
from exporter.traffic.outgoing import Signer
from exporter.traffic.sender import send
from exporter.traffic.signers import signers


class ReplaySettings(FormatSettings, Sourced):
    """The settings of `replay`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "file",
        metavar="FILE|DIR",
        help="bodies or records, one per line; - for standard input; or a folder, one per file",
    )
    parser.add_argument(
        "--url",
        default="http://127.0.0.1:10987",
        help="the exporter; with a path, the webhook for all bodies (default: %(default)s)",
    )
    add_rate(parser, "requests per second")
    add_key(parser)
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="bearer token for /webhooks/results"
    )
    parser.add_argument(
        "--secret-file",
        type=Path,
        metavar="FILE",
        help="Standard Webhooks secret that signs for /webhooks/results",
    )
    add_flags(parser, ReplaySettings)
    add_json(parser)
    parser.set_defaults(run=replay)


def replay(options: argparse.Namespace) -> int:
    """Send captured bodies, signed again."""
    settings = load_settings(ReplaySettings, options)
    known = signers(
        private_key=options.private_key, token=options.token_file, secret=options.secret_file
    )
    known = {**known, **_described_signers(settings, options.private_key)}
    captured = read_captured(options.file)
    requests = requests_of(captured, check_url(options.url), formats(settings), known)
    line = ProgressLine()
    work = send(requests, rate=options.rate, progress=lambda summary: show(line, summary))
    advice = _advice(options.url, signed=bool(known))
    return report(line, run(work), as_json=options.json, advice=advice)


def _advice(url: str, *, signed: bool) -> dict[str, str]:
    """Return the advice for refusals that flags can prevent, by reason."""
    advice: dict[str, str] = {}
    if urlsplit(url).path not in ("", "/"):
        advice[Reason.NOT_FOUND] = "use a webhook's path in --url, or none to detect the webhook"
    if not signed:
        flags = "--private-key, --token-file, --secret-file or --gateway-files"
        advice[Reason.MISSING_CREDENTIALS] = f"set {flags}"
    return advice


def _described_signers(settings: ReplaySettings, private_key: Path | None) -> dict[str, Signer]:
    """Return a signer for each description that names credentials, by the gateway's name."""
    gateways = [(file, described(file)) for file in settings.gateway_files]
    return {
        gateway.name: DescribedSigner(
            gateway.description, file, apps=settings.apps, private_key=private_key
        )
        for file, gateway in gateways
        if gateway.description.auth and gateway.description.auth.files
    }
