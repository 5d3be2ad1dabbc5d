"""TOML drafts of missing rows and aliases."""

import re

from exporter.classification.tables import OTHER
from exporter.results import Category, Retry, Severity


def draft_row(channel: str, code: str, message: str | None) -> str:
    """Draft the row of an unknown code, with `?` for each value that the operator has to fill in.

    It does not load until these are filled in, and may follow other rows in a file.
    """
    key = code if re.fullmatch("[A-Za-z0-9_-]+", code) else _quoted(code)
    known = channel if channel != OTHER else "?"
    severities, categories, retries = (
        ", ".join(value for value in kind if value != "unknown")
        for kind in (Severity, Category, Retry)
    )
    return f"""# In a file that begins with: channel = "{known}"
[codes.{key}]
name = {_quoted(f"Code {code}")}  # choose a short name
description = {_quoted(message.strip() if message and message.strip() else "?")}
severity = "?"  # {severities}
category = "?"  # {categories}
retry = "?"  # {retries}
action = "?"
"""


def draft_alias(hint: str) -> str:
    """Draft the head of a table that makes an unknown hint an alias of a channel.

    It does not load until the operator has filled in the channel.
    """
    return f'channel = "?"\naliases = [{_quoted(hint)}]\n'


def draft_app(name: str) -> str:
    """Draft the lines of a gateway description that make an app of a name.

    They do not load before the operator has filled in the app.
    """
    return f'[map.app]\n{_quoted(name)} = "?"\n'


def _quoted(text: str) -> str:
    """Quote text as a TOML string, with invisible characters escaped."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\U{ord(character):08X}"
