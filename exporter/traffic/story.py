"""Simulated traffic of two apps, of which the first has an incident."""

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from exporter.traffic.simulator import Simulated, results


class Phase(NamedTuple):
    """A part of a story."""

    seconds: float
    scenario: str
    """The scenario of the first app; the other app stays healthy."""
    text: str


STORY = (
    Phase(30, "healthy", "All is well."),
    Phase(90, "certificate-expired", "APNs refuses the certificate of {app}."),
    Phase(480, "healthy", "The certificate of {app} is renewed."),
)
"""The phases of the demo, in a loop."""

APPS = ("shop", "news")
"""The apps of the demo; the first has the incident."""


class AppResult(NamedTuple):
    """A result, and its app."""

    app: str
    result: Simulated


def phase_at(story: tuple[Phase, ...], seconds: float) -> Phase:
    """Return the phase of a looped story at a time."""
    seconds %= sum(phase.seconds for phase in story)
    for phase in story:
        if seconds < phase.seconds:
            return phase
        seconds -= phase.seconds
    return story[-1]


def tell(
    story: tuple[Phase, ...],
    clock: Callable[[], float],
    announce: Callable[[str], None],
    seed: int | None = None,
) -> Iterator[AppResult]:
    """Yield an endless sequence of results, according to the current phase; announce each phase."""
    rng = random.Random(seed)  # noqa: S311 - traffic, not secrets
    sources: dict[tuple[str, str], Iterator[Simulated]] = {}
    current: Phase | None = None
    while True:
        phase = phase_at(story, clock())
        if phase is not current:
            current = phase
            announce(phase.text.format(app=APPS[0]))
        app = rng.choice(APPS)
        scenario = phase.scenario if app == APPS[0] else "healthy"
        if (app, scenario) not in sources:
            own = None if seed is None else seed + len(sources)
            sources[app, scenario] = results(scenario, own, prefix=f"{app}_{scenario}")
        yield AppResult(app, next(sources[app, scenario]))
