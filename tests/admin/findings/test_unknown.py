"""Findings about unknown codes."""

import pytest

from exporter.admin.findings.finding import Level
from tests.support.watched import Watched, accepted

UNKNOWN = {
    "one channel": (
        [("vivo", "A"), ("vivo", "B")],
        ("unknown codes on vivo", "2 of 12 results: A (1), B (1).", "vivo"),
    ),
    "several channels": (
        [("vivo", "A"), ("oppo", "A"), ("pager", "A")],
        (
            "unknown codes on 3 channels",
            "3 of 13 results: vivo A (1), oppo A (1), other A (1).",
            None,
        ),
    ),
    "more than there are labels": (
        [("vivo", f"A{n}") for n in range(25)],
        (
            "unknown codes on vivo",
            "25 of 35 results: other (5), A0 (1), A1 (1) and 18 more.",
            "vivo",
        ),
    ),
}


@pytest.mark.parametrize(("codes", "expected"), UNKNOWN.values(), ids=UNKNOWN)
async def test_unknown_codes_are_one_note(
    watched: Watched, codes: list[tuple[str, str]], expected: tuple[str, str, str | None]
) -> None:
    """Unknown codes of all channels are one note, which explains the label `other`."""
    results = [{"channel": name, "code": code} for name, code in codes]
    health = await watched.count(accepted("vivo", 10), *results)
    assert health.state == "ok"
    [note] = health.findings
    assert note.level is Level.NOTE
    assert (note.title, note.detail, note.channel) == expected
    assert ("labelled other" in note.action) is ("other (" in note.detail)


async def test_only_the_most_frequent_codes_are_named(watched: Watched) -> None:
    """Of many codes the first few are named, and a tiny share is not called none."""
    many = [{"channel": "vivo", "code": f"NEW{n}", "count": n} for n in range(1, 6)]
    health = await watched.count(accepted("vivo", 10_000), *many)
    [finding] = health.findings
    assert finding.detail == (
        "Less than 1% of 10,015 results: NEW5 (5), NEW4 (4), NEW3 (3) and 2 more."
    )


async def test_a_channel_without_any_known_code(watched: Watched) -> None:
    """A new channel whose codes are all unknown needs attention, until a known one comes."""
    new = {"channel": "vivo", "code": "A", "count": 9}
    assert (await watched.count(new, accepted("oppo", 9))).state == "ok"
    health = await watched.count({"channel": "vivo", "code": "B"}, {"channel": "oppo", "code": "C"})
    assert [(one.level, one.title) for one in health.findings] == [
        ("attention", "only unknown codes on vivo"),
        ("note", "unknown codes on oppo"),
    ]
    assert (await watched.count(accepted("vivo", 1))).state == "ok"
