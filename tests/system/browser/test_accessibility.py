"""The pages for everybody: keyboard, screen reader, width, zoom, print, dark, axe-core's rules."""

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import pytest
from playwright.sync_api import Browser, Page, expect

from exporter.admin.runbook_texts import load_runbooks
from tests.support.browser import (
    DESKTOP,
    PHONE,
    axe_findings,
    install_axe,
    opened,
    sent,
)
from tests.support.exporter import TOKEN, KeyPair
from tests.support.programs import ExporterProcess, exporter_process, fetch
from tests.support.troubled import post, stressed, troubled, with_apps

WIDTHS = (320, 360, 640, 768, 1280, 1920)
"""320 and 640 are 400% and 200% zoom of 1280."""

TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth && !one.closest("svg"))
    .map((one) => `${one.outerHTML.slice(0, 100)} ${one.getBoundingClientRect().right}`)"""
"""The elements that are wider than the window."""

PATHS = ("/", "/?channel=vivo", "/runbooks", "/runbooks/PushChannelRejected", "/codes?q=throttl")


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give axe-core's script."""
    return install_axe(tmp_path_factory.mktemp("axe"))


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory, keys: KeyPair) -> Iterator[ExporterProcess]:
    """Run an exporter with trouble of all kinds."""
    with troubled(tmp_path_factory.mktemp("page"), keys) as exporter:
        yield exporter


@pytest.fixture(scope="module")
def stress(tmp_path_factory: pytest.TempPathFactory, keys: KeyPair) -> Iterator[ExporterProcess]:
    """Run an exporter with long, wide, odd and numerous results."""
    with stressed(tmp_path_factory.mktemp("stress"), keys) as exporter:
        yield exporter


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    """Run an exporter with several apps."""
    with with_apps(tmp_path_factory.mktemp("apps")) as one:
        yield one


def check(page: Page, axe: str) -> None:
    """Check a page by axe-core, and that nothing is wider than the window."""
    assert axe_findings(page, axe) == []
    assert page.evaluate(TOO_WIDE) == []


@pytest.mark.parametrize("dark", [False, True])
def test_each_width_and_colour(
    browser: Browser, stress: ExporterProcess, axe: str, dark: bool
) -> None:
    """Under stress the status page breaks no rule at any width or zoom, by day and by night."""
    with opened(browser, stress.admin, (WIDTHS[0], 900), dark=dark) as page:
        check(page, axe)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(TOO_WIDE) == []
        check(page, axe)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(map(int, re.findall(r"\d+", paper))) / 3
        assert (brightness < 60) if dark else (brightness > 200)


@pytest.mark.parametrize(
    ("path", "size"),
    [
        *product(PATHS, (DESKTOP, PHONE)),
        *product(("/codes", "/nothing", "/runbooks/PushNothing"), (DESKTOP,)),
    ],
)
def test_each_page(
    browser: Browser, stress: ExporterProcess, axe: str, path: str, size: tuple[int, int]
) -> None:
    """Every page, those of what does not exist included, breaks no rule."""
    missing = "othing" in path  # its 404 is in the console
    with opened(browser, stress.admin + path, size, dark=size == PHONE, errors=missing) as page:
        check(page, axe)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_each_state(
    browser: Browser, tmp_path: Path, keys: KeyPair, axe: str, size: tuple[int, int]
) -> None:
    """Before the first result, when all is well, without a ledger, and when it is gone."""
    (tmp_path / "token").write_text(TOKEN)
    settings = {"mps_public_key_files": keys.public, "results_token_files": tmp_path / "token"}
    with exporter_process(tmp_path, **settings) as exporter:
        for path in ("/webhook/mps", "/webhooks/mps?sign=forged"):
            with suppress(OSError):
                fetch(exporter.ingest + path, b"{}")
        with opened(browser, exporter.admin, size) as page:
            expect(page.locator("#setup")).to_be_visible()
            check(page, axe)
        sent(exporter, keys.private, "healthy", 100)
        with opened(browser, exporter.admin, size) as page:
            expect(page.locator("h1")).to_contain_text("All is well")
            check(page, axe)
        (tmp_path / "ledger.sqlite3").rename(tmp_path / "gone")
        with suppress(OSError):
            post(exporter, [{"channel": "oppo", "code": 2}])
        with opened(browser, exporter.admin, size, errors=True) as page:
            expect(page.locator("h1")).to_contain_text("the ledger cannot be used")
            check(page, axe)
            exporter.process.terminate()
            exporter.process.wait(20)
            page.evaluate("refresh()")
            expect(page.get_by_role("alert")).to_contain_text("Not reachable since")
            check(page, axe)


APP_PATHS = ("/", "/?app=shop", "/?app=none", "/runbooks/PushChannelRejected?app=shop&channel=apns")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("path", APP_PATHS)
def test_apps(
    browser: Browser, apps: ExporterProcess, axe: str, path: str, size: tuple[int, int]
) -> None:
    """Pages with apps, one, all and an undeclared one, break no rule."""
    with opened(browser, apps.admin + path, size, dark=size == PHONE) as page:
        check(page, axe)


@pytest.mark.parametrize("alert", load_runbooks())
def test_runbook_on_a_phone(
    browser: Browser, exporter: ExporterProcess, axe: str, alert: str
) -> None:
    """A runbook fits a phone's width: no part of it has to be scrolled sideways."""
    with opened(browser, f"{exporter.admin}/runbooks/{alert}", PHONE) as page:
        check(page, axe)
        assert (
            page.evaluate(
                """() => [...document.querySelectorAll("main *")]
                .filter((one) => !one.closest("svg, thead") &&
                        (one.getBoundingClientRect().right > innerWidth ||
                         one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0 &&
                         getComputedStyle(one).display !== "inline"))
                .map((one) => one.outerHTML.slice(0, 80))"""
            )
            == []
        )


def test_text_spacing(browser: Browser, stress: ExporterProcess) -> None:
    """With the spacing of WCAG 1.4.12 nothing is cut off or wider than the narrowest window."""
    for path in PATHS:
        with opened(browser, stress.admin + path, (320, 900)) as page:
            page.evaluate(  # and with the longest of times
                """() => document.querySelectorAll("body *").forEach((one) => {
                if (one.matches("time") && one.firstChild.data?.includes("ago"))
                  one.firstChild.data = "59 min ago ";
                Object.assign(one.style, { lineHeight: "1.5", letterSpacing: ".12em",
                                           wordSpacing: ".16em" }); })"""
            )
            assert page.evaluate(TOO_WIDE) == []


def test_print(browser: Browser, exporter: ExporterProcess) -> None:
    """Printed from a dark screen a page is dark on white, without what only a screen needs."""
    for path in ("/", "/runbooks/PushChannelRejected"):
        with opened(browser, exporter.admin + path, (794, 1123), dark=True) as page:
            page.emulate_media(media="print", color_scheme="dark")
            ink = page.evaluate("getComputedStyle(document.body).color")
            assert sum(map(int, re.findall(r"\d+", ink))) / 3 < 60
            expect(page.get_by_role("navigation")).to_be_hidden()
            assert page.locator("button:visible").count() == 0
            assert page.evaluate(TOO_WIDE) == []


def test_no_link_is_dead(browser: Browser, stress: ExporterProcess) -> None:
    """Each link leads to a page that is there, and to a place that this page has."""
    places: dict[str, set[str]] = {}
    with opened(browser, stress.admin) as page:
        for path in ("/", "/?channel=vivo", "/runbooks/PushUnknownCode", "/runbooks"):
            page.goto(stress.admin + path)
            links = page.eval_on_selector_all(
                "a[href]", "(links) => links.map((one) => one.getAttribute('href'))"
            )
            for link in links:
                target, place = urldefrag(urljoin(stress.admin + path, link))
                if not target.startswith(stress.admin):
                    continue
                if target not in places:
                    text = fetch(target).decode()
                    places[target] = set(re.findall(r' id="([^"]+)"', text))
                assert not place or place in places[target], (path, link)
    assert len(places) > 10


def test_keyboard_alone(browser: Browser, exporter: ExporterProcess) -> None:
    """The first key reaches the skip link; every stop is visible and has a name, to the last."""
    with opened(browser, exporter.admin) as page:
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        expect(page.get_by_text("Skip to the content")).to_be_in_viewport()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        stops = []
        for _ in range(200):
            page.keyboard.press("Tab")
            stop = page.evaluate(
                """() => { const one = document.activeElement, seen = getComputedStyle(one);
                   return [one.tagName, one.textContent.trim(), seen.outlineStyle,
                           parseFloat(seen.outlineWidth), one.parentElement?.id] }"""
            )
            if stop[0] == "BODY":
                break
            stops.append(stop)
            if stop[4] == "settings":
                page.keyboard.press("Enter")
                expect(page.locator(".settings")).to_be_visible()
                break
        assert all(name and style != "none" and width >= 2 for _, name, style, width, _ in stops)
        assert stops[-1][4] == "settings"
        assert [stop[1] for stop in stops].count("Row for a table of vivo, code H0") == 1


def test_screen_reader(browser: Browser, exporter: ExporterProcess) -> None:
    """Landmarks, one heading of level 1, tables with names and headers, one live region."""
    for path in (*PATHS, "/codes"):
        with opened(browser, exporter.admin + path, PHONE) as page:
            for landmark in ("main", "banner"):
                assert page.get_by_role(landmark).count() == 1
            assert page.get_by_role("navigation", name="Pages").count() == 1
            assert page.get_by_role("heading", level=1).count() == 1
            for table in page.locator("table").all():
                if not table.get_attribute("aria-label"):
                    expect(table.locator("caption")).to_have_count(1)
                assert table.locator("th").count() > 1
            assert page.locator("html[lang=en]").count() == 1
            assert (
                page.locator("img:not([alt]), svg:not([aria-hidden]):not([role=img])").count() == 0
            )
            # On a phone rows are cards, and still rows to who hears them.
            assert page.get_by_role("row").count() > 1
            assert page.get_by_role("rowheader").count() > 0
    with opened(browser, exporter.admin) as page:
        live = page.locator("[aria-live]")
        assert [region.get_attribute("id") for region in live.all()] == ["headline"]
        assert live.get_attribute("aria-live") == "polite"
