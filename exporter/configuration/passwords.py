"""Basic authentication of the admin listener, from a file of `user:bcrypt-hash` lines."""

import asyncio
import base64
import hashlib
import hmac
import re
from pathlib import Path

import bcrypt

from exporter.configuration.files import read_lines
from exporter.errors import ConfigurationError

MAX_CONCURRENT_CHECKS = 2
"""Maximum number of concurrent checks; each takes a thread for a third of a second."""

_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")

_TOOLKIT_KEYS = ("basic_auth_users:", "tls_server_config:", "http_server_config:")
_FROM_TOOLKIT = (
    "this is a web configuration of Prometheus' exporter-toolkit. Write its basic_auth_users to "
    "this file, one user:hash per line, and set ADMIN_TLS_CERT_FILE, ADMIN_TLS_KEY_FILE and "
    "ADMIN_TLS_CLIENT_CA_FILE to cert_file, key_file and client_ca_file of its tls_server_config"
)


class Passwords:
    """Users and the bcrypt hashes of their passwords."""

    def __init__(self, hashes: dict[str, bytes]) -> None:
        self._hashes = hashes
        # A cache: bcrypt is slow by design, and Prometheus sends the same header at every scrape.
        self._proven: dict[str, bytes] = {}
        self._any_hash = next(iter(hashes.values()), b"")
        self._checks = asyncio.Semaphore(MAX_CONCURRENT_CHECKS)

    async def allow(self, authorization: str) -> bool:
        """Whether an Authorization header has a known user and the right password."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
            user, separator, password = given.decode().partition(":")
        except ValueError:
            return False
        if scheme.lower() != "basic" or not separator:
            return False
        digest = hashlib.sha256(given).digest()
        if hmac.compare_digest(self._proven.get(user, b""), digest):
            return True
        # bcrypt uses 72 bytes and refuses more.
        secret = password.encode()[:72]
        # Check unknown users, too, so that the time does not reveal which users exist.
        hashed = self._hashes.get(user, self._any_hash)
        async with self._checks:
            matches = await asyncio.to_thread(bcrypt.checkpw, secret, hashed)
        proven = matches and user in self._hashes
        if proven:
            self._proven[user] = digest
        return proven


def load_passwords(path: Path) -> Passwords:
    """Read the file; ConfigurationError names a line that is not `user:bcrypt-hash`."""
    hashes = {}
    for number, line in read_lines("ADMIN_PASSWORD_FILE", path):
        if line.startswith(_TOOLKIT_KEYS):
            raise ConfigurationError(f"ADMIN_PASSWORD_FILE {path}: {_FROM_TOOLKIT}")
        user, _, hashed = line.partition(":")
        if not user or not _BCRYPT.fullmatch(hashed):
            raise ConfigurationError(
                f"ADMIN_PASSWORD_FILE {path}: line {number} is not user:bcrypt-hash; make one "
                "with: htpasswd -nBC 10 USER"
            )
        hashes[user] = hashed.encode()
    return Passwords(hashes)
