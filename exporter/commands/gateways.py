"""Gateways for commands: their formats, without credentials."""

from pathlib import Path

from exporter.configuration.groups import DescriptionSettings, GatewaySettings
from exporter.gateways.described.gateway import Described
from exporter.gateways.registry import Gateways, load_gateways


def formats(settings: DescriptionSettings) -> Gateways:
    """Load the gateways without keys, tokens or secrets."""
    files = GatewaySettings(gateway_files=settings.gateway_files)
    return load_gateways(files, credentials=False)


def described(file: Path) -> Described:
    """Load a description without its secrets; ConfigurationError names a mistake in it."""
    return Described.load(file, GatewaySettings(), credentials=False)
