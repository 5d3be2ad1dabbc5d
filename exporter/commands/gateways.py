"""Gateways for commands: their formats, without credentials."""

from pathlib import Path

from exporter.configuration.groups import FormatSettings, GatewaySettings
from exporter.gateways.described.gateway import Described
from exporter.gateways.registry import Gateways, load_gateways


def formats(settings: FormatSettings) -> Gateways:
    """Load the gateways without keys, tokens or secrets."""
    given = GatewaySettings(gateway_files=settings.gateway_files, apps=settings.apps)
    return load_gateways(given, credentials=False)


def described(file: Path) -> Described:
    """Load a description without its secrets; ConfigurationError names a mistake in it."""
    return Described.load(file, GatewaySettings(), credentials=False)
