"""Typed application keys."""

from aiohttp import web

from exporter.admin.view import View

VIEW = web.AppKey("view", View)
