"""The content of the configured files, loaded at start and by each reload."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from exporter.classification.classifier import Classifier
from exporter.classification.tables import Tables, load_tables
from exporter.configuration.files import recording
from exporter.configuration.passwords import Passwords, load_passwords
from exporter.configuration.settings import Settings
from exporter.configuration.tls import Tls, load_tls
from exporter.gateways.registry import Gateways, channels_of, load_gateways


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent load, replaced as a whole."""

    tables: Tables
    classifier: Classifier
    gateways: Gateways
    """The gateways by the path below `/webhooks/`."""
    warnings: tuple[str, ...]
    """Weaknesses and likely mistakes in the files of gateways."""
    passwords: Passwords | None
    """The users of the admin listener; None if it has no passwords."""
    ingest_tls: Tls | None
    admin_tls: Tls | None
    files: Mapping[Path, bytes | None]
    """The files that were read, with digests of their content."""

    @property
    def certificates(self) -> dict[str, float]:
        """The expiry of each listener's certificate, in Unix seconds."""
        loaded = {"ingest": self.ingest_tls, "admin": self.admin_tls}
        return {listener: tls.expires_at for listener, tls in loaded.items() if tls}


def load_snapshot(settings: Settings) -> Snapshot:
    """Read all configured files; ConfigurationError names the first unusable file."""
    with recording() as files:
        gateways = load_gateways(settings)
        tables = load_tables(settings.code_table_files, channels_of(gateways.values()))
        users = settings.admin_password_file
        ingest_tls, admin_tls = settings.ingest_tls, settings.admin_tls
        return Snapshot(
            tables=tables,
            classifier=Classifier(tables),
            gateways=gateways,
            warnings=tuple(_warnings(gateways, tables)),
            passwords=load_passwords(users) if users else None,
            ingest_tls=load_tls(ingest_tls) if ingest_tls else None,
            admin_tls=load_tls(admin_tls) if admin_tls else None,
            files=files,
        )


def _warnings(gateways: Gateways, tables: Tables) -> Iterator[str]:
    for gateway in gateways.values():
        yield from gateway.warnings
        for channel in sorted(gateway.channels):
            table = tables.get(channel)
            if table is not None and not table.codes:
                yield (
                    f"gateway {gateway.name}: the channel {channel!r} has no code table, so all "
                    "its codes are unknown: add a table to CODE_TABLE_FILES"
                )
