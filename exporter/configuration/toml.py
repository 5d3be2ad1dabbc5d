"""Writes settings as TOML: the effective settings, and a template with all settings."""

import inspect
import json
import textwrap
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from exporter.configuration.fields import Group
from exporter.configuration.settings import Settings

_HEAD = """\
# Settings of push-result-exporter, with their defaults, or with examples if they have none. To set
# one, remove the "#" before its name. Flags (--ingest-port) and the environment
# (PUSH_EXPORTER_INGEST_PORT) take precedence over this file.
#
# Check the file:  push-result-exporter check-config --config FILE
# Run with it:     push-result-exporter serve --config FILE
"""
_WIDTH = 100


def template() -> str:
    """Return a file with all settings commented out, each below its description."""
    groups = [base for base in Settings.__mro__ if issubclass(base, Group) and base is not Group]
    return _HEAD + "".join(map(_section, reversed(groups)))


def effective(settings: Settings) -> str:
    """Return a file with the effective settings, without those that have no value."""
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
    """Return the example of a setting, or its default if it has no example."""
    default = field.get_default()
    return field.examples[0] if field.examples else to_jsonable_python(default)


def _line(name: str, value: Any) -> str:
    """Format a setting; for its types of values, TOML has the same syntax as JSON."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{name} = {json.dumps(value, ensure_ascii=False)}"
