"""What an operator's code table lacks, written as the TOML that would give it."""

import re

from exporter.classification.tables import OTHER
from exporter.results import Category, Retry, Severity


def draft_row(channel: str, code: str, message: str | None) -> str:
    """Write the row of an unknown code, as TOML: each `?` is for the operator to fill.

    It does not load before that, and may follow other rows in a file.
    """
    key = code if re.fullmatch("[A-Za-z0-9_-]+", code) else _quoted(code)
    known = channel if channel != OTHER else "?"
    severities, categories, retries = (
        ", ".join(one for one in kind if one != "unknown") for kind in (Severity, Category, Retry)
    )
    return f"""# In a file that begins with: channel = "{known}"
[codes.{key}]
name = {_quoted(f"Code {code}")}  # a short one of your own
description = {_quoted(message.strip() if message and message.strip() else "?")}
severity = "?"  # {severities}
category = "?"  # {categories}
retry = "?"  # {retries}
action = "?"
"""


def draft_alias(hint: str, channel: str | None = None) -> str:
    """Write the head of a table that makes an unknown hint an alias of a channel, as TOML.

    Without a channel, the operator fills in its `?`, and the file does not load before that.
    """
    return f'channel = "{channel or "?"}"\naliases = [{_quoted(hint)}]\n'


def _quoted(text: str) -> str:
    """Write text as a TOML string in which nothing is invisible."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\U{ord(character):08X}"
