"""The command `simulate`: send signed results as a push gateway does."""

import argparse
from pathlib import Path
from urllib.parse import quote, urlsplit

from exporter.classification.tables import load_tables
from exporter.commands.flags import add_flags
from exporter.commands.gateways import described
from exporter.commands.loop import run
from exporter.commands.numbers import whole_number
from exporter.commands.progress import ProgressLine
from exporter.commands.traffic import add_json, add_key, add_traffic, report, show
from exporter.configuration.groups import AppSettings, TableSettings
from exporter.configuration.settings import Sourced, load_settings
from exporter.errors import Reason
from exporter.traffic.captured import check_url
from exporter.traffic.described import DescribedSigner
from exporter.traffic.outgoing import unsigned
from exporter.traffic.receipts import receipts
from exporter.traffic.sender import send
from exporter.traffic.signers import signers
from exporter.traffic.simulator import GATEWAY, bodies, signed_requests


class SimulateSettings(AppSettings, TableSettings, Sourced):
    """The settings of `simulate`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_traffic(parser)
    parser.add_argument("--url", help="URL of the webhook; default: the gateway's on this host")
    parser.add_argument(
        "--app",
        metavar="NAME",
        help="app of the results: sent as `?app=`, or the app whose secret of --gateway signs",
    )
    parser.add_argument(
        "--gateway",
        type=Path,
        metavar="FILE",
        help="send signed receipts in the format of this description",
    )
    add_flags(parser, SimulateSettings)
    add_key(parser)
    parser.add_argument(
        "--count", type=whole_number, help="number of results, instead of a duration"
    )
    parser.add_argument("--seed", type=int, help="random seed, for reproducible results")
    add_json(parser)
    parser.set_defaults(run=simulate)


def simulate(options: argparse.Namespace) -> int:
    """Send simulated results."""
    settings = load_settings(SimulateSettings, options)
    name, made = GATEWAY, bodies(options.scenario, options.seed)
    signer = signers(private_key=options.private_key).get(GATEWAY, unsigned)
    if options.gateway:
        gateway = described(options.gateway)
        table = load_tables(settings.code_table_files).get(gateway.description.channel or "")
        name, made = gateway.name, receipts(gateway, table, options.seed)
        signer = DescribedSigner(
            gateway.description,
            options.gateway,
            apps=settings.apps,
            app=options.app,
            private_key=options.private_key,
        )
    line = ProgressLine()
    work = send(
        signed_requests(signer, _url(options, name), made),
        rate=options.rate,
        seconds=options.seconds,
        count=options.count,
        progress=lambda summary: show(line, summary, options.seconds, options.count),
    )
    return report(line, run(work), as_json=options.json, advice=_advice(options, name))


def _url(options: argparse.Namespace, gateway: str) -> str:
    url = check_url(options.url or f"http://127.0.0.1:10987/webhooks/{gateway}")
    if options.app is None or options.gateway:
        return url
    return f"{url}{'&' if '?' in url else '?'}app={quote(options.app)}"


def _advice(options: argparse.Namespace, gateway: str) -> dict[str, str]:
    """Return the advice for refusals that flags can prevent, by reason."""
    advice: dict[str, str] = {}
    path = f"/webhooks/{gateway}"
    if options.url and urlsplit(options.url).path != path:
        advice[Reason.NOT_FOUND] = f"use the path {path} in --url"
    if not options.gateway and not options.private_key:
        advice[Reason.MISSING_CREDENTIALS] = "set --private-key"
    return advice
