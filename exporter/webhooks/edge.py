"""The edge: what the half of the exporter that takes requests has of its own."""

from exporter.records.redactor import Redactor
from exporter.runtime.current import Current
from exporter.runtime.hub import Hub
from exporter.runtime.service import Service
from exporter.webhooks.limits import Bodies, Connections, Limits
from exporter.webhooks.refusals import Refusals


class Edge:
    """Limits, connections and requests in flight, and the hub that counts what requests hold."""

    def __init__(self, current: Current, hub: Hub, service: Service, limits: Limits) -> None:
        self.current = current
        self.hub = hub
        self.service = service
        self.limits = limits
        self.bodies = Bodies(limits)
        self.connections = Connections(limits, self.bodies)
        self.redactor = Redactor(hub.keep) if current.settings.record else None
        self.refusals = Refusals(lambda: current.snapshot.gateways)
        self.in_flight = 0
        """Requests that have no response yet."""

    def close(self) -> None:
        """Refuse the bodies that are still arriving, and finish the records."""
        self.bodies.close()
        self.refusals.close()
        if self.redactor:
            self.redactor.close()
