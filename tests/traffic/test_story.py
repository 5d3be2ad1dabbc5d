"""The demo's story: well, then bad for one app, then well again."""

from itertools import islice

import pytest

from exporter.traffic.story import APPS, STORY, AppResult, phase_at, tell


def failures(results: list[AppResult], app: str) -> float:
    """Return the share of refused certificates among the iOS results of an app."""
    kinds = [result.result.kind for result in results if result.app == app]
    ios = [kind for kind in kinds if kind.channel == "IOS"]
    return sum(kind.message == "BadCertificate" for kind in ios) / len(ios)


@pytest.mark.parametrize(
    ("seconds", "scenario"),
    [(0, "healthy"), (29, "healthy"), (30, "certificate-expired"), (119, "certificate-expired"),
     (120, "healthy"), (599, "healthy"), (629, "healthy"), (630, "certificate-expired")],
)  # fmt: skip
def test_story_turns_bad_recovers_and_repeats(seconds: float, scenario: str) -> None:
    """Half a minute is well, a minute and a half bad, and then it is well for long."""
    assert phase_at(STORY, seconds).scenario == scenario


@pytest.mark.parametrize(("seconds", "bad"), [(0, False), (60, True), (200, False)])
def test_one_app_fails_while_another_is_healthy(seconds: float, bad: bool) -> None:
    """In the incident the first app's certificate is refused; the other app notices nothing."""
    texts: list[str] = []
    results = list(islice(tell(STORY, lambda: seconds, texts.append, seed=3), 2000))
    assert (failures(results, APPS[0]) > 0.5) == bad
    assert failures(results, APPS[1]) == 0
    assert len(texts) == 1


def test_each_phase_is_announced_once() -> None:
    """Each phase is announced once, with its app."""
    texts: list[str] = []
    now = iter(range(0, 700, 10))
    list(islice(tell(STORY, lambda: next(now), texts.append, seed=3), 70))
    assert texts == [
        "All is well.",
        "APNs refuses the certificate of shop.",
        "The certificate of shop is renewed.",
        "All is well.",
        "APNs refuses the certificate of shop.",
    ]
