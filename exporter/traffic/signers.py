"""Signers of the built-in gateways."""

from collections.abc import Mapping
from pathlib import Path

from exporter.gateways import generic, mps
from exporter.gateways.auth.draft import Draft
from exporter.gateways.auth.files import CredentialFile
from exporter.gateways.auth.public_keys import load_private_key
from exporter.gateways.auth.standard_webhooks import StandardWebhooks
from exporter.gateways.auth.tokens import Bearer
from exporter.traffic.mps import signer as mps_signer
from exporter.traffic.outgoing import Outgoing, Signer


def signers(
    *, private_key: Path | None = None, token: Path | None = None, secret: Path | None = None
) -> Mapping[str, Signer]:
    """Read credentials; return a signer for each gateway that they belong to, by its name.

    Raises ConfigurationError with an unusable file.
    """
    found = {}
    if private_key:
        found[mps.NAME] = mps_signer(load_private_key(private_key))
    if token or secret:
        tokens = Bearer().read(CredentialFile(token)) if token else [b""]
        secrets = StandardWebhooks().read(CredentialFile(secret)) if secret else [b""]
        found[generic.NAME] = results_signer(tokens[0], secrets[0])
    return found


def results_signer(token: bytes, secret: bytes) -> Signer:
    """Return a signer that sends a token, signs with a secret, or both; empty values are unused."""

    def signed(url: str, body: bytes, identity: str) -> Outgoing:
        draft = Draft(body, identity)
        if token:
            Bearer().sign(draft, token)
        if secret:
            StandardWebhooks().sign(draft, secret)
        return Outgoing(url, draft.headers)

    return signed
