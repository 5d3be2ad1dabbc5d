"""The paths that no webhook has: remembered without secrets, and within bounds."""

import string

from exporter.runtime.other_paths import MAX_PATHS, OtherPaths
from tests.support.exporter import Exporter


def paths(others: OtherPaths) -> dict[str, int]:
    """Return the requests by path."""
    return {one.path: one.requests for one in others.most_requested()}


def test_the_most_requested_stay() -> None:
    """However many other paths come, the one that a sender uses is not lost."""
    others = OtherPaths()
    for _ in range(3):
        others.note("/webhook/mps")
    for letter in string.ascii_letters:
        others.note(f"/scan/{letter}")
    assert len(paths(others)) == MAX_PATHS
    assert next(iter(paths(others).items())) == ("/webhook/mps", 3)
    assert "/scan/Z" in paths(others)


async def test_requests_to_other_paths(exporter: Exporter) -> None:
    """The hub remembers the path without its query, and none of a webhook that exists."""
    for path in ("/webhook/mps?sign=secret", "/webhook/mps", "/webhooks/mps?sign=secret", "/"):
        await exporter.post(path, b"{}")
    assert paths(exporter.hub.other_paths) == {"/webhook/mps": 2, "/": 1}
