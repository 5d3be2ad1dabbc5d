"""The incidents that can be played."""

from collections.abc import Sequence
from typing import NamedTuple

from tests.support.chain import NORMAL

Results = Sequence[tuple[str, int, float]]
"""Channel, code and results per second."""


class Incident(NamedTuple):
    """An incident, the alert for it, and the receivers of the alert."""

    title: str
    alert: str
    receivers: tuple[str, ...]
    minutes: int
    """How long the drill usually takes, with the shipped windows."""
    channel: str = ""
    results: Results = ()
    """What the channel has in place of its normal results."""
    full_disk: bool = False
    """Whether the exporter's disk fills up."""

    def traffic(self) -> Results:
        """Return all results while the incident lasts."""
        return [batch for batch in NORMAL if batch[0] != self.channel] + [*self.results]


INCIDENTS = {
    "wrong-certificate": Incident(
        "The push certificate is of the wrong environment: APNs refuses four of five tokens",
        alert="PushBadDeviceTokenSpike",
        receivers=("ios-chat",),
        minutes=13,
        channel="apns",
        results=[("apns", 2, 0.8), ("apns", 2009, 3.2)],
    ),
    "vivo-throttles": Incident(
        "vivo throttles: three of five pushes are too fast",
        alert="PushThrottled",
        receivers=("android-chat",),
        minutes=13,
        channel="vivo",
        results=[("vivo", 2, 1.6), ("vivo", 10072, 2.4)],
    ),
    "huawei-outage": Incident(
        "Huawei has an outage: every push fails",
        alert="PushVendorOutage",
        receivers=("android-chat",),
        minutes=13,
        channel="huawei",
        results=[("huawei", 110, 2), ("huawei", 81000001, 2)],
    ),
    "unknown-code": Incident(
        "OPPO sends a code that no table has",
        alert="PushUnknownCode",
        receivers=("daily-mail",),
        minutes=48,
        channel="oppo",
        results=[("oppo", 2, 3.9), ("oppo", 77777, 0.1)],
    ),
    "disk-full": Incident(
        "The exporter's disk is full",
        alert="PushLedgerFailing",
        receivers=("on-call", "platform-chat"),
        minutes=17,
        full_disk=True,
    ),
}
