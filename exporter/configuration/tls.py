"""TLS for both listeners, with a certificate that can be replaced while they run."""

import ssl
from collections.abc import Callable
from pathlib import Path

from exporter.errors import ConfigurationError


def load_tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """Read a certificate chain and its key; ConfigurationError names the files if they are bad."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"TLS_CERT_FILE {certificate} and TLS_KEY_FILE {key}: {problem}"
        ) from None
    return context


def reloadable_context(
    first: ssl.SSLContext, current: Callable[[], ssl.SSLContext | None]
) -> ssl.SSLContext:
    """Make a listener's context that hands each new connection to the current one."""

    def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = current() or first

    first.sni_callback = choose  # called without a server name too
    return first


def _no_password() -> str:
    raise ValueError("the key is encrypted; give one without a passphrase")
