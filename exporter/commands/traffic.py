"""Flags, progress and summary of the commands that send requests."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from exporter.commands.numbers import positive_number
from exporter.commands.output import print_json
from exporter.commands.progress import ProgressLine, bar
from exporter.traffic.sender import EXPIRED, NO_TLS, OTHER_HOST, UNTRUSTED, Summary
from exporter.traffic.simulator import SCENARIOS

_ADVICE = {
    EXPIRED: "renew the server's certificate",
    OTHER_HOST: "use a host name of the server's certificate in --url",
    UNTRUSTED: "set the environment variable SSL_CERT_FILE to the file of the server's CA (PEM)",
    NO_TLS: "use http:// in --url, or the port that has TLS",
}
"""The advice for causes of failed requests."""


def add_traffic(parser: argparse.ArgumentParser, *more: str) -> None:
    """Add the flags of simulated traffic; the first of `more`, if any, is the default scenario."""
    scenarios = [*more, *sorted(SCENARIOS)]
    default = more[0] if more else "healthy"
    parser.add_argument(
        "--scenario", choices=scenarios, default=default, help="default: %(default)s"
    )
    add_rate(parser, "results per second")
    parser.add_argument(
        "--seconds", type=positive_number, help="duration (default: until interrupted)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the flag for output as JSON."""
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def add_rate(parser: argparse.ArgumentParser, text: str) -> None:
    """Add the flag for the rate."""
    parser.add_argument(
        "--rate", type=positive_number, default=50.0, help=f"{text} (default: %(default)g)"
    )


def add_key(parser: argparse.ArgumentParser) -> None:
    """Add the flag for the RSA key that signs requests."""
    parser.add_argument(
        "--private-key",
        type=Path,
        metavar="FILE",
        help="RSA key (PEM) that signs requests to MPS's webhook, or to a description with RSA",
    )


def show(
    line: ProgressLine, summary: Summary, seconds: float | None = None, count: int | None = None
) -> None:
    """Show the progress, with a bar if the total is known."""

    def text() -> str:
        shares = [
            done / total
            for done, total in ((summary.seconds, seconds), (summary.sent, count))
            if total
        ]
        return f"{bar(max(shares), 1)} {_text(summary)}" if shares else _text(summary)

    line.show(text)


def report(
    line: ProgressLine,
    summary: Summary,
    *,
    as_json: bool = False,
    advice: Mapping[str, str] | None = None,
) -> int:
    """Print the summary; return 1 if any request was not accepted.

    `advice` is a command's advice for reasons of refusals.
    """
    line.end(_text(summary))
    for text in _explanations(summary, _ADVICE | dict(advice or {})):
        print(text, file=sys.stderr)
    if as_json:
        print_json(summary._asdict() | {"all_accepted": summary.all_accepted})
    return int(not summary.all_accepted)


def _explanations(summary: Summary, advice: Mapping[str, str]) -> Iterator[str]:
    """Yield the detail of the first refusal, and the advice for each cause."""
    if summary.detail:
        yield f"first refusal: {summary.detail}"
    for cause in (*summary.reasons, *summary.failures):
        if cause in advice:
            yield f"{cause}: {advice[cause]}"


def _text(summary: Summary) -> str:
    rate = summary.sent / summary.seconds if summary.seconds else 0
    parts = [
        f"{summary.sent} {'request' if summary.sent == 1 else 'requests'} sent, {rate:.0f}/s",
        f"responses {_counts(summary.responses) or 'none'}",
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
