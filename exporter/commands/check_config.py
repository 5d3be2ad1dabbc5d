"""The command `check-config`: check settings and files."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from exporter.commands.flags import add_flags
from exporter.commands.output import print_json
from exporter.configuration.review import readable_by_others, without_effect
from exporter.configuration.settings import Settings, load_settings
from exporter.configuration.tls import Tls
from exporter.configuration.toml import effective
from exporter.explain.webhooks import Webhook, webhooks_of
from exporter.ledger.stores import ledger_address
from exporter.runtime.snapshot import Snapshot, load_snapshot
from exporter.server.preflight import preflight
from exporter.server.reach import Attempt, reach

_EXPIRY_WARNING_DAYS = 7


class Report(msgspec.Struct, frozen=True):
    """The report on a configuration."""

    settings: dict[str, Any]
    webhooks: list[Webhook]
    certificates: dict[str, str]
    """The expiry of each listener's certificate, in UTC."""
    warnings: list[str]
    attempts: list[Attempt]
    """The attempts of `--connect`."""

    @property
    def is_good(self) -> bool:
        """Whether no attempt failed."""
        return not any(attempt.problem for attempt in self.attempts)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--connect", action="store_true", help="also try the ledger, the folders and the ports"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_flags(parser, Settings)
    parser.set_defaults(run=check_config)


def check_config(options: argparse.Namespace) -> int:
    """Print the report; return 1 if an attempt failed.

    Raises ConfigurationError with the first invalid setting or file.
    """
    settings = load_settings(Settings, options)
    report = _report(settings, connect=options.connect)
    if options.json:
        print_json(msgspec.to_builtins(report))
    else:
        print(effective(settings), end="")
        print("".join(f"# {line}".rstrip() + "\n" for line in _lines(report)), end="")
        for warning in report.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        for attempt in report.attempts:
            if attempt.problem:
                print(f"error: {attempt.target}: {attempt.problem}", file=sys.stderr)
    return int(not report.is_good)


def _report(settings: Settings, *, connect: bool) -> Report:
    snapshot = load_snapshot(settings)
    if settings.ledger_url:
        ledger_address(settings).password()
    webhooks = webhooks_of(snapshot.gateways.values(), settings.ingest_url())
    certificates = {"ingest": snapshot.ingest_tls, "admin": snapshot.admin_tls}
    return Report(
        settings={name.upper(): value for name, value in settings.model_dump(mode="json").items()},
        webhooks=webhooks,
        certificates={name: _day(tls) for name, tls in certificates.items() if tls},
        warnings=list(_warnings(settings, snapshot, webhooks)),
        attempts=list(reach(settings)) if connect else [],
    )


def _lines(report: Report) -> Iterator[str]:
    """Yield the report's lines below the settings."""
    for webhook in report.webhooks:
        yield ""
        yield f"{webhook.url}: {webhook.title}"
        yield from (f"  {line}" for line in webhook.senders())
    if report.certificates:
        yield ""
        for name, until in report.certificates.items():
            yield f"The certificate of the {name} listener is valid until {until}."
    if report.attempts:
        yield ""
        yield f"Tried as uid {os.geteuid()} and gid {os.getegid()}:"
        for attempt in report.attempts:
            yield f"  {'failed' if attempt.problem else 'ok'}: {attempt.target}"
    yield ""
    yield (
        "The configuration is valid."
        if report.is_good
        else "At least one check failed: see the errors."
    )


def _warnings(settings: Settings, snapshot: Snapshot, webhooks: list[Webhook]) -> Iterator[str]:
    yield from snapshot.warnings
    yield from _open_webhooks(settings, webhooks)
    secrets = [
        Path(source.file)
        for webhook in webhooks
        for source in webhook.credentials
        if source.scheme != "rsa"
    ]
    yield from without_effect(settings)
    yield from readable_by_others(settings, secrets)
    for name, tls in (("ingest", snapshot.ingest_tls), ("admin", snapshot.admin_tls)):
        days = (tls.expires_at - time.time()) / 86400 if tls else _EXPIRY_WARNING_DAYS
        if tls and days < _EXPIRY_WARNING_DAYS:
            state = "expired" if days < 0 else "expires"
            yield f"the certificate of the {name} listener {state} on {_day(tls)}: renew it"
    ledger = None if settings.ledger_url else settings.ledger_path
    for failed in preflight(ledger=ledger, record=settings.record, now=time.time()):
        yield f"{failed.problem} {failed.action}"


def _open_webhooks(settings: Settings, webhooks: list[Webhook]) -> Iterator[str]:
    """Yield a warning for each webhook that accepts requests from anyone."""
    if not settings.allow_unsigned:
        return
    unsigned = [webhook for webhook in webhooks if webhook.accepts_anyone]
    if not unsigned:
        yield "ALLOW_UNSIGNED has no effect, since every webhook has credentials: remove it"
    if settings.is_public:
        for webhook in unsigned:
            yield (
                f"ALLOW_UNSIGNED: anyone who reaches {webhook.url} can add results: set "
                f"{' or '.join(webhook.settings)}, or INGEST_HOST=127.0.0.1"
            )


def _day(tls: Tls) -> str:
    return datetime.fromtimestamp(tls.expires_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
