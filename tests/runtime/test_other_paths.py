"""The paths that no webhook has: remembered without secrets, and within bounds."""

import pytest

from exporter.runtime.other_paths import MAX_LENGTH, MAX_PATHS, OtherPaths
from tests.support.exporter import Exporter


def paths(others: OtherPaths) -> dict[str, int]:
    """Return the requests by path."""
    return {one.path: one.requests for one in others.most_requested()}


def test_the_most_requested_stay() -> None:
    """However many other paths come, the one that a sender uses is not lost."""
    others = OtherPaths()
    for _ in range(3):
        others.note("/webhook/mps")
    for number in range(1000):
        others.note(f"/scan/{number}")
    assert len(paths(others)) == MAX_PATHS
    assert next(iter(paths(others).items())) == ("/webhook/mps", 3)
    assert "/scan/999" in paths(others)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/api/v2/callbacks/push/mps/results", "/api/v2/callbacks/push/mps/results"),
        ("/webhooks/mps/notification-callbacks", "/webhooks/mps/notification-callbacks"),
        ("/webhooks/7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d67728", "/webhooks/…"),
        ("/hook/Zm9vYmFyYmF6cXV4cXV1eA==", "/hook/…"),
        ("/hook/token=abcdef", "/hook/token=…"),
        ("/" + "a" * 5000, "/…"),
        ("/x" * 5000, ("/x" * 5000)[:MAX_LENGTH]),
        ("/a\0\x1b[31m\ud800b", "/a\0\x1b[31m?b"),
        ("", ""),
    ],
)
def test_paths_are_redacted(path: str, shown: str) -> None:
    """Words of a path are kept, and what may be a token is not."""
    others = OtherPaths()
    others.note(path)
    assert paths(others) == {shown: 1}


async def test_requests_to_other_paths(exporter: Exporter) -> None:
    """The hub remembers the path without its query, and none of a webhook that exists."""
    for path in ("/webhook/mps?sign=secret", "/webhook/mps", "/webhooks/mps?sign=secret", "/"):
        await exporter.post(path, b"{}")
    assert paths(exporter.hub.other_paths) == {"/webhook/mps": 2, "/": 1}
