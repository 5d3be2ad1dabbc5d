"""Nothing that the process gives out holds a secret: logs, answers, metrics, pages, errors."""

import base64
import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import bcrypt
import pytest

from exporter.commands.main import main
from tests.support.certificates import Certificate, make_certificate
from tests.support.exporter import SECRET, TOKEN, KeyPair, url_sign, webhook_headers
from tests.support.programs import ExporterProcess, Launch, exporter_process

PASSWORD = "correct-password-of-the-admin"
BASIC = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
MARK = "MARKER"
"""Begins everything that a sender or a file gives us and that must go nowhere."""

LONG = MARK + "0123456789abcdef" * 4  # as a device token looks

FAIL = """
import sys
from exporter.commands.main import main
from exporter.ledger.ledger import Ledger

def record(self, deliveries):
    raise RuntimeError("the ledger is gone")

Ledger.record = record
sys.exit(main(["serve"]))
"""


class Secrets:
    """Everything that must not be seen, in each of its spellings."""

    def __init__(self, folder: Path, keys: KeyPair) -> None:
        self.folder = folder
        self.tls: Certificate = make_certificate(folder, "tls")
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        self.settings: dict[str, Path] = {
            "mps_public_key_files": self._file("mps.pem", keys.public.read_text()),
            "results_token_files": self._file("token", TOKEN),
            "results_secret_files": self._file("secret", SECRET),
            "admin_password_file": self._file("users", f"admin:{hashed}\n"),
            "tls_cert_file": self.tls.chain,
            "tls_key_file": self.tls.key,
        }
        bare = SECRET.removeprefix("whsec_")
        decoded = base64.b64decode(bare).decode()
        key_lines = self.tls.key.read_text().splitlines()[1:-1]
        self.words = [MARK, MARK.lower(), TOKEN, bare, decoded, PASSWORD, BASIC, hashed, *key_lines]
        self.trust = ssl.create_default_context(cafile=self.tls.chain)

    def _file(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.write_text(content)
        return path

    def found_in(self, text: str) -> list[str]:
        """Return the lines that hold a secret."""
        return [line for line in text.splitlines() if any(word in line for word in self.words)]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory, keys: KeyPair) -> Secrets:
    """Make files of every kind of secret."""
    return Secrets(tmp_path_factory.mktemp("secrets"), keys)


def raw(exporter: ExporterProcess, trust: ssl.SSLContext, sent: bytes) -> str:
    """Send bytes to the public listener over TLS; return all that comes back."""
    host, port = (
        urlsplit(exporter.ingest).hostname,
        urlsplit(exporter.ingest).port,
    )
    received = b""
    with (
        socket.create_connection((host or "", port or 0), timeout=5) as plain,
        trust.wrap_socket(plain, server_hostname=host) as client,
        suppress(OSError),  # it may close while we still send
    ):
        client.sendall(sent)
        while piece := client.recv(65536):
            received += piece
            client.settimeout(0.1)
    return received.decode(errors="replace")


def call(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Make a webhook call."""
    lines = [f"POST /webhooks/{path} HTTP/1.1", "Host: x", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def calls(keys: KeyPair) -> Iterator[bytes]:
    """Make calls that are good, forged, malformed and too large, each with marked secrets."""
    bearer = {"Authorization": f"Bearer {TOKEN}", "Cookie": f"session={LONG}"}
    callback = {
        "extInfo": {"adToken": LONG, "osType": "ios", LONG: LONG},
        "msgId": "m1",
        "statusCode": "2",
        "statusDesc": "Acked",
        "targetId": LONG,
        "pushSuccess": LONG,
    }

    def mps(body: object) -> bytes:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return call(f"mps?x={LONG}&sign={url_sign(keys.sign(content))}", content, bearer)

    yield mps(callback)
    yield mps(callback)
    yield mps(callback | {"statusCode": 2009, "channel": "IOS"})
    yield mps(callback | {"statusCode": 424242, "statusDesc": f"no such device {LONG}"})
    yield mps(callback | {"statusCode": [LONG]})
    yield mps(callback | {"statusCode": f"{LONG} {LONG}"})
    yield mps(callback | {"statusCode": 31337, "channel": f"{LONG} channel"})
    yield mps([callback, LONG, {LONG: LONG}, {"statusCode": {LONG: 1}}])
    yield mps(b'{"targetId": "' + LONG.encode())
    yield mps(b'{"targetId": "' + LONG.encode() + b'\xff"}')
    yield mps(LONG.encode())
    yield mps({"targetId": f"{MARK}1", "extInfo": {"adToken": f"{MARK}2"}, "statusDesc": LONG})
    yield mps(f'{{"targetId": "{MARK}1", "registrationIds": ["{MARK}2"'.encode())
    yield mps(json.dumps({"targetId": LONG}).encode("utf-16"))

    content = json.dumps(callback).encode()
    yield call(f"mps?sign={LONG}", content, bearer)
    yield call(f"mps?sign=!{LONG}!&channel={LONG}", content, bearer)
    yield call("mps", content, bearer)

    good = b'{"code": 2, "targetId": "%b"}' % LONG.encode()
    yield call("results", good, bearer)
    yield call("results", good, webhook_headers(good, time.time()))
    yield call("results", good, webhook_headers(good, time.time() - 1000))
    yield call("results", good, webhook_headers(good, time.time()) | {"webhook-signature": LONG})
    yield call("results", good, webhook_headers(good, time.time()) | {"webhook-timestamp": LONG})
    for scheme in ("Bearer ", "Basic ", "Digest username=", ""):
        yield call("results", good, {"Authorization": scheme + LONG})
    for field in ("code", "channel", "id", "message", "count"):
        yield call("results", json.dumps({"code": 2, field: {LONG: LONG}}).encode(), bearer)
    yield call("results", b'{"code": 2}\n{"code": %b\n' % LONG.encode(), bearer)
    lines = bearer | {"Content-Type": f"application/x-ndjson; {LONG}"}
    yield call("results", b'{"code": 2}\n%b\n' % LONG.encode(), lines)
    yield call("results", good, bearer | {"Content-Encoding": LONG})
    yield call("results", LONG.encode() * 20_000, bearer)
    yield call(f"{LONG}", good, bearer)

    yield f"{MARK} /{MARK} {MARK}\r\n\r\n".encode()
    yield f"POST /webhooks/mps?sign={LONG} HTTP/1.1\r\n{LONG}\r\n\r\n".encode()
    yield f"POST /webhooks/mps HTTP/1.1\r\nHost: x\r\nX: {LONG}\0{LONG}\r\n\r\n".encode()
    yield f"POST /webhooks/mps HTTP/1.1\r\nHost: x\r\nX: {LONG * 1000}\r\n\r\n".encode()
    yield f"{MARK} /webhooks/mps HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    yield f"DELETE /webhooks/mps?sign={LONG} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    head = call("results", b"", bearer).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    yield head + LONG.encode()
    yield head + b"5\r\nabcde\r\n" + LONG.encode() + b"\r\n\r\n"
    yield call("results", b"", bearer).replace(b"Length: 0", b"Length: 100") + LONG.encode()


def admin(
    exporter: ExporterProcess,
    trust: ssl.SSLContext,
    path: str,
    authorization: str = f"Basic {BASIC}",
    **headers: str,
) -> tuple[int, str]:
    """Ask the admin listener; return the status and all that comes back, headers too."""
    connection = http.client.HTTPSConnection(
        urlsplit(exporter.admin).netloc, context=trust, timeout=10
    )
    try:
        method = "POST" if path == "/-/reload" else "GET"
        connection.request(method, path, headers=headers | {"Authorization": authorization})
        answer = connection.getresponse()
        return answer.status, f"{answer.reason}\n{answer.msg}\n{answer.read().decode()}"
    finally:
        connection.close()


def looks(exporter: ExporterProcess, trust: ssl.SSLContext) -> Iterator[str]:
    """Look at everything that the admin listener shows."""
    json_paths = ("/api/v1/status", "/api/v1/codes")
    for path in ("/", "/codes", *json_paths, "/metrics", "/-/ready", "/-/healthy"):
        status, text = admin(exporter, trust, path)
        assert status == 200
        yield text
    openmetrics = "application/openmetrics-text; version=1.0.0"
    status, text = admin(exporter, trust, "/metrics", accept=openmetrics)
    assert 'msg_id="m1"' in text
    yield text
    for authorization in ("", f"Basic {LONG}", f"Bearer {LONG}", f"{LONG}"):
        status, text = admin(exporter, trust, "/metrics", authorization, cookie=LONG)
        assert status == 401
        yield text
    yield admin(exporter, trust, f"/{LONG}?{LONG}")[1]
    yield admin(exporter, trust, "/metrics", accept=f"{LONG}; version={LONG}")[1]


BAD_FILES: dict[str, dict[str, bytes]] = {
    "mps_public_key_files": {
        "text": LONG.encode(),
        "pem": b"-----BEGIN PUBLIC KEY-----\n%b\n-----END PUBLIC KEY-----\n" % LONG.encode(),
        "private": b"-----BEGIN PRIVATE KEY-----\n%b\n-----END PRIVATE KEY-----\n" % LONG.encode(),
    },
    "results_token_files": {"binary": b"\xff" + LONG.encode()},
    "results_secret_files": {
        "text": f"whsec_{LONG}!".encode(),
        "second line": f"{SECRET}\n{LONG}!\n".encode(),
        "binary": b"whsec_\xff" + LONG.encode(),
    },
    "admin_password_file": {
        "plain": f"admin:{LONG}".encode(),
        "no user": LONG.encode(),
        "binary": b"admin:\xff" + LONG.encode(),
    },
    "tls_key_file": {
        "text": LONG.encode(),
        "pem": b"-----BEGIN PRIVATE KEY-----\n%b\n-----END PRIVATE KEY-----\n" % LONG.encode(),
    },
}


@pytest.mark.parametrize("form", ["console", "json"])
def test_running_exporter_tells_no_secret(
    tmp_path: Path, keys: KeyPair, secrets: Secrets, form: str
) -> None:
    """At level debug no call, reload or page brings a secret into the log or an answer."""
    launch = Launch(headers={"Authorization": f"Basic {BASIC}"}, trust=secrets.trust)
    with exporter_process(
        tmp_path,
        launch,
        **secrets.settings,
        log_level="debug",
        log_format=form,
        body_timeout_seconds=0.2,
        max_body_bytes=100_000,
        record=tmp_path / "records",
        record_unauthenticated=True,
    ) as exporter:
        answers = [raw(exporter, secrets.trust, call) for call in calls(keys)]
        statuses = {int(answer.split()[1]) for answer in answers if answer}
        assert statuses == {200, 400, 401, 404, 405, 408, 413, 415}
        for setting, contents in BAD_FILES.items():
            file = secrets.settings[setting]
            good = file.read_bytes()
            for content in contents.values():
                file.write_bytes(content)
                status, text = admin(exporter, secrets.trust, "/-/reload")
                assert status == 500
                answers.append(text)
            file.write_bytes(good)
        status, text = admin(exporter, secrets.trust, "/-/reload")
        assert status == 200
        shown = "\n".join([*answers, *looks(exporter, secrets.trust)])
        log = exporter.log.read_text()
    records = [path.read_text() for path in (tmp_path / "records").iterdir()]
    reasons = {json.loads(record)["reason"] for record in records}
    assert reasons >= {"missing_credentials", "bad_signature", "malformed_body", "code_missing"}
    assert secrets.found_in("\n".join(records)) == []
    assert secrets.found_in(shown) == []
    assert secrets.found_in(log) == []
    assert log.count("reload failed") == sum(map(len, BAD_FILES.values()))
    assert "Traceback" not in log


@pytest.mark.parametrize("form", ["console", "json"])
def test_internal_error_reveals_no_secret(
    tmp_path: Path, keys: KeyPair, secrets: Secrets, form: str
) -> None:
    """A traceback in the log has no local variables, and the response has no traceback."""
    launch = Launch(
        (sys.executable, "-c", FAIL), {"Authorization": f"Basic {BASIC}"}, secrets.trust
    )
    with exporter_process(
        tmp_path, launch, **secrets.settings, log_level="debug", log_format=form
    ) as exporter:
        body = json.dumps({"statusCode": "2", "targetId": LONG, "extInfo": {"adToken": LONG}})
        path = f"mps?sign={url_sign(keys.sign(body.encode()))}&x={LONG}"
        bearer = {"Authorization": f"Bearer {TOKEN}", "Cookie": LONG}
        answers = [
            raw(exporter, secrets.trust, call(path, body.encode(), bearer)),
            raw(exporter, secrets.trust, call("results", b'{"code": 2}', bearer)),
        ]
        log = exporter.log.read_text()
    assert all(answer.startswith("HTTP/1.1 500 ") for answer in answers)
    assert "ledger" not in answers[0]
    assert log.count("RuntimeError: the ledger is gone") == 2
    assert log.count("Traceback") == 2
    assert secrets.found_in("\n".join([*answers, log])) == []


Command = tuple[str, dict[str, object]]


def bad_commands(folder: Path) -> Iterator[Command]:
    """Name commands with settings that are bad in each way."""
    for setting, contents in BAD_FILES.items():
        for name, content in contents.items():
            file = folder / f"{setting} {name}"
            file.write_bytes(content)
            yield "check-config", {setting: file}
        yield "serve", {setting: file}
    unknown, broken = folder / "unknown.toml", folder / "broken.toml"
    unknown.write_text(f'results_token = "{LONG}"\n')
    broken.write_text(f'results_token_files = "{LONG}\n')
    yield "check-config", {"config": unknown}
    yield "check-config", {"config": broken}
    yield "check-config", {"results_token": LONG}
    yield "check-config", {"max_body_bytes": LONG}
    yield "check-config", {"log_level": LONG}
    yield "check-config", {"allow_unsigned": LONG}
    yield "check-config", {"mps_public_key_files": f'["{LONG}'}


def test_commands_reveal_no_secret(
    tmp_path: Path,
    secrets: Secrets,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Good files or bad ones, neither `check-config` nor a failed start repeats their content."""

    def run(command: str, given: dict[str, object]) -> tuple[int, str]:
        with monkeypatch.context() as patch:
            for name, value in {**secrets.settings, **given}.items():
                patch.setenv(f"PUSH_EXPORTER_{name.upper()}", str(value))
            if command == "check-config":  # in this process, which saves a second
                code = main([command])
            else:
                serve = [sys.executable, "-m", "exporter", command]
                code = subprocess.run(serve, timeout=30, check=False).returncode
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    code, output = run("check-config", {})
    assert code == 0
    assert secrets.found_in(output) == []
    for command, given in bad_commands(tmp_path):
        code, output = run(command, given)
        assert code == 2, (command, given)
        assert output.startswith("push-result-exporter: ")
        assert secrets.found_in(output) == [], (command, given)


def test_tools_reveal_no_secret(
    tmp_path: Path, keys: KeyPair, secrets: Secrets, capfd: pytest.CaptureFixture[str]
) -> None:
    """`explain` and `replay` repeat nothing of the bodies, credentials and answers they handle."""
    callback = {
        "statusCode": "2009",
        "targetId": LONG,
        "extInfo": {"adToken": LONG, "channel": LONG},
    }
    bodies = [
        json.dumps(callback).encode(),
        b'{"code": 2, "channel": "%b", "token": "%b"}' % (LONG.encode(), MARK.encode()),
        b'{"code": {"%b": 1}, "id": "%b"}' % (LONG.encode(), MARK.encode()),
        b'{"targetId": "%b' % LONG.encode(),
        LONG.encode(),
    ]
    file = tmp_path / "body"
    files = {name: str(path) for name, path in secrets.settings.items()}
    verify = ["--mps-public-key-files", files["mps_public_key_files"]]
    verify += ["--results-token-files", files["results_token_files"]]
    verify += ["--results-secret-files", files["results_secret_files"]]
    given = [[], ["--sign", LONG], ["--sign", url_sign(keys.sign(bodies[0]))]]
    given += [["--header", f"{name}: {LONG}"] for name in ("authorization", "webhook-signature")]
    given += [["--header", f"Authorization: Bearer {TOKEN}"], ["--header", LONG]]
    for body in bodies:
        file.write_bytes(body)
        for words in given:
            for form in ([], ["--json"]):
                status = main(["explain", "--payload", str(file), *verify, *words, *form])
                assert status in (0, 1, 2)
    file.write_bytes(b"\n".join(bodies))
    replay = ["replay", str(file), "--url", "http://127.0.0.1:1", "--rate", "1000"]
    replay += ["--private-key", str(keys.private), "--token-file", files["results_token_files"]]
    assert main([*replay, "--secret-file", files["results_secret_files"]]) == 1
    printed = capfd.readouterr()
    assert "by the unknown hint '…'" in printed.out
    assert "Signature: verifies" in printed.out
    assert "no response: 5" in printed.err
    assert secrets.found_in(printed.out + printed.err) == []
