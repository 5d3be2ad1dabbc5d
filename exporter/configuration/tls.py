"""TLS of the listeners, with certificates that can be replaced while they run."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from exporter.configuration.files import read_bytes
from exporter.errors import ConfigurationError

_CERTIFICATE, _PRIVATE_KEY = b"CERTIFICATE-----", b"PRIVATE KEY-----"


class TlsFiles(NamedTuple):
    """The TLS files of a listener, and the prefix of their settings."""

    prefix: str
    certificate: Path
    key: Path
    client_ca: Path | None = None

    @classmethod
    def of(
        cls, *pairs: tuple[str, Path | None, Path | None], client_ca: Path | None = None
    ) -> Self | None:
        """Return the files of the first complete pair, or None."""
        for prefix, certificate, key in pairs:
            if certificate and key:
                return cls(prefix, certificate, key, client_ca)
        return None


class Tls(NamedTuple):
    """A loaded certificate."""

    context: ssl.SSLContext
    expires_at: float
    """The earliest expiry of a certificate in the chain, in Unix seconds."""


def load_tls(files: TlsFiles) -> Tls:
    """Load a certificate chain and its key; ConfigurationError names an unusable file.

    With a client CA, clients must present a certificate that it has signed.
    """
    expires_at = _expiry(files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_pair(context, files)
    if files.client_ca:
        _load_client_ca(context, "ADMIN_TLS_CLIENT_CA_FILE", files.client_ca)
    return Tls(context, expires_at)


def reloadable_context(
    first: ssl.SSLContext, current: Callable[[], ssl.SSLContext | None]
) -> ssl.SSLContext:
    """Return a context that switches each new connection to the current context."""

    def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = current() or first

    first.sni_callback = choose  # also called without a server name
    return first


def _load_pair(context: ssl.SSLContext, files: TlsFiles) -> None:
    names = f"{files.prefix}_CERT_FILE {files.certificate} and {files.prefix}_KEY_FILE {files.key}"
    key = read_bytes(f"{files.prefix}_KEY_FILE", files.key)
    if _PRIVATE_KEY not in key:
        what = "a certificate, but no private key" if _CERTIFICATE in key else "no private key"
        raise ConfigurationError(f"{files.prefix}_KEY_FILE {files.key}: it contains {what} (PEM)")
    try:
        context.load_cert_chain(files.certificate, files.key, password=_refuse_password)
    except ssl.SSLError as error:
        mismatch = "the key does not belong to the certificate"
        problem = mismatch if error.reason == "KEY_VALUES_MISMATCH" else "they cannot be read"
        raise ConfigurationError(f"{names}: {problem}") from None
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"{names}: {problem}") from None


def _load_client_ca(context: ssl.SSLContext, setting: str, path: Path) -> None:
    data = read_bytes(setting, path)
    try:
        context.load_verify_locations(cadata=data.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise ConfigurationError(f"{setting} {path}: it contains no certificates (PEM)") from None
    context.verify_mode = ssl.CERT_REQUIRED
    # A resumed session is not verified again, not even after a reload of the CA.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0


def _expiry(files: TlsFiles) -> float:
    """Return the earliest expiry of a certificate in the chain, in Unix seconds."""
    from cryptography import x509  # noqa: PLC0415 - needed for TLS only

    setting = f"{files.prefix}_CERT_FILE {files.certificate}"
    data = read_bytes(f"{files.prefix}_CERT_FILE", files.certificate)
    if _CERTIFICATE not in data:
        what = "a private key, but no certificate" if _PRIVATE_KEY in data else "no certificate"
        raise ConfigurationError(f"{setting}: it contains {what} (PEM)")
    try:
        chain = x509.load_pem_x509_certificates(data)
    except ValueError:
        raise ConfigurationError(f"{setting}: a certificate in it is damaged") from None
    return min(certificate.not_valid_after_utc.timestamp() for certificate in chain)


def _refuse_password() -> str:
    raise ValueError("the key is encrypted; remove its passphrase")
