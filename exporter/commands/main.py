"""The command line: parse, run, and say what went wrong by the exit status."""

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from exporter import VERSION
from exporter.commands.check_config import check_config
from exporter.commands.codes import add_codes, print_codes
from exporter.commands.demo import run_demo
from exporter.commands.explain import add_explain, explain
from exporter.commands.flags import add_flags
from exporter.commands.ledger import add_ledger
from exporter.commands.replay import add_replay, run_replay
from exporter.commands.serve import serve
from exporter.commands.simulate import add_simulate, run_simulate
from exporter.commands.traffic import add_traffic
from exporter.errors import ConfigurationError, RequestError
from exporter.ledger.store import StoreError

EXIT_FAILURE = 1
EXIT_USAGE = 2

_UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 1 for a failure, 2 for bad usage."""
    _open_what_is_closed()
    try:
        options = _parser().parse_args(arguments)
        status = int(options.run(options))
        sys.stdout.flush()  # here, where a reader that has gone is expected
    except ConfigurationError as error:
        print(f"push-result-exporter: {error}", file=sys.stderr)
        return EXIT_USAGE
    except RequestError as error:
        print(f"push-result-exporter: {error.reason}: {error.detail}", file=sys.stderr)
        return EXIT_FAILURE
    except StoreError as error:
        print(f"push-result-exporter: {error}", file=sys.stderr)
        return EXIT_FAILURE
    except OSError as error:
        if error.errno not in _UNWRITABLE or error.filename is not None:
            raise
        _drop_output()
        if error.errno != errno.EPIPE:  # else the reader, `head` for one, has seen enough
            reason = os.strerror(error.errno)
            print(f"push-result-exporter: the output cannot be written: {reason}", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return 130
    return status


def _open_what_is_closed() -> None:
    """Write to nowhere if the caller wants no output (`>&-`), or a socket would be opened there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - stays


def _drop_output() -> None:
    """Let what is still buffered go nowhere, or the interpreter would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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

    serving = command("serve", serve, "Run the exporter.")
    serving.set_defaults(flags=add_flags(serving))
    checking = command("check-config", check_config, "Check settings, keys and code tables.")
    checking.add_argument("--json", action="store_true", help="print settings and warnings as JSON")
    checking.set_defaults(flags=add_flags(checking))
    add_codes(command("codes", print_codes, "Print the code tables."))
    add_explain(command("explain", explain, "Say what a code or a payload means."))
    add_simulate(command("simulate", run_simulate, "Send signed results as a push gateway does."))
    add_replay(command("replay", run_replay, "Send captured bodies to an exporter."))
    showing = command("demo", run_demo, "Run the exporter with simulated, signed traffic.")
    add_traffic(showing)
    showing.set_defaults(flags=add_flags(showing))
    add_ledger(commands)
    return parser
