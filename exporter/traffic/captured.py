"""Makes newly signed requests from captured bodies."""

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
    """Return the URL; ConfigurationError if it is not a usable HTTP URL."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        usable = parts.scheme in ("http", "https") and host and parts.port != 0
    except ValueError:  # including UnicodeError
        usable = False
    if not usable:
        raise ConfigurationError(f"URL {url!r}: it must start with http:// or https:// and a host")
    return url


def requests_of(
    all_captured: Iterable[Captured],
    url: str,
    gateways: Gateways,
    signers: Mapping[str, Signer],
) -> Iterator[Request]:
    """Yield a request per body: to the webhook in the URL, by default to that of its format.

    Raises ConfigurationError if there are no bodies.
    """
    number = 0
    for number, captured in enumerate(all_captured, 1):
        target = _target(url, captured, gateways)
        signer = signers.get(urlsplit(target).path.rpartition("/")[2], unsigned)
        # Replaying the same file again sends the same identities, and so duplicates.
        identity = f"replay_{number}_{hashlib.sha256(captured.body).hexdigest()[:32]}"
        address, headers, signed = signer(target, captured.body, identity)
        body = captured.body if signed is None else signed
        yield Request(address, body, {"Content-Type": _content_type(captured), **headers})
    if not number:
        raise ConfigurationError("nothing to replay: no bodies found")


def _target(url: str, captured: Captured, gateways: Gateways) -> str:
    parts, record = urlsplit(url), captured.record
    if parts.path in ("", "/"):
        known = record.source if record else recognize(captured.body, gateways.values()).name
        parts = parts._replace(path=f"/webhooks/{known}")
    if record and record.channel and "channel=" not in parts.query:
        hint = f"channel={quote(record.channel)}"
        parts = parts._replace(query=f"{parts.query}&{hint}" if parts.query else hint)
    return parts.geturl()


def _content_type(captured: Captured) -> str:
    record = captured.record
    if record and record.content_type.isascii() and record.content_type.isprintable():
        return record.content_type or "application/octet-stream"
    lines = b"\n" in captured.body.strip() and not is_json(captured.body)
    return "application/x-ndjson" if lines else "application/json"
