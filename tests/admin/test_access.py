"""TLS on both listeners and passwords on the private one, for real clients and Prometheus."""

import asyncio
import base64
import json
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp
import pytest

from tests.support.certificates import Certificate, make_certificate
from tests.support.exporter import Exporter, KeyPair, MakeSettings, started, url_sign
from tests.support.passwords import PASSWORD, USER, write_users
from tests.support.programs import Launch, exporter_process, fetch, prometheus, wait_for

CALLBACK = b'{"statusCode": "2", "msgId": "m1"}'
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Give the certificate at the start."""
    return make_certificate(tmp_path_factory.mktemp("first"), "first")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Give the certificate that replaces it."""
    return make_certificate(tmp_path_factory.mktemp("second"), "second")


def trust(certificate: Certificate) -> ssl.SSLContext:
    """Trust this certificate and no other."""
    return ssl.create_default_context(cafile=certificate.chain)


def install(certificate: Certificate, place: Certificate) -> None:
    """Put a certificate where the exporter reads it."""
    shutil.copyfile(certificate.chain, place.chain)
    shutil.copyfile(certificate.key, place.key)


async def shown(url: str) -> bytes:
    """Return the certificate that a new connection to a listener is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = urlsplit(url).port
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    der: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return der


@asynccontextmanager
async def encrypted(
    make_settings: MakeSettings, place: Certificate, certificate: Certificate
) -> AsyncIterator[Exporter]:
    """Run an exporter with a certificate inside the block."""
    install(certificate, place)
    settings = make_settings(tls_cert_file=place.chain, tls_key_file=place.key)
    async with started(settings) as exporter:
        yield exporter


@pytest.fixture
def place(tmp_path: Path) -> Certificate:
    """Give the files that the exporter reads."""
    return Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")


async def reload(exporter: Exporter, trusted: Certificate) -> int:
    """Ask for a reload; return the status."""
    async with exporter.client.post(exporter.admin + "/-/reload", ssl=trust(trusted)) as response:
        return response.status


async def test_signed_call_over_tls(
    make_settings: MakeSettings, keys: KeyPair, place: Certificate, first: Certificate
) -> None:
    """A client that verifies the certificate has its signed callback counted, and scrapes it."""
    async with encrypted(make_settings, place, first) as exporter:
        url = f"{exporter.ingest}/webhooks/mps?sign={url_sign(keys.sign(CALLBACK))}"
        assert url.startswith("https://")
        async with exporter.client.post(url, data=CALLBACK, ssl=trust(first)) as response:
            assert (await response.json())["accepted"] == 1
        async with exporter.client.get(exporter.admin + "/metrics", ssl=trust(first)) as response:
            metrics = await response.text()
        assert 'push_results_total{channel="mps",code="2",severity="info"} 1.0' in metrics


async def test_response_gets_through_tls_before_the_end(
    make_settings: MakeSettings, place: Certificate, first: Certificate
) -> None:
    """A client that is refused within its body reads why, and then the end of the connection."""
    async with encrypted(make_settings, place, first) as exporter:
        port = urlsplit(exporter.ingest).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust(first))
        writer.write(b"POST /webhooks/mps HTTP/1.1\r\nHost: it\r\nContent-Length: 9999999\r\n\r\n{")
        async with asyncio.timeout(10):
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 413 ")
            with suppress(ConnectionError, ssl.SSLError):
                assert await reader.read() == b""
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


async def test_other_certificates_and_plain_text_are_refused(
    make_settings: MakeSettings, place: Certificate, first: Certificate, second: Certificate
) -> None:
    """A client that trusts another certificate or speaks plain HTTP gets no response."""
    async with encrypted(make_settings, place, first) as exporter:
        for url in (f"{exporter.ingest}/webhooks/mps", f"{exporter.admin}/-/healthy"):
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await exporter.client.post(url, ssl=trust(second))
            with pytest.raises(aiohttp.ClientConnectionError):
                await exporter.client.post(url.replace("https:", "http:"))


async def test_replaced_certificate(
    make_settings: MakeSettings, place: Certificate, first: Certificate, second: Certificate
) -> None:
    """After a reload new connections to either listener see the new certificate, not before."""
    async with encrypted(make_settings, place, first) as exporter:
        install(second, place)
        assert {await shown(exporter.ingest), await shown(exporter.admin)} == {first.der}
        assert await reload(exporter, first) == 200
        assert {await shown(exporter.ingest), await shown(exporter.admin)} == {second.der}


async def test_bad_replacement_keeps_the_certificate(
    make_settings: MakeSettings, place: Certificate, first: Certificate, second: Certificate
) -> None:
    """A certificate that does not fit its key is refused, and the old one stays in use."""
    async with encrypted(make_settings, place, first) as exporter:
        shutil.copyfile(second.chain, place.chain)  # and the key of the first
        assert await reload(exporter, first) == 500
        place.key.unlink()
        assert await reload(exporter, first) == 500
        assert {await shown(exporter.ingest), await shown(exporter.admin)} == {first.der}
        metrics = exporter.admin + "/metrics"
        async with exporter.client.get(metrics, ssl=trust(first)) as response:
            assert "push_exporter_config_last_reload_successful 0.0" in await response.text()
        install(second, place)
        assert await reload(exporter, first) == 200
        assert await shown(exporter.ingest) == second.der


async def test_password_guards_the_admin_listener(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Every route of the admin listener asks for the password, and the webhooks do not."""
    settings = make_settings(admin_password_file=write_users(tmp_path / "users"))
    paths = (
        "/",
        "/codes",
        "/runbooks",
        "/runbooks/PushThrottled",
        "/assets/page.js",
        "/metrics",
        "/-/healthy",
        "/-/ready",
        "/api/v1/status",
        "/api/v1/codes",
        "/x",
    )
    async with started(settings) as exporter:
        requests = [("GET", path) for path in paths] + [("POST", "/-/reload")]
        for method, path in requests:
            url = exporter.admin + path
            async with exporter.client.request(method, url) as response:
                assert response.status == 401, path
                assert response.headers["WWW-Authenticate"].startswith("Basic ")
            wrong = {"Authorization": BASIC[:-4] + "AAA="}
            async with exporter.client.request(method, url, headers=wrong) as response:
                assert response.status == 401, path
            right = {"Authorization": BASIC}
            async with exporter.client.request(method, url, headers=right) as response:
                assert response.status == (404 if path == "/x" else 200), path
        assert (await exporter.results(b'{"code": 2}'))[0] == 200


CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: allowed
    scheme: https
    tls_config: {{ca_file: "{certificate}"}}
    basic_auth: {{username: "{user}", password_file: "{password}"}}
    static_configs: [{{targets: ["{target}"]}}]
  - job_name: without-password
    scheme: https
    tls_config: {{ca_file: "{certificate}"}}
    static_configs: [{{targets: ["{target}"]}}]
  - job_name: without-trust
    scheme: https
    basic_auth: {{username: "{user}", password_file: "{password}"}}
    static_configs: [{{targets: ["{target}"]}}]
"""


def test_prometheus_scrapes_over_tls_with_a_password(
    tmp_path: Path, keys: KeyPair, first: Certificate
) -> None:
    """Prometheus with `scheme: https` and `basic_auth` gets the metrics, and only with both."""
    launch = Launch(headers={"Authorization": BASIC}, trust=trust(first))
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    with exporter_process(
        tmp_path,
        launch,
        mps_public_key_files=keys.public,
        tls_cert_file=first.chain,
        tls_key_file=first.key,
        admin_password_file=write_users(tmp_path / "users"),
    ) as exporter:
        url = f"{exporter.ingest}/webhooks/mps?sign={url_sign(keys.sign(CALLBACK))}"
        assert json.loads(fetch(url, CALLBACK, trust=trust(first)))["accepted"] == 1
        config = CONFIG.format(
            certificate=first.chain,
            user=USER,
            password=password,
            target=urlsplit(exporter.admin).netloc,
        )
        with prometheus(tmp_path, config) as server:

            def ask(query: str) -> dict[str, float]:
                response = json.loads(fetch(f"{server}/api/v1/query?query={quote(query)}"))
                samples = response["data"]["result"]
                return {one["metric"]["job"]: float(one["value"][1]) for one in samples}

            up = {"allowed": 1, "without-password": 0, "without-trust": 0}
            wait_for(lambda: ask("up") == up, "each job has been scraped")
            counted = ask('push_results_total{channel="mps", code="2"}')
            assert counted == {"allowed": 1}
