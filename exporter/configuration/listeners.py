"""The settings of the two listeners."""

import socket
from pathlib import Path

from pydantic import Field

from exporter.configuration.fields import Group, Port
from exporter.configuration.tls import TlsFiles

ALL_ADDRESSES = {"0.0.0.0", "::"}  # noqa: S104 - to recognize them
_LOOPBACK = ("127.", "::1")


class ListenerSettings(Group):
    """The two listeners: addresses, TLS, users, limits."""

    ingest_host: str = Field("0.0.0.0", description="address of the public listener")  # noqa: S104
    ingest_port: Port = Field(10987, description="port of the public listener; 0 for any free one")
    admin_host: str = Field("127.0.0.1", description="address of the admin listener")
    admin_port: Port = Field(10988, description="port of the admin listener; 0 for any free one")
    tls_cert_file: Path | None = Field(
        None,
        description="certificate chain (PEM) of both listeners",
        examples=["/etc/push-result-exporter/tls.crt"],
    )
    tls_key_file: Path | None = Field(
        None,
        description="private key (PEM) of TLS_CERT_FILE",
        examples=["/etc/push-result-exporter/tls.key"],
    )
    ingest_tls_cert_file: Path | None = Field(
        None,
        description="certificate chain of the public listener alone",
        examples=["/etc/push-result-exporter/ingest.crt"],
    )
    ingest_tls_key_file: Path | None = Field(
        None,
        description="private key of INGEST_TLS_CERT_FILE",
        examples=["/etc/push-result-exporter/ingest.key"],
    )
    admin_tls_cert_file: Path | None = Field(
        None,
        description="certificate chain of the admin listener alone",
        examples=["/etc/push-result-exporter/admin.crt"],
    )
    admin_tls_key_file: Path | None = Field(
        None,
        description="private key of ADMIN_TLS_CERT_FILE",
        examples=["/etc/push-result-exporter/admin.key"],
    )
    admin_tls_client_ca_file: Path | None = Field(
        None,
        description="CA certificates (PEM) of the clients that the admin listener accepts",
        examples=["/etc/push-result-exporter/client-ca.crt"],
    )
    admin_password_file: Path | None = Field(
        None,
        description="users of the admin listener, one `user:bcrypt-hash` per line",
        examples=["/etc/push-result-exporter/users"],
    )
    keepalive_seconds: float = Field(
        75,
        gt=0,
        allow_inf_nan=False,
        description="idle timeout of a connection to the public listener; longer than that of the "
        "load balancer in front (AWS ALB 60, Google Cloud 600)",
    )
    body_timeout_seconds: float = Field(
        10, gt=0, allow_inf_nan=False, description="timeout for receiving a request body"
    )
    max_connections: int = Field(
        10_000, ge=1, description="maximum number of open connections to the public listener"
    )
    reuse_port: bool = Field(
        False, description="share the public port with other replicas on this host (SO_REUSEPORT)"
    )

    @property
    def ingest_tls(self) -> TlsFiles | None:
        """The TLS files of the public listener; None for plain text."""
        return TlsFiles.of(
            ("INGEST_TLS", self.ingest_tls_cert_file, self.ingest_tls_key_file),
            ("TLS", self.tls_cert_file, self.tls_key_file),
        )

    @property
    def admin_tls(self) -> TlsFiles | None:
        """The TLS files of the admin listener; None for plain text."""
        return TlsFiles.of(
            ("ADMIN_TLS", self.admin_tls_cert_file, self.admin_tls_key_file),
            ("TLS", self.tls_cert_file, self.tls_key_file),
            client_ca=self.admin_tls_client_ca_file,
        )

    @property
    def is_public(self) -> bool:
        """Whether other machines can reach the public listener."""
        return not (self.ingest_host == "localhost" or self.ingest_host.startswith(_LOOPBACK))

    def ingest_url(self, port: int | None = None) -> str:
        """Return the URL of the public listener; `port` is the bound port, if the setting is 0."""
        return _url(self.ingest_tls, self.ingest_host, port or self.ingest_port)

    def admin_url(self, port: int | None = None) -> str:
        """Return the URL of the admin listener; `port` is the bound port, if the setting is 0."""
        return _url(self.admin_tls, self.admin_host, port or self.admin_port)

    def listener_problems(self) -> list[str]:
        """Return the contradictions between these settings."""
        problems = []
        for prefix in ("TLS", "INGEST_TLS", "ADMIN_TLS"):
            names = [f"{prefix}_{what}_FILE" for what in ("CERT", "KEY")]
            given = [getattr(self, name.lower()) is not None for name in names]
            if any(given) and not all(given):
                problems.append(f"{' and '.join(names)}: set both, or neither")
        if self.admin_tls_client_ca_file and not self.admin_tls:
            problems.append(
                "ADMIN_TLS_CLIENT_CA_FILE needs a certificate of the admin listener: set "
                "ADMIN_TLS_CERT_FILE and ADMIN_TLS_KEY_FILE"
            )
        hosts = {self.ingest_host, self.admin_host}
        overlap = len(hosts) == 1 or hosts & ALL_ADDRESSES
        if overlap and self.ingest_port == self.admin_port != 0:  # 0 is any free port
            problems.append("INGEST_PORT and ADMIN_PORT are the same")
        return problems


def _url(tls: TlsFiles | None, host: str, port: int) -> str:
    """Return a URL for other machines, with the host name in place of a wildcard address."""
    name = socket.gethostname() if host in ALL_ADDRESSES else host
    return f"{'https' if tls else 'http'}://{f'[{name}]' if ':' in name else name}:{port}"
