"""The command-line parser, which imports only the chosen command."""

import argparse
import platform
import sys
from collections.abc import Collection, Iterable, Sequence
from importlib import import_module
from typing import Any, NoReturn

from exporter.commands import completion
from exporter.configuration.version import VERSION, revision
from exporter.errors import ConfigurationError, did_you_mean

COMMANDS = {
    "serve": "Run the exporter.",
    "check-config": "Check settings and files; show webhooks, credentials and warnings.",
    "codes": "Print the code tables.",
    "explain": "Explain a code or a payload.",
    "simulate": "Send signed results as a push gateway does.",
    "replay": "Send captured bodies to an exporter.",
    "demo": "Run the exporter with simulated, signed traffic.",
    "ledger": "Administer the PostgreSQL ledger.",
    "config": "Write a settings file.",
    "keygen": "Make a key pair, a token or a secret.",
}
"""The purpose of each command; its module has the same name."""

EXIT_USAGE = 2

_MAX_SUGGESTED = 3

OTHER_EXPORTERS = {
    "--config.check": "use the command check-config",
    "--config.file": "use --config",
    "--log.format": "use --log-format",
    "--log.level": "use --log-level",
    "--persistence.file": "use --ledger-path",
    "--web.config.file": "use --admin-tls-cert-file, --admin-tls-key-file, "
    "--admin-tls-client-ca-file and --admin-password-file",
    "--web.enable-lifecycle": "remove it: POST /-/reload is always enabled",
    "--web.external-url": "use --external-url",
    "--web.listen-address": "use --admin-host and --admin-port for metrics and pages, "
    "--ingest-host and --ingest-port for webhooks",
    "--web.route-prefix": "remove it: the pages work below any path of a reverse proxy",
    "--web.telemetry-path": "remove it: metrics are at /metrics",
}
"""Flags of Prometheus and its exporters, with the equivalents here."""


class Parser(argparse.ArgumentParser):
    """A parser with short errors, and suggestions for unknown flags."""

    def error(self, message: str) -> NoReturn:
        """Print an error and a reference to `--help`; exit with 2."""
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")

    def parse_known_args(  # type: ignore[override] # the overloads are for other namespaces
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Report unknown arguments in the parser of the command, which knows its flags."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            hint = self._hint(word)
            self.error(f"unrecognized argument: {word}{hint}")
        return parsed, []

    def _hint(self, word: str) -> str:
        if word.startswith("-"):
            return _similar_flag(word, self._option_string_actions)
        takes_lists = any("[," in str(action.metavar) for action in self._actions)
        return "; separate the files of a list by commas" if takes_lists else ""


def _similar_flag(unknown: str, flags: Collection[str]) -> str:
    """Suggest flags that have all words of the unknown one, else one that is almost the same."""
    name = unknown.lstrip("-")
    if len(name) <= 1:
        return did_you_mean("--config", flags, similarity=1) if name == "c" else ""
    longer = [flag for flag in flags if all(f"-{word}" in flag for word in name.split("-"))]
    if longer:
        return f"; did you mean {' or '.join(map(repr, longer[:_MAX_SUGGESTED]))}?"
    return did_you_mean(unknown, flags, similarity=0.75)


class _PrintVersion(argparse.Action):
    """Print the version for bug reports."""

    def __call__(self, parser: argparse.ArgumentParser, *_arguments: Any) -> NoReturn:
        """Print version, revision, Python and platform, and exit."""
        print(f"push-result-exporter, version {VERSION} (revision: {revision()})")
        print(f"  python:    {platform.python_version()}")
        print(f"  platform:  {sys.platform}/{platform.machine()}")
        parser.exit()


class _PrintCompletion(argparse.Action):
    """Print a shell's completion code."""

    def __call__(
        self, parser: argparse.ArgumentParser, _options: Any, shell: Any, _flag: Any = None
    ) -> NoReturn:
        """Print the code, and exit."""
        print(completion.script(shell))
        parser.exit()


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments of a command.

    Raises ConfigurationError for a flag of Prometheus' exporters, with its equivalent. Exits with 2
    for other mistakes, and with 0 after `--help` or `--version`.
    """
    if completion.is_completing():
        completion.complete(build_parser(_chosen(completion.words_typed())))
    _refuse_other_exporters(words)
    return build_parser(_chosen(words)).parse_args(words)


def _chosen(words: Iterable[str]) -> Collection[str]:
    """Return the command among the arguments: the first argument that is not a flag."""
    return [word for word in words if not word.startswith("-")][:1]


def build_parser(commands: Collection[str]) -> argparse.ArgumentParser:
    """Build the parser; only the given commands are imported and have arguments."""
    parser = Parser(
        prog="push-result-exporter",
        description="Counts the results of mobile push notifications for Prometheus.",
        epilog="Exit status: 0 success, 1 failure, 2 invalid usage or configuration, "
        "130 interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_PrintVersion, nargs=0, help="print version and exit")
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=completion.SHELLS,
        help="print the code that a shell evaluates to complete commands, channels and codes",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        command = subparsers.add_parser(name, help=purpose, description=purpose, allow_abbrev=False)
        if name in commands:
            module = import_module(f"exporter.commands.{name.replace('-', '_')}")
            module.add_arguments(command)
    return parser


def _refuse_other_exporters(words: Iterable[str]) -> None:
    for word in words:
        if word == "--":
            return
        flag = f"--{word.lstrip('-').partition('=')[0]}" if word.startswith("-") else ""
        if flag in OTHER_EXPORTERS:
            raise ConfigurationError(
                f"{flag} is a flag of other Prometheus exporters: {OTHER_EXPORTERS[flag]}"
            )
