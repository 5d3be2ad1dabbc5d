"""The gateways that an exporter listens to, by their paths."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from exporter.gateways import generic, mps
from exporter.gateways.auth.public_keys import load_private_key
from exporter.gateways.auth.standard_webhooks import load_secrets
from exporter.gateways.auth.tokens import load_tokens
from exporter.gateways.gateway import Gateway, GatewaySettings
from exporter.gateways.sending import Signer

Gateways = Mapping[str, Gateway]
"""Gateways by name."""


def load_gateways(settings: GatewaySettings) -> Gateways:
    """Read every gateway's files; ConfigurationError names the first bad one."""
    gateways: list[Gateway] = [mps.Mps.load(settings), generic.Generic.load(settings)]
    return {gateway.name: gateway for gateway in gateways}


def recognize(body: bytes, gateways: Iterable[Gateway]) -> Gateway:
    """Return the gateway that takes a body without its request: the last one takes the rest."""
    *specific, rest = gateways
    return next((gateway for gateway in specific if gateway.recognizes(body)), rest)


def signers(
    *, private_key: Path | None = None, token: Path | None = None, secret: Path | None = None
) -> Mapping[str, Signer]:
    """Read what requests are signed with, each for the gateway that takes it.

    Raises ConfigurationError that names a bad file.
    """
    found = {}
    if private_key:
        found[mps.NAME] = mps.signer(load_private_key(private_key))
    if token or secret:
        tokens = load_tokens([token]) if token else [b""]
        secrets = load_secrets([secret]) if secret else [None]
        found[generic.NAME] = generic.signer(tokens[0].decode(), secrets[0])
    return found
