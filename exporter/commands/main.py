"""The command line: parse, load, run; what is computed is computed elsewhere."""

import argparse
import csv
import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from exporter.admin.codes import code_rows
from exporter.commands.demo import demo
from exporter.commands.explain import add_explain, add_tables, explain, tables
from exporter.commands.ledger import add_ledger
from exporter.commands.traffic import (
    add_replay,
    add_simulate,
    add_traffic,
    progress,
    report,
    run,
    run_replay,
    run_simulate,
)
from exporter.errors import ConfigurationError, RequestError
from exporter.ledger.store import StoreError
from exporter.ledger.stores import ledger_address
from exporter.logs import configure_logs
from exporter.runtime import VERSION
from exporter.server import Ports, serve
from exporter.settings import Settings, add_flags, load_settings
from exporter.snapshot import load_configuration

EXIT_FAILURE = 1
EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 1 for a failure, 2 for bad usage."""
    try:
        options = _parser().parse_args(arguments)
        status = int(options.run(options))
        sys.stdout.flush()  # here, where a reader that has gone is expected
    except ConfigurationError as error:
        print(f"push-result-exporter: {error}", file=sys.stderr)
        return EXIT_USAGE
    except RequestError as refusal:
        print(f"push-result-exporter: {refusal.reason}: {refusal.detail}", file=sys.stderr)
        return EXIT_FAILURE
    except StoreError as error:
        print(f"push-result-exporter: {error}", file=sys.stderr)
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
    add_explain(command("explain", explain, "Say what a code or a payload means."))
    add_simulate(command("simulate", run_simulate, "Send signed results as a push gateway does."))
    add_replay(command("replay", run_replay, "Send captured bodies to an exporter."))
    showing = command("demo", _demo, "Run the exporter with simulated, signed traffic.")
    add_traffic(showing)
    showing.set_defaults(flags=add_flags(showing))
    add_ledger(commands)
    return parser


def _serve(options: argparse.Namespace) -> int:
    settings = load_settings(options.flags, options)
    configure_logs(settings.log_level, settings.log_format)
    gc.freeze()  # what is loaded by now stays: the collector need not look at it again
    gc.set_threshold(20_000)  # a batch is thousands of short-lived objects without cycles
    run(serve(settings))
    return 0


def _check_config(options: argparse.Namespace) -> int:
    settings = load_settings(options.flags, options)
    configuration = load_configuration(settings)
    if settings.ledger_url:
        ledger_address(settings).password()
    for name, value in settings.model_dump(mode="json").items():
        print(f"{name.upper()} = {json.dumps(value)}")
    for warning in configuration.warnings:
        print(f"Warning: {warning}")
    print("The configuration is good.")
    return 0


def _add_codes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    add_tables(parser)


def _codes(options: argparse.Namespace) -> int:
    rows = code_rows(tables(options))
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

    summary = run(
        demo(
            load,
            scenario=options.scenario,
            rate=options.rate,
            seconds=options.seconds,
            ready=ready,
            progress=progress(),
        )
    )
    return report(summary) if summary else 0
