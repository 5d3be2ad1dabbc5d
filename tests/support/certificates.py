"""Certificates made by the openssl program."""

import datetime as dt
import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from exporter.configuration.tls import TlsFiles, load_tls


class Certificate(NamedTuple):
    """The files of a self-signed certificate for localhost."""

    chain: Path
    key: Path

    def load(self) -> ssl.SSLContext:
        """Load it as the exporter does."""
        return load_tls(TlsFiles("TLS", self.chain, self.key)).context

    @property
    def der(self) -> bytes:
        """Return the certificate as a peer sees it."""
        return ssl.PEM_cert_to_DER_cert(self.chain.read_text())

    @property
    def expires_at(self) -> float:
        """Return the Unix time at which it expires, as the openssl program reads it."""
        command = ["openssl", "x509", "-noout", "-enddate", "-in", str(self.chain)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return ssl.cert_time_to_seconds(printed.strip().removeprefix("notAfter="))


def make_certificate(folder: Path, name: str, *options: str) -> Certificate:
    """Make a certificate with the openssl program."""
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(made.key), "-out", str(made.chain), *(options or ("-nodes",))),
        ],
        check=True,
        capture_output=True,
    )
    return made


def expire(certificate: Certificate) -> None:
    """Replace a certificate by one that expired long ago, which the openssl program cannot make."""
    old = x509.load_pem_x509_certificate(certificate.chain.read_bytes())
    key = serialization.load_pem_private_key(certificate.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    made = x509.CertificateBuilder(
        old.issuer,
        old.subject,
        key.public_key(),
        old.serial_number,
        dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2020, 1, 2, tzinfo=dt.UTC),
        list(old.extensions),
    ).sign(key, hashes.SHA256())
    certificate.chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
