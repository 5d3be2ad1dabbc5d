"""The command `check-config`: read what `serve` reads, and write nothing."""

import argparse
import json
import sys
import time

from exporter.commands.flags import add_flags
from exporter.commands.output import print_json
from exporter.configuration.settings import Settings, load_settings
from exporter.ledger.stores import ledger_address
from exporter.runtime.snapshot import load_snapshot
from exporter.server.preflight import preflight


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("--json", action="store_true", help="print settings and warnings as JSON")
    add_flags(parser, Settings)
    parser.set_defaults(run=check_config)


def check_config(options: argparse.Namespace) -> int:
    """Print the effective settings and warnings; ConfigurationError names the first bad file."""
    settings = load_settings(Settings, options)
    snapshot = load_snapshot(settings)
    if settings.ledger_url:
        ledger_address(settings).password()
    warnings = [*snapshot.warnings, *_preflight(settings)]
    effective = {name.upper(): value for name, value in settings.model_dump(mode="json").items()}
    if options.json:
        print_json({"settings": effective, "warnings": warnings})
        return 0
    for name, value in effective.items():
        print(f"{name} = {json.dumps(value)}")
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print("The configuration is good.")
    return 0


def _preflight(settings: Settings) -> list[str]:
    ledger = None if settings.ledger_url else settings.ledger_path
    findings = preflight(ledger=ledger, record=settings.record, now=time.time())
    return [f"{finding.problem} {finding.action}" for finding in findings]
