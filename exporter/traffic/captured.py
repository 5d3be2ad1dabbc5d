"""Captured bodies as requests, signed again."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, urlsplit

from exporter.errors import ConfigurationError
from exporter.gateways.registry import Gateways, recognize
from exporter.gateways.text import is_json
from exporter.records.record import Captured
from exporter.traffic.outgoing import Signer, unsigned
from exporter.traffic.sender import Request


def check_url(url: str) -> str:
    """Return the URL; ConfigurationError if nothing can be sent there."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        usable = parts.scheme in ("http", "https") and host and parts.port != 0
    except ValueError:  # UnicodeError is one
        usable = False
    if not usable:
        raise ConfigurationError(f"URL {url!r}: it must begin with http:// or https:// and a host")
    return url


def requests_of(
    captured: Iterable[Captured], url: str, gateways: Gateways, signers: Mapping[str, Signer]
) -> Iterator[Request]:
    """Yield a request for each body, to the webhook of the URL, else to the one of its format.

    Raises ConfigurationError if there is no body at all.
    """
    number = 0
    for number, one in enumerate(captured, 1):
        target = _target(url, one, gateways)
        signer = signers.get(urlsplit(target).path.rpartition("/")[2], unsigned)
        # The same body at the same place is the same delivery, and a duplicate.
        identity = f"replay_{number}_{hashlib.sha256(one.body).hexdigest()[:32]}"
        address, headers, signed = signer(target, one.body, identity)
        body = one.body if signed is None else signed
        yield Request(address, body, {"Content-Type": _content_type(one), **headers})
    if not number:
        raise ConfigurationError("nothing to replay: no line and no file holds a body")


def _target(url: str, one: Captured, gateways: Gateways) -> str:
    parts = urlsplit(url)
    if parts.path in ("", "/"):
        known = one.record.source if one.record else recognize(one.body, gateways.values()).name
        parts = parts._replace(path=f"/webhooks/{known}")
    if one.record and one.record.channel and "channel=" not in parts.query:
        hint = f"channel={quote(one.record.channel)}"
        parts = parts._replace(query=f"{parts.query}&{hint}" if parts.query else hint)
    return parts.geturl()


def _content_type(one: Captured) -> str:
    if one.record and one.record.content_type.isascii() and one.record.content_type.isprintable():
        return one.record.content_type or "application/octet-stream"
    lines = b"\n" in one.body.strip() and not is_json(one.body)
    return "application/x-ndjson" if lines else "application/json"
