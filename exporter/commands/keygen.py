"""The command `keygen`: make a key pair, a token or a secret."""

import argparse
import base64
import errno
import os
import secrets
import shlex
from pathlib import Path

from exporter.errors import ConfigurationError

_BYTES = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the kinds of credentials."""
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    for name, file, make, purpose in (
        ("mps", "mps-key.pem", _make_pair, "RSA key pair to simulate MPS"),
        ("token", "token", _make_token, "bearer token for /webhooks/results"),
        ("secret", "secret", _make_secret, "Standard Webhooks secret for /webhooks/results"),
    ):
        kind = kinds.add_parser(name, help=purpose, description=f"{purpose}.", allow_abbrev=False)
        kind.add_argument(
            "file",
            nargs="?",
            type=_new_file,
            default=file,
            metavar="FILE",
            help=f"file to create, readable by its owner only (default: {file})",
        )
        kind.set_defaults(run=make)


def _new_file(name: str) -> Path:
    """Return the path of a file to create; its rights would not apply to standard output."""
    path = Path(name)
    if str(path) == "-":
        raise argparse.ArgumentTypeError("'-' is not a file name: name the file to create")
    return path


def _make_pair(options: argparse.Namespace) -> int:
    """Write a private key, and the public key beside it."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - for this kind only
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    private, public = options.file, options.file.with_suffix(".pub.pem")
    for file in (private, public):  # both, before either is written
        if os.path.lexists(file):
            raise ConfigurationError(f"{file}: {os.strerror(errno.EEXIST)}")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    _create(private, key.private_bytes(pem, form, serialization.NoEncryption()), mode=0o600)
    subject = serialization.PublicFormat.SubjectPublicKeyInfo
    _create(public, key.public_key().public_bytes(pem, subject), mode=0o644)
    _show("serve --mps-public-key-files", public)
    _show("simulate --private-key", private)
    return 0


def _make_token(options: argparse.Namespace) -> int:
    _create(options.file, f"{secrets.token_hex(_BYTES)}\n".encode(), mode=0o600)
    _show("serve --results-token-files", options.file)
    _show("replay BODIES --token-file", options.file)
    return 0


def _make_secret(options: argparse.Namespace) -> int:
    secret = b"whsec_" + base64.b64encode(secrets.token_bytes(_BYTES)) + b"\n"
    _create(options.file, secret, mode=0o600)
    _show("serve --results-secret-files", options.file)
    _show("replay BODIES --secret-file", options.file)
    return 0


def _create(path: Path, content: bytes, *, mode: int) -> None:
    """Write a new file; ConfigurationError if it exists, since it may be in use."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with open(os.open(path, flags, mode), "wb") as file:  # noqa: PTH123 - with its mode
            file.write(content)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None


def _show(command: str, path: Path) -> None:
    """Print a command that uses a file, to be pasted into a shell."""
    print(f"push-result-exporter {command} {shlex.quote(str(path))}")
