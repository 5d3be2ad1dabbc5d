"""The settings by group; each part of the exporter and each command reads some groups."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_serializer

from exporter.configuration.fields import AnyCase, Apps, Files, Group, LinkBase

_PASSWORD = re.compile(r"((?<=://)[^:/?@]*:)[^?]*(?=@)|((?<=[?&])(?:ssl)?password=)[^&]*")


class DescriptionSettings(Group):
    """The gateways described by files."""

    gateway_files: Files = Field(
        (),
        description="descriptions of further gateways (TOML); the file's name without .toml ends "
        "the path of its webhook",
        examples=[["/etc/push-result-exporter/acme.toml"]],
    )


class AppSettings(Group):
    """The apps."""

    apps: Apps = Field(
        (),
        description="apps whose results are counted separately; a file given as `app=path` holds "
        "the credentials of that app",
        examples=[["shop", "news"]],
    )


class FormatSettings(AppSettings, DescriptionSettings):
    """The settings that determine the formats of bodies."""


class GatewaySettings(FormatSettings):
    """The gateways: authentication of senders, and limits."""

    mps_public_key_files: Files = Field(
        (),
        description="RSA public keys of MPS, PEM or the console's bare base64; a request may be "
        "signed for any of them",
        examples=[["/etc/push-result-exporter/mps-public-key.txt"]],
    )
    results_token_files: Files = Field(
        (),
        description="bearer tokens for /webhooks/results, one per line",
        examples=[["/etc/push-result-exporter/token"]],
    )
    results_secret_files: Files = Field(
        (),
        description="Standard Webhooks secrets (whsec_…) for /webhooks/results, one per line",
        examples=[["/etc/push-result-exporter/secret"]],
    )
    allow_unsigned: bool = Field(
        False, description="accept requests on a webhook that has no key, token or secret"
    )
    max_body_bytes: int = Field(
        1048576,
        ge=1,
        le=1024**3,
        description="maximum size of a request body, as sent and decompressed",
    )

    @property
    def has_credentials(self) -> bool:
        """Whether any webhook can authenticate its senders."""
        return bool(
            self.mps_public_key_files
            or self.results_token_files
            or self.results_secret_files
            or self.gateway_files
        )


class TableSettings(Group):
    """The code tables."""

    code_table_files: Files = Field(
        (),
        description="custom code tables (TOML), merged over the built-in ones in order",
        examples=[["/etc/push-result-exporter/codes.toml"]],
    )


class LinkSettings(Group):
    """The addresses in links."""

    external_url: LinkBase | None = Field(
        None,
        description="external URL of the admin listener's pages, for links",
        examples=["https://push-exporter.example.com"],
    )
    runbook_base_url: LinkBase | None = Field(
        None,
        description="base URL of the alerts' runbooks; default: the admin listener's pages",
        examples=["https://wiki.example.com/runbooks"],
    )

    @property
    def runbooks(self) -> str | None:
        """The base URL of the runbooks, or None."""
        if self.runbook_base_url is None and self.external_url:
            return f"{self.external_url.rstrip('/')}/runbooks"
        return self.runbook_base_url


class LedgerSettings(Group):
    """The ledger: its location, and the name under which this replica counts."""

    ledger_path: Path = Field(
        Path("data/ledger.sqlite3"), description="SQLite file of the ledger; its folder is created"
    )
    ledger_url: str | None = Field(
        None,
        description="PostgreSQL database of the ledger, instead of the file",
        examples=["postgresql://exporter@db.example.com/push"],
    )
    ledger_password_file: Path | None = Field(
        None,
        description="password for LEDGER_URL, unless it is in the URL",
        examples=["/etc/push-result-exporter/database-password"],
    )
    instance: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        description="name under which this replica counts in PostgreSQL; default: the first free "
        "name of `replica-0`, `replica-1`, …",
        examples=["replica-0"],
    )
    dedupe_window_seconds: float = Field(
        86400,
        ge=0,
        allow_inf_nan=False,
        description="deduplication window; 0 disables deduplication",
    )

    @field_serializer("ledger_url")
    def _without_password(self, url: str | None) -> str | None:
        """Replace the password in the URL wherever settings are shown."""
        return url and _PASSWORD.sub(r"\1\2…", url)


class CommitSettings(LedgerSettings):
    """How results are committed to the ledger."""

    dedupe_max_keys: int = Field(
        1_048_576,
        ge=1024,
        le=1 << 28,
        description="maximum number of deduplication keys in memory, 20 bytes each; rounded up to "
        "a power of two",
    )
    ledger_sync: AnyCase[Literal["full", "normal", "off"]] = Field(
        "full",
        description="durability of commits; any value but full can lose results in a power failure",
    )
    max_pending_results: int = Field(
        100_000,
        ge=1,
        description="maximum number of results waiting to be committed; further requests get a 503",
    )


class RecordSettings(Group):
    """The folder of rejected requests."""

    record: Path | None = Field(
        None,
        description="folder for rejected requests, redacted; default: none are kept",
        examples=["/var/lib/push-result-exporter/records"],
    )
    record_max_bytes: int = Field(
        10_485_760,
        ge=1,
        description="maximum size of that folder; the oldest records are deleted first",
    )
    record_unauthenticated: bool = Field(
        False, description="also record unsigned and forged requests"
    )


class LogSettings(Group):
    """Logs on standard error."""

    log_level: AnyCase[Literal["debug", "info", "warning", "error"]] = Field(
        "info", description="least severe level to log; debug logs each request"
    )
    log_format: AnyCase[Literal["console", "logfmt", "json"]] = Field(
        "console", description="log format"
    )
