"""Gateways as the commands use them: their formats, without the credentials of senders."""

from collections.abc import Iterable
from pathlib import Path

from exporter.configuration.groups import DescriptionSettings, GatewaySettings
from exporter.gateways.described.gateway import Described
from exporter.gateways.registry import Gateways, load_gateways
from exporter.traffic.described import DescribedSigner
from exporter.traffic.outgoing import Signer


def formats(settings: DescriptionSettings) -> Gateways:
    """Load the gateways without reading any key, token or secret."""
    files = GatewaySettings(gateway_files=settings.gateway_files)
    return load_gateways(files, credentials=False)


def described(file: Path) -> Described:
    """Load a description without its secrets; ConfigurationError names the mistake in it."""
    return Described.load(file, GatewaySettings(), credentials=False)


def described_signers(files: Iterable[Path]) -> dict[str, Signer]:
    """Return a signer for each description that names a secret, by the gateway's name."""
    gateways = [(file, described(file)) for file in files]
    return {
        gateway.name: DescribedSigner(gateway.description, file)
        for file, gateway in gateways
        if gateway.description.auth and gateway.description.auth.secrets
    }
