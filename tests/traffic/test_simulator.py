"""The simulator against openssl, the classifier and the real exporter."""

import asyncio
import json
import math
import re
import socket
import subprocess
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable, Container, Iterator
from itertools import islice, pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.errors import ConfigurationError
from exporter.gateways.auth.public_keys import load_private_key
from exporter.gateways.gateway import ReceivedRequest
from exporter.results import DecodedItems, PushResult, Severity
from exporter.traffic import mps
from exporter.traffic.mps import sign
from exporter.traffic.outgoing import Signer, unsigned
from exporter.traffic.sender import Request, Summary, send
from exporter.traffic.simulator import SCENARIOS, bodies, signed_requests
from tests.support.exporter import Exporter, KeyPair
from tests.support.gateways import decoded, unsigned_gateways

CLASSIFIER = Classifier(load_tables())


GATEWAY = unsigned_gateways()["mps"]


def decode(body: bytes) -> DecodedItems:
    """Decode a callback."""
    return decoded(GATEWAY, ReceivedRequest(body))


def signer(pair: KeyPair) -> Signer:
    """Sign with the key of a gateway."""
    return mps.signer(load_private_key(pair.private))


def sent(scenario: str, count: int, seed: int) -> list[bytes]:
    """List the bodies that a simulation sends."""
    return list(islice(bodies(scenario, seed), count))


def expected_counts(distinct: set[bytes]) -> dict[tuple[str, ...], float]:
    """Count the bodies by channel, code and severity, each once."""
    counts: Counter[tuple[str, ...]] = Counter()
    for body in distinct:
        [group] = decode(body).groups
        meaning = CLASSIFIER.classify(group.result)
        counts[meaning.series.channel, meaning.series.code, meaning.severity.value] += 1
    return dict(counts)


@pytest.mark.parametrize("body", [b"", b'{"statusCode": "2"}', "消息".encode() * 5000])
def test_openssl_verifies_the_signature(tmp_path: Path, keys: KeyPair, body: bytes) -> None:
    """What the simulator signs, openssl verifies, in the alphabet of MPS."""
    text = sign(load_private_key(keys.private), body)
    assert not set(text) & set("+/ ")
    signature = tmp_path / "signature"
    signature.write_bytes(urlsafe_b64decode(text))
    verify = ["openssl", "dgst", "-sha256", "-verify", str(keys.public)]
    verify += ["-signature", str(signature)]
    assert subprocess.run(verify, input=body, capture_output=True, check=False).returncode == 0
    changed = subprocess.run(verify, input=body + b" ", capture_output=True, check=False)
    assert changed.returncode == 1


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_code_is_known_on_its_channel(scenario: str) -> None:
    """Each kind of result has a code in its channel's table, under MPS's name for the channel."""
    for kind in SCENARIOS[scenario]:
        result = PushResult(str(kind.code), hint=kind.channel, message=kind.message)
        meaning = CLASSIFIER.classify(result)
        assert meaning.known, kind
        assert meaning.series.channel == CLASSIFIER.channel(kind.channel)


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "healthy"])
def test_trouble_looks_like_trouble(scenario: str) -> None:
    """A scenario of trouble has several times the healthy number of results worse than info."""

    def bad(scenario: str) -> int:
        results = [decode(body).groups[0].result for body in sent(scenario, 3000, seed=6)]
        return sum(CLASSIFIER.classify(result).severity is not Severity.INFO for result in results)

    assert bad(scenario) > 3 * bad("healthy") > 0


def test_scenarios_of_the_contract() -> None:
    """The scenarios are those that the command line promises."""
    assert set(SCENARIOS) == {
        *("healthy", "bad-device-token-spike", "throttled", "certificate-expired", "outage"),
    }


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_seed_makes_a_run_repeatable(scenario: str) -> None:
    """The same seed gives the same bodies, another seed or none gives others."""
    first = sent(scenario, 200, seed=1)
    assert sent(scenario, 200, seed=1) == first
    assert not set(first) & set(sent(scenario, 200, seed=2))
    assert not set(first) & set(islice(bodies(scenario), 200))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_bodies_are_callbacks(scenario: str) -> None:
    """Each body is one good callback with an id of its own, and a few come twice in a row."""
    made = sent(scenario, 2000, seed=3)
    results = [decode(body) for body in made]
    assert all(len(batch.groups) == 1 and not batch.rejected for batch in results)
    ids = Counter(batch.groups[0].ids[0] for batch in results)
    repeated = sum(first == other for first, other in pairwise(made))
    assert None not in ids
    assert len(ids) == len(set(made)) == len(made) - repeated
    assert 0 < repeated < 100
    for body in made[:50]:
        callback = json.loads(body)
        assert callback["pushSuccess"] is (callback["statusCode"] == "2")
        assert callback["extInfo"]["osType"] == (
            "ios" if callback["channel"] == "IOS" else "android"
        )


def test_spike_is_a_spike() -> None:
    """Scenarios differ in what the alerts look at: bad tokens are many times the healthy share."""

    def bad_tokens(scenario: str) -> int:
        return sum(b"BadDeviceToken" in body for body in sent(scenario, 5000, seed=4))

    assert bad_tokens("bad-device-token-spike") > 10 * bad_tokens("healthy")


def healthy(sign: Signer, url: str) -> Iterator[Request]:
    """Return the requests of a healthy app."""
    return signed_requests(sign, url, bodies("healthy"))


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_exporter_counts_all_results(
    exporter: Exporter, keys: KeyPair, scenario: str
) -> None:
    """Every result of a run is counted once under its channel, code and severity."""
    made = sent(scenario, 400, seed=5)
    distinct = set(made)
    assert len(distinct) < len(made)
    url = f"{exporter.ingest}/webhooks/mps"
    for repetition in (0, 1):  # a second run of the same seed is nothing but duplicates
        requests = signed_requests(signer(keys), url, bodies(scenario, seed=5))
        summary = await send(requests, rate=1e6, count=400)
        assert summary.sent == 400
        assert summary.responses == {"200": 400}
        assert await exporter.counted() == expected_counts(distinct)
        duplicates = (await exporter.series("push_results_duplicate_total"))[("mps",)]
        assert duplicates == 400 * (1 + repetition) - len(distinct)


async def test_url_may_have_a_query(exporter: Exporter, keys: KeyPair) -> None:
    """The signature is added to the URL's own parameters, which stay in effect."""
    url = f"{exporter.ingest}/webhooks/mps?channel=HONOR"
    summary = await send(healthy(signer(keys), url), rate=1e6, count=5)
    assert summary.responses == {"200": 5}
    assert {channel for channel, _, _ in await exporter.counted()} == {"honor"}


async def test_wrong_or_no_key_is_refused(exporter: Exporter, unknown_key: KeyPair) -> None:
    """Responses are counted by status: those to an unknown key, and to no signature, are 401."""
    url = f"{exporter.ingest}/webhooks/mps"
    for signer_ in (signer(unknown_key), unsigned):
        summary = await send(healthy(signer_, url), rate=1e6, count=5)
        assert (summary.sent, summary.responses) == (5, {"401": 5})
    assert await exporter.counted() == {}


@pytest.mark.parametrize(
    ("count", "seconds", "allowed"),
    [
        (7, None, [7]),
        (7, 1000, [7]),
        (1, None, [1]),
        (0, None, [0]),
        (None, 0, [0]),
        (None, 0.1, range(1, 13)),
        (1000, 0.1, range(1, 13)),
    ],
)
async def test_limits(
    exporter: Exporter,
    keys: KeyPair,
    count: int | None,
    seconds: float | None,
    allowed: Container[int],
) -> None:
    """A run ends at its count or its time, whichever is first, and keeps to its rate."""
    url = f"{exporter.ingest}/webhooks/mps"
    summary = await send(healthy(signer(keys), url), rate=100, count=count, seconds=seconds)
    assert summary.sent in allowed
    assert summary.responses.total() == summary.sent
    assert math.isfinite(summary.seconds)


async def test_progress_is_reported_for_each_request(exporter: Exporter, keys: KeyPair) -> None:
    """The progress function is called after each request with the number sent."""
    seen: list[Summary] = []
    url = f"{exporter.ingest}/webhooks/mps"
    await send(healthy(signer(keys), url), rate=1e6, count=10, progress=seen.append)
    assert [summary.sent for summary in seen] == list(range(1, 11))


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://127.0.0.1:{silent}/webhooks/mps", "Connection refused"),
        ("http://127.0.0.1:{closing}/webhooks/mps", "connection closed"),
        ("https://127.0.0.1:{closing}/webhooks/mps", "no TLS on this port"),
        ("https://127.0.0.1:{alerting}/webhooks/mps", "TLS handshake"),
        ("http://no-such-host.invalid/webhooks/mps", "unknown host"),
        ("http://1.2.3.4.5/webhooks/mps", "invalid URL"),
        ("http://127.0.0.1:{closing}/no-http", "invalid response"),
    ],
)
async def test_no_answer_is_counted(keys: KeyPair, url: str, cause: str) -> None:
    """Without a server a run continues to its end, and reports the error."""

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.read(65536)
        if b"no-http" in request or request.startswith(b"\x16"):  # TLS
            writer.write(b"this is neither\r\n\r\n")
        writer.close()

    async def alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(bytes.fromhex("15 0303 0002 02 28"))  # fatal, handshake_failure
        writer.close()

    closing = await asyncio.start_server(close, "127.0.0.1", 0)
    alerting = await asyncio.start_server(alert, "127.0.0.1", 0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # taken, but nobody listens
        servers = {"closing": closing, "alerting": alerting}
        ports = {name: server.sockets[0].getsockname()[1] for name, server in servers.items()}
        ports["silent"] = silent.getsockname()[1]
        summary = await send(healthy(signer(keys), url.format(**ports)), rate=1e6, count=4)
    closing.close()
    alerting.close()
    assert (summary.sent, summary.responses) == (4, {"no response": 4})
    assert summary.failures == {cause: 4}


def _openssl(*arguments: str | Path) -> bytes:
    return subprocess.run(["openssl", *arguments], capture_output=True, check=True).stdout


@pytest.mark.parametrize("option", ["-traditional", "-text"])
def test_key_of_either_form(tmp_path: Path, keys: KeyPair, option: str) -> None:
    """A private key is read as PKCS#8 and as PKCS#1, with openssl's notes before it or not."""
    path = tmp_path / "key"
    path.write_bytes(_openssl("rsa", "-in", keys.private, option))
    assert sign(load_private_key(path), b"x") == sign(load_private_key(keys.private), b"x")


def _bad_key(kind: str, keys: KeyPair) -> bytes | None:
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    encrypt = ["pkey", "-in", str(keys.private), "-aes-128-cbc", "-passout", "pass:secret"]
    certify = ["req", "-x509", "-key", str(keys.private), "-subj", "/CN=x"]
    made: dict[str, Callable[[], bytes | None]] = {
        "missing": lambda: None,
        "empty": lambda: b"",
        "text": lambda: b"remember the milk\n",
        "binary": lambda: bytes(range(256)),
        "public": keys.public.read_bytes,
        "cut": lambda: keys.private.read_bytes()[:300],
        "encrypted": lambda: _openssl(*encrypt),
        "encrypted-pkcs1": lambda: _openssl("rsa", *encrypt[1:], "-traditional"),
        "certificate": lambda: _openssl(*certify),
        "der": lambda: _openssl("pkey", "-in", keys.private, "-outform", "DER"),
        "utf-16": lambda: keys.private.read_text().encode("utf-16"),
        "escaped": lambda: keys.private.read_bytes().replace(b"\n", b"\\n"),
        "openssh": lambda: _openssh(keys),
        "elliptic": lambda: _openssl("genpkey", *curve),
        "ed25519": lambda: _openssl("genpkey", "-algorithm", "ED25519"),
    }
    return made[kind]()


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("missing", "No such file"),
        ("empty", "it is empty"),
        *((kind, "not a private key in PEM") for kind in ("text", "binary")),
        ("public", "this is a public key; name the file of its private key"),
        ("certificate", "this is a certificate; name the file of its private key"),
        ("cut", "the key is truncated"),
        *((kind, "the key is encrypted") for kind in ("encrypted", "encrypted-pkcs1")),
        *((kind, "not an RSA key") for kind in ("elliptic", "ed25519")),
    ],
)
def test_bad_key_file(tmp_path: Path, keys: KeyPair, kind: str, problem: str) -> None:
    """A file that is not an unencrypted RSA private key is named, and its content is not shown."""
    path = tmp_path / "key"
    content = _bad_key(kind, keys)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=problem) as refused:
        load_private_key(path)
    message = str(refused.value)
    assert str(path) in message
    lines = (content or b"").decode("latin-1").splitlines()
    assert not any(line in message for line in lines if len(line) > 8)


def _openssh(keys: KeyPair) -> bytes:
    """Return the private key in the format of OpenSSH."""
    key = load_private_key(keys.private)
    form = serialization.PrivateFormat.OpenSSH
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("encrypted", "the key is encrypted"),
        ("der", "a binary key"),
        ("utf-16", "it is UTF-16"),
        ("escaped", "its line ends are escaped"),
        ("openssh", "an OpenSSH key"),
    ],
)
def test_suggested_command_converts_the_key(
    tmp_path: Path, keys: KeyPair, kind: str, problem: str
) -> None:
    """The command in the error, run by a shell, writes a key that signs, for its owner only."""
    path = tmp_path / "the key"
    path.write_bytes(_bad_key(kind, keys) or b"")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=problem) as refused:
        load_private_key(path)
    found = re.search(r"(\(umask|openssl|cp) .*", str(refused.value))
    assert found
    passphrase = " -passin pass:secret" if kind == "encrypted" else ""  # typed at a prompt
    subprocess.run(["sh", "-c", found[0] + passphrase], check=True, capture_output=True)
    made = load_private_key(tmp_path / "the key.pem")
    assert (tmp_path / "the key.pem").stat().st_mode & 0o077 == 0
    assert sign(made, b"x") == sign(load_private_key(keys.private), b"x")
