"""What the gateways that are written in code have in common."""

from exporter.gateways.auth.scheme import Authenticator
from exporter.gateways.gateway import ReceivedRequest


class BuiltIn:
    """A gateway with the exporter's own response, no channels of its own, and no handshake."""

    response: bytes | None = None
    channels = frozenset[str]()
    warnings: tuple[str, ...] = ()

    def __init__(self, authenticator: Authenticator) -> None:
        self.authenticate = authenticator.authenticate
        self.lacking = authenticator.lacking

    def handshake(self, request: ReceivedRequest) -> str | None:
        """Return None: every request brings results."""
        del request
        return None
