"""Logs the start of an exporter: listeners, webhooks and credentials."""

import structlog

from exporter.configuration.review import without_effect
from exporter.configuration.settings import Settings
from exporter.configuration.version import VERSION, revision
from exporter.explain.webhooks import Webhook, webhooks_of
from exporter.gateways.registry import Gateways

log = structlog.get_logger()


def log_start(settings: Settings, gateways: Gateways, *, ingest_port: int, admin_port: int) -> None:
    """Log the URLs of the listeners, and each webhook with its credentials, without secrets."""
    ingest = settings.ingest_url(ingest_port)
    log.info(
        "listening",
        version=VERSION,
        revision=revision(),
        ingest=ingest,
        admin=settings.admin_url(admin_port),
    )
    for webhook in webhooks_of(gateways.values(), ingest):
        _log_webhook(webhook)
    for warning in without_effect(settings):
        log.warning("setting without effect", warning=warning)


def _log_webhook(webhook: Webhook) -> None:
    if webhook.credentials:
        log.info("webhook", url=webhook.url, accepts="; ".join(webhook.senders()))
        return
    action = f"set {' or '.join(webhook.settings)}"
    if webhook.accepts_anyone:
        log.warning("webhook accepts requests from anyone", url=webhook.url, action=action)
    else:
        log.info("webhook refuses all requests: no credentials", url=webhook.url, action=action)
