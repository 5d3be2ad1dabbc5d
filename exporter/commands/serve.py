"""The command `serve`."""

import argparse
import gc

from exporter.commands.loop import run
from exporter.configuration.settings import load_settings
from exporter.server import server
from exporter.server.logs import configure_logs


def serve(options: argparse.Namespace) -> int:
    """Run the exporter until it is told to stop."""
    settings = load_settings(options.flags, options)
    configure_logs(settings.log_level, settings.log_format)
    gc.freeze()  # what is loaded by now stays: the collector need not look at it again
    gc.set_threshold(20_000)  # a batch is thousands of short-lived objects without cycles
    run(server.serve(settings))
    return 0
