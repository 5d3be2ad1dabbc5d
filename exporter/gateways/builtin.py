"""The base of the gateways in code."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from exporter.configuration.groups import GatewaySettings
from exporter.errors import ConfigurationError
from exporter.gateways.auth.authenticator import Authenticator, LoadedScheme
from exporter.gateways.auth.files import credential_files
from exporter.gateways.auth.scheme import Scheme
from exporter.gateways.gateway import CredentialSource, ReceivedRequest, Verification


class BuiltIn:
    """A gateway with the exporter's response, and without channels or a handshake."""

    response: bytes | None = None
    channels = frozenset[str]()

    def __init__(self, authenticator: Authenticator) -> None:
        self.authenticate = authenticator.authenticate
        self.settings: Sequence[str] = authenticator.settings
        self.credentials: Sequence[CredentialSource] = authenticator.credentials
        self.accepts_anyone = authenticator.accepts_anyone
        self.warnings: Sequence[str] = authenticator.warnings

    def verification(self, request: ReceivedRequest) -> Verification | None:
        """Return None: every request is for results."""
        del request
        return None


def load_schemes(
    gateway: str,
    schemes: Mapping[str, tuple[Scheme, Sequence[Path]]],
    settings: GatewaySettings,
) -> Authenticator:
    """Read the credentials of a gateway's settings; ConfigurationError names a setting and file."""
    loaded = []
    for setting, (scheme, paths) in schemes.items():
        try:
            files = credential_files(paths, settings.apps)
            known = scheme.load_all(gateway, files)
        except ConfigurationError as error:
            raise ConfigurationError(f"{setting}: {error}") from error
        if known:
            loaded.append(LoadedScheme(setting, scheme, known))
    return Authenticator(
        gateway,
        loaded,
        settings=tuple(schemes),
        allow_unsigned=settings.allow_unsigned,
    )
