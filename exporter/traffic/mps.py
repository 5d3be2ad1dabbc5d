"""Writes and signs callbacks as MPS does."""

import base64
from urllib.parse import quote

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.gateways.auth import public_keys
from exporter.traffic.outgoing import Outgoing, Signer

ACKNOWLEDGED = 2
"""The code of a push accepted by the gateway or the vendor."""


def sign(key: rsa.RSAPrivateKey, body: bytes) -> str:
    """Return the signature of a body: base64 with `-` for `+` and `_` for `/`."""
    return base64.urlsafe_b64encode(public_keys.sign(key, body)).decode()


def signer(key: rsa.RSAPrivateKey) -> Signer:
    """Return a signer that adds the signature of the body to the URL."""

    def signed(url: str, body: bytes, identity: str) -> Outgoing:
        del identity
        return Outgoing(f"{url}{'&' if '?' in url else '?'}sign={quote(sign(key, body))}", {})

    return signed


def write(channel: str, code: int, message: str, identity: str, target: str) -> bytes:
    """Write a callback; `channel` is the gateway's name for it."""
    return msgspec.json.encode({
        "extInfo": {"osType": "ios" if channel == "IOS" else "android"},
        "channel": channel,
        "msgId": identity,
        "pushSuccess": code == ACKNOWLEDGED,
        "statusCode": str(code),
        "statusDesc": message,
        "targetId": target,
    })  # fmt: skip
