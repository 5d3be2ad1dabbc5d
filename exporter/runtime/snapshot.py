"""What is read from files at start and again at a reload: keys, tokens, secrets, code tables."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.classification.classifier import Classifier
from exporter.classification.tables import Tables, load_tables
from exporter.configuration.passwords import Passwords, load_passwords
from exporter.configuration.settings import Settings
from exporter.configuration.tls import load_tls
from exporter.gateways.registry import Gateways, channels_of, load_gateways


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent load, replaced as a whole."""

    tables: Tables
    classifier: Classifier
    gateways: Gateways
    """Who may send results, and in which format, by the path below `/webhooks/`."""
    warnings: tuple[str, ...]
    """What is not wrong, but worth a look, in the files of gateways."""
    passwords: Passwords | None
    """Who may use the admin listener; None for everyone who reaches it."""
    tls: ssl.SSLContext | None


def load_snapshot(settings: Settings) -> Snapshot:
    """Read every file that the settings name; ConfigurationError names the first bad one."""
    gateways = load_gateways(settings)
    tables = load_tables(settings.code_table_files, channels_of(gateways.values()))
    certificate, key, users = (
        settings.tls_cert_file,
        settings.tls_key_file,
        settings.admin_password_file,
    )
    return Snapshot(
        tables=tables,
        classifier=Classifier(tables),
        gateways=gateways,
        warnings=tuple(_warnings(gateways, tables)),
        passwords=load_passwords(users) if users else None,
        tls=load_tls(certificate, key) if certificate and key else None,
    )


def _warnings(gateways: Gateways, tables: Tables) -> Iterator[str]:
    for gateway in gateways.values():
        yield from gateway.warnings
        for channel in sorted(gateway.channels):
            table = tables.get(channel)
            if table is not None and not table.codes:
                yield (
                    f"gateway {gateway.name}: the channel {channel!r} has no code table, so that "
                    "all its codes are unknown: give one in CODE_TABLE_FILES"
                )
