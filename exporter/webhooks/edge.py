"""The edge: the state of the half of the exporter that receives requests."""

from exporter.records.redactor import Redactor
from exporter.runtime.current import Current
from exporter.runtime.hub import Hub
from exporter.runtime.service import Service
from exporter.webhooks.limits import Bodies, Connections, Limits
from exporter.webhooks.refusals import Refusals


class Edge:
    """Limits, connections, requests in flight, and the hub that counts results."""

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
        """Number of requests without a response yet."""

    def close(self) -> None:
        """Refuse bodies that are still arriving, and finish logs and records."""
        self.bodies.close()
        self.refusals.close()
        if self.redactor:
            self.redactor.close()
