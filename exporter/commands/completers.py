"""Completers of channels, codes and gateways."""

import argparse
from typing import Any

from exporter.classification.classifier import Classifier
from exporter.classification.tables import Tables, load_tables
from exporter.configuration.groups import TableSettings
from exporter.configuration.settings import Sourced, load_settings
from exporter.errors import ConfigurationError
from exporter.gateways.described.files import shipped


class CodesSettings(TableSettings, Sourced):
    """The settings of `codes`."""


def complete_channel(parsed_args: argparse.Namespace, **_context: Any) -> dict[str, str]:
    """Return the channels with their titles."""
    return {channel: table.title for channel, table in _tables(parsed_args).items()}


def complete_channel_or_code(parsed_args: argparse.Namespace, **_context: Any) -> dict[str, str]:
    """Return the channels; after a channel, its codes with their names."""
    words = parsed_args.words or []
    if not words:
        return complete_channel(parsed_args)
    tables = _tables(parsed_args)
    table = tables.get(Classifier(tables).channel(words[0]) or "")
    return {code: row.name for code, row in table.codes.items()} if table else {}


def complete_gateway(**_context: Any) -> list[str]:
    """Return the names of the shipped descriptions."""
    return shipped()


def _tables(parsed_args: argparse.Namespace) -> Tables:
    """Load the code tables, including custom tables if the settings are valid."""
    try:
        return load_tables(load_settings(CodesSettings, parsed_args).code_table_files)
    except ConfigurationError:
        return load_tables()
