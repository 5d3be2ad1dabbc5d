"""The command `check-config`: everything that `serve` reads, and nothing that it writes."""

import argparse
import json
import sys

from exporter.configuration.settings import load_settings
from exporter.ledger.stores import ledger_address
from exporter.runtime.snapshot import load_snapshot


def check_config(options: argparse.Namespace) -> int:
    """Print the effective settings; ConfigurationError names the first that is bad."""
    settings = load_settings(options.flags, options)
    snapshot = load_snapshot(settings)
    if settings.ledger_url:
        ledger_address(settings).password()
    effective = {name.upper(): value for name, value in settings.model_dump(mode="json").items()}
    if options.json:
        json.dump({"settings": effective, "warnings": snapshot.warnings}, sys.stdout, indent=1)
        print()
        return 0
    for name, value in effective.items():
        print(f"{name} = {json.dumps(value)}")
    for warning in snapshot.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print("The configuration is good.")
    return 0
