"""Under which keys the admin application keeps what its handlers share."""

from aiohttp import web

from exporter.admin.history import History
from exporter.admin.rendering import Pages
from exporter.runtime import Service

RUNTIME = web.AppKey("runtime", Service)
HISTORY = web.AppKey("history", History)
PAGES = web.AppKey("pages", Pages)
