"""The metric of the certificates' expiry."""

from pathlib import Path

from exporter.metrics.metrics import TLS_EXPIRY
from tests.support.certificates import make_certificate
from tests.support.exporter import MakeSettings, started


async def test_expiry_of_each_listener(make_settings: MakeSettings, tmp_path: Path) -> None:
    """A listener with TLS has the time at which its certificate expires; others have none."""
    certificate = make_certificate(tmp_path, "ingest", "-nodes", "-days", "7")
    files = {"ingest_tls_cert_file": certificate.chain, "ingest_tls_key_file": certificate.key}
    async with started(make_settings(**files)) as exporter:
        expiries = await exporter.series(TLS_EXPIRY)
    assert expiries == {("ingest",): certificate.expires_at}
