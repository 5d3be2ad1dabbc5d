"""What the pages report: the parts of a running exporter, and its last hour."""

from typing import NamedTuple

from exporter.admin.history import History
from exporter.classification.classifier import Classifier
from exporter.classification.tables import Tables
from exporter.runtime.current import Current
from exporter.runtime.hub import Hub
from exporter.runtime.service import Service


class View(NamedTuple):
    """A running exporter, as its pages see it."""

    current: Current
    hub: Hub
    service: Service
    history: History

    @property
    def classifier(self) -> Classifier:
        """The classifier of the current snapshot."""
        return self.current.snapshot.classifier

    @property
    def tables(self) -> Tables:
        """The code tables of the current snapshot."""
        return self.current.snapshot.tables
