"""What holds for every route of the admin listener: paths, methods, headers, other sites."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from yarl import URL

from exporter.admin.app import make_admin_app
from exporter.admin.protocol import MAX_CONNECTIONS
from tests.support.exporter import Exporter
from tests.support.pages import respond

GET_PATHS = [
    "/",
    "/codes",
    "/runbooks",
    "/runbooks/PushThrottled",
    "/metrics",
    "/assets/page.css",
    "/-/healthy",
    "/-/ready",
    "/api/v1/status",
    "/api/v1/codes",
]
REVALIDATED = [
    "/codes",
    "/runbooks",
    "/runbooks/PushThrottled",
    "/assets/page.css",
    "/api/v1/codes",
]
HTML_PATHS = ["/", "/codes", "/runbooks", "/runbooks/PushThrottled"]


def test_every_route_is_tested(exporter: Exporter) -> None:
    """The paths above are those of the application."""
    routes = make_admin_app(exporter.current, exporter.hub, exporter.service).router.routes()
    assert len({route.resource for route in routes}) == len(GET_PATHS) + 1  # and the reload


def forms(path: str) -> list[str]:
    """Write a path with doubled and trailing slashes."""
    return [path, path + "/", path + "//", "/" + path, path.replace("/", "//") + "/"]


async def test_slashes_do_not_matter(exporter: Exporter) -> None:
    """A trailing or doubled slash is the same path, without a redirect."""
    for form in (form for path in GET_PATHS for form in forms(path)):
        response, body = await respond(exporter, "GET", form)
        assert (response.status, response.history) == (200, ()), form
        assert body


async def test_too_many_slashes_are_another_path(exporter: Exporter) -> None:
    """The links of a page lead back over each slash, so that their number is bounded."""
    for path in ("/" * 20, "/codes" + "/" * 20, "/" * 4000 + "codes"):
        response, body = await respond(exporter, "GET", path)
        assert response.status == 404
        assert len(body) < 10_000


async def test_links_lead_to_the_root(exporter: Exporter) -> None:
    """However many slashes a path has, the links of its page are found, below any proxy's path."""
    for form in (form for path in HTML_PATHS for form in forms(path)):
        _, body = await respond(exporter, "GET", form)
        sheet = body.decode().partition('rel="stylesheet" href="')[2].partition('"')[0]
        base = URL(f"http://proxy/below/it{form}", encoded=True)
        found = urlsplit(str(base.join(URL(sheet)))).path
        assert found.replace("//", "/").replace("//", "/") == "/below/it/assets/page.css", form


async def test_head_is_get_without_a_body(exporter: Exporter) -> None:
    """HEAD gives the status and the headers of GET, and no body."""
    for path in GET_PATHS:
        got, _ = await respond(exporter, "GET", path)
        head, body = await respond(exporter, "HEAD", path)
        assert (head.status, body) == (got.status, b"")
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        assert head.headers["Cache-Control"] == got.headers["Cache-Control"]


async def test_headers_of_every_response(exporter: Exporter) -> None:
    """Pages, errors and JSON alike are neither sniffed, framed, scripted nor stored."""
    tried = [("GET", path) for path in GET_PATHS]
    tried += [("GET", "/nothing"), ("PUT", "/"), ("POST", "/-/reload"), ("GET", "/assets/nothing")]
    for method, path in tried:
        response, _ = await respond(exporter, method, path)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        stored = "private, no-cache" if path in REVALIDATED and method == "GET" else "no-store"
        assert response.headers["Cache-Control"] == stored, path
        assert response.headers["Server"] == "push-result-exporter"


HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: it\r\n\r\n"


async def test_connections_are_bounded(exporter: Exporter) -> None:
    """At the limit a new connection replaces the least recently active one."""
    connections = [await exporter.connect(exporter.admin) for _ in range(MAX_CONNECTIONS)]
    reader, writer = connections[0]  # a scraper's
    for number in (1, 2):
        writer.write(HEALTHY)
        assert b"200" in await reader.readuntil(b"healthy\n")
        connections.append(await exporter.connect(exporter.admin))
        silent, _ = connections[number]
        with suppress(ConnectionError):
            assert await asyncio.wait_for(silent.read(), 10) == b""
    for _, one in connections:
        one.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # curl, an orchestrator
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "odd"}, 403),
        ({"Origin": "{self}"}, 200),
        ({"Origin": "https://other.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[broken"}, 403),
        ({"Origin": "{self}", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://other.example", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_other_sites_change_nothing(
    exporter: Exporter, headers: dict[str, str], status: int
) -> None:
    """A request that changes something comes from this site, or from what is no browser."""
    given = {name: value.format(self=exporter.admin) for name, value in headers.items()}
    response, _ = await respond(exporter, "POST", "/-/reload", **given)
    assert response.status == status
    for method in ("POST", "PUT", "DELETE", "PATCH"):  # any route that there may be one day
        response, _ = await respond(exporter, method, "/codes", **given)
        assert response.status == (403 if status == 403 else 405)
    response, _ = await respond(exporter, "GET", "/codes", **given)
    assert response.status == 200  # a link from a chat or a wiki works
