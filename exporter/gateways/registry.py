"""The gateways of an exporter, by name, which is the last segment of their path."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from exporter.configuration.groups import GatewaySettings
from exporter.errors import ConfigurationError
from exporter.gateways.described.files import KIND, shipped, shipped_file
from exporter.gateways.described.gateway import Described
from exporter.gateways.gateway import Gateway
from exporter.gateways.generic import Generic
from exporter.gateways.mps import Mps

Gateways = Mapping[str, Gateway]
"""Gateways by name."""


BUILT_IN = (Mps,)
"""The gateways in code, except the generic format."""


def load_gateways(settings: GatewaySettings, *, credentials: bool = True) -> Gateways:
    """Read the files of all gateways; ConfigurationError names the first unusable file.

    Without `credentials` the secrets of descriptions are not read, and their requests are refused.
    """
    built_in: list[Gateway] = [gateway.load(settings) for gateway in BUILT_IN]
    generic = Generic.load(settings, others=built_in)
    gateways = {gateway.name: gateway for gateway in built_in}
    for file in settings.gateway_files:
        gateway = Described.load(file, settings, credentials=credentials)
        if gateway.name in (*gateways, generic.name):
            raise ConfigurationError(
                f"{KIND} {file}: another gateway has the name {gateway.name!r}"
            )
        gateways[gateway.name] = gateway
    return gateways | {generic.name: generic}


def find_gateway(
    word: str, gateways: Gateways, settings: GatewaySettings, *, credentials: bool = False
) -> Gateway:
    """Return a gateway by its name, or of a shipped description or a file, for `explain`.

    Raises ConfigurationError for an unusable file or an unknown name.
    """
    if found := gateways.get(word):
        return found
    file = shipped_file(word) or Path(word)
    if file.suffix != ".toml":
        known = ", ".join([*gateways, *shipped()])
        raise ConfigurationError(f"unknown gateway {word!r}; known are {known}")
    return Described.load(file, settings, credentials=credentials)


def channels_of(gateways: Iterable[Gateway]) -> dict[str, str]:
    """Return the channels named by descriptions, each with the name of a gateway."""
    return dict(
        sorted((channel, gateway.name) for gateway in gateways for channel in gateway.channels)
    )


def recognize(body: bytes, gateways: Iterable[Gateway]) -> Gateway:
    """Return the first gateway that recognizes a body, by default the last gateway."""
    *specific, default = gateways
    return next((gateway for gateway in specific if gateway.recognizes(body)), default)
