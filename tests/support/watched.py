"""An exporter whose findings a test follows over hours, with a clock of its own."""

import json
from itertools import count
from typing import Any

from exporter.admin.findings.finding import Health
from exporter.admin.findings.health import health_of
from exporter.admin.history import MINUTE, History
from exporter.admin.reading import Reading, Selection
from exporter.admin.view import View
from tests.support.exporter import Exporter


class Watched:
    """A running exporter, and a history that only `pass_minutes` moves."""

    def __init__(self, exporter: Exporter) -> None:
        self.exporter = exporter
        self.now = 0.0
        """Seconds."""
        history = History.of(exporter.hub, lambda: self.now)
        self.view = View(exporter.current, exporter.hub, exporter.service, history)
        self._minutes = count(1)

    def read(self, selection: Selection = Selection()) -> Reading:  # noqa: B008 - immutable
        """Read the exporter."""
        return Reading(self.view, selection)

    def health(self, selection: Selection = Selection()) -> Health:  # noqa: B008 - immutable
        """Judge the exporter."""
        return health_of(self.read(selection))

    def titles(self, selection: Selection = Selection()) -> list[str]:  # noqa: B008 - immutable
        """Return the titles of what is found."""
        return [finding.title for finding in self.health(selection).findings]

    async def count(self, *results: dict[str, Any]) -> Health:
        """Count results, and judge."""
        status, answer = await self.exporter.results(json.dumps(results).encode())
        assert status == 200, answer
        return self.health()

    async def refuse(self, number: int) -> None:
        """Send requests with another token."""
        for _ in range(number):
            headers = {"Authorization": "Bearer of another"}
            status, _ = await self.exporter.post("/webhooks/results", b"{}", headers)
            assert status == 401

    def pass_minutes(self, minutes: int) -> None:
        """Let minutes pass."""
        for _ in range(minutes):
            self.now += MINUTE
            self.view.history.sample(next(self._minutes))
        for counted in self.exporter.hub.ledger.counts.values():
            counted.last_at -= minutes * MINUTE


def accepted(channel: str, number: int, **more: Any) -> dict[str, Any]:
    """Make accepted results."""
    return {"channel": channel, "code": 2, "count": number} | more
