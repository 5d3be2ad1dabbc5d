"""Every setting: flags, environment `PUSH_EXPORTER_*`, a TOML file, in that order."""

import argparse
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from exporter.configuration.files import read_toml
from exporter.errors import ConfigurationError

ENV_PREFIX = "PUSH_EXPORTER_"

_PASSWORD = re.compile(r"((?<=://)[^:/?@]*:)[^?]*(?=@)|((?<=[?&])(?:ssl)?password=)[^&]*")

Port = Annotated[int, Field(ge=0, le=65535)]
Files = Annotated[tuple[Path, ...], NoDecode]


def _check_app(name: str) -> str:
    if name == "other":
        raise ValueError("'other' is reserved for results of no declared app")
    return name


AppName = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_.-]{0,62}$"), AfterValidator(_check_app)]


class Settings(BaseSettings):
    """The settings of one exporter, checked and frozen. Secrets are files, never values."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    config: Path | None = Field(
        None, description="TOML file of settings, names in lower case; not in the file itself"
    )
    ingest_host: str = Field("0.0.0.0", description="address of the public listener")  # noqa: S104
    ingest_port: Port = Field(10987, description="port of the public listener; 0 takes a free one")
    admin_host: str = Field("127.0.0.1", description="address of the private listener")
    admin_port: Port = Field(10988, description="port of the private listener; 0 takes a free one")
    mps_public_key_files: Files = Field(
        (), description="RSA public keys of MPS, PEM or the console's bare base64; any may verify"
    )
    results_token_files: Files = Field(
        (), description="bearer tokens for /webhooks/results, one per line"
    )
    results_secret_files: Files = Field(
        (), description="Standard Webhooks secrets (whsec_…) for /webhooks/results, one per line"
    )
    gateway_files: Files = Field(
        (), description="descriptions of further gateways (TOML); the file's name is the path"
    )
    allow_unsigned: bool = Field(
        False, description="accept requests on a webhook that has no key, token or secret"
    )
    ledger_path: Path = Field(
        Path("data/ledger.sqlite3"), description="the ledger's file; its folder is made if absent"
    )
    ledger_url: str | None = Field(
        None, description="PostgreSQL database of the ledger, in place of the file"
    )
    ledger_password_file: Path | None = Field(
        None, description="the password for LEDGER_URL, if it is not in the URL"
    )
    instance: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        description="the name under which this replica counts in PostgreSQL; if unset, the lowest "
        "free one of `replica-0`, `replica-1`, …",
    )
    ledger_sync: Literal["full", "normal", "off"] = Field(
        "full",
        description="SQLite's synchronous; anything but full can lose results at a power cut",
    )
    dedupe_window_seconds: float = Field(
        86400,
        ge=0,
        allow_inf_nan=False,
        description="how long a repeated delivery is a duplicate; 0: never",
    )
    dedupe_max_keys: int = Field(
        1_048_576,
        ge=1024,
        le=1 << 28,
        description="most deliveries that are remembered, 32 bytes of memory each; rounded up to "
        "a power of two",
    )
    apps: Annotated[tuple[AppName, ...], NoDecode] = Field(
        (), max_length=100, description="apps by which results are counted"
    )
    max_body_bytes: int = Field(
        1048576,
        ge=1,
        le=1024**3,
        description="largest body of a request, as sent and unpacked",
    )
    max_pending_results: int = Field(
        100_000,
        ge=1,
        description="results that may wait for their commit before requests get a 503",
    )
    max_connections: int = Field(
        10_000, ge=1, description="open connections to the public listener"
    )
    body_timeout_seconds: float = Field(
        10, gt=0, allow_inf_nan=False, description="time for a body to arrive"
    )
    code_table_files: Files = Field(
        (), description="custom code tables (TOML), merged over the built-in ones in order"
    )
    record: Path | None = Field(
        None, description="folder in which rejected requests are kept, redacted; off by default"
    )
    record_max_bytes: int = Field(
        10_485_760, ge=1, description="size of that folder; the oldest records go first"
    )
    record_unauthenticated: bool = Field(False, description="keep unsigned and forged requests too")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug logs one line a request"
    )
    log_format: Literal["console", "json"] = Field("console", description="how log lines look")
    tls_cert_file: Path | None = Field(
        None, description="certificate chain (PEM), for both listeners"
    )
    tls_key_file: Path | None = Field(None, description="the certificate's private key (PEM)")
    admin_password_file: Path | None = Field(
        None, description="users of the admin listener, user:bcrypt-hash per line"
    )
    runbook_base_url: str | None = Field(
        None,
        pattern="^https?://",
        description="where the alerts' runbooks are; the admin listener's own pages if not given",
    )
    reuse_port: bool = Field(
        False, description="share the public port with other replicas on this host (SO_REUSEPORT)"
    )

    @field_validator(
        "mps_public_key_files",
        "results_token_files",
        "results_secret_files",
        "code_table_files",
        "gateway_files",
        "apps",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return split_list(value)

    @field_validator("log_level", "log_format", "ledger_sync", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("TLS_CERT_FILE and TLS_KEY_FILE go together")
        if not (self.has_credentials or self.allow_unsigned):
            raise ValueError(
                "nothing authenticates senders: set MPS_PUBLIC_KEY_FILES, RESULTS_TOKEN_FILES, "
                "RESULTS_SECRET_FILES or GATEWAY_FILES, or ALLOW_UNSIGNED=true to accept requests "
                "from anyone"
            )
        return self

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        hosts = {self.ingest_host, self.admin_host}
        meet = len(hosts) == 1 or hosts & {"0.0.0.0", "::"}  # noqa: S104 - which are all of them
        if meet and self.ingest_port == self.admin_port != 0:  # 0 stands for any that is free
            raise ValueError("INGEST_PORT and ADMIN_PORT are the same")
        return self

    @field_serializer("ledger_url")
    def _without_password(self, url: str | None) -> str | None:
        """Show the address wherever settings are shown, but never the password in it."""
        return url and _PASSWORD.sub(r"\1\2…", url)

    @property
    def has_credentials(self) -> bool:
        """Whether any webhook can authenticate its senders."""
        return bool(
            self.mps_public_key_files
            or self.results_token_files
            or self.results_secret_files
            or self.gateway_files
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given, the environment, then the file that one of these names."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, ConfigFile(settings_cls)


class ConfigFile(InitSettingsSource):
    """The TOML file that a source before this one names as `config`."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls, {})

    def __call__(self) -> dict[str, Any]:
        """Read the file, if there is one; ConfigurationError names one that cannot be read."""
        path = self.current_state.get("config")
        data = read_toml("config file", Path(path)) if path else {}
        self.init_kwargs = {name.lower(): value for name, value in data.items()}
        if "config" in self.init_kwargs:
            raise ConfigurationError(f"CONFIG: unknown setting (config file {path})")
        return super().__call__()


def split_list(value: object) -> object:
    """Read a list that is written as JSON or as words between commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


def load_settings(
    flags: CliSettingsSource[Settings] | None = None,
    parsed: argparse.Namespace | None = None,
    **given: Any,
) -> Settings:
    """Gather the settings: flags, `given`, environment, file, defaults, the first that has one.

    Raises ConfigurationError that names each bad or unknown setting and where it stands.
    """
    unknown = _unknown_variables(os.environ)
    if unknown:
        raise ConfigurationError(f"environment: unknown setting {', '.join(unknown)}")
    values = {
        name: value
        for name, value in vars(parsed or argparse.Namespace()).items()
        if name in Settings.model_fields
    }
    source = flags(parsed_args=values) if flags else None
    try:
        return Settings(_cli_settings_source=source, **given)
    except ValidationError as error:
        problems = [_explain(problem["loc"], problem["msg"], values) for problem in error.errors()]
        raise ConfigurationError("; ".join(problems)) from None


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    return sorted(
        name
        for name in environment
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known
    )


def _explain(location: tuple[int | str, ...], message: str, flags: Mapping[str, Any]) -> str:
    """Name a bad setting and the source that has it; only a file can have what the others lack."""
    message = message.removeprefix("Value error, ")
    if not location:
        return message
    name = str(location[0])
    variables = {variable.upper(): value for variable, value in os.environ.items()}
    variable = f"{ENV_PREFIX}{name.upper()}"
    config = flags.get("config") or variables.get(f"{ENV_PREFIX}CONFIG")
    if name not in Settings.model_fields:
        message = "unknown setting"
    if name in flags:
        place = f" (flag --{name.replace('_', '-')})"
    elif variables.get(variable):
        place = f" (environment {variable})"
    else:
        place = f" (config file {config})" if config else ""
    return f"{name.upper()}: {message}{place}"
