"""What a person does with the pages: keep them open, filter, search, lose the exporter."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from exporter.classification.tables import load_tables
from tests.support.browser import opened
from tests.support.exporter import KeyPair
from tests.support.programs import ExporterProcess, exporter_process, free_port
from tests.support.troubled import HOSTILE, post, troubled, with_apps

CODES = sum(len(table.codes) for table in load_tables().values())


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory, keys: KeyPair) -> Iterator[ExporterProcess]:
    """Run an exporter with trouble of all kinds."""
    with troubled(tmp_path_factory.mktemp("page"), keys) as exporter:
        yield exporter


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    """Run an exporter with several apps."""
    with with_apps(tmp_path_factory.mktemp("apps")) as one:
        yield one


def cell(page: Page, row: str, label: str) -> str:
    """Read a figure of a row."""
    return page.locator(f"[id='{row}'] [data-label='{label}']").inner_text()


def test_page_keeps_itself_current(browser: Browser, exporter: ExporterProcess) -> None:
    """New results appear without a reload; focus, open details and scroll position stay."""
    with opened(browser, exporter.admin) as page:
        page.clock.install()
        page.reload()
        page.locator("#settings summary").click()
        page.locator("#row-vivo-H1 summary").focus()
        page.keyboard.press("Enter")
        page.evaluate("window.scrollTo(0, 700); window.sameDocument = true")
        scrolled = page.evaluate("scrollY")
        before = cell(page, "channel-fcm", "All time")
        post(exporter, [{"channel": "fcm", "code": 2, "count": 1000}])
        page.clock.run_for(5100)
        figure = page.locator("#channel-fcm [data-label='All time']")
        expect(figure).to_have_text(f"{int(before.replace(',', '')) + 1000:,}")
        assert page.evaluate("sameDocument") is True
        assert page.evaluate("document.activeElement.parentElement.id") == "row-vivo-H1"
        assert page.locator("#row-vivo-H1").get_attribute("open") is not None
        assert page.locator("#settings").get_attribute("open") is not None
        assert page.evaluate("scrollY") == scrolled > 0
        post(exporter, [{"channel": "vivo", "code": "H1", "message": "another message"}])
        page.clock.run_for(5100)
        expect(page.locator("#unknown-vivo-H1 bdi")).to_have_text("another message")
        # The row has moved to the top; who was in it still is.
        expect(page.locator(".unknown tbody tr").first).to_have_id("unknown-vivo-H1")
        assert page.evaluate("document.activeElement.parentElement.id") == "row-vivo-H1"
        assert page.locator("#row-vivo-H1").get_attribute("open") is not None
        post(exporter, [{"channel": "vivo", "code": "H1", "message": HOSTILE[1]}])


HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange")); }"""


def test_hidden_page_requests_nothing(browser: Browser, exporter: ExporterProcess) -> None:
    """A hidden page requests nothing, and is current again when it is visible."""
    with opened(browser, exporter.admin) as page:
        page.clock.install()
        page.reload()
        asked: list[str] = []
        page.on(
            "request",
            lambda request: (
                asked.append(request.url)
                if request.is_navigation_request() or request.resource_type == "fetch"
                else None
            ),
        )
        page.evaluate(HIDE, True)
        page.clock.run_for(60_000)
        assert asked == []
        with page.expect_response(exporter.admin + "/"):
            page.evaluate(HIDE, False)
        assert asked == [exporter.admin + "/"]


def test_unreachable_exporter(browser: Browser, tmp_path: Path, keys: KeyPair) -> None:
    """While the exporter is unreachable the page says so, and it recovers afterwards."""
    ports = {"ingest_port": free_port(), "admin_port": free_port()}
    settings = {"mps_public_key_files": keys.public, **ports}
    # Not `opened`: what fails is in the console, as it should be.
    page = browser.new_page()
    page.clock.install()
    with exporter_process(tmp_path, **settings) as exporter:
        page.goto(exporter.admin)
        expect(page.locator("#gone")).to_be_hidden()
    page.clock.run_for(5100)
    expect(page.get_by_role("alert")).to_contain_text("Not reachable since")
    expect(page.locator("h1")).to_be_visible()
    assert page.title().startswith("Not reachable")
    with exporter_process(tmp_path, **settings):
        page.clock.run_for(5100)
        expect(page.locator("#gone")).to_be_hidden()
        assert not page.title().startswith("Not reachable")
    page.close()


def test_without_scripts(browser: Browser, exporter: ExporterProcess) -> None:
    """Without JavaScript all is there, refreshes itself, and the codes can be searched."""
    with opened(browser, exporter.admin, scripts=False) as page:
        expect(page.locator("h1")).to_contain_text("Trouble: rejected by apns")
        assert page.locator("meta[http-equiv=refresh]").get_attribute("content") == "15"
        page.get_by_text("Row for a table of vivo, code H1").click()
        expect(page.locator("#toml-vivo-H1")).to_be_visible()
        expect(page.locator(".copy").first).to_be_hidden()
        page.get_by_role("link", name="Codes").click()
        page.get_by_role("searchbox").fill("oppo -2")
        page.get_by_role("button", name="Find").click()
        assert page.url.endswith("/codes?q=oppo+-2")
        expect(page.locator("#oppo--2")).to_be_visible()
        expect(page.locator("#apns-2009")).to_be_hidden()


def test_codes_are_filtered(browser: Browser, exporter: ExporterProcess) -> None:
    """The codes that have all words stay while one types; an anchor leads to its code."""
    with opened(browser, f"{exporter.admin}/codes") as page:
        shown = page.locator("#codes tbody tr:visible")
        assert shown.count() == CODES
        page.get_by_role("searchbox").fill("APNS BadDeviceToken")
        expect(shown).not_to_have_count(CODES)
        expect(page.locator("#apns-2009")).to_be_visible()
        expect(page.locator("#found")).to_have_text(f"{shown.count()} of {CODES} codes")
        assert page.url.endswith("?q=APNS%20BadDeviceToken")
        page.get_by_role("searchbox").fill("no such words")
        expect(page.get_by_text("No code contains all words.")).to_be_visible()
        page.get_by_role("searchbox").fill("")
        expect(shown).to_have_count(CODES)
    with opened(browser, f"{exporter.admin}/codes?q=vivo", errors=True) as page:
        page.route("**/codes", lambda route: route.abort())
        page.get_by_role("searchbox").fill("BadDeviceToken")
        expect(page.get_by_role("alert")).to_contain_text("could not be loaded")
        expect(page.get_by_text("No code contains all words.")).to_be_hidden()
    with opened(browser, exporter.admin) as page:
        page.locator("#failing-apns-2014-apns a").first.click()
        assert page.url.endswith("/codes#apns-2014")
        expect(page.locator("#apns-2014")).to_be_in_viewport()
    with opened(browser, f"{exporter.admin}/codes?q=vivo#apns-2009") as page:
        expect(page.locator("#apns-2009")).to_be_in_viewport()


def test_choice_survives_a_refresh(browser: Browser, tmp_path: Path) -> None:
    """A selected channel stays selected when another appears in the list."""
    with (
        exporter_process(tmp_path, allow_unsigned=True) as exporter,
        opened(browser, exporter.admin) as page,
    ):
        post(exporter, [{"channel": channel, "code": 2} for channel in ("apns", "oppo")])
        page.clock.install()
        page.reload()
        choice = page.get_by_label("Channel", exact=True)
        choice.select_option("oppo")
        post(exporter, [{"channel": "huawei", "code": 2}])
        page.clock.run_for(5100)
        expect(page.locator("#channel-huawei [data-label='All time']")).to_have_text("1")
        expect(choice).to_have_value("oppo")


def test_one_channel(browser: Browser, exporter: ExporterProcess) -> None:
    """A channel can be selected; trouble elsewhere is shown with a link back."""
    with opened(browser, exporter.admin) as page:
        page.get_by_label("Channel", exact=True).select_option("fcm")
        page.get_by_role("button", name="Show", exact=True).click()
        expect(page.locator("h1")).to_contain_text("All is well on fcm, judging by only one minute")
        expect(page.locator(".elsewhere")).to_have_text("Elsewhere: trouble, rejected by apns.")
        expect(page.locator(".channels tbody tr")).to_have_count(1)
        expect(page.locator(".failing tbody tr")).to_have_count(0)
        page.clock.install()
        page.reload()
        post(exporter, [{"channel": "fcm", "code": 2, "count": 7}])
        before = cell(page, "channel-fcm", "All time")
        page.clock.run_for(5100)
        expect(page.locator("#channel-fcm [data-label='All time']")).not_to_have_text(before)
        expect(page.locator(".channels tbody tr")).to_have_count(1)  # after a refresh, too
        page.get_by_role("link", name="Elsewhere").click()
        expect(page.locator("h1")).to_contain_text("Trouble: rejected by apns")
        page.locator("#channel-vivo a").click()
        expect(page.locator("#unknown-vivo-H7")).to_be_visible()


def test_one_app(browser: Browser, apps: ExporterProcess) -> None:
    """An app can be chosen, then one of its channels; a finding leads to a filled-in runbook."""
    with opened(browser, apps.admin) as page:
        expect(page.locator("h1")).to_contain_text("Trouble: rejected by apns of shop")
        states = page.locator(".apps .state").all_inner_texts()
        assert [state.strip() for state in states] == ["trouble", "ok", "ok", "quiet"]
        page.locator("#app-news a").click()
        expect(page.locator("h1")).to_contain_text("All is well for news")
        page.get_by_role("link", name="Elsewhere").click()
        page.get_by_label("App", exact=True).select_option("shop")
        page.get_by_role("button", name="Show", exact=True).click()
        expect(page.locator(".channels tbody tr")).to_have_count(3)
        page.locator("#channel-apns a").click()
        assert page.url.endswith("/?app=shop&channel=apns")
        expect(page.locator(".channels tbody tr")).to_have_count(1)
        page.locator(".findings a.runbook").click()
        expect(page.locator(".prose pre").first).to_contain_text('channel="apns", app="shop"')


def test_unused_channels_are_folded(browser: Browser, exporter: ExporterProcess) -> None:
    """Channels without any result take one line, and can be unfolded."""
    with opened(browser, exporter.admin) as page:
        summary = page.locator("#unused summary")
        expect(summary).to_have_text(re.compile(r"^\d+ channels without any result$"))
        expect(page.locator("#unused a").first).to_be_hidden()
        summary.click()
        assert page.locator("#unused a").count() == int(summary.inner_text().split()[0])
        expect(page.locator("#unused a").first).to_be_visible()


def test_times_are_local(browser: Browser, exporter: ExporterProcess) -> None:
    """Times are in the reader's time zone, after a refresh, too; the attribute stays in UTC."""
    context = browser.new_context(timezone_id="Asia/Shanghai", locale="en-GB")
    page = context.new_page()
    page.clock.install()
    page.goto(exporter.admin)
    for _ in range(2):
        time = page.locator("#channel-apns time")
        at = datetime.fromisoformat(str(time.get_attribute("datetime")))
        local = at.astimezone(ZoneInfo("Asia/Shanghai"))
        expect(time.locator(".clock")).to_contain_text(f"{local:%H:%M} GMT+8")
        page.clock.run_for(5100)
    context.close()


def test_doubled_slashes(browser: Browser, exporter: ExporterProcess) -> None:
    """A page with doubled slashes in its path is refreshed and searched like any other."""
    with opened(browser, exporter.admin + "//") as page:
        page.clock.install()
        page.reload()
        before = cell(page, "channel-oppo", "All time")
        post(exporter, [{"channel": "oppo", "code": 2}])
        page.clock.run_for(5100)
        expect(page.locator("#channel-oppo [data-label='All time']")).not_to_have_text(before)
        expect(page.locator("#gone")).to_be_hidden()
        page.goto(exporter.admin + "//codes")
        page.get_by_role("searchbox").fill("apns 2009")
        expect(page.locator("#apns-2009")).to_be_visible()
        assert page.url == f"{exporter.admin}//codes?q=apns%202009"


def test_another_query_finds_other_codes(browser: Browser, exporter: ExporterProcess) -> None:
    """A page with a query has the matching rows; the others are loaded when the query changes."""
    with opened(browser, f"{exporter.admin}/codes?q=oppo+-2") as page:
        rows = page.locator("#codes tbody tr")
        assert rows.count() < 10
        page.get_by_role("searchbox").fill("apns BadDeviceToken")
        expect(page.locator("#apns-2009")).to_be_visible()
        assert rows.count() == CODES
        page.goto(f"{exporter.admin}/codes?q=oppo+-2#apns-2009")
        expect(page.locator("#apns-2009")).to_be_in_viewport()


def test_queries_of_a_runbook_are_copied(browser: Browser, exporter: ExporterProcess) -> None:
    """A query has a button that copies it, or selects it where the browser forbids to copy."""
    with opened(browser, f"{exporter.admin}/runbooks/PushThrottled") as page:
        code = page.locator(".prose .code").first
        code.get_by_role("button", name="Copy").click()
        expect(code.get_by_role("button")).to_have_text(re.compile("Copied|Selected"))
