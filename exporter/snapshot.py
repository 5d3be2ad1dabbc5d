"""What is read from files at start and again at a reload: keys, tokens, secrets, code tables."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.classification.classifier import Classifier
from exporter.classification.tables import Tables, load_tables
from exporter.gateways.authentication import (
    AnyOf,
    Authenticator,
    load_bearer_token,
    load_rsa_signature,
    load_standard_webhooks,
    unsigned,
)
from exporter.gateways.builtin import Generic, Mps
from exporter.gateways.gateway import Gateway
from exporter.passwords import Passwords, load_passwords
from exporter.settings import Settings
from exporter.tls import load_tls


@dataclass(frozen=True, slots=True)
class Configuration:
    """One consistent load, replaced as a whole."""

    tables: Tables
    classifier: Classifier
    gateways: Mapping[str, Gateway]
    """By name."""
    passwords: Passwords | None
    """Who may use the admin listener; None for everyone who reaches it."""
    tls: ssl.SSLContext | None


def load_configuration(settings: Settings) -> Configuration:
    """Read every file that the settings name; ConfigurationError names the first bad one."""
    tables = load_tables(settings.code_table_files)
    mps: list[Authenticator] = []
    if settings.mps_public_key_files:
        mps.append(load_rsa_signature(settings.mps_public_key_files))
    results: list[Authenticator] = []
    if settings.results_secret_files:
        results.append(load_standard_webhooks(settings.results_secret_files))
    if settings.results_token_files:
        results.append(load_bearer_token(settings.results_token_files))
    certificate, key, users = (
        settings.tls_cert_file,
        settings.tls_key_file,
        settings.admin_password_file,
    )
    return Configuration(
        tables=tables,
        classifier=Classifier(tables),
        gateways={
            "mps": Mps("mps", _gate(mps, settings)),
            "results": Generic("results", _gate(results, settings)),
        },
        passwords=load_passwords(users) if users else None,
        tls=load_tls(certificate, key) if certificate and key else None,
    )


def _gate(schemes: list[Authenticator], settings: Settings) -> Authenticator:
    """Ask for credentials wherever some are configured, even if unsigned calls are allowed."""
    if not schemes and settings.allow_unsigned:
        return unsigned
    return schemes[0] if len(schemes) == 1 else AnyOf(schemes)
