"""Help until the first result: webhooks, their credentials, requests to other paths."""

from shlex import quote

import msgspec

from exporter.admin.findings.requests import refusal
from exporter.admin.reading import Reading
from exporter.configuration.settings import Settings
from exporter.errors import UNROUTED
from exporter.gateways.gateway import Gateway


class WebhookSetup(msgspec.Struct, frozen=True):
    """A webhook before the first result."""

    gateway: str
    title: str
    """Its display name."""
    path: str
    """The path of the URL to enter at the sender."""
    missing_settings: str | None
    """The settings that configure a credential; null if the webhook has a credential."""
    accepts_anyone: bool
    """Whether it needs no credential: ALLOW_UNSIGNED, or a scheme of `none`."""
    credentials: list[str]
    """The fingerprint of each public key, the number of tokens and secrets, and their files."""
    curl: str
    """A command that tries the URL from the exporter's machine and counts nothing; it reads the
    credential if that is a token in a file."""
    requests: int
    """Since the start."""
    refused: dict[str, int]
    """Refused requests by reason."""


class OtherPathStatus(msgspec.Struct, frozen=True):
    """A requested path without a webhook."""

    path: str
    """Without the query, redacted."""
    requests: int
    last_seen: float
    """Unix time."""


class Setup(msgspec.Struct, frozen=True):
    """The webhooks, and the requests so far."""

    webhooks: list[WebhookSetup]
    other_requests: int
    """Requests since the start to paths without a webhook."""
    other_paths: list[OtherPathStatus]
    """The most requested first."""


def setup_of(reading: Reading) -> Setup | None:
    """Describe the webhooks; None after the first result, or until the ledger is loaded."""
    if reading.all or not reading.view.hub.ledger.loaded:
        return None
    requests = reading.requests.totals
    gateways = reading.view.current.snapshot.gateways
    return Setup(
        [_webhook(reading, gateway) for gateway in gateways.values()],
        sum(count for (source, _), count in requests.items() if source == UNROUTED),
        [
            OtherPathStatus(path.name, path.count, path.last_seen)
            for path in reading.view.hub.other_paths.most_frequent()
        ],
    )


def _webhook(reading: Reading, gateway: Gateway) -> WebhookSetup:
    statuses = {
        status: count
        for (source, status), count in reading.requests.totals.items()
        if source == gateway.name and count
    }
    path = f"/webhooks/{gateway.name}"
    settings = reading.view.current.settings
    ingest = settings.ingest_url(reading.view.service.ingest_port)
    return WebhookSetup(
        gateway=gateway.name,
        title=gateway.title,
        path=path,
        missing_settings=None if gateway.credentials else " or ".join(gateway.settings),
        accepts_anyone=gateway.accepts_anyone,
        credentials=[str(credential) for credential in gateway.credentials],
        curl=f"curl -i {_options(settings)}{_authorization(gateway)}-d '[]' {ingest}{path}",
        requests=sum(statuses.values()),
        refused={status: count for status, count in statuses.items() if refusal(status)},
    )


def _options(settings: Settings) -> str:
    """Return the curl option for a certificate, which is not for the name of this address."""
    return "--insecure " if settings.ingest_tls else ""


def _authorization(gateway: Gateway) -> str:
    """Return the curl option that reads a bearer token from its file; empty without a token."""
    files = (credential.file for credential in gateway.credentials if credential.scheme == "bearer")
    file = next(files, None)
    return f'-H "Authorization: Bearer $(grep -m1 "^[^#]" {quote(file)})" ' if file else ""
