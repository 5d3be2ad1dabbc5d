"""HTML from templates, without inline scripts or styles, and the static assets."""

import asyncio
import re
from collections.abc import Callable, Hashable, Mapping
from importlib.resources import files
from pathlib import PurePath
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from exporter.admin.formats import FILTERS
from exporter.admin.pace import Pace, Steps
from exporter.admin.responses import Content
from exporter.admin.view import View

if TYPE_CHECKING:
    from jinja2 import Environment, Template

MAX_PATH = 200
"""Maximum length of the path shown by the page of a 404."""

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

# Invalid in HTML: control characters (WHATWG, "control") and halves of surrogate pairs.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Pages:
    """The assets, and the templates, which are loaded for the first page."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.pace = Pace()
        self._templates: Environment | None = None
        self._loading = asyncio.Lock()
        self._assets = {
            file.name: Content.of(file.read_bytes(), _TYPES[PurePath(file.name).suffix])
            for file in files("exporter.admin").joinpath("assets").iterdir()
            if PurePath(file.name).suffix in _TYPES
        }

    async def respond(
        self,
        request: web.Request,
        template: str,
        values: Callable[[], Steps[Mapping[str, object]]],
        key: Hashable = None,
        *,
        status: int = 200,
        cacheable: bool = False,
    ) -> web.Response:
        """Respond with a page rendered from `values`; `key` distinguishes pages of a template.

        With `cacheable` a browser may store it but must revalidate it.
        """
        root = root_of(request)

        async def make() -> Content:
            given = await self.pace.finish(values())
            return await self.content(template, root, given)

        content = await self.pace.share((template, root, key), make)
        return content.response(request, status, cacheable=cacheable)

    async def content(self, template: str, root: str, values: Mapping[str, object]) -> Content:
        """Render a template with its values and the values common to all pages."""
        pieces = (await self.template(template)).generate(
            values,
            root=root,
            runbooks=self.runbooks(root),
            own_runbooks=not self._view.current.settings.runbook_base_url,
            name=self._view.environment,
        )
        text = "".join(await self.pace.pieces(pieces))
        return await asyncio.to_thread(Content.of, text.encode(), "text/html")

    def runbooks(self, root: str) -> str:
        """Return the base URL of the runbooks."""
        base = self._view.current.settings.runbook_base_url
        return f"{base.rstrip('/')}/" if base else f"{root}runbooks/"

    async def template(self, name: str) -> "Template":
        """Return a template; the first call loads all of them, in a thread."""
        async with self._loading:
            if self._templates is None:
                self._templates = await asyncio.to_thread(_load_templates)
        return self._templates.get_template(name)

    @web.middleware
    async def missing_page(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Respond to a browser's request for an unknown path with a page of links."""
        try:
            return await handler(request)
        except web.HTTPNotFound:
            path = request.path[:MAX_PATH]
            if "text/html" not in request.headers.get(hdrs.ACCEPT, "") or path != request.path:
                raise

            def values() -> Steps[Mapping[str, object]]:
                yield
                return {"path": path}

            return await self.respond(request, "missing.html", values, path, status=404)

    async def asset(self, request: web.Request) -> web.Response:
        """Respond with an asset."""
        found = self._assets.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        await self.pace.admit()
        return found.response(request, cacheable=True)


def _load_templates() -> "Environment":
    """Import Jinja and compile the templates, which takes 3 MB and a tenth of a second."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    templates = Environment(
        loader=PackageLoader("exporter.admin"),
        autoescape=True,
        finalize=_fit,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= FILTERS
    for name in templates.list_templates("html"):
        templates.get_template(name)
    return templates


def _fit(value: object) -> object:
    """Replace characters that are invalid in HTML; all text of a page passes through here."""
    if isinstance(value, str) and not value.isprintable() and not hasattr(value, "__html__"):
        return _UNFIT.sub("\ufffd", value)  # text with __html__ was replaced before
    return value


def root_of(request: web.Request) -> str:
    """Return the relative URL of `/`, so that links work below any path of a proxy.

    `/codes/` and `//codes` are the page `/codes`, too, so the slashes of the path are counted.
    """
    return "../" * (request.rel_url.raw_path.count("/") - 1) or "./"


def relocated(html: str, root: str) -> str:
    """Change the root of HTML that was rendered with the root `./`."""
    return html if root == "./" else html.replace('="./', f'="{root}')
