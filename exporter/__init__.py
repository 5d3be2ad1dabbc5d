"""push-result-exporter."""

from importlib.metadata import version

VERSION = version("push-result-exporter")
