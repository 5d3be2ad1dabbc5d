"""The command `ledger`: administer the ledger in PostgreSQL."""

import argparse
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from exporter.admin.formats import age
from exporter.commands.errors import CommandError
from exporter.commands.flags import add_flags
from exporter.commands.loop import run
from exporter.commands.numbers import hours
from exporter.commands.output import print_json, print_table
from exporter.commands.progress import ProgressLine, bar
from exporter.configuration.groups import LedgerSettings
from exporter.configuration.settings import Sourced, load_settings
from exporter.errors import ConfigurationError
from exporter.ledger.sql import definition
from exporter.ledger.store import StoreError
from exporter.ledger.stores import ledger_address

if TYPE_CHECKING:
    from exporter.ledger.administration import Administration, Copied, Instance

_FOLDED = "departed"

Result = TypeVar("Result")


class CommandSettings(LedgerSettings, Sourced):
    """The settings of `ledger`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `ledger`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[..., int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        add_flags(added, CommandSettings)
        added.set_defaults(run=run)
        return added

    listing = command("list", _list, "List instances, their totals and last commits.")
    _add_json(listing)
    making = command("init", _init, "Create or upgrade the schema.")
    making.add_argument(
        "--grant-to", metavar="ROLE", help="role that gets the privileges of an exporter"
    )
    making.add_argument("--print", action="store_true", help="print the SQL without running it")
    folding = command("fold", _fold, "Merge the counts of stopped instances into one instance.")
    folding.add_argument("departed", nargs="*", metavar="INSTANCE", help="instances to fold")
    folding.add_argument(
        "--unseen-hours",
        type=hours,
        metavar="HOURS",
        help="fold all instances that have not run for this many hours",
    )
    folding.add_argument(
        "--into",
        type=_name,
        default=_FOLDED,
        help="instance to which the counts are added; it must not be running",
    )
    _add_json(folding)
    _add_json(
        command(
            "copy", _copy, "Copy the SQLite ledger at LEDGER_PATH; its exporter must be stopped."
        )
    )


def _name(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _list(options: argparse.Namespace) -> int:
    instances = _administer(options, lambda _settings, ledger: ledger.instances())
    if options.json:
        print_json([instance._asdict() for instance in instances])
        return 0
    header = ("INSTANCE", "STATE", "RESULTS", "LAST COMMIT")
    print_table(header, map(_row, instances), right={"RESULTS"})
    return 0


def _row(instance: "Instance") -> tuple[str, str, str, str]:
    state = "running" if instance.running else f"stopped for {age(instance.seen_seconds_ago)}"
    at = instance.last_commit_at
    last = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "never"
    return instance.instance, state, f"{instance.results:,}", last


def _init(options: argparse.Namespace) -> int:
    if options.print:
        print(definition(options.grant_to), end="")
        return 0
    _administer(
        options, lambda _settings, ledger: ledger.initialize(options.grant_to), upgrades=True
    )
    access = f"; {options.grant_to} has access" if options.grant_to else ""
    print(f"The schema is up to date{access}.")
    return 0


def _fold(options: argparse.Namespace) -> int:
    folded, running = _administer(options, lambda _settings, ledger: _fold_in(options, ledger))
    if options.json:
        print_json({"into": options.into, "folded": folded, "running": running})
        return int(bool(running))
    print(
        f"Folded into {options.into}: {', '.join(folded)}."
        if folded
        else "No stopped instance to fold."
    )
    if running:
        print(f"Not folded, because they are running: {', '.join(running)}.", file=sys.stderr)
    return int(bool(running))


async def _fold_in(
    options: argparse.Namespace, ledger: "Administration"
) -> tuple[list[str], list[str]]:
    known = {instance.instance: instance for instance in await ledger.instances()}
    if options.into in known and known[options.into].running:
        raise ConfigurationError(
            f"--into {options.into}: it is running, and its counters would jump; stop it, or "
            "choose another instance"
        )
    if unknown := [name for name in options.departed if name not in known]:
        raise ConfigurationError(f"unknown instance: {', '.join(unknown)}; see `ledger list`")
    if not options.departed and options.unseen_hours is None:
        raise ConfigurationError("name the instances to fold, or use --unseen-hours")
    chosen = set(options.departed)
    if options.unseen_hours is not None:
        chosen |= {
            name
            for name, instance in known.items()
            if not instance.running and instance.seen_seconds_ago >= options.unseen_hours * 3600
        }
    line = ProgressLine()

    def show(done: int, total: int) -> None:
        line.show(lambda: f"{bar(done, total)} {done:,} of {total:,} instances", last=done == total)

    folded = await ledger.fold(sorted(chosen), options.into, show)
    return folded, [name for name in sorted(chosen) if known[name].running]


def _copy(options: argparse.Namespace) -> int:
    line = ProgressLine()

    async def copy(settings: CommandSettings, ledger: "Administration") -> "Copied":
        window = settings.dedupe_window_seconds
        return await ledger.copy(settings.ledger_path, settings.instance, window, show)

    def show(done: int, total: int) -> None:
        line.show(lambda: f"{bar(done, total)} {done:,} of {total:,} keys", last=done == total)

    copied = _administer(options, copy)
    line.end(
        f"Copied {copied.results:,} results and {copied.keys:,} deduplication keys; "
        f"{copied.instance} continues from them."
    )
    if options.json:
        print_json(copied._asdict())
    return 0


def _administer(
    options: argparse.Namespace,
    work: Callable[[CommandSettings, "Administration"], Awaitable[Result]],
    *,
    upgrades: bool = False,
) -> Result:
    """Run an administrative task over one connection."""
    settings = load_settings(CommandSettings, options)
    address = ledger_address(settings)
    from exporter.ledger.administration import Administration  # noqa: PLC0415 - optional

    async def connected() -> Result:
        ledger = Administration(address)
        try:
            await ledger.connect(upgrades=upgrades)
            return await work(settings, ledger)
        except StoreError as error:
            raise CommandError(str(error)) from None
        finally:
            await ledger.close()

    return run(connected())
