"""The command `replay`."""

import argparse
from pathlib import Path

from exporter.commands.gateways import add_gateways, described_signers, gateways
from exporter.commands.loop import run
from exporter.commands.progress import ProgressLine
from exporter.commands.traffic import add_json, add_key, add_rate, report, show
from exporter.records.record import read_captured
from exporter.traffic.captured import calls, check_url
from exporter.traffic.sender import send
from exporter.traffic.signers import signers


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
    add_rate(parser, "calls a second")
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
    add_gateways(parser)
    add_json(parser)


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
