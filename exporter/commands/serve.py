"""The command `serve`: run the exporter."""

import argparse
import gc

from exporter.commands.flags import add_flags
from exporter.commands.loop import run
from exporter.configuration.settings import Settings, load_settings
from exporter.server import server
from exporter.server.logs import configure_logs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_flags(parser, Settings)
    parser.set_defaults(run=serve)


def serve(options: argparse.Namespace) -> int:
    """Run the exporter until SIGTERM or SIGINT."""
    settings = load_settings(Settings, options)
    configure_logs(settings.log_level, settings.log_format)
    gc.freeze()  # the collector need not scan modules again
    gc.set_threshold(20_000)  # a body may have thousands of short-lived objects without cycles
    run(server.serve(settings))
    return 0
