"""A simulated push gateway: realistic results, signed as MPS does, posted at a rate."""

import random
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from xxhash import xxh3_64_hexdigest

from exporter.gateways import mps
from exporter.traffic.mps import ACKNOWLEDGED, write
from exporter.traffic.outgoing import Signer
from exporter.traffic.sender import Request

GATEWAY = mps.NAME
"""The name of the simulated gateway."""

_DUPLICATE_RATIO = 0.01  # share of results that are sent twice, as after a lost response


class Kind(NamedTuple):
    """A kind of result: MPS's word for the channel, the code, and its description."""

    channel: str
    code: int
    message: str
    weight: float


_HEALTHY = [
    Kind("IOS", ACKNOWLEDGED, "Acked", 30),
    Kind("IOS", 2009, "BadDeviceToken", 0.15),
    Kind("IOS", 2011, "Unregistered", 0.4),
    Kind("HMS", ACKNOWLEDGED, "Acked", 22),
    Kind("HMS", 80000003, "Terminal is not online", 0.6),
    Kind("HMS", 80000004, "The app has been uninstalled", 0.3),
    Kind("HONOR", ACKNOWLEDGED, "Acked", 5),
    Kind("HARMONYOS", ACKNOWLEDGED, "Acked", 3),
    Kind("MIUI", ACKNOWLEDGED, "Acked", 14),
    Kind("MIUI", 10029, "Illegal device", 0.1),
    Kind("OPPO", ACKNOWLEDGED, "Acked", 10),
    Kind("OPPO", 10000, "Invalid RegistrationId", 0.1),
    Kind("VIVO", ACKNOWLEDGED, "Acked", 8),
    Kind("VIVO", 10302, "Invalid regId", 0.1),
    Kind("FCM", ACKNOWLEDGED, "Acked", 5),
    Kind("FCM", 90000003, "NotRegistered", 0.2),
    Kind("ANDROID", ACKNOWLEDGED, "Acked", 4),
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
        Kind("HMS", ACKNOWLEDGED, "Acked", 4),
        Kind("HMS", 110, "Interface internal exception", 9),
        Kind("HMS", 111, "Server is busy", 6),
        Kind("HMS", 81000001, "Internal error", 6),
    ],
}
"""The kinds of results of each scenario."""


class Simulated(NamedTuple):
    """A result: its kind, and the body of its callback."""

    kind: Kind
    body: bytes


def results(
    scenario: str, seed: int | None = None, *, prefix: str = "simulated"
) -> Iterator[Simulated]:
    """Yield an endless sequence of a scenario's results, each with a unique message id.

    Ids start with the prefix. A duplicate result is the same object.
    """
    rng = random.Random(seed)  # noqa: S311 - traffic, not secrets
    kinds = SCENARIOS[scenario]
    weights = [kind.weight for kind in kinds]
    run = int(time.time() * 1000) if seed is None else seed
    result = None
    for number, kind in enumerate(iter(lambda: rng.choices(kinds, weights)[0], None)):
        if result and rng.random() < _DUPLICATE_RATIO:
            yield result
        identity, target = f"{prefix}_{run}_{number}", f"target-{rng.getrandbits(64):016x}"
        body = write(kind.channel, kind.code, kind.message, identity, target)
        result = Simulated(kind, body)
        yield result


def bodies(scenario: str, seed: int | None = None) -> Iterator[bytes]:
    """Return an endless iterator of the bodies of a scenario's results."""
    return (result.body for result in results(scenario, seed))


def signed_requests(signer: Signer, url: str, bodies: Iterable[bytes]) -> Iterator[Request]:
    """Yield a signed request for each body."""
    return (signed_request(signer, url, body) for body in bodies)


def signed_request(signer: Signer, url: str, body: bytes) -> Request:
    """Sign a body and return its request."""
    address, headers, signed = signer(url, body, f"simulated_{xxh3_64_hexdigest(body)}")
    known = {"Content-Type": "application/json"} | dict(headers)
    return Request(address, body if signed is None else signed, known)
