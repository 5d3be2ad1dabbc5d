"""All settings, from flags, the environment `PUSH_EXPORTER_*` and a TOML file, in that order."""

import argparse
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, overload

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from exporter.configuration.files import read_toml
from exporter.configuration.groups import (
    CommitSettings,
    GatewaySettings,
    LinkSettings,
    LogSettings,
    RecordSettings,
    TableSettings,
)
from exporter.configuration.listeners import ListenerSettings
from exporter.configuration.problems import Problem, problems_of
from exporter.errors import ConfigurationError, did_you_mean

ENV_PREFIX = "PUSH_EXPORTER_"

_CREDENTIALS = (
    "MPS_PUBLIC_KEY_FILES",
    "RESULTS_TOKEN_FILES",
    "RESULTS_SECRET_FILES",
    "GATEWAY_FILES",
)
_NO_CREDENTIALS = (
    f"nothing authenticates senders: set {', '.join(_CREDENTIALS[:-1])} or {_CREDENTIALS[-1]}, "
    "or ALLOW_UNSIGNED=true to accept requests from anyone"
)


class Sourced(BaseSettings):
    """Base of the settings of a command, which adds the groups that it uses."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, defer_build=True
    )

    config: Path | None = Field(
        None,
        description="TOML file of settings, with names in lower case; the file cannot set this",
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
        """Read flags and arguments, the environment, then the file named by one of these."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, ConfigFile(settings_cls)


class ConfigFile(InitSettingsSource):
    """The TOML file named as `config` by an earlier source."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls, {})

    def __call__(self) -> dict[str, Any]:
        """Read the file, if any, without the settings that the command does not use.

        Raises ConfigurationError for a file that cannot be read, or has the setting `config`.
        """
        path = self.current_state.get("config")
        data = read_toml("config file", Path(path)) if path else {}
        values = {name.lower(): value for name, value in data.items()}
        if "config" in values:
            raise ConfigurationError(f"CONFIG: unknown setting (config file {path})")
        used = self.settings_cls.model_fields
        self.init_kwargs = {
            name: value
            for name, value in values.items()
            if name in used or name not in Settings.model_fields
        }
        return super().__call__()


class Settings(  # fields are in the reverse order of the bases
    LogSettings,
    RecordSettings,
    CommitSettings,
    LinkSettings,
    TableSettings,
    GatewaySettings,
    ListenerSettings,
    Sourced,
):
    """The settings of one exporter, validated and frozen. Secrets are in files, never values."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = self.listener_problems()
        if not (self.has_credentials or self.allow_unsigned):
            problems.append(_NO_CREDENTIALS)
        if problems:
            raise ValueError("; ".join(problems))
        return self


Kind = TypeVar("Kind", bound=Sourced)


@overload
def load_settings(**given: Any) -> Settings: ...
@overload
def load_settings(
    kind: type[Kind], options: argparse.Namespace | None = None, /, **given: Any
) -> Kind: ...
def load_settings(
    kind: type[Sourced] = Settings, options: argparse.Namespace | None = None, /, **given: Any
) -> Sourced:
    """Load settings of a kind: flags, `given`, environment, file, defaults, in this precedence.

    `options` are the parsed arguments of a command with the flags of this kind (`add_flags`).
    Raises ConfigurationError with each invalid or unknown setting and its source.
    """
    _refuse_unknown_variables(os.environ)
    parsed = vars(options) if options else {}
    values = {name: value for name, value in parsed.items() if name in kind.model_fields}
    source = parsed["flags"](parsed_args=values) if parsed else None
    try:
        return kind(_cli_settings_source=source, **given)
    except ValidationError as error:
        text = "; ".join(_explain(problem, values) for problem in problems_of(error, Settings))
        hints = _misnamed(os.environ) if _NO_CREDENTIALS in text else ()
        raise ConfigurationError("; ".join([text, *hints])) from None


_OF_SERVICE = re.compile(r"SERVICE_(HOST|PORT)|PORT($|_[0-9]+_(TCP|UDP))")
_SERVICE_HINT = (
    "; Kubernetes sets such variables for a Service called push-exporter: set "
    "enableServiceLinks: false in the Pod, or rename the Service"
)


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = [name.upper() for name in Settings.model_fields]
    unknown = {
        variable: name
        for variable in sorted(environment)
        if variable.upper().startswith(ENV_PREFIX)
        and (name := variable.upper().removeprefix(ENV_PREFIX)) not in known
    }
    if unknown:
        hint = _SERVICE_HINT if any(map(_OF_SERVICE.match, unknown.values())) else ""
        described = (
            variable
            if _OF_SERVICE.match(name)
            else variable + did_you_mean(name, known, ENV_PREFIX)
            for variable, name in unknown.items()
        )
        raise ConfigurationError(f"environment: unknown setting {', '.join(described)}{hint}")


def _misnamed(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a hint for each variable that would help, but lacks the prefix."""
    for name in (*_CREDENTIALS, "ALLOW_UNSIGNED"):
        for variable in sorted(environment):
            if variable.upper().endswith(name) and not variable.upper().startswith(ENV_PREFIX):
                yield f"the environment has {variable}: rename it to {ENV_PREFIX}{name}"


def _explain(problem: Problem, flags: Mapping[str, Any]) -> str:
    """Describe an invalid setting and its source; an unknown setting can only be in the file."""
    if not problem.location:
        return problem.message
    name = problem.location[0]
    variables = {variable.upper(): value for variable, value in os.environ.items()}
    variable = f"{ENV_PREFIX}{name.upper()}"
    config = flags.get("config") or variables.get(f"{ENV_PREFIX}CONFIG")
    message = problem.message
    if problem.known is not None:
        near = did_you_mean(name.upper(), map(str.upper, problem.known))
        message = f"unknown setting{near}"
        if isinstance(problem.value, dict):
            message = f"settings are not in tables: remove [{name}]"
    if name in flags:
        place = f" (flag --{name.replace('_', '-')})"
    elif variables.get(variable):
        place = f" (environment {variable})"
    else:
        place = f" (config file {config})" if config else ""
    return f"{name.upper()}: {message}{place}"
