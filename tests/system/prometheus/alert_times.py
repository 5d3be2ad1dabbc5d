"""The time from an alert to its message: `python -m tests.system.prometheus.alert_times`.

The shipped Prometheus and Alertmanager files as they are, but for addresses. Ten minutes: after
some of normal traffic one channel dies, one is rejected, and a fifth of the tokens of one are bad.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.chain import NORMAL, chain, post_results, say
from tests.support.receiver import Receiver

NORMAL_SECONDS = 200
TROUBLE_SECONDS = 400
TROUBLE = [
    ("apns", 2, 3.2), ("apns", 2009, 0.8),  # a fifth of the tokens
    ("huawei", 110, 4),  # an outage
    ("vivo", 2, 1.6), ("vivo", 10072, 2.4),  # three of five are throttled
    ("fcm", 2, 3.2), ("fcm", 90000002, 0.8),
    ("oppo", 2, 3.9), ("oppo", 14, 0.1),  # a wrong key of one app
]  # fmt: skip
EXPECTED = {
    ("PushBadDeviceTokenSpike", "apns"): 360,
    ("PushInvalidTokenRatioHigh", "fcm"): 360,
    ("PushVendorOutage", "huawei"): 180,
    ("PushThrottled", "vivo"): 180,
    ("PushChannelRejected", "oppo"): 180,
}
"""Seconds from the first bad result to the message that each may take."""


def play(ingest: str, traffic: list[tuple[str, int, float]], seconds: float) -> None:
    """Post results every five seconds."""
    end = time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        post_results(ingest, traffic, 5)
        time.sleep(max(0.0, begun + 5 - time.monotonic()))


def first_sent(receiver: Receiver, alert: str, channel: str) -> Any:
    """Return when an alert first reached any receiver; None if it did not."""
    times = [
        found["first_told_at"]
        for key, found in receiver.alerts.items()
        if key[1:] == (alert, channel)
    ]
    return min(times, default=None)


def main() -> int:
    """Measure and print; fail if a message took too long or one was not expected."""
    with tempfile.TemporaryDirectory() as name, chain(Path(name), short=False) as path:
        receiver, ingest = path.told, path.exporter.ingest
        play(ingest, NORMAL, NORMAL_SECONDS)
        assert not receiver.alerts, receiver.alerts.keys()
        begun = time.time()
        play(ingest, TROUBLE, TROUBLE_SECONDS)
        took = {name: first_sent(receiver, *name) for name in EXPECTED}
        unexpected = {key[1:] for key in receiver.alerts} - EXPECTED.keys()
    late = False
    for (alert, channel), at in took.items():
        seconds = at - begun if at else float("inf")
        late = late or seconds > EXPECTED[alert, channel]
        say(f"{alert} {channel}: {seconds:.0f} s of {EXPECTED[alert, channel]} s")
    say("besides: " + (", ".join(map(" ".join, sorted(unexpected))) or "none"))
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
