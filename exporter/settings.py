"""Every setting: flags, environment `PUSH_EXPORTER_*`, a TOML file, in that order."""

import argparse
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from exporter.errors import ConfigurationError

ENV_PREFIX = "PUSH_EXPORTER_"
CONFIG_VARIABLE = f"{ENV_PREFIX}CONFIG"

Port = Annotated[int, Field(ge=0, le=65535)]
Files = Annotated[tuple[Path, ...], NoDecode]


class Settings(BaseSettings):
    """The settings of one exporter, checked and frozen. Secrets are files, never values."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    ingest_host: str = Field("0.0.0.0", description="address of the public listener")  # noqa: S104
    ingest_port: Port = Field(10987, description="port of the public listener; 0 takes a free one")
    admin_host: str = Field("127.0.0.1", description="address of the private listener")
    admin_port: Port = Field(10988, description="port of the private listener; 0 takes a free one")
    mps_public_key_files: Files = Field(
        (), description="RSA public keys of MPS, PEM or the console's bare base64; any may verify"
    )
    results_token_files: Files = Field(
        (), description="bearer tokens for /webhooks/results, one a line"
    )
    results_secret_files: Files = Field(
        (), description="Standard Webhooks secrets (whsec_…) for /webhooks/results, one a line"
    )
    allow_unsigned: bool = Field(
        False, description="accept calls on a webhook that has no key, token or secret"
    )
    ledger_path: Path = Field(
        Path("data/ledger.sqlite3"), description="the ledger's file; its folder is made if absent"
    )
    ledger_sync: Literal["full", "normal", "off"] = Field(
        "full",
        description="SQLite's synchronous; anything but full can lose results at a power cut",
    )
    dedupe_window_seconds: float = Field(
        600, ge=0, allow_inf_nan=False, description="how long a delivery is known again; 0: never"
    )
    max_body_bytes: int = Field(1048576, ge=1, description="largest body of a call")
    max_pending_results: int = Field(
        100_000, ge=1, description="results that may wait for their commit before calls get a 503"
    )
    max_connections: int = Field(
        10_000, ge=1, description="open connections to the public listener"
    )
    body_timeout_seconds: float = Field(
        10, gt=0, allow_inf_nan=False, description="time for a body to arrive"
    )
    code_table_files: Files = Field(
        (), description="your own code tables (TOML), laid over ours in order"
    )
    record: Path | None = Field(
        None, description="folder in which rejected calls are kept, redacted; off by default"
    )
    record_max_bytes: int = Field(
        10_485_760, ge=1, description="size of that folder; the oldest records go first"
    )
    record_unauthenticated: bool = Field(False, description="keep unsigned and forged calls too")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug logs one line a request"
    )
    log_format: Literal["console", "json"] = Field("console", description="how log lines look")
    tls_cert_file: Path | None = Field(
        None, description="certificate chain (PEM), for both listeners"
    )
    tls_key_file: Path | None = Field(None, description="the certificate's private key (PEM)")
    admin_password_file: Path | None = Field(
        None, description="users of the admin listener, user:bcrypt-hash a line"
    )
    reuse_port: bool = Field(
        False, description="share the public port with other replicas on this host (SO_REUSEPORT)"
    )

    @field_validator(
        "mps_public_key_files",
        "results_token_files",
        "results_secret_files",
        "code_table_files",
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
                "nothing authenticates callers: set MPS_PUBLIC_KEY_FILES, RESULTS_TOKEN_FILES or "
                "RESULTS_SECRET_FILES, or ALLOW_UNSIGNED=true to accept calls from anyone"
            )
        return self

    @property
    def has_credentials(self) -> bool:
        """Whether any webhook can authenticate its callers."""
        return bool(
            self.mps_public_key_files or self.results_token_files or self.results_secret_files
        )


def split_list(value: object) -> object:
    """Read a list that is written as JSON or as words between commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


def add_flags(parser: argparse.ArgumentParser) -> CliSettingsSource[Settings]:
    """Give a command a flag for each setting; pass what it parsed to `load_settings`."""
    parser.add_argument(
        "--config",
        type=Path,
        default=os.environ.get(CONFIG_VARIABLE) or None,
        metavar="FILE",
        help=f"TOML file of settings, names in lower case (environment: {CONFIG_VARIABLE})",
    )
    return CliSettingsSource(
        Settings,
        root_parser=parser,
        cli_kebab_case=True,
        cli_hide_none_type=True,
        add_argument_method=_add_flag,
    )


def _add_flag(group: argparse.ArgumentParser, *names: str, **options: Any) -> argparse.Action:
    """Show what a flag takes in the reader's words, and let a switch stand alone."""
    kind = options["metavar"]
    if kind == "bool":
        options |= {"nargs": "?", "const": "true"}
    words = {"Path": "FILE", "tuple[Path,...]": "FILE[,FILE]", "str": "TEXT", "bool": "true|false"}
    options["metavar"] = words.get(kind, kind.upper() if kind.isalpha() else kind)
    if "--record" in names:
        options["metavar"] = "DIR"
    options["help"] = options["help"].replace(" (default: ())", "").replace(" (default: None)", "")
    return group.add_argument(*names, **options)


def load_settings(
    flags: CliSettingsSource[Settings] | None = None,
    parsed: argparse.Namespace | None = None,
    **given: Any,
) -> Settings:
    """Gather the settings: `given`, flags, environment, file, defaults, the first that has one.

    Raises ConfigurationError that names each bad or unknown setting and where it stands.
    """
    config = getattr(parsed, "config", None)
    from_file = _read_file(Path(config)) if config else {}
    unknown = _unknown_variables(os.environ)
    if unknown:
        raise ConfigurationError(f"environment: unknown setting {', '.join(unknown)}")

    class Sources(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del dotenv_settings, file_secret_settings
            return init_settings, env_settings, InitSettingsSource(settings_cls, from_file)

    values = {
        name: value
        for name, value in vars(parsed or argparse.Namespace()).items()
        if name in Settings.model_fields
    }
    source = flags(parsed_args=values) if flags else None
    try:
        return Sources(_cli_settings_source=source, **given)
    except ValidationError as error:
        places = {name: f"flag --{name.replace('_', '-')}" for name in values}
        problems = [
            _explain(problem["loc"], problem["msg"], places, from_file, config)
            for problem in error.errors()
        ]
        raise ConfigurationError("; ".join(problems)) from None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        problem = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"config file {path}: {problem}") from error
    return {name.lower(): value for name, value in data.items()}


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields} | {CONFIG_VARIABLE}
    return sorted(
        name
        for name in environment
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known
    )


def _explain(
    location: tuple[int | str, ...],
    message: str,
    places: Mapping[str, str],
    from_file: Mapping[str, Any],
    config: object,
) -> str:
    message = message.removeprefix("Value error, ")
    if not location:
        return message
    name = str(location[0])
    variable = f"{ENV_PREFIX}{name.upper()}"
    place = places.get(name)
    if not place and any(one.upper() == variable for one in os.environ):
        place = f"environment {variable}"
    if not place and name in from_file:
        place = f"config file {config}"
    if name not in Settings.model_fields:
        message = "unknown setting"
    return f"{name.upper()}: {message}" + (f" ({place})" if place else "")
