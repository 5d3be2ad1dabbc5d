"""Typed application keys."""

from collections.abc import Mapping

from aiohttp import web

from exporter.admin.rendering import Pages
from exporter.admin.runbook_texts import Runbook
from exporter.admin.view import View

VIEW = web.AppKey("state", View)
PAGES = web.AppKey("pages", Pages)
RUNBOOKS: web.AppKey[Mapping[str, Runbook]] = web.AppKey("runbooks", Mapping)
"""By alert."""
