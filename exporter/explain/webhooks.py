"""The webhooks of an exporter: their URLs, and the credentials that each accepts."""

from collections.abc import Iterable, Sequence

import msgspec

from exporter.gateways.gateway import CredentialSource, Gateway


class Webhook(msgspec.Struct, frozen=True):
    """A webhook and its credentials."""

    gateway: str
    title: str
    url: str
    credentials: Sequence[CredentialSource]
    settings: Sequence[str]
    """The settings that configure its credentials."""
    accepts_anyone: bool

    def senders(self) -> list[str]:
        """Describe the accepted senders, with a line per file of credentials."""
        if self.credentials:
            return list(map(str, self.credentials))
        if self.accepts_anyone:
            return ["accepts requests from anyone: it has no credentials"]
        return [f"refuses every request: set {' or '.join(self.settings)}"]


def webhooks_of(gateways: Iterable[Gateway], ingest_url: str) -> list[Webhook]:
    """Describe the webhook of each gateway."""
    return [
        Webhook(
            gateway.name,
            gateway.title,
            f"{ingest_url}/webhooks/{gateway.name}",
            gateway.credentials,
            gateway.settings,
            gateway.accepts_anyone,
        )
        for gateway in gateways
    ]
