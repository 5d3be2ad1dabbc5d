"""The gateways that an exporter listens to, by their paths."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from exporter.configuration.groups import GatewaySettings
from exporter.errors import ConfigurationError
from exporter.gateways import generic, mps
from exporter.gateways.described.files import KIND, shipped, shipped_file
from exporter.gateways.described.gateway import Described
from exporter.gateways.gateway import Gateway

Gateways = Mapping[str, Gateway]
"""Gateways by name."""


def load_gateways(settings: GatewaySettings, *, credentials: bool = True) -> Gateways:
    """Read every gateway's files; ConfigurationError names the first bad one.

    Without `credentials` no secret of a description is read, and its requests are refused.
    """
    first, last = mps.Mps.load(settings), generic.Generic.load(settings)
    gateways: dict[str, Gateway] = {first.name: first}
    for file in settings.gateway_files:
        gateway = Described.load(file, settings, credentials=credentials)
        if gateway.name in (*gateways, last.name):
            raise ConfigurationError(
                f"{KIND} {file}: there is another gateway named {gateway.name!r}"
            )
        gateways[gateway.name] = gateway
    return gateways | {last.name: last}


def find_gateway(
    word: str, gateways: Gateways, settings: GatewaySettings, *, credentials: bool = False
) -> Gateway:
    """Return the gateway of a name, a shipped description or a file: for `explain`.

    Raises ConfigurationError for a file that is bad, or a name that nothing has.
    """
    if found := gateways.get(word):
        return found
    file = shipped_file(word) or Path(word)
    if file.suffix != ".toml":
        known = ", ".join([*gateways, *shipped()])
        raise ConfigurationError(f"no gateway is named {word!r}: there are {known}")
    return Described.load(file, settings, credentials=credentials)


def channels_of(gateways: Iterable[Gateway]) -> dict[str, str]:
    """Return the channels that descriptions name, each with a gateway whose description does."""
    return dict(sorted((channel, one.name) for one in gateways for channel in one.channels))


def recognize(body: bytes, gateways: Iterable[Gateway]) -> Gateway:
    """Return the gateway that takes a body without its request: the last one takes the rest."""
    *specific, rest = gateways
    return next((gateway for gateway in specific if gateway.recognizes(body)), rest)
