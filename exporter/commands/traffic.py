"""The commands `simulate` and `replay`, and what all traffic has in common: rate and progress."""

import argparse
import asyncio
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from exporter.commands.explain import add_tables, tables
from exporter.commands.gateways import add_gateways, described, described_signers, gateways
from exporter.commands.output import print_json
from exporter.commands.progress import ProgressLine, bar
from exporter.records.record import read_captured
from exporter.traffic.captured import calls, check_url
from exporter.traffic.described import DescribedSigner
from exporter.traffic.outgoing import unsigned
from exporter.traffic.receipts import receipts
from exporter.traffic.sender import Summary, send
from exporter.traffic.signers import signers
from exporter.traffic.simulator import GATEWAY, SCENARIOS, simulate

Result = TypeVar("Result")


def add_traffic(parser: argparse.ArgumentParser) -> None:
    """Give a command the flags of simulated traffic."""
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="healthy")
    _add_rate(parser, "results a second")
    parser.add_argument("--seconds", type=_positive, help="how long; for ever if not given")


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
    _add_key(parser)
    parser.add_argument("--count", type=_number, help="how many results, in place of a time")
    parser.add_argument("--seed", type=int, help="send the same results again")
    _add_json(parser)


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Give `replay` its flags."""
    parser.add_argument(
        "file",
        metavar="FILE|DIR",
        help="bodies or records, one a line; - for standard input; or a folder, one a file",
    )
    parser.add_argument(
        "--url",
        default="http://127.0.0.1:10987",
        help="the exporter; with a path, the webhook that gets everything",
    )
    _add_rate(parser, "calls a second")
    _add_key(parser)
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="bearer token for /webhooks/results"
    )
    parser.add_argument(
        "--secret-file",
        type=Path,
        metavar="FILE",
        help="Standard Webhooks secret that signs for /webhooks/results",
    )
    add_gateways(parser)
    _add_json(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print what became of the requests as JSON"
    )


def _add_rate(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--rate", type=_positive, default=50.0, help=text)


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--private-key", type=Path, metavar="FILE", help="RSA key that signs as MPS does (PEM)"
    )


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


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


def run_replay(options: argparse.Namespace) -> int:
    """Send captured bodies."""
    known = signers(
        private_key=options.private_key, token=options.token_file, secret=options.secret_file
    )
    captured = read_captured(options.file)
    known = {**known, **described_signers(options)}
    sending = calls(captured, check_url(options.url), gateways(options), known)
    line = ProgressLine()
    work = send(sending, rate=options.rate, progress=lambda summary: show(line, summary))
    return report(line, run(work), as_json=options.json)


def show(
    line: ProgressLine, summary: Summary, seconds: float | None = None, count: int | None = None
) -> None:
    """Say what has been sent so far, with a bar where it is known how much there is to send."""

    def text() -> str:
        shares = [
            done / total
            for done, total in ((summary.seconds, seconds), (summary.sent, count))
            if total
        ]
        return f"{bar(max(shares), 1)} {_sum(summary)}" if shares else _sum(summary)

    line.show(text)


def report(line: ProgressLine, summary: Summary, *, as_json: bool = False) -> int:
    """Say what became of all requests; 1 if anything was not accepted."""
    line.end(_sum(summary))
    if as_json:
        print_json(summary._asdict() | {"all_accepted": summary.all_accepted})
    return int(not summary.all_accepted)


def _sum(summary: Summary) -> str:
    rate = summary.sent / summary.seconds if summary.seconds else 0
    parts = [
        f"{summary.sent} {'call' if summary.sent == 1 else 'calls'} sent, {rate:.0f}/s",
        f"answers {_counts(summary.answers) or 'none'}",
    ]
    if summary.results:
        parts.append(f"results {_counts(summary.results)}")
    if summary.reasons:
        parts.append(f"refused for {_counts(summary.reasons)}")
    if summary.failures:
        parts.append(f"failed with {_counts(summary.failures)}")
    return "; ".join(parts)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name}: {number}" for name, number in sorted(counter.items()))


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run the event loop until the work is done."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
