"""The statuses of a gateway's requests, over the periods of findings."""

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from exporter.admin.history import HOURS, WINDOW
from exporter.admin.reading import Reading, Totals
from exporter.classification.thresholds import THRESHOLDS
from exporter.errors import ACCEPTED, VERIFIED

LAST_MINUTES = 3
"""Minutes in which a gateway with some traffic is examined."""

LAST_HOURS = 6
"""Hours in which a gateway with few requests is examined."""

_DAY_SECONDS = 86400


class Lost(NamedTuple):
    """Requests of a period without accepted requests."""

    period: str
    statuses: dict[str, int]
    total: int
    """The number of all requests."""


class Outcomes:
    """The requests of a gateway by status, without handshakes and probes."""

    def __init__(self, reading: Reading, gateway: str) -> None:
        self._reading, self.gateway = reading, gateway

    @cached_property
    def since_start(self) -> dict[str, int]:
        """All requests since the start."""
        return self._of(self._reading.requests.totals)

    @cached_property
    def window(self) -> dict[str, int]:
        """The requests of the window."""
        return self._of(self._reading.requests.counts(WINDOW))

    @cached_property
    def hours(self) -> dict[str, int]:
        """The requests of the last LAST_HOURS hours."""
        return self._of(self._reading.requests_by_hour.counts(LAST_HOURS))

    @property
    def none_accepted(self) -> bool:
        """Whether no request was accepted in the last LAST_HOURS hours."""
        return not self.hours.get(ACCEPTED)

    @property
    def had_accepted(self) -> bool:
        """Whether requests were accepted within a day.

        Before the start only the ledger has data, which does not distinguish gateways.
        """
        if self._of(self._reading.requests_by_hour.counts(HOURS)).get(ACCEPTED):
            return True
        gateways = self._reading.view.current.snapshot.gateways.values()
        with_credentials = [gateway.name for gateway in gateways if gateway.credentials]
        last = max((entry.last_at for entry in self._reading.all), default=0.0)
        return with_credentials == [self.gateway] and last > self._reading.now - _DAY_SECONDS

    @property
    def fingerprints(self) -> list[str]:
        """The fingerprints of the gateway's public keys."""
        gateway = self._reading.view.current.snapshot.gateways.get(self.gateway)
        sources = gateway.credentials if gateway else ()
        return [key.fingerprint for source in sources for key in source.keys]

    def all_lost(self, is_lost: Callable[[str], bool]) -> Lost | None:
        """Return the lost requests if all requests of some minutes, or of some hours, are lost.

        They must recur, so that a single burst of forged requests does not count.
        """
        return self._lost_in_minutes(is_lost) or self._lost_in_hours(is_lost)

    def _lost_in_minutes(self, is_lost: Callable[[str], bool]) -> Lost | None:
        requests = self._reading.requests
        statuses = self._of(requests.counts(LAST_MINUTES))
        lost = _select(statuses, is_lost)
        number = sum(lost.values())
        later = sum(_select(self._of(requests.counts(LAST_MINUTES - 1)), is_lost).values())
        enough = THRESHOLDS["refused_requests"]
        if number < enough or not number > later > 0 or statuses.get(ACCEPTED):
            return None
        return Lost(f"{LAST_MINUTES} minutes", lost, sum(statuses.values()))

    def _lost_in_hours(self, is_lost: Callable[[str], bool]) -> Lost | None:
        lost = _select(self.hours, is_lost)
        number = sum(lost.values())
        if not self.none_accepted or number < THRESHOLDS["min_affected"]:
            return None
        steps = islice(self._reading.requests_by_hour.steps(), LAST_HOURS)
        recurs = sum(bool(_select(self._of(step), is_lost)) for step in steps) > 1
        if recurs or 0 < sum(_select(self.window, is_lost).values()) < number:
            return Lost(f"{LAST_HOURS} hours", lost, sum(self.hours.values()))
        return None

    def _of(self, requests: Totals) -> dict[str, int]:
        return {
            status: count
            for (source, status), count in requests.items()
            if source == self.gateway and count and status != VERIFIED
        }


def _select(statuses: Mapping[str, int], is_lost: Callable[[str], bool]) -> dict[str, int]:
    return {status: count for status, count in statuses.items() if is_lost(status)}
