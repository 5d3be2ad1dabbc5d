"""Frequent names: paths that no webhook has, and undeclared apps."""

import string

from exporter.runtime.frequent import MAX_NAMES, FrequentNames
from tests.support.exporter import Exporter


def counts(names: FrequentNames) -> dict[str, int]:
    """Return how often each name was seen."""
    return {name.name: name.count for name in names.most_frequent()}


def test_the_most_frequent_stay() -> None:
    """However many other names are seen, a frequent one is not lost."""
    others = FrequentNames(str)
    for _ in range(3):
        others.add("/webhook/mps")
    for letter in string.ascii_letters:
        others.add(f"/scan/{letter}")
    assert len(counts(others)) == MAX_NAMES
    assert next(iter(counts(others).items())) == ("/webhook/mps", 3)
    assert "/scan/Z" in counts(others)


async def test_requests_to_other_counts(exporter: Exporter) -> None:
    """The hub remembers the path without its query, and none of a webhook that exists."""
    for path in ("/webhook/mps?sign=secret", "/webhook/mps", "/webhooks/mps?sign=secret", "/"):
        await exporter.post(path, b"{}")
    assert counts(exporter.hub.other_paths) == {"/webhook/mps": 2, "/": 1}
