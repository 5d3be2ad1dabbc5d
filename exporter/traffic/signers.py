"""Signers of the built-in gateways."""

import time
from collections.abc import Mapping
from pathlib import Path

from exporter.gateways import generic, mps
from exporter.gateways.auth import standard_webhooks
from exporter.gateways.auth.public_keys import load_private_key
from exporter.gateways.auth.standard_webhooks import load_secrets
from exporter.gateways.auth.tokens import load_tokens
from exporter.traffic.mps import signer as mps_signer
from exporter.traffic.outgoing import Outgoing, Signer


def signers(
    *, private_key: Path | None = None, token: Path | None = None, secret: Path | None = None
) -> Mapping[str, Signer]:
    """Read what requests are signed with, each for the gateway that takes it.

    Raises ConfigurationError that names a bad file.
    """
    found = {}
    if private_key:
        found[mps.NAME] = mps_signer(load_private_key(private_key))
    if token or secret:
        tokens = load_tokens([token]) if token else [b""]
        secrets = load_secrets([secret]) if secret else [None]
        found[generic.NAME] = results_signer(tokens[0].decode(), secrets[0])
    return found


def results_signer(token: str | None, secret: bytes | None) -> Signer:
    """Send the token, sign with the secret, or both."""

    def signed(url: str, body: bytes, identity: str) -> Outgoing:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if secret:
            now = str(int(time.time()))
            headers |= {
                "webhook-id": identity,
                "webhook-timestamp": now,
                "webhook-signature": standard_webhooks.sign(secret, identity, now, body),
            }
        return Outgoing(url, headers)

    return signed
