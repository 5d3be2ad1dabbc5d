"""Files of credentials: paths, apps, and keys in place of secrets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.errors import ConfigurationError
from exporter.gateways.auth.authenticator import Authenticator
from exporter.gateways.auth.files import CredentialFile, credential_files
from tests.support.authentication import (
    bare,
    certificate,
    configuration_error,
    load_bearer_token,
    load_rsa_signature,
    load_standard_webhooks,
    private,
    spki,
)
from tests.support.exporter import KeyPair

PASTED = {
    "pem": "-----BEGIN PUBLIC KEY-----\nMIIB",
    "bare": "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0Z3VS5JJcds3xfn",
    "openssh": "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ",
    "secret": "whsec_c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXM=",
    "token": "kT3vQ8hZr1XbN0sWm5LdYp7C",
    "hexadecimal": "569abd5be452ff00569abd5be452ff00",
}


@pytest.mark.parametrize("content", PASTED.values(), ids=PASTED)
def test_key_in_place_of_a_file_name(content: str) -> None:
    """A key or secret where a file's name belongs is an error that does not repeat it."""
    with pytest.raises(ConfigurationError) as caught:
        credential_files([content])
    assert "write it to a file" in str(caught.value)
    assert content[:10] not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["mps.pem", "/run/secrets/results-token", "keys/2024/MPS_production_key_new", "token"]
)
def test_missing_file_is_named(name: str) -> None:
    """A missing file is an error that names it."""
    assert credential_files([name]) == [CredentialFile(Path(name))]


@pytest.mark.parametrize("load", ["secrets", "tokens"])
@pytest.mark.parametrize("write", [spki, private, certificate])
def test_key_file_is_refused_as_secrets(
    tmp_path: Path, keys: KeyPair, load: str, write: Callable[[KeyPair], bytes]
) -> None:
    """A PEM file as tokens or secrets is refused: its first line is the same for everyone."""
    path = tmp_path / "key.pem"
    path.write_bytes(write(keys))
    assert f"openssl rand -base64 32 > {path}.new" in configuration_error(LOADERS[load], path)


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("Bearer 0123456789abcdef", "begins with 'Bearer'"),
        ('"0123456789abcdef"', "is in quotes"),
        ("TOKEN=0123456789abcdef", "is an assignment"),
        ('{"token": "0123456789abcdef"}', "is JSON"),
    ],
)
def test_text_around_a_token_is_refused(tmp_path: Path, line: str, mistake: str) -> None:
    """A line that is more than a token would match no request."""
    path = tmp_path / "tokens"
    path.write_text(f"# for the gateway\n{line}\n")
    error = configuration_error(load_bearer_token, path)
    assert f"line 2 {mistake}: write the token alone" in error
    assert "0123456789" not in error


def test_any_token_is_accepted(tmp_path: Path) -> None:
    """Hexadecimal, Base64 with its padding, other characters and words are tokens."""
    path = tmp_path / "tokens"
    tokens = [
        "569abd5be452ff56",
        "TWFueSBoYW5kcw0000==",
        "a+b/c~d.e-f_g!h$i:j",
        "some words and blanks",
    ]
    path.write_text("\n".join(tokens))
    assert not load_bearer_token([path]).warnings


def test_undeclared_app_is_named(tmp_path: Path) -> None:
    """An undeclared app is reported, not a missing file."""
    (tmp_path / "token").write_text("0123456789abcdef")
    with pytest.raises(ConfigurationError, match="'shop' is not in APPS: add it there"):
        credential_files(["shop=token"], ["news"], tmp_path)


def test_short_token_is_warned_of(tmp_path: Path) -> None:
    """A token that can be guessed is accepted with a warning."""
    path = tmp_path / "tokens"
    path.write_text("abc\na-token-of-more-than-sixteen-characters\n")
    [warning] = load_bearer_token([path]).warnings
    assert "can be guessed" in warning
    assert str(path) in warning


LOADERS: dict[str, Callable[[list[Path]], Authenticator]] = {
    "rsa": load_rsa_signature,
    "secrets": load_standard_webhooks,
    "tokens": load_bearer_token,
}


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_file_that_cannot_be_read(
    tmp_path: Path, load: Callable[[list[Path]], Authenticator]
) -> None:
    """A missing file, or a folder, is named with the error of the system."""
    assert "No such file" in configuration_error(load, tmp_path / "missing")
    assert "Is a directory" in configuration_error(load, tmp_path)


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_second_file_that_is_bad_is_named(
    tmp_path: Path, keys: KeyPair, load: Callable[[list[Path]], Authenticator]
) -> None:
    """Of several files the bad one is named, even after good ones."""
    good = tmp_path / "good"
    good.write_bytes(bare(keys))  # a key, and in form a secret and a token too
    bad = tmp_path / "bad"
    bad.write_bytes(b"")
    load([good])
    assert str(good) not in configuration_error(lambda paths: load([good, *paths]), bad)


LINE_LOADERS = {name: load for name, load in LOADERS.items() if name != "rsa"}


@pytest.mark.parametrize("load", LINE_LOADERS.values(), ids=LINE_LOADERS)
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b" \t\r\n\n", "empty"),
        (b"\xff\xfe\0\x80", "not UTF-8 text"),
    ],
)
def test_file_without_a_line(
    tmp_path: Path,
    load: Callable[[list[Path]], Authenticator],
    content: bytes,
    problem: str,
) -> None:
    """A blank or binary file would accept no request, and is refused."""
    path = tmp_path / "file"
    path.write_bytes(content)
    assert problem in configuration_error(load, path)
