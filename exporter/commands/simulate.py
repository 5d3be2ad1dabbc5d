"""The command `simulate`."""

import argparse
from pathlib import Path

from exporter.commands.explain import add_tables, tables
from exporter.commands.gateways import described
from exporter.commands.loop import run
from exporter.commands.progress import ProgressLine
from exporter.commands.traffic import add_json, add_key, add_traffic, report, show
from exporter.traffic.captured import check_url
from exporter.traffic.described import DescribedSigner
from exporter.traffic.outgoing import unsigned
from exporter.traffic.receipts import receipts
from exporter.traffic.signers import signers
from exporter.traffic.simulator import GATEWAY, simulate


def add_simulate(parser: argparse.ArgumentParser) -> None:
    """Give `simulate` its flags."""
    add_traffic(parser)
    parser.add_argument("--url", help="the webhook; by default that of the gateway on this host")
    parser.add_argument(
        "--gateway",
        metavar="FILE",
        help="send the receipts that this description reads, signed as it says",
    )
    add_tables(parser)
    add_key(parser)
    parser.add_argument("--count", type=_number, help="how many results, in place of a time")
    parser.add_argument("--seed", type=int, help="send the same results again")
    add_json(parser)


def run_simulate(options: argparse.Namespace) -> int:
    """Send simulated results."""
    name, made = GATEWAY, None
    signer = signers(private_key=options.private_key).get(GATEWAY, unsigned)
    if options.gateway:
        gateway = described(options.gateway)
        channel = gateway.description.channel or ""
        name, made = gateway.name, receipts(gateway, tables(options).get(channel), options.seed)
        signer = DescribedSigner(gateway.description, Path(options.gateway))
    line = ProgressLine()
    work = simulate(
        check_url(options.url or f"http://127.0.0.1:10987/webhooks/{name}"),
        signer,
        scenario=options.scenario,
        rate=options.rate,
        seconds=options.seconds,
        count=options.count,
        seed=options.seed,
        made=made,
        progress=lambda summary: show(line, summary, options.seconds, options.count),
    )
    return report(line, run(work), as_json=options.json)


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
