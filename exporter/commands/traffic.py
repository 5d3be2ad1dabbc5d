"""The commands `simulate` and `replay`, and what all traffic has in common: rate and progress."""

import argparse
from collections import Counter
from pathlib import Path

from exporter.commands.output import print_json
from exporter.commands.progress import ProgressLine, bar
from exporter.traffic.sender import Summary
from exporter.traffic.simulator import SCENARIOS


def add_traffic(parser: argparse.ArgumentParser) -> None:
    """Give a command the flags of simulated traffic."""
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="healthy")
    add_rate(parser, "results a second")
    parser.add_argument("--seconds", type=_positive, help="how long; for ever if not given")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Give a command the flag for output as JSON."""
    parser.add_argument(
        "--json", action="store_true", help="print what became of the requests as JSON"
    )


def add_rate(parser: argparse.ArgumentParser, text: str) -> None:
    """Give a command the flag for its rate."""
    parser.add_argument("--rate", type=_positive, default=50.0, help=text)


def add_key(parser: argparse.ArgumentParser) -> None:
    """Give a command the flag for the key that signs as MPS does."""
    parser.add_argument(
        "--private-key", type=Path, metavar="FILE", help="RSA key that signs as MPS does (PEM)"
    )


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


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
