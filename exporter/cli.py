"""The command line: parse, load, run; what is computed is computed elsewhere."""

import argparse
import asyncio
import csv
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from pydantic import TypeAdapter

from exporter.classifier import Classifier
from exporter.code_tables import Tables, load_tables
from exporter.configuration import load_configuration
from exporter.demo import demo
from exporter.errors import ConfigurationError, Refusal
from exporter.explain import explain_code, explain_payload
from exporter.logs import configure_logs
from exporter.server import Ports, serve
from exporter.service import VERSION
from exporter.settings import ENV_PREFIX, Settings, add_flags, load_settings, split_list
from exporter.simulator import SCENARIOS, Summary, load_private_key, simulate
from exporter.status import code_rows

EXIT_FAILURE = 1
EXIT_USAGE = 2

Result = TypeVar("Result")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 1 for a failure, 2 for bad usage."""
    try:
        options = _parser().parse_args(arguments)
        status = int(options.run(options))
        sys.stdout.flush()  # here, where a reader that has gone is expected
    except ConfigurationError as error:
        print(f"push-result-exporter: {error}", file=sys.stderr)
        return EXIT_USAGE
    except Refusal as refusal:
        print(f"push-result-exporter: {refusal.reason}: {refusal.detail}", file=sys.stderr)
        return EXIT_FAILURE
    except BrokenPipeError:  # the reader, `head` for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="push-result-exporter",
        description="Counts the results of mobile push notifications for Prometheus.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[..., int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.set_defaults(run=run)
        return added

    serving = command("serve", _serve, "Run the exporter.")
    serving.set_defaults(flags=add_flags(serving))
    checking = command("check-config", _check_config, "Check settings, keys and code tables.")
    checking.set_defaults(flags=add_flags(checking))
    _add_codes(command("codes", _codes, "Print the code tables."))
    _add_explain(command("explain", _explain, "Say what a code or a payload means."))
    _add_simulate(command("simulate", _simulate, "Send signed results as a push gateway does."))
    showing = command("demo", _demo, "Run the exporter with simulated, signed traffic.")
    _add_traffic(showing)
    showing.set_defaults(flags=add_flags(showing))
    return parser


def _serve(options: argparse.Namespace) -> int:
    settings = load_settings(options.flags, options)
    configure_logs(settings.log_level, settings.log_format)
    gc.freeze()  # what is loaded by now stays: the collector need not look at it again
    gc.set_threshold(20_000)  # a batch is thousands of short-lived objects without cycles
    _run(serve(settings))
    return 0


def _check_config(options: argparse.Namespace) -> int:
    settings = load_settings(options.flags, options)
    load_configuration(settings)
    for name, value in settings.model_dump(mode="json").items():
        print(f"{name.upper()} = {json.dumps(value)}")
    print("The configuration is good.")
    return 0


def _add_codes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    _add_tables(parser)


def _codes(options: argparse.Namespace) -> int:
    rows = code_rows(_tables(options))
    if options.format == "json":
        json.dump(rows, sys.stdout, ensure_ascii=False, indent=1)
        print()
    elif options.format == "csv":
        writer = csv.DictWriter(sys.stdout, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        _print_table([("channel", "code", "severity", "category", "retry", "name")], rows)
    return 0


def _print_table(header: list[tuple[str, ...]], rows: list[dict[str, str]]) -> None:
    lines = header + [tuple(row[name] for name in header[0]) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def _add_explain(parser: argparse.ArgumentParser) -> None:
    parser.usage = "%(prog)s [CHANNEL] CODE | %(prog)s --payload FILE [--channel CHANNEL]"
    parser.add_argument("words", nargs="*", metavar="[CHANNEL] CODE")
    parser.add_argument("--payload", metavar="FILE", help="a webhook body; - for standard input")
    parser.add_argument("--channel", help="the channel that the gateway would name in the URL")
    _add_tables(parser)


def _explain(options: argparse.Namespace) -> int:
    classifier = Classifier(_tables(options))
    if options.payload:
        if options.words:
            raise ConfigurationError("give a code or a payload, not both")
        print(explain_payload(classifier, _read(options.payload), options.channel))
        return 0
    if len(options.words) not in (1, 2):
        raise ConfigurationError("explain takes a code, or a channel and a code")
    *channel, code = options.words
    print(explain_code(classifier, code, channel[0] if channel else options.channel))
    return 0


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"payload {file}: {error.strerror}") from error


def _add_tables(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--code-table-files",
        default=os.environ.get(f"{ENV_PREFIX}CODE_TABLE_FILES", ""),
        metavar="FILE[,FILE]",
        help="your own code tables, as for serve",
    )


def _tables(options: argparse.Namespace) -> Tables:
    try:
        files = TypeAdapter(list[Path]).validate_python(split_list(options.code_table_files))
    except ValueError:
        raise ConfigurationError("CODE_TABLE_FILES: this is no list of files") from None
    return load_tables(files)


def _add_traffic(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="healthy")
    parser.add_argument("--rate", type=_positive, default=50.0, help="results a second")
    parser.add_argument("--seconds", type=_positive, help="how long; for ever if not given")


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    _add_traffic(parser)
    parser.add_argument(
        "--url", default="http://127.0.0.1:10987/webhooks/mps", help="the webhook to call"
    )
    parser.add_argument("--private-key", type=Path, metavar="FILE", help="RSA key that signs (PEM)")
    parser.add_argument("--count", type=int, help="how many results, in place of a time")
    parser.add_argument("--seed", type=int, help="send the same results again")


def _simulate(options: argparse.Namespace) -> int:
    key = load_private_key(options.private_key) if options.private_key else None
    summary = _run(
        simulate(
            options.url,
            key,
            scenario=options.scenario,
            rate=options.rate,
            seconds=options.seconds,
            count=options.count,
            seed=options.seed,
            progress=_progress(),
        )
    )
    return _report(summary)


def _demo(options: argparse.Namespace) -> int:
    def load(key: Path, ledger: Path) -> Settings:
        settings = load_settings(
            options.flags, options, mps_public_key_files=[key], ledger_path=ledger
        )
        configure_logs(settings.log_level, settings.log_format)
        return settings

    def ready(ports: Ports) -> None:
        print(f"Signed results are being sent. Open {ports.admin_url}", flush=True)
        print("Ctrl-C ends the demo.", flush=True)

    summary = _run(
        demo(
            load,
            scenario=options.scenario,
            rate=options.rate,
            seconds=options.seconds,
            ready=ready,
            progress=_progress(),
        )
    )
    return _report(summary) if summary else 0


def _progress() -> Callable[[Summary], None]:
    """Rewrite one line on a terminal, ten times a second; elsewhere say nothing."""
    shown = 0.0

    def show(summary: Summary) -> None:
        nonlocal shown
        if sys.stderr.isatty() and time.monotonic() - shown >= 0.1:  # noqa: PLR2004
            shown = time.monotonic()
            print(f"\r{_sum(summary)}", end="", file=sys.stderr, flush=True)

    return show


def _report(summary: Summary) -> int:
    print(f"\r{_sum(summary)}" if sys.stderr.isatty() else _sum(summary), file=sys.stderr)
    return 0 if summary.answers["200"] == summary.sent else EXIT_FAILURE


def _sum(summary: Summary) -> str:
    answers = ", ".join(f"{status}: {n}" for status, n in sorted(summary.answers.items()))
    rate = summary.sent / summary.seconds if summary.seconds else 0
    return f"{summary.sent} results sent, {rate:.0f}/s; answers {answers or 'none'}"


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
