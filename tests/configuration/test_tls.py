"""TLS on real sockets, with certificates made by openssl."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.configuration.tls import TlsFiles, load_tls, reloadable_context
from exporter.errors import ConfigurationError
from tests.support.certificates import Certificate, make_certificate


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


async def test_unknown_certificate_is_not_trusted(old: Certificate, new: Certificate) -> None:
    """A client that trusts another certificate refuses: the test's clients really check."""
    async with echoing(old.load()) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            async with connected(port, new):
                pass


def test_old_protocols_are_refused(old: Certificate) -> None:
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
    """A listener keeps its first certificate if a reload has none."""
    async with (
        echoing(reloadable_context(old.load(), lambda: None)) as port,
        connected(port, old) as client,
    ):
        assert client.certificate == old.der


async def test_each_load_reads_the_files(
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


def test_expiry_is_that_of_the_chain(tmp_path: Path, old: Certificate) -> None:
    """The first certificate of the chain to expire counts, as openssl reads its date."""
    soon = make_certificate(tmp_path, "soon", "-nodes", "-days", "2")
    chain = tmp_path / "chain.pem"
    chain.write_bytes(old.chain.read_bytes() + soon.chain.read_bytes())
    assert load_tls(TlsFiles("TLS", soon.chain, soon.key)).expires_at == soon.expires_at
    assert load_tls(TlsFiles("TLS", chain, old.key)).expires_at == soon.expires_at


def signed_by(ca: Certificate, folder: Path, name: str) -> Certificate:
    """Make a client's certificate that a CA has signed."""
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    subject = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subject += ["-subj", f"/CN={name}", "-keyout", str(made.key), "-out", str(made.chain)]
    signer = ["-CA", str(ca.chain), "-CAkey", str(ca.key)]
    subprocess.run(["openssl", "req", "-x509", *subject, *signer], check=True, capture_output=True)
    return made


async def greeting(port: int, trusted: Certificate, shown: Certificate | None) -> bytes:
    """Send a line as a client that shows a certificate; return the echo, empty if refused."""
    context = ssl.create_default_context(cafile=trusted.chain)
    if shown:
        context.load_cert_chain(*shown)
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
    except (ssl.SSLError, ConnectionError):
        return b""
    try:
        writer.write(b"hello\n")
        return await reader.readline()
    except (ssl.SSLError, ConnectionError):  # of TLS 1.3, which refuses after the handshake
        return b""
    finally:
        writer.close()


async def test_client_has_to_show_a_certificate_of_the_ca(tmp_path: Path, old: Certificate) -> None:
    """With a client CA only its clients get through; a reload may replace the CA."""
    first, second = (make_certificate(tmp_path, name) for name in ("ca1", "ca2"))
    clients = [signed_by(ca, tmp_path, f"client-{ca.chain.stem}") for ca in (first, second)]
    contexts = [
        load_tls(TlsFiles("ADMIN_TLS", old.chain, old.key, ca.chain)).context
        for ca in (first, second)
    ]
    current = contexts[:1]
    async with echoing(reloadable_context(contexts[0], lambda: current[-1])) as port:
        shown = (None, *clients)
        assert [await greeting(port, old, pair) for pair in shown] == [b"", b"hello\n", b""]
        current.append(contexts[1])
        assert [await greeting(port, old, pair) for pair in shown] == [b"", b"", b"hello\n"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_client_ca_that_is_replaced(
    old: Certificate, new: Certificate, version: ssl.TLSVersion
) -> None:
    """A client of the former CA is refused, also if it resumes its session."""
    contexts = [load_tls(TlsFiles("TLS", *old, ca.chain)).context for ca in (old, new)]
    current = contexts[0]
    client = ssl.create_default_context(cafile=old.chain)
    client.maximum_version = client.minimum_version = version
    client.load_cert_chain(*old)

    def asked(port: int, session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None]:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            client.wrap_socket(plain, server_hostname="localhost", session=session) as connection,
        ):
            connection.sendall(b"hello\n")
            answer = connection.recv(100)
            if not answer:  # TLS 1.3 refuses a client after its handshake
                raise ConnectionResetError
            return answer, connection.session

    async with echoing(reloadable_context(contexts[0], lambda: current)) as port:
        answer, session = await asyncio.to_thread(asked, port, None)
        assert answer == b"hello\n"
        current = contexts[1]
        with pytest.raises(OSError):  # noqa: PT011 - how it is refused depends on the version
            await asyncio.to_thread(asked, port, session)


@pytest.mark.parametrize("content", [b"", b"milk", b"\xff", b"-----BEGIN CERTIFICATE-----\nx"])
def test_bad_client_ca_is_named(tmp_path: Path, old: Certificate, content: bytes) -> None:
    """A file without certificates is named with its setting."""
    ca = _file(tmp_path, content)
    with pytest.raises(ConfigurationError) as caught:
        load_tls(TlsFiles("ADMIN_TLS", old.chain, old.key, ca))
    message = f"ADMIN_TLS_CLIENT_CA_FILE {ca}: it contains no certificates (PEM)"
    assert str(caught.value) == message


Damage = Callable[[Certificate, Path], Certificate]


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "bad.pem"
    path.write_bytes(content)
    return path


def _encrypted(_good: Certificate, folder: Path) -> Certificate:
    return make_certificate(folder, "encrypted", "-passout", "pass:secret")


NO_KEY = "TLS_KEY_FILE {key}: it contains no private key (PEM)"
NO_CERTIFICATE = "TLS_CERT_FILE {chain}: it contains no certificate (PEM)"
BOTH = "TLS_CERT_FILE {chain} and TLS_KEY_FILE {key}: "
KEY_FIRST = "TLS_CERT_FILE {chain}: it contains a private key, but no certificate (PEM)"

DAMAGES: dict[str, tuple[Damage, str]] = {
    "no-certificate": (
        lambda good, folder: Certificate(folder / "missing.crt", good.key),
        "TLS_CERT_FILE {chain}: No such file or directory",
    ),
    "no-key": (
        lambda good, folder: Certificate(good.chain, folder / "missing.key"),
        "TLS_KEY_FILE {key}: No such file or directory",
    ),
    "certificate-is-a-folder": (
        lambda good, folder: Certificate(folder, good.key),
        "TLS_CERT_FILE {chain}: Is a directory",
    ),
    "empty-certificate": (
        lambda good, folder: Certificate(_file(folder, b""), good.key),
        NO_CERTIFICATE,
    ),
    "text-certificate": (
        lambda good, folder: Certificate(_file(folder, b"milk\n"), good.key),
        NO_CERTIFICATE,
    ),
    "cut-certificate": (
        lambda good, folder: Certificate(
            _file(folder, good.chain.read_bytes()[:200] + b"\n-----END CERTIFICATE-----\n"),
            good.key,
        ),
        "TLS_CERT_FILE {chain}: a certificate in it is damaged",
    ),
    "empty-key": (lambda good, folder: Certificate(good.chain, _file(folder, b"")), NO_KEY),
    "binary-key": (
        lambda good, folder: Certificate(good.chain, _file(folder, bytes(range(256)))),
        NO_KEY,
    ),
    "key-for-certificate": (lambda good, _: Certificate(good.key, good.key), KEY_FIRST),
    "swapped": (lambda good, _: Certificate(good.key, good.chain), KEY_FIRST),
    "certificate-for-key": (
        lambda good, _: Certificate(good.chain, good.chain),
        "TLS_KEY_FILE {key}: it contains a certificate, but no private key (PEM)",
    ),
    "key-of-another": (
        lambda good, folder: Certificate(good.chain, make_certificate(folder, "another").key),
        BOTH + "the key does not belong to the certificate",
    ),
    "cut-key": (
        lambda good, folder: Certificate(good.chain, _file(folder, good.key.read_bytes()[:100])),
        BOTH + "they cannot be read",
    ),
    "encrypted-key": (_encrypted, BOTH + "the key is encrypted; remove its passphrase"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_bad_file_is_named_with_its_setting(
    old: Certificate, tmp_path: Path, damage: Damage, message: str
) -> None:
    """The error names the setting, the file and the mistake, and contains nothing of the key."""
    bad = damage(old, tmp_path)
    with pytest.raises(ConfigurationError) as refused:
        bad.load()
    assert str(refused.value) == message.format(chain=bad.chain, key=bad.key)
