"""Send captured bodies to a running exporter, signed anew."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from standardwebhooks import Webhook

from exporter.commands.sender import Call
from exporter.commands.simulator import signed
from exporter.errors import ConfigurationError
from exporter.records.record import Captured, is_json


@dataclass(frozen=True, slots=True)
class Credentials:
    """What calls are signed with; each is used on the webhook that it is for."""

    key: rsa.RSAPrivateKey | None = None
    """For /webhooks/mps."""
    token: str | None = None
    """For /webhooks/results, and so is …"""
    secret: Webhook | None = None


def check_url(url: str) -> str:
    """Return the URL; ConfigurationError if nothing can be sent there."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(f"URL {url!r}: it must begin with http:// or https:// and a host")
    return url


def calls(captured: Iterable[Captured], url: str, credentials: Credentials) -> Iterator[Call]:
    """Make a call of each body, to the webhook in the URL's path, else to the one that takes it.

    ConfigurationError if there is no body at all.
    """
    number = 0
    for number, one in enumerate(captured, 1):
        target = _target(url, one)
        if urlsplit(target).path == "/webhooks/mps":
            address = signed(target, credentials.key, one.body)
            yield Call(address, one.body, {"Content-Type": _content_type(one)})
        else:
            headers = _headers(one.body, number, credentials)
            yield Call(target, one.body, headers | {"Content-Type": _content_type(one)})
    if not number:
        raise ConfigurationError("there is nothing to replay: no line and no file holds a body")


def _target(url: str, one: Captured) -> str:
    parts = urlsplit(url)
    if parts.path in ("", "/"):
        parts = parts._replace(path=f"/webhooks/{one.source}")
    if one.record and one.record.channel and "channel=" not in parts.query:
        hint = f"channel={quote(one.record.channel)}"
        parts = parts._replace(query=f"{parts.query}&{hint}" if parts.query else hint)
    return parts.geturl()


def _content_type(one: Captured) -> str:
    if one.record and one.record.content_type.isascii() and one.record.content_type.isprintable():
        return one.record.content_type or "application/octet-stream"
    lines = one.source == "results" and b"\n" in one.body.strip() and not is_json(one.body)
    return "application/x-ndjson" if lines else "application/json"


def _headers(body: bytes, number: int, credentials: Credentials) -> dict[str, str]:
    """Sign a call; the same body at the same place is the same delivery, and a duplicate."""
    headers = {}
    if credentials.token:
        headers["Authorization"] = f"Bearer {credentials.token}"
    if credentials.secret:
        now = dt.datetime.now(dt.UTC)
        identity = f"replay_{number}_{hashlib.sha256(body).hexdigest()[:32]}"
        # The scheme signs text; a body that is none is refused, whatever its signature.
        signature = credentials.secret.sign(identity, now, body.decode("utf-8", "replace"))
        headers |= {
            "webhook-id": identity,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }
    return headers
