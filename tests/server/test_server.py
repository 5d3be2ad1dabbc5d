"""The process: start, signals, errors at start; run as a real process."""

import http.client
import json
import re
import shlex
import signal
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from exporter.configuration.tls import TlsFiles, load_tls
from tests.support.certificates import make_certificate
from tests.support.exporter import TOKEN, KeyPair
from tests.support.programs import (
    ExporterProcess,
    answers,
    exporter_process,
    exporter_starting,
    fetch,
    free_port,
    wait_for,
)

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """Give the file of a bearer token."""
    file = tmp_path / "token"
    file.write_text(TOKEN)
    return file


@pytest.fixture
def process(tmp_path: Path, token: Path) -> Iterator[ExporterProcess]:
    """Run an exporter process."""
    with exporter_process(tmp_path, results_token_files=token) as running:
        yield running


def post(exporter: ExporterProcess, body: bytes) -> int:
    """Post results; return how many were new."""
    accepted: int = json.loads(fetch(exporter.ingest + "/webhooks/results", body, HEADERS))[
        "accepted"
    ]
    return accepted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_it_gracefully(process: ExporterProcess, number: signal.Signals) -> None:
    """SIGTERM and SIGINT end the process with status 0 and everything in the ledger."""
    assert post(process, b'[{"code": 2}, {"code": 2}]') == 2
    process.process.send_signal(number)
    assert process.process.wait(20) == 0
    with closing(sqlite3.connect(process.log.parent / "ledger.sqlite3")) as ledger:
        assert ledger.execute("SELECT channel, code, count FROM counts").fetchall() == [
            ("mps", "2", 2)
        ]


def test_request_in_flight_gets_its_response(process: ExporterProcess) -> None:
    """A request whose body is still arriving at SIGTERM is completed and counted."""
    address = process.ingest.removeprefix("http://")
    with closing(http.client.HTTPConnection(address, timeout=20)) as connection:
        connection.putrequest("POST", "/webhooks/results")
        for name, value in {**HEADERS, "Content-Length": "11"}.items():
            connection.putheader(name, value)
        connection.endheaders(b'{"cod')
        samples = process.admin + "/metrics"
        wait_for(lambda: b"requests_in_flight 1.0" in fetch(samples), "the call is under way")
        process.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not answers(process.admin + "/-/ready"), "the exporter is draining")
        connection.send(b'e": 2}')
        assert connection.getresponse().status == 200
    assert process.process.wait(20) == 0


def test_hangup_reloads(process: ExporterProcess, token: Path) -> None:
    """SIGHUP reads the tokens again, and a bad file keeps the old ones."""
    metric = b"push_exporter_config_last_reload_successful %d.0"
    token.write_text("")
    process.process.send_signal(signal.SIGHUP)
    wait_for(lambda: metric % 0 in fetch(process.admin + "/metrics"), "the reload failed")
    assert post(process, b'{"code": 2}') == 1
    token.write_text("another token")
    process.process.send_signal(signal.SIGHUP)
    wait_for(lambda: metric % 1 in fetch(process.admin + "/metrics"), "the reload succeeded")
    with pytest.raises(OSError, match="401"):
        post(process, b'{"code": 2}')


def test_second_exporter_waits_for_the_ledger(
    process: ExporterProcess, tmp_path: Path, token: Path
) -> None:
    """A second process on the same ledger is not ready until the first has stopped."""
    folder = tmp_path / "second"
    folder.mkdir()
    settings = {"results_token_files": token, "ledger_path": tmp_path / "ledger.sqlite3"}
    post(process, b'{"code": 2}')
    admin = free_port()
    stopper = threading.Thread(target=stop_when_seen, args=(process, admin))
    stopper.start()
    with exporter_process(folder, admin_port=admin, **settings) as second:
        stopper.join()
        assert process.process.returncode == 0
        assert post(second, b'{"code": 2}') == 1
        assert b'{channel="mps",code="2",severity="info"} 2.0' in fetch(second.admin + "/metrics")


def stop_when_seen(first: ExporterProcess, admin: int) -> None:
    """Stop the first exporter once the second one answers that it is not ready."""
    wait_for(lambda: answers(f"http://127.0.0.1:{admin}/-/healthy"), "the second one runs")
    text = fetch(f"http://127.0.0.1:{admin}/metrics")
    assert b"push_results_total{" not in text  # not known yet, and 0 would be a lie
    time.sleep(0.5)
    first.process.terminate()
    first.process.wait(20)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    command = [sys.executable, "-m", "exporter", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_not_a_ledger_is_refused(tmp_path: Path) -> None:
    """The start fails on a file that is not a ledger, with an error that names it."""
    file = tmp_path / "notes.txt"
    file.write_text("not a database, " * 1000)
    done = run("serve", "--allow-unsigned", "--ledger-path", str(file))
    assert done.returncode == 2
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr
    assert file.read_text().startswith("not a database")


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "no.such.host.invalid"])
def test_serve_names_an_address_that_it_cannot_bind(
    process: ExporterProcess, tmp_path: Path, host: str
) -> None:
    """A port in use, an address not up and an unknown host are named, with exit status 1."""
    port = process.ingest.rpartition(":")[2]
    ledger = str(tmp_path / "other.sqlite3")
    flags = ["--ledger-path", ledger, "--ingest-host", host, "--ingest-port", port]
    done = run("serve", "--allow-unsigned", *flags)
    assert done.returncode == 1
    assert f"cannot listen on {host}:{port}: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("scenario", ["healthy", "certificate-expired"])
def test_demo_counts_signed_traffic(tmp_path: Path, scenario: str) -> None:
    """The demo signs, sends and counts, prints its URL, and ends with success.

    Its receipts are accepted with a custom gateway configured, too.
    """
    file = tmp_path / "acme.toml"
    file.write_text("auth = { scheme = 'none' }\nfields = { code = 'status' }\n")
    flags = ["--ingest-port", "0", "--admin-port", "0", "--seconds", "2", "--rate", "50"]
    flags += ["--gateway-files", str(file)]
    done = run("demo", "--scenario", scenario, *flags)
    assert done.returncode == 0, done.stderr
    assert "Open http://127.0.0.1:" in done.stdout
    line = done.stderr.splitlines()[-1]
    assert re.fullmatch(r"(\d+) requests sent, .*; responses 200: \1; results accepted: .*", line)


def test_demo_shows_receipts_until_a_signal() -> None:
    """The demo counts receipts under their channel, from accepted to delivered; SIGINT ends it."""
    ports = ["--ingest-port", str(free_port()), "--admin-port", str(admin := free_port())]
    command = [sys.executable, "-m", "exporter", "demo", "--rate", "200", *ports]
    url = f"http://127.0.0.1:{admin}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as demo:
        receipts = b'channel="mipush-receipts",code="1",severity="info"}'
        wait_for(lambda: answers(url) and receipts in fetch(f"{url}/metrics"), "a receipt")
        mipush = wait_for(lambda: delivered(url), "pushes that were delivered, and opened ones")
        demo.send_signal(signal.SIGINT)
        assert demo.wait(20) == 0
    assert mipush["channel"] == "mipush"
    assert mipush["accepted"] >= mipush["delivered"] > mipush["opened"]


def delivered(url: str) -> dict[str, Any] | None:
    """Return the receipts of the last hour, once there are more than a few."""
    status = json.loads(fetch(f"{url}/api/v1/status"))
    rows: list[dict[str, Any]] = status["deliveries_last_hour"]
    return next((row for row in rows if row["delivered"] >= 40 and row["opened"]), None)


@pytest.mark.parametrize("listener", ["ingest", "admin"])
def test_tls_of_one_listener_alone(tmp_path: Path, token: Path, listener: str) -> None:
    """The listener with a certificate speaks TLS, and the other plain text."""
    pair = make_certificate(tmp_path, "localhost")
    settings = {f"{listener}_tls_cert_file": pair.chain, f"{listener}_tls_key_file": pair.key}
    with exporter_starting(tmp_path, results_token_files=token, **settings) as exporter:
        schemes = {"ingest": "http", "admin": "http"} | {listener: "https"}
        urls = {
            name: url.replace("http:", f"{schemes[name]}:")
            for name, url in (("ingest", exporter.ingest), ("admin", exporter.admin))
        }
        trust = ssl.create_default_context(cafile=pair.chain)
        wait_for(lambda: answers(f"{urls['admin']}/-/ready", trust=trust), "the exporter is ready")
        answer = fetch(f"{urls['ingest']}/webhooks/results", b'{"code": 2}', HEADERS, trust)
        assert json.loads(answer)["accepted"] == 1
        metrics = fetch(f"{urls['admin']}/metrics", trust=trust).decode()
    shown = re.findall('^push_exporter_tls_[a-z_]+{listener="(.*)"} (.*)$', metrics, re.MULTILINE)
    expires_at = load_tls(TlsFiles("TLS", *pair)).expires_at
    assert [(name, float(value)) for name, value in shown] == [(listener, expires_at)]


def test_refused_requests_are_logged(tmp_path: Path, token: Path) -> None:
    """Refused requests, other paths and other protocols are in the log, with what to do."""
    with exporter_process(tmp_path, results_token_files=token, log_format="json") as exporter:
        for path in ("/webhooks/results", "/webhook/results"):
            with pytest.raises(OSError, match=r"40[14]"):
                fetch(exporter.ingest + path, b'{"code": 2}')
        assert not answers(exporter.ingest.replace("http:", "https:"))
        log = exporter.log
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    refused = {line["reason"]: line for line in lines if line["event"] == "requests refused"}
    assert "Authorization: Bearer" in refused["missing_credentials"]["detail"]
    assert refused["not_found"]["last_path"] == "/webhook/results"
    assert refused["not_found"]["webhooks"] == "/webhooks/mps /webhooks/results"
    assert "INGEST_TLS_CERT_FILE" in refused["malformed_request"]["detail"]


def test_admin_listener_with_client_certificates(tmp_path: Path, token: Path) -> None:
    """With a client CA, a scrape has to show a certificate; webhooks need none."""
    pair = make_certificate(tmp_path, "localhost")
    settings = {"admin_tls_cert_file": pair.chain, "admin_tls_key_file": pair.key}
    settings |= {"admin_tls_client_ca_file": pair.chain, "results_token_files": token}
    with exporter_starting(tmp_path, **settings) as exporter:
        admin = exporter.admin.replace("http:", "https:")
        unknown = ssl.create_default_context(cafile=pair.chain)
        known = ssl.create_default_context(cafile=pair.chain)
        known.load_cert_chain(*pair)
        wait_for(lambda: answers(f"{admin}/metrics", trust=known), "a scrape with a certificate")
        assert not answers(f"{admin}/metrics", trust=unknown)
        assert post(exporter, b'{"code": 2}') == 1


@pytest.mark.slow
def test_replaced_token_takes_effect_without_a_reload(tmp_path: Path, token: Path) -> None:
    """A new token in the file is accepted within a minute, without a reload."""
    with exporter_process(tmp_path, results_token_files=token) as exporter:
        new = tmp_path / "new"
        new.write_text("another-token-of-the-sender")
        new.rename(token)
        url = f"{exporter.ingest}/webhooks/results"
        headers = {"Authorization": "Bearer another-token-of-the-sender"}
        body = b'{"code": 2}'

        def accepted() -> bool:
            try:
                return bool(fetch(url, body, headers))
            except OSError:
                return False

        wait_for(accepted, "the new token is accepted")
    assert "configuration reloaded" in exporter.log.read_text()


@pytest.mark.parametrize("form", ["console", "logfmt", "json"])
def test_log_lines(tmp_path: Path, token: Path, keys: KeyPair, form: str) -> None:
    """Requests are logged at debug only, as the chosen form, without tokens or target ids."""
    settings = {"results_token_files": token, "mps_public_key_files": keys.public}
    with exporter_process(tmp_path, log_level="debug", log_format=form, **settings) as exporter:
        body = b'{"code": 2, "id": "m", "targetId": "a-target-id", "message": "a message"}'
        post(exporter, body)
        with pytest.raises(OSError, match="401"):
            fetch(exporter.ingest + "/webhooks/mps?sign=c2VjcmV0LXNpZ24", body)
        fetch(exporter.admin + "/runbooks")
    log = exporter.log.read_text()
    for secret in (TOKEN, "a-target-id", "c2VjcmV0LXNpZ24"):
        assert secret not in log
    assert log.count("request") >= 2
    lines: list[dict[str, str]] = []
    if form == "json":
        lines = [json.loads(line) for line in log.splitlines()]
    if form == "logfmt":
        lines = [
            dict(word.split("=", 1) for word in shlex.split(line)) for line in log.splitlines()
        ]
        assert all(
            re.match("timestamp=[^ ]+ level=[a-z]+ logger=", line) for line in log.splitlines()
        )
    if lines:
        assert {line["level"] for line in lines} >= {"debug", "info"}
        assert {line["logger"].partition(".")[0] for line in lines} == {"exporter"}


def test_start_names_urls_and_credentials(tmp_path: Path, token: Path, keys: KeyPair) -> None:
    """The first lines of the log have the webhooks' URLs, fingerprints of keys, and no secret."""
    settings = {"results_token_files": token, "mps_public_key_files": keys.public}
    with exporter_process(tmp_path, log_format="json", **settings) as exporter:
        lines = [json.loads(line) for line in exporter.log.read_text().splitlines()]
    listening = next(line for line in lines if line["event"] == "listening")
    assert (listening["ingest"], listening["admin"]) == (exporter.ingest, exporter.admin)
    accepts = {line["url"]: line["accepts"] for line in lines if line["event"] == "webhook"}
    mps, results = (accepts[f"{exporter.ingest}/webhooks/{name}"] for name in ("mps", "results"))
    assert re.match("RSA 2048 bits, SHA-256 [0-9a-f]{64} ", mps)
    assert results.startswith("1 bearer token ")
    assert TOKEN not in exporter.log.read_text()


def test_start_without_credentials_names_the_settings(tmp_path: Path) -> None:
    """A webhook open to anyone is a warning that names the settings to close it."""
    settings = {"log_format": "json", "allow_unsigned": True, "record_max_bytes": 9}
    with exporter_process(tmp_path, **settings) as exporter:
        lines = [json.loads(line) for line in exporter.log.read_text().splitlines()]
    [warning] = [line["warning"] for line in lines if line["event"] == "setting without effect"]
    assert warning.startswith("RECORD_MAX_BYTES has no effect without RECORD")
    found = {line["url"]: line["action"] for line in lines if "anyone" in line["event"]}
    assert found == {
        f"{exporter.ingest}/webhooks/mps": "set MPS_PUBLIC_KEY_FILES",
        f"{exporter.ingest}/webhooks/results": "set RESULTS_TOKEN_FILES or RESULTS_SECRET_FILES",
    }
