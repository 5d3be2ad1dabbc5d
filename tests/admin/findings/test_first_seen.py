"""Since when findings hold, by a clock that the test turns."""

import msgspec

from exporter.admin.findings.finding import Finding, Level
from exporter.admin.findings.first_seen import FORGET_SECONDS, FirstSeen


def finding(title: str, channel: str = "apns", detail: str = "") -> Finding:
    """Make a finding."""
    return Finding(Level.ATTENTION, title, detail, "Act.", channel=channel)


def since(seen: FirstSeen, at: float, *findings: Finding) -> list[float | None]:
    """Note findings at a moment; return since when they hold."""
    return [one.since for one in seen.note(findings, at)]


def test_a_finding_that_stays() -> None:
    """It holds since it was first seen, whatever its numbers say since then."""
    seen = FirstSeen()
    assert since(seen, 100, finding("a")) == [100]
    assert since(seen, 160, finding("a", detail="more"), finding("b")) == [100, 160]
    assert since(seen, 220, finding("a"), finding("a", "vivo")) == [100, 220]


def test_a_finding_that_comes_and_goes() -> None:
    """A short absence does not begin it again, a longer one does."""
    seen = FirstSeen()
    since(seen, 0, finding("a"))
    assert since(seen, FORGET_SECONDS, finding("a")) == [0]
    since(seen, 2 * FORGET_SECONDS)
    later = 2 * FORGET_SECONDS + 1
    assert since(seen, later, finding("a")) == [later]


def test_the_same_finding_of_two_apps() -> None:
    """Each app has its own beginning."""
    seen = FirstSeen()
    shop, news = (msgspec.structs.replace(finding("a"), app=app) for app in ("shop", "news"))
    assert since(seen, 100, shop) == [100]
    assert since(seen, 160, shop, news) == [100, 160]
