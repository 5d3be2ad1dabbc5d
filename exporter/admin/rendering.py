"""HTML from templates, without scripts or styles inside, and the files that the pages need."""

import re
from importlib.resources import files
from pathlib import PurePath
from typing import Any, NamedTuple

import msgspec
from aiohttp import hdrs, web
from jinja2 import Environment, PackageLoader, StrictUndefined

from exporter.admin.formats import FILTERS
from exporter.runtime.current import Current
from exporter.runtime.service import Service

# The pages need nothing from elsewhere, and nothing that they show may run.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    hdrs.CACHE_CONTROL: "no-store",
}

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

# What HTML cannot hold: control characters (WHATWG, "control") and halves of surrogate pairs.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class _Asset(NamedTuple):
    content: bytes
    content_type: str


class Pages:
    """The templates and the files beside them, read once."""

    def __init__(self, current: Current, service: Service) -> None:
        self._host = service.host
        self._runbooks = current.settings.runbook_base_url
        self._templates = Environment(
            loader=PackageLoader("exporter.admin"),
            autoescape=True,
            finalize=_fit,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= FILTERS
        self._assets = {
            file.name: _Asset(file.read_bytes(), _TYPES[PurePath(file.name).suffix])
            for file in files("exporter.admin").joinpath("assets").iterdir()
            if PurePath(file.name).suffix in _TYPES
        }

    def html(
        self, request: web.Request, template: str, *, code: int = 200, **values: object
    ) -> web.Response:
        """Render a template with its values, and those that every page needs, as a response."""
        root = root_of(request)
        text = self._templates.get_template(template).render(
            values,
            root=root,
            runbooks=f"{self._runbooks.rstrip('/')}/" if self._runbooks else f"{root}runbooks/",
            host=self._host,
        )
        return web.Response(text=text, status=code, content_type="text/html")

    async def asset(self, request: web.Request) -> web.Response:
        """Respond with a file that the pages need."""
        found = self._assets.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return web.Response(
            body=found.content,
            content_type=found.content_type,
            charset="utf-8",
            headers={hdrs.CACHE_CONTROL: "no-cache"},
        )


def _fit(value: object) -> object:
    """Make text from outside fit for a page; the one place where it gets there."""
    if isinstance(value, str) and not hasattr(value, "__html__"):  # else it is made of what is fit
        return _UNFIT.sub("\ufffd", value)
    return value


def root_of(request: web.Request) -> str:
    """Return the way from a page to `/`, so that links work below any path of a proxy.

    It counts slashes, since `/codes/` and `//codes` are the page `/codes`, too.
    """
    return "../" * (request.rel_url.raw_path.count("/") - 1) or "./"


def json_response(value: Any) -> web.Response:
    """Respond with JSON; what is not ASCII is escaped, so that any text can be sent."""
    return web.json_response(msgspec.to_builtins(value))


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Give every response, errors included, the headers that keep a page safe."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
