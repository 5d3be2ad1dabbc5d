"""The data source of the pages: a running exporter and its history."""

from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from exporter.admin.findings.first_seen import FirstSeen
from exporter.admin.history import History
from exporter.admin.minutes import MinutesByChannel
from exporter.classification.alerts import alerts_for
from exporter.classification.classifier import Classifier
from exporter.classification.tables import Tables
from exporter.results import ClassifiedResult, Series, Severity
from exporter.runtime.current import Current
from exporter.runtime.hub import Hub
from exporter.runtime.service import Service
from exporter.runtime.snapshot import Snapshot


class View:
    """A running exporter, its history, and caches for pages."""

    def __init__(self, current: Current, hub: Hub, service: Service, history: History) -> None:
        self.current, self.hub, self.service, self.history = current, hub, service, history
        self.meanings = Meanings()
        self.minutes = MinutesByChannel(history.results, self._is_failing)
        self.first_seen = FirstSeen()
        current.subscribe(self._update)

    @property
    def classifier(self) -> Classifier:
        """The classifier of the current snapshot."""
        return self.current.snapshot.classifier

    @property
    def tables(self) -> Tables:
        """The code tables of the current snapshot."""
        return self.current.snapshot.tables

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The effective settings by name, as JSON values; secrets are file paths."""
        values = self.current.settings.model_dump(mode="json")
        return {name.upper(): value for name, value in values.items()}

    @property
    def environment(self) -> str:
        """The host of EXTERNAL_URL, which distinguishes environments; without it the name."""
        external = self.current.settings.external_url
        return (external and urlsplit(external).hostname) or self.name

    @property
    def name(self) -> str:
        """The name under which this exporter counts, by default the host name."""
        return self.hub.ledger.instance or self.current.settings.instance or self.service.host

    def _is_failing(self, series: Series) -> bool:
        return self.meanings[series].result.severity is not Severity.INFO

    def _update(self, snapshot: Snapshot) -> None:
        self.meanings.update_tables(snapshot)
        self.minutes.clear()


class Meaning(NamedTuple):
    """The meaning of a series by the current tables, and the alerts that watch it."""

    result: ClassifiedResult
    alerts: tuple[str, ...]
    """The most specific first."""


class Meanings(dict[Series, Meaning]):
    """The meaning of each series, looked up once for each snapshot."""

    def update_tables(self, snapshot: Snapshot) -> None:
        """Discard all meanings; look up in the tables of a snapshot from now on."""
        self.clear()
        self._classify = snapshot.classifier.current

    def __missing__(self, series: Series) -> Meaning:
        """Look a series up."""
        if series.app:  # codes are the same for all apps
            meaning = self[series] = self[series._replace(app="")]
            return meaning
        result = self._classify(series)
        meaning = self[series] = Meaning(result, tuple(alert.name for alert in alerts_for(result)))
        return meaning
