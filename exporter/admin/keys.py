"""Under which keys the admin application keeps what its handlers share."""

from collections.abc import Mapping

from aiohttp import web

from exporter.admin.history import History
from exporter.admin.rendering import Pages
from exporter.admin.runbook_texts import Runbook
from exporter.runtime.runtime import Runtime

RUNTIME = web.AppKey("runtime", Runtime)
HISTORY = web.AppKey("history", History)
PAGES = web.AppKey("pages", Pages)
RUNBOOKS: web.AppKey[Mapping[str, Runbook]] = web.AppKey("runbooks", Mapping)
"""By alert."""
