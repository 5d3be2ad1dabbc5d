"""The webhooks of an exporter: their URLs, and the credentials that each accepts."""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from exporter.configuration.files import read_lines
from exporter.configuration.groups import GatewaySettings
from exporter.gateways import generic, mps
from exporter.gateways.auth.public_keys import identity_of, load_public_keys
from exporter.gateways.described.files import name_of
from exporter.gateways.described.gateway import Described
from exporter.gateways.registry import Gateways

_BUILT_IN = {
    mps.NAME: ("MPS_PUBLIC_KEY_FILES",),
    generic.NAME: ("RESULTS_TOKEN_FILES", "RESULTS_SECRET_FILES"),
}
"""The settings of the gateways that are written in code."""


class PublicKey(msgspec.Struct, frozen=True):
    """An RSA public key."""

    bits: int
    fingerprint: str
    """SHA-256 of its DER form, in hex: `openssl pkey -pubin -outform DER | sha256sum`."""


class CredentialFile(msgspec.Struct, frozen=True):
    """A file of credentials; secrets are only counted."""

    setting: str
    file: str
    scheme: str
    app: str | None = None
    """The app of all that these credentials let in; None if the request names it."""
    keys: list[PublicKey] = []
    secrets: int = 0

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.file)

    def __str__(self) -> str:
        """Describe the content and where it is."""
        keys = [f"RSA {key.bits} bits, SHA-256 {key.fingerprint}" for key in self.keys]
        kind = "bearer token" if self.scheme == "bearer" else f"{self.scheme} secret"
        count = f"{self.secrets} {kind}{'s' if self.secrets > 1 else ''}"
        app = f", app {self.app}" if self.app else ""
        return f"{'; '.join(keys) or count} ({self.setting}: {self.file}{app})"


class Webhook(msgspec.Struct, frozen=True):
    """A webhook, and who may send to it."""

    gateway: str
    title: str
    url: str
    credentials: list[CredentialFile]
    settings: list[str]
    """The settings that give it credentials."""
    accepts_anyone: bool

    def senders(self) -> list[str]:
        """Describe who may send, a line for each file of credentials."""
        if self.credentials:
            return [str(one) for one in self.credentials]
        if self.accepts_anyone:
            return ["accepts requests from anyone: it has no credentials (ALLOW_UNSIGNED)"]
        return [f"refuses every request: set {' or '.join(self.settings)}"]


def webhooks_of(settings: GatewaySettings, gateways: Gateways, ingest_url: str) -> list[Webhook]:
    """Describe each webhook; ConfigurationError names a file that has changed to a bad one."""
    files = {name_of(file): file for file in settings.gateway_files}
    return [
        _webhook(name, gateways, settings, files.get(name), f"{ingest_url}/webhooks/{name}")
        for name in gateways
    ]


def _webhook(
    name: str, gateways: Gateways, settings: GatewaySettings, file: Path | None, url: str
) -> Webhook:
    gateway = gateways[name]
    if isinstance(gateway, Described) and file:
        auth = gateway.description.auth
        names = [f"auth.secrets of {file}"]
        credentials = list(_described(gateway, file, settings.apps))
        anyone = settings.allow_unsigned or (auth is not None and auth.scheme == "none")
    else:
        names = list(_BUILT_IN.get(name, ()))
        credentials = [one for setting in names for one in _built_in(setting, settings)]
        anyone = settings.allow_unsigned
    return Webhook(name, gateway.title, url, credentials, names, anyone and not credentials)


def _built_in(setting: str, settings: GatewaySettings) -> Iterator[CredentialFile]:
    scheme = {"TOKEN": "bearer", "SECRET": "standard-webhooks"}.get(setting.split("_")[1], "rsa")
    entries = getattr(settings, setting.lower())
    for app, path in _split(entries, settings.apps):
        yield _credential_file(setting, path, scheme, app)


def _described(gateway: Described, file: Path, apps: Collection[str]) -> Iterator[CredentialFile]:
    auth = gateway.description.auth
    if auth is None:
        return
    for app, path in _split(auth.secrets, apps):
        yield _credential_file(f"auth.secrets of {file}", file.parent / path, auth.scheme, app)


def _split(
    entries: Iterable[Path | str], apps: Collection[str]
) -> Iterator[tuple[str | None, Path]]:
    """Split entries that are written as `app=path`, for a declared app."""
    for entry in map(str, entries):
        app, equals, path = entry.partition("=")
        is_named = equals and app in apps
        yield (app, Path(path)) if is_named else (None, Path(entry))


def _credential_file(setting: str, path: Path, scheme: str, app: str | None) -> CredentialFile:
    if scheme == "rsa":
        keys = [
            PublicKey(key.key_size, hashlib.sha256(identity_of(key)).hexdigest())
            for key in load_public_keys([path])
        ]
        return CredentialFile(setting, str(path), scheme, app, keys)
    lines = sum(1 for _ in read_lines("secret file", path))
    return CredentialFile(setting, str(path), scheme, app, secrets=lines)
