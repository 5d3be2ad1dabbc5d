"""The flags that tell a command of gateways: their formats, and what verifies signatures."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from exporter.configuration.settings import ENV_PREFIX, Settings, split_list
from exporter.errors import ConfigurationError
from exporter.gateways.described.gateway import Described
from exporter.gateways.gateway import Gateway
from exporter.gateways.registry import Gateways, find_gateway, load_gateways
from exporter.traffic.described import DescribedSigner
from exporter.traffic.outgoing import Signer

_PATHS = TypeAdapter(tuple[Path, ...])
_CREDENTIALS = ("mps_public_key_files", "results_secret_files", "results_token_files")


@dataclass(frozen=True)
class _Files:
    """What of the settings gateways need."""

    mps_public_key_files: tuple[Path, ...] = ()
    results_secret_files: tuple[Path, ...] = ()
    results_token_files: tuple[Path, ...] = ()
    gateway_files: tuple[Path, ...] = ()
    allow_unsigned: bool = False
    max_body_bytes: int = 1 << 30
    apps: tuple[str, ...] = ()


def add_gateways(parser: argparse.ArgumentParser, *, credentials: bool = False) -> None:
    """Give a command the flags for descriptions, and for what verifies signatures."""
    for name in (*(_CREDENTIALS if credentials else ()), "gateway_files"):
        add_files(parser, name)


def add_files(parser: argparse.ArgumentParser, name: str) -> None:
    """Give a command a flag for files that `serve` takes by the same name."""
    parser.add_argument(
        f"--{name.replace('_', '-')}",
        default=os.environ.get(f"{ENV_PREFIX}{name.upper()}", ""),
        metavar="FILE[,FILE]",
        help=f"{Settings.model_fields[name].description}, as for serve",
    )


def gateways(options: argparse.Namespace, *, credentials: bool = False) -> Gateways:
    """Load the gateways that the flags, or the environment, describe.

    Without `credentials` the secrets of descriptions need not be on this machine.
    """
    return load_gateways(_named(options), credentials=credentials)


def gateway(
    options: argparse.Namespace, word: str, known: Gateways, *, credentials: bool
) -> Gateway:
    """Return the gateway of a name, a shipped description or a file."""
    return find_gateway(word, known, _named(options), credentials=credentials)


def described(file: str) -> Described:
    """Load a description without its secrets; ConfigurationError for what is none."""
    return Described.load(Path(file), _Files(), credentials=False)


def described_signers(options: argparse.Namespace) -> dict[str, Signer]:
    """Return what signs for each description that names a secret."""
    signers: dict[str, Signer] = {}
    for file in files(options, "gateway_files"):
        one = described(str(file))
        if one.description.auth and one.description.auth.files:
            signers[one.name] = DescribedSigner(one.description, file)
    return signers


def _named(options: argparse.Namespace) -> _Files:
    keys, secrets, tokens = (files(options, name) for name in _CREDENTIALS)
    return _Files(keys, secrets, tokens, files(options, "gateway_files"))


def files(options: argparse.Namespace, name: str) -> tuple[Path, ...]:
    """Return the files that a flag names; none where the command has no such flag."""
    try:
        return _PATHS.validate_python(split_list(getattr(options, name, "")))
    except ValueError:
        raise ConfigurationError(f"{name.upper()}: this is no list of files") from None
