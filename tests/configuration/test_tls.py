"""TLS on real sockets, with certificates made by openssl."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.configuration.tls import load_tls, reloadable_context
from exporter.errors import ConfigurationError


class Certificate(NamedTuple):
    """The files of a self-signed certificate for localhost."""

    chain: Path
    key: Path

    def load(self) -> ssl.SSLContext:
        """Load it as the exporter does."""
        return load_tls(self.chain, self.key)

    @property
    def der(self) -> bytes:
        """Return the certificate as a peer sees it."""
        return ssl.PEM_cert_to_DER_cert(self.chain.read_text())


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


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Give the certificate at the start."""
    return make_certificate(tmp_path_factory.mktemp("old"), "old")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Give the certificate that replaces it."""
    return make_certificate(tmp_path_factory.mktemp("new"), "new")


@asynccontextmanager
async def echoing(context: ssl.SSLContext) -> AsyncIterator[int]:
    """Serve lines back over TLS inside the block; give the port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    async with server:
        port: int = server.sockets[0].getsockname()[1]
        yield port


class Client(NamedTuple):
    """A connection that trusts one certificate alone."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def certificate(self) -> bytes:
        """Return the certificate that the server showed."""
        shown: bytes = self.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return shown

    async def ask(self, line: bytes) -> bytes:
        """Send a line; return the answer."""
        self.writer.write(line)
        return await self.reader.readline()


@asynccontextmanager
async def connected(
    port: int, trusted: Certificate, name: str = "localhost"
) -> AsyncIterator[Client]:
    """Connect inside the block, checking the certificate and its name."""
    context = ssl.create_default_context(cafile=trusted.chain)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=name
    )
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_certificate_is_served(old: Certificate) -> None:
    """A client that trusts the certificate can talk, and sees that very one."""
    async with echoing(old.load()) as port, connected(port, old) as client:
        assert client.certificate == old.der
        assert await client.ask(b"hello\n") == b"hello\n"


async def test_stranger_is_not_trusted(old: Certificate, new: Certificate) -> None:
    """A client that trusts another certificate refuses: the test's clients really check."""
    async with echoing(old.load()) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            async with connected(port, new):
                pass


def test_old_protocols_are_not_spoken(old: Certificate) -> None:
    """TLS 1.2 is the least."""
    assert old.load().minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"], ids=["name-sent", "no-name-sent"])
async def test_replaced_certificate_is_served(
    old: Certificate, new: Certificate, name: str, version: ssl.TLSVersion
) -> None:
    """New connections get the current certificate, asked by name or by address, back and forth."""
    first, second = old.load(), new.load()
    for context in (first, second):
        context.maximum_version = version
    contexts = [first]
    async with echoing(reloadable_context(first, lambda: contexts[-1])) as port:
        for context, certificate in ((first, old), (second, new), (first, old), (second, new)):
            contexts.append(context)
            async with connected(port, certificate, name) as client:
                assert client.certificate == certificate.der
                assert await client.ask(b"hello\n") == b"hello\n"


async def test_open_connection_survives_the_replacement(old: Certificate, new: Certificate) -> None:
    """Who is connected while the certificate changes goes on."""
    contexts = [old.load()]
    async with (
        echoing(reloadable_context(contexts[0], lambda: contexts[-1])) as port,
        connected(port, old) as early,
    ):
        assert await early.ask(b"before\n") == b"before\n"
        contexts.append(new.load())
        async with connected(port, new) as late:
            assert await early.ask(b"after\n") == b"after\n"
            assert await late.ask(b"late\n") == b"late\n"


async def test_first_certificate_stays_without_another(old: Certificate) -> None:
    """If a reload brings no TLS, the listener goes on with what it began with."""
    async with (
        echoing(reloadable_context(old.load(), lambda: None)) as port,
        connected(port, old) as client,
    ):
        assert client.certificate == old.der


async def test_file_is_read_anew_at_a_load(
    tmp_path: Path, old: Certificate, new: Certificate
) -> None:
    """Replacing the files changes nothing until they are loaded again, and then all."""
    files = Certificate(tmp_path / "crt", tmp_path / "key")
    contexts: list[ssl.SSLContext] = []

    def install(certificate: Certificate) -> None:
        files.chain.write_bytes(certificate.chain.read_bytes())
        files.key.write_bytes(certificate.key.read_bytes())

    install(old)
    contexts.append(files.load())
    async with echoing(reloadable_context(contexts[0], lambda: contexts[-1])) as port:
        install(new)
        async with connected(port, old) as client:
            assert client.certificate == old.der
        contexts.append(files.load())
        async with connected(port, new) as client:
            assert client.certificate == new.der


Damage = Callable[[Certificate, Path], Certificate]


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "bad.pem"
    path.write_bytes(content)
    return path


def _encrypted(_good: Certificate, folder: Path) -> Certificate:
    return make_certificate(folder, "encrypted", "-passout", "pass:secret")


DAMAGES: dict[str, Damage] = {
    "no-certificate": lambda good, folder: Certificate(folder / "missing.crt", good.key),
    "no-key": lambda good, folder: Certificate(good.chain, folder / "missing.key"),
    "certificate-is-a-folder": lambda good, folder: Certificate(folder, good.key),
    "empty-certificate": lambda good, folder: Certificate(_file(folder, b""), good.key),
    "empty-key": lambda good, folder: Certificate(good.chain, _file(folder, b"")),
    "text-certificate": lambda good, folder: Certificate(_file(folder, b"milk\n"), good.key),
    "binary-key": lambda good, folder: Certificate(good.chain, _file(folder, bytes(range(256)))),
    "key-for-certificate": lambda good, _: Certificate(good.key, good.key),
    "certificate-for-key": lambda good, _: Certificate(good.chain, good.chain),
    "swapped": lambda good, _: Certificate(good.key, good.chain),
    "key-of-another": lambda good, folder: Certificate(
        good.chain, make_certificate(folder, "another").key
    ),
    "cut-key": lambda good, folder: Certificate(
        good.chain, _file(folder, good.key.read_bytes()[:100])
    ),
    "encrypted-key": _encrypted,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_files_that_are_no_pair(old: Certificate, tmp_path: Path, damage: Damage) -> None:
    """Bad files are named with their settings, and the key is not shown."""
    bad = damage(old, tmp_path)
    with pytest.raises(ConfigurationError) as refused:
        bad.load()
    message = str(refused.value)
    assert f"TLS_CERT_FILE {bad.chain}" in message
    assert f"TLS_KEY_FILE {bad.key}" in message
    assert not any(line in message for line in old.key.read_text().splitlines())


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("no-key", "No such file"),
        ("key-of-another", "(?i)mismatch"),
        ("encrypted-key", "encrypted"),
    ],
)
def test_problem_is_told(old: Certificate, tmp_path: Path, damage: str, problem: str) -> None:
    """The commonest mistakes can be understood from the message."""
    with pytest.raises(ConfigurationError, match=problem):
        DAMAGES[damage](old, tmp_path).load()
