"""`/metrics` over HTTP: format, compression and selection, whatever a scraper asks for."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.support.exporter import Exporter

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
CLASSIC = "text/plain; version=0.0.4"


async def scrape(exporter: Exporter, accept: str = "", query: str = "") -> tuple[str, str]:
    """Scrape; return the content type and the text."""
    headers = {"Accept": accept}
    async with exporter.client.get(f"{exporter.admin}/metrics{query}", headers=headers) as response:
        assert response.status == 200
        return response.headers["Content-Type"], await response.text()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", CLASSIC),
        ("*/*", CLASSIC),
        ("text/html,application/xhtml+xml", CLASSIC),
        ("text/plain;version=0.0.4", CLASSIC),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0"),
        (PROMETHEUS_3, "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text; version=1.0.0,text/plain", "application/openmetrics-text"),
        ("application/openmetrics-text; version=a.b", CLASSIC),
        ("application/openmetrics-text; version=nonsense", CLASSIC),
        ("application/openmetrics-text; version=", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text; version=1.x.0; escaping=nonsense", CLASSIC),
        ("application/openmetrics-text; version=1.0.0; escaping=nonsense", "application/openm"),
        ("application/openmetrics-text; version=-1", CLASSIC),
        ("application/openmetrics-text;=;version", "application/openmetrics-text; version=1.0.0"),
        ("text/plain; version=nonsense", CLASSIC),
        ("text/plain; version=99999999999999999999.0.0", CLASSIC),
        ("text/plain; version=1.0.0", "text/plain; version=1.0.0"),
        ("application/openmetrics-text; version=2.0.0; escaping=values", CLASSIC),
        (";;;,,,=", CLASSIC),
    ],
)
async def test_format_is_negotiated(exporter: Exporter, accept: str, content_type: str) -> None:
    """A scraper gets the format that it accepts, and the classic text where that makes no sense."""
    given, text = await scrape(exporter, accept)
    assert given.startswith(content_type)
    openmetrics = content_type.startswith("application/openm")
    assert text.endswith("# EOF\n") is openmetrics
    families = parse_openmetrics(text) if openmetrics else parse_text(text)  # type: ignore[no-untyped-call]
    assert "push_results" in {family.name for family in families}


@pytest.mark.parametrize(("accepted", "encoding"), [("gzip", "gzip"), ("identity", None)])
async def test_compression(exporter: Exporter, accepted: str, encoding: str | None) -> None:
    """The text is compressed for a scraper that accepts gzip, and for no other."""
    headers = {"Accept-Encoding": accepted}
    async with exporter.client.get(f"{exporter.admin}/metrics", headers=headers) as response:
        assert response.headers.get("Content-Encoding") == encoding
        assert "push_results_total{" in await response.text()


async def test_every_family_can_be_asked_for_by_name(exporter: Exporter) -> None:
    """`name[]` gives the families that it names, and nothing else; an unknown name gives none."""
    await exporter.results(b'{"channel": "vivo", "code": 10072}')
    _, everything = await scrape(exporter)
    samples = {
        family.name: {sample.name for sample in family.samples} for family in parse_text(everything)
    }
    for family, names in samples.items():
        _, text = await scrape(exporter, query="?" + "&".join(f"name[]={one}" for one in names))
        found = {sample.name for one in parse_text(text) for sample in one.samples}
        assert found == names, family
    assert (await scrape(exporter, query="?name[]=no_such_name"))[1] == ""


async def test_two_names(exporter: Exporter) -> None:
    """Several names give the series of all of them."""
    query = "?name[]=push_results_total&name[]=push_exporter_build_info"
    _, text = await scrape(exporter, query=query)
    assert {one.name for one in parse_text(text)} == {"push_results", "push_exporter_build_info"}
