"""Settings as a TOML file: the effective ones, and a template with all of them."""

import inspect
import json
import textwrap
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from exporter.configuration.fields import Group
from exporter.configuration.settings import Settings

_HEAD = """\
# Settings of push-result-exporter. Each is shown with its default, or with an example if it has
# none: remove the "#" before its name to set it. Flags (--ingest-port) and the environment
# (PUSH_EXPORTER_INGEST_PORT) take precedence over this file.
#
# Check the file:  push-result-exporter check-config --config FILE
# Run with it:     push-result-exporter serve --config FILE
"""
_WIDTH = 100


def template() -> str:
    """Return a file with every setting in a comment, under its description."""
    groups = [one for one in Settings.__mro__ if issubclass(one, Group) and one is not Group]
    return _HEAD + "".join(map(_section, reversed(groups)))


def effective(settings: Settings) -> str:
    """Return a file with the effective settings, without those that are not set."""
    lines = []
    for name, value in settings.model_dump(mode="json").items():
        if name == "config" or value is None or value == []:
            continue
        line = _line(name, value)
        if value != to_jsonable_python(getattr(settings, name)):
            line = f"# {line}  # the password is not shown"
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def _section(group: type[Group]) -> str:
    names = inspect.get_annotations(group)  # without those of its base
    heading = f"\n\n# ---- {(group.__doc__ or '').strip()}\n"
    fields = (_field(name, field) for name, field in group.model_fields.items() if name in names)
    return heading + "".join(fields)


def _field(name: str, field: FieldInfo) -> str:
    text = textwrap.wrap(field.description or "", _WIDTH - 2)
    lines = [*(f"# {line}" for line in text), f"#{_line(name, _shown(field))}"]
    return "\n" + "".join(f"{line}\n" for line in lines)


def _shown(field: FieldInfo) -> Any:
    """Return the default of a setting, or the example of one without a default."""
    default = field.get_default()
    return field.examples[0] if field.examples else to_jsonable_python(default)


def _line(name: str, value: Any) -> str:
    """Write a setting; TOML has JSON's notation of all values that settings have."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{name} = {json.dumps(value, ensure_ascii=False)}"
