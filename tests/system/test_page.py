"""The pages in a real browser: what each scenario shows, and what a person can do with them."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from exporter.admin.runbook_texts import load_runbooks
from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.results import ClassifiedResult, PushResult
from exporter.traffic.simulator import bodies
from tests.support.browser import DESKTOP, PHONE, SCREENSHOTS, chromium, opened, sent, short_minutes
from tests.support.exporter import TOKEN, KeyPair
from tests.support.programs import ExporterProcess, exporter_process, fetch, free_port, wait_for

RESULTS = 700
TABLES = load_tables()
CODES = sum(len(table.codes) for table in TABLES.values())
CLASSIFIER = Classifier(TABLES)

HEADLINES = {
    "healthy": "All is well",
    "bad-device-token-spike": "Attention: bad device tokens on apns",
    "throttled": "Attention: throttled by mipush, and 2 more",
    "certificate-expired": "Trouble: rejected by apns",
    "outage": "Attention: outage at huawei",
}

PATHS = ("/", "/codes", "/runbooks", "/runbooks/PushChannelRejected")

HOSTILE = [
    "<script>window.hacked = 1; alert(1)</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "</q></td></table><svg onload=window.hacked=1>",
    "</pre></details><iframe srcdoc='<script>parent.hacked=1</script>'>",
    '" autofocus onfocus=window.hacked=1 x="',
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "javascript:window.hacked=1",
    "turned \u202e round, new\nline, \u0000 and \u001b[31m",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run Chromium for all tests here."""
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a token."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "token").write_text(TOKEN)
    return folder


@pytest.fixture(scope="module")
def exporter(folder: Path, keys: KeyPair) -> Iterator[ExporterProcess]:
    """Run an exporter with trouble of all kinds: failures, hostile unknown codes, refusals."""
    settings = {"mps_public_key_files": keys.public, "results_token_files": folder / "token"}
    with exporter_process(folder, **settings) as one:
        sent(one, keys.private, "certificate-expired", RESULTS)
        unknown = [
            {"channel": "vivo", "code": f"H{n}", "message": text} for n, text in enumerate(HOSTILE)
        ]
        post(one, [*unknown, {"code": 2, "count": "many"}])
        for _ in range(3):
            with pytest.raises(OSError, match="401"):
                fetch(f"{one.ingest}/webhooks/mps?sign=forged", b"{}")
        yield one


def post(exporter: ExporterProcess, results: list[dict[str, Any]]) -> None:
    """Send results to the generic webhook."""
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    fetch(f"{exporter.ingest}/webhooks/results", json.dumps(results).encode(), bearer)


def expected(scenario: str) -> Counter[ClassifiedResult]:
    """Classify what the simulator sends, the repetitions left out."""
    meanings: Counter[ClassifiedResult] = Counter()
    for body in dict.fromkeys(islice(bodies(scenario, 1), RESULTS)):
        said = json.loads(body)
        result = PushResult(
            said["statusCode"],
            said["channel"],
            said["statusDesc"],
            said["extInfo"]["osType"] == "ios",
        )
        meanings[CLASSIFIER.classify(result)] += 1
    return meanings


def cell(page: Page, row: str, label: str) -> str:
    """Read a figure of a row."""
    return page.locator(f"[id='{row}'] [data-label='{label}']").inner_text()


@pytest.mark.parametrize("scenario", HEADLINES)
def test_page_shows_what_was_sent(
    browser: Browser, tmp_path: Path, keys: KeyPair, scenario: str
) -> None:
    """Under each scenario the headline, the channels and the failing codes are those sent."""
    with exporter_process(tmp_path, mps_public_key_files=keys.public) as exporter:
        sent(exporter, keys.private, scenario, RESULTS)
        with opened(browser, exporter.admin) as page:
            expect(page.locator("h1")).to_contain_text(HEADLINES[scenario])
            meanings = expected(scenario)
            channels: Counter[str] = Counter()
            failing = {}
            for meaning, count in meanings.items():
                channels[meaning.series.channel] += count
                if meaning.severity != "info":
                    failing["-".join(meaning.series)] = (meaning, count)
            for channel, count in channels.items():
                assert cell(page, f"channel-{channel}", "Last hour") == f"{count:,}"
                assert cell(page, f"channel-{channel}", "All time") == f"{count:,}"
            for key, (meaning, count) in failing.items():
                row = page.locator(f"[id='failing-{key}']")
                expect(row).to_contain_text(meaning.name)
                expect(row).to_contain_text(meaning.severity)
                assert cell(page, f"failing-{key}", "Last hour") == str(count)
            assert page.locator(".failing tbody tr").count() == len(failing)
            drawn = page.locator(".spark path.info").first.get_attribute("d") or ""
            assert re.fullmatch(r"(M5[89]\.1 20v-[\d.]+h\.8v[\d.]+z)+", drawn)


def test_results_stop_and_the_ledger_fails(browser: Browser, folder: Path, tmp_path: Path) -> None:
    """Silence after traffic, and a ledger that cannot be used, are in the headline."""
    settings = {"results_token_files": folder / "token"}
    minute = 0.3
    with exporter_process(tmp_path, short_minutes(minute), **settings) as exporter:
        for _ in range(3):  # a quarter of an hour apart
            post(exporter, [{"channel": "oppo", "code": 2, "count": 100}])
            time.sleep(15 * minute)
        with opened(browser, exporter.admin) as page:

            def headline() -> str:
                page.reload()
                return page.locator("h1").inner_text()

            wait_for(lambda: "results of oppo have stopped" in headline(), "the results stop")
            (tmp_path / "ledger.sqlite3").rename(tmp_path / "gone")
            with pytest.raises(OSError, match="503"):
                post(exporter, [{"channel": "oppo", "code": 2}])
            assert "not accepting results, the ledger cannot be used" in headline()
            expect(page.locator(".tiles")).to_contain_text("ledger_unavailable")


def test_hostile_messages_do_not_run(browser: Browser, exporter: ExporterProcess) -> None:
    """Whatever a message holds is shown as text, in the page and in the row to paste."""
    with opened(browser, exporter.admin) as page:
        for number, message in enumerate(HOSTILE):
            row = page.locator(f"#unknown-vivo-H{number}")
            shown = row.locator("bdi").text_content() or ""
            assert shown == re.sub("[\0\x1b]", "\ufffd", message)  # HTML has no such characters
            assert row.locator("pre").text_content()
        assert page.evaluate("window.hacked") is None
        assert (
            page.locator("main script, main iframe, main img:not([src^='./assets/'])").count() == 0
        )
        assert page.locator("[onerror], [onload], [onfocus], [style]").count() == 0


def test_row_from_the_page_is_a_table(
    browser: Browser, exporter: ExporterProcess, tmp_path: Path
) -> None:
    """The text that a person copies loads as a table of their own once it is filled in."""
    with opened(browser, exporter.admin) as page:
        rows = [page.locator(f"#toml-vivo-H{n}").text_content() or "" for n in range(len(HOSTILE))]
        page.locator("#row-vivo-H7 summary").click()
        page.locator("#row-vivo-H7 button").click()
        expect(page.locator("#row-vivo-H7 button")).to_have_text(re.compile("Copied|Selected"))
    text = 'channel = "vivo"\n' + "\n".join(rows)
    for name, value in (("severity", "error"), ("category", "quota"), ("retry", "no")):
        text = text.replace(f'\n{name} = "?"', f'\n{name} = "{value}"')
    table = tmp_path / "own.toml"
    table.write_text(text, "utf-8")
    codes = load_tables([table])["vivo"].codes
    assert [codes[f"H{n}"].description for n in range(len(HOSTILE))] == HOSTILE


def test_page_shows_the_rest(browser: Browser, exporter: ExporterProcess) -> None:
    """Gateways, refusals, rejected items, identity, settings and runbooks are there."""
    with opened(browser, exporter.admin) as page:
        assert cell(page, "gateway-mps", "Refused").startswith("3 (")
        assert cell(page, "gateway-results", "Rejected items") == "1"
        assert cell(page, "refused-request-mps-bad_signature", "Last hour") == "3"
        assert cell(page, "refused-item-results-count_invalid", "Last hour") == "1"
        identity = page.locator(".identity").inner_text()
        assert str(exporter.process.pid) in identity
        assert exporter.ingest.rpartition(":")[2] in identity
        page.get_by_text("Effective settings").click()
        settings = page.locator(".settings").inner_text()
        assert "RESULTS_TOKEN_FILES" in settings
        assert TOKEN not in page.content()
        link = page.locator(".findings a").first
        assert link.get_attribute("href") == "./runbooks/PushChannelRejected"


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
        page.on("request", lambda one: asked.append(one.url) if one.is_navigation_request()
                or one.resource_type == "fetch" else None)  # fmt: skip
        page.evaluate(HIDE, True)
        page.clock.run_for(60_000)
        assert asked == []
        with page.expect_response(exporter.admin + "/"):
            page.evaluate(HIDE, False)
        assert asked == [exporter.admin + "/"]


def test_exporter_that_is_gone(browser: Browser, tmp_path: Path, keys: KeyPair) -> None:
    """When the exporter is not reachable the page says so, and goes on when it is back."""
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
        expect(page.get_by_text("No code has all of these words.")).to_be_visible()
        page.get_by_role("searchbox").fill("")
        expect(shown).to_have_count(CODES)
    with opened(browser, exporter.admin) as page:
        page.locator("#failing-apns-2014-apns a").first.click()
        assert page.url.endswith("/codes#apns-2014")
        expect(page.locator("#apns-2014")).to_be_in_viewport()
    with opened(browser, f"{exporter.admin}/codes?q=vivo#apns-2009") as page:
        expect(page.locator("#apns-2009")).to_be_in_viewport()


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


CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= .04045 ? c / 12.92 :
    ((c + .055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const behind = (one) => { for (; one; one = one.parentElement) {
    const colour = parse(getComputedStyle(one).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour; } return [255, 255, 255]; };
  return [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility() &&
    [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
    && !one.closest("svg")).map((one) => {
      const [a, b] = [light(parse(getComputedStyle(one).color)), light(behind(one))];
      return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), one.outerHTML.slice(0, 80)];
    }).filter(([ratio]) => ratio < 4.5); }"""
"""Texts whose contrast is below what WCAG 2 asks for (AA, 1.4.3)."""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_each_width_and_colour(
    browser: Browser, exporter: ExporterProcess, size: tuple[int, int], dark: bool
) -> None:
    """Nothing is wider than the window, and all text stands out, by day and by night."""
    for path in PATHS:
        with opened(browser, exporter.admin + path, size, dark=dark) as page:
            page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
            paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
            brightness = sum(map(int, re.findall(r"\d+", paper))) / 3
            assert (brightness < 60) if dark else (brightness > 200)
            assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("alert", load_runbooks())
def test_runbook_on_a_phone(browser: Browser, exporter: ExporterProcess, alert: str) -> None:
    """A runbook fits a phone's width: wide tables and code scroll inside themselves."""
    with opened(browser, f"{exporter.admin}/runbooks/{alert}", (390, 844)) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert (
            page.evaluate(
                """() => [...document.querySelectorAll("main *")]
                .filter((one) => !one.closest(".scroll, pre, svg, thead") &&
                        one.getBoundingClientRect().right > innerWidth)
                .map((one) => one.outerHTML.slice(0, 80))"""
            )
            == []
        )
        boxes = page.locator(".scroll, .prose pre")
        assert boxes.count() > 0
        for box in boxes.all():
            assert box.evaluate("(one) => getComputedStyle(one).overflowX") == "auto"
            assert box.get_attribute("tabindex") == "0"  # the keyboard can scroll it
        page.screenshot(path=SCREENSHOTS / f"{alert}-390.png", full_page=True)


def test_runbook_from_the_alert(browser: Browser, exporter: ExporterProcess) -> None:
    """From a finding one gets to its runbook, which keeps its live values current, and back."""
    with opened(browser, exporter.admin) as page:
        page.clock.install()
        page.locator(".findings a.runbook").first.click()
        expect(page.locator("h1")).to_have_text("PushChannelRejected")
        row = page.locator("#code-apns-2014-apns")
        expect(row).to_contain_text("BadCertificate")
        before = int(row.locator("[data-label=Results]").inner_text().replace(",", ""))
        post(exporter, [{"channel": "apns", "code": 2014, "count": 5}])
        page.clock.run_for(5100)
        expect(row.locator("[data-label=Results]")).to_have_text(f"{before + 5:,}")
        row.get_by_role("link").click()
        expect(page.locator("#apns-2014")).to_be_in_viewport()
        page.get_by_role("link", name="Runbooks", exact=True).click()
        expect(page.locator("#runbook-PushChannelRejected .now")).to_contain_text(
            "Rejected by apns"
        )


def test_unknown_runbook(browser: Browser, exporter: ExporterProcess) -> None:
    """An alert without a runbook leads to those that there are."""
    page = browser.new_page()  # not `opened`: the 404 is in the console, as it should be
    page.goto(f"{exporter.admin}/runbooks/PushNothing/")
    expect(page.locator("h1")).to_have_text("No such runbook")
    page.get_by_role("link", name="PushThrottled").click()
    expect(page.locator("h1")).to_have_text("PushThrottled")
    page.close()


def test_screen_reader(browser: Browser, exporter: ExporterProcess) -> None:
    """Landmarks, one heading of level 1, tables with captions and headers, one live region."""
    for path in PATHS:
        with opened(browser, exporter.admin + path, PHONE) as page:
            for landmark in ("main", "banner", "navigation"):
                assert page.get_by_role(landmark).count() == 1
            assert page.get_by_role("heading", level=1).count() == 1
            tables = page.locator("table.rows, table.settings")
            for index in range(tables.count()):
                assert tables.nth(index).locator("caption").count() == 1
                assert tables.nth(index).locator("th").count() > 1
            assert page.locator("html[lang=en]").count() == 1
            assert (
                page.locator("img:not([alt]), svg:not([aria-hidden]):not([role=img])").count() == 0
            )
            # On a phone rows are cards, and still rows to who hears them.
            assert page.get_by_role("row").count() > 1
            assert page.get_by_role("rowheader").count() > 0
    with opened(browser, exporter.admin) as page:
        live = page.locator("[aria-live]")
        assert [one.get_attribute("id") for one in live.all()] == ["headline"]
        assert live.get_attribute("aria-live") == "polite"


def test_nothing_comes_from_elsewhere(browser: Browser, exporter: ExporterProcess) -> None:
    """The pages ask for nothing but their own files."""
    asked: set[str] = set()
    context = browser.new_context()
    page = context.new_page()
    page.on("request", lambda request: asked.add(request.url))
    for path in PATHS:
        page.goto(exporter.admin + path)
    context.close()
    assert {url.removeprefix(exporter.admin) for url in asked} >= {
        "/",
        "/codes",
        "/assets/page.js",
    }
    assert [url for url in asked if not url.startswith(exporter.admin + "/")] == []
