"""All gateways of an exporter, by name: the last part of their paths."""

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
"""The gateways in code, beside the generic format."""


def load_gateways(settings: GatewaySettings, *, credentials: bool = True) -> Gateways:
    """Read the files of every gateway; ConfigurationError names the first unusable one.

    Without `credentials` no secret of a description is read, and its requests are refused.
    """
    built_in: list[Gateway] = [gateway.load(settings) for gateway in BUILT_IN]
    generic = Generic.load(settings, others=built_in)
    gateways = {gateway.name: gateway for gateway in built_in}
    for file in settings.gateway_files:
        gateway = Described.load(file, settings, credentials=credentials)
        if gateway.name in (*gateways, generic.name):
            raise ConfigurationError(
                f"{KIND} {file}: there is another gateway named {gateway.name!r}"
            )
        gateways[gateway.name] = gateway
    return gateways | {generic.name: generic}


def find_gateway(
    word: str, gateways: Gateways, settings: GatewaySettings, *, credentials: bool = False
) -> Gateway:
    """Return the gateway of a name, a shipped description or a file: for `explain`.

    Raises ConfigurationError for an unusable file or an unknown name.
    """
    if found := gateways.get(word):
        return found
    file = shipped_file(word) or Path(word)
    if file.suffix != ".toml":
        known = ", ".join([*gateways, *shipped()])
        raise ConfigurationError(f"no gateway is named {word!r}: there are {known}")
    return Described.load(file, settings, credentials=credentials)


def channels_of(gateways: Iterable[Gateway]) -> dict[str, str]:
    """Return the channels that descriptions name, each with a gateway that names it."""
    return dict(sorted((channel, one.name) for one in gateways for channel in one.channels))


def recognize(body: bytes, gateways: Iterable[Gateway]) -> Gateway:
    """Return the gateway whose format a body has; the last one if no other recognizes it."""
    *specific, rest = gateways
    return next((gateway for gateway in specific if gateway.recognizes(body)), rest)
