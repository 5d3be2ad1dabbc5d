"""The authenticator of a description, and its other requirements."""

from collections.abc import Collection
from pathlib import Path

from exporter.errors import ConfigurationError, Reason, RequestError
from exporter.gateways.auth.authenticator import Authenticator, LoadedScheme
from exporter.gateways.auth.files import credential_files
from exporter.gateways.auth.scheme import BodyValues, Scheme
from exporter.gateways.auth.tokens import NoAuth
from exporter.gateways.described.description import Require
from exporter.gateways.described.files import KIND
from exporter.gateways.gateway import ReceivedRequest


def build_authenticator(
    gateway: str,
    scheme: Scheme | None,
    file: Path,
    body_values: BodyValues | None,
    *,
    apps: Collection[str],
    allow_unsigned: bool,
) -> Authenticator:
    """Read the credentials of a scheme; ConfigurationError names the description and the file."""
    schemes, setting = [], f"auth.secrets of {file.name}"
    if scheme and (scheme.files or isinstance(scheme, NoAuth)):
        try:
            files = credential_files(scheme.files, apps, file.parent)
            schemes.append(LoadedScheme(setting, scheme, scheme.load_all(gateway, files)))
        except ConfigurationError as error:
            raise ConfigurationError(f"{KIND} {file}: auth.secrets: {error}") from error
    return Authenticator(
        gateway,
        schemes,
        settings=(setting,),
        allow_unsigned=allow_unsigned,
        body_values=body_values,
    )


def check_required(require: Require, request: ReceivedRequest) -> None:
    """Raise RequestError unless each required parameter and header has an allowed value."""
    for given, rules, kind in (
        (request.query, require.query, "query parameter"),
        (request.headers, require.header, "header"),
    ):
        for name, allowed in rules.items():
            value = given.get(name)
            if value is None:
                raise RequestError(Reason.MISSING_CREDENTIALS, f"Missing {kind} '{name}'.")
            if value not in allowed:
                raise RequestError(
                    Reason.BAD_SIGNATURE, f"The {kind} '{name}' has an unexpected value."
                )
