"""A synthetic push gateway: signs realistic results as MPS does and posts them at a rate."""

import base64
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from exporter.commands.sender import Call, Progress, Summary, send
from exporter.errors import ConfigurationError

_DUPLICATES = 0.01  # share of results that are sent twice, as after a lost answer


class Kind(NamedTuple):
    """One kind of result: MPS's word for the channel, the code, and its description."""

    channel: str
    code: int
    message: str
    weight: float


_HEALTHY = [
    Kind("IOS", 2, "Acked", 30),
    Kind("IOS", 2009, "BadDeviceToken", 0.15),
    Kind("IOS", 2011, "Unregistered", 0.4),
    Kind("HMS", 2, "Acked", 22),
    Kind("HMS", 80000003, "Terminal is not online", 0.6),
    Kind("HMS", 80000004, "The app has been uninstalled", 0.3),
    Kind("HONOR", 2, "Acked", 5),
    Kind("HARMONYOS", 2, "Acked", 3),
    Kind("MIUI", 2, "Acked", 14),
    Kind("MIUI", 10029, "Illegal device", 0.1),
    Kind("OPPO", 2, "Acked", 10),
    Kind("OPPO", 10000, "Invalid RegistrationId", 0.1),
    Kind("VIVO", 2, "Acked", 8),
    Kind("VIVO", 10302, "Invalid regId", 0.1),
    Kind("FCM", 2, "Acked", 5),
    Kind("FCM", 90000003, "NotRegistered", 0.2),
    Kind("ANDROID", 2, "Acked", 4),
    Kind("ANDROID", 0, "DeviceNotOnlineOrNoResponse", 1),
]

SCENARIOS: dict[str, list[Kind]] = {
    "healthy": _HEALTHY,
    "bad-device-token-spike": [*_HEALTHY, Kind("IOS", 2009, "BadDeviceToken", 12)],
    "throttled": [
        *_HEALTHY,
        Kind("VIVO", 10072, "Message push is too fast", 4),
        Kind("VIVO", 10070, "The total number of messages sent exceeds the limit", 1),
        Kind("MIUI", 10027, "The app API is called too frequently", 3),
        Kind("OPPO", -2, "Service in Flow Control", 3),
    ],
    "certificate-expired": [
        *(kind for kind in _HEALTHY if kind.channel != "IOS"),
        Kind("IOS", 2014, "BadCertificate", 20),
        Kind("IOS", 2024, "ConnClosed", 5),
    ],
    "outage": [
        *(kind for kind in _HEALTHY if kind.channel != "HMS"),
        Kind("HMS", 2, "Acked", 4),
        Kind("HMS", 110, "Interface internal exception", 9),
        Kind("HMS", 111, "Server is busy", 6),
        Kind("HMS", 81000001, "Internal error", 6),
    ],
}
"""What is sent, by name of the scenario."""


def load_private_key(path: Path) -> rsa.RSAPrivateKey:
    """Read the gateway's RSA private key (PEM)."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ConfigurationError(f"private key {path}: {error.strerror}") from error
    except (ValueError, TypeError):
        raise ConfigurationError(f"private key {path}: this is no unencrypted PEM key") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError(f"private key {path}: MPS signs with RSA, and this key is not RSA")
    return key


def sign(key: rsa.RSAPrivateKey, body: bytes) -> str:
    """Sign a body as MPS does: base64 with `-` for `+` and `_` for `/`."""
    signature = key.sign(body, padding.PKCS1v15(), SHA256())
    return base64.urlsafe_b64encode(signature).decode()


def bodies(scenario: str, seed: int | None = None) -> Iterator[bytes]:
    """Yield callback bodies for ever: the mix of a scenario, each with a message id of its own."""
    dice = random.Random(seed)  # noqa: S311 - traffic, not secrets
    kinds = SCENARIOS[scenario]
    weights = [kind.weight for kind in kinds]
    run = int(time.time() * 1000) if seed is None else seed
    body = b""
    for number, kind in enumerate(iter(lambda: dice.choices(kinds, weights)[0], None)):
        if body and dice.random() < _DUPLICATES:
            yield body
        body = msgspec.json.encode({
            "extInfo": {"osType": "ios" if kind.channel == "IOS" else "android"},
            "channel": kind.channel,
            "msgId": f"simulated_{run}_{number}",
            "pushSuccess": kind.code == 2,  # noqa: PLR2004 - Acked
            "statusCode": str(kind.code),
            "statusDesc": kind.message,
            "targetId": f"target-{dice.getrandbits(64):016x}",
        })  # fmt: skip
        yield body


def signed(url: str, key: rsa.RSAPrivateKey | None, body: bytes) -> str:
    """Return the URL of a call, with the body's signature if there is a key."""
    if key is None:
        return url
    return f"{url}{'&' if '?' in url else '?'}sign={quote(sign(key, body))}"


async def simulate(
    url: str,
    key: rsa.RSAPrivateKey | None,
    *,
    scenario: str = "healthy",
    rate: float = 50,
    seconds: float | None = None,
    count: int | None = None,
    seed: int | None = None,
    progress: Progress = lambda _summary: None,
) -> Summary:
    """Post results to `url` at `rate` a second, until `seconds` or `count` are used up."""
    calls = (Call(signed(url, key, body), body) for body in bodies(scenario, seed))
    return await send(calls, rate=rate, seconds=seconds, count=count, progress=progress)
