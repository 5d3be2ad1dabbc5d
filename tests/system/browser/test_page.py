"""The pages in a real browser: what each scenario shows, whatever senders write."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from exporter.admin.status.codes import row_id
from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.results import ClassifiedResult, PushResult
from exporter.traffic.simulator import bodies
from tests.support.browser import opened, sent, short_minutes
from tests.support.exporter import TOKEN, KeyPair
from tests.support.programs import ExporterProcess, exporter_process, wait_for
from tests.support.troubled import HOSTILE, RESULTS, post, troubled

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


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory, keys: KeyPair) -> Iterator[ExporterProcess]:
    """Run an exporter with trouble of all kinds."""
    with troubled(tmp_path_factory.mktemp("page"), keys) as exporter:
        yield exporter


def expected(scenario: str) -> Counter[ClassifiedResult]:
    """Classify what the simulator sends, the repetitions left out."""
    meanings: Counter[ClassifiedResult] = Counter()
    for body in dict.fromkeys(islice(bodies(scenario, 1), RESULTS)):
        sent = json.loads(body)
        result = PushResult(
            sent["statusCode"],
            sent["channel"],
            sent["statusDesc"],
            sent["extInfo"]["osType"] == "ios",
        )
        meanings[CLASSIFIER.classify(result)] += 1
    return meanings


def cell(page: Page, row: str, label: str) -> str:
    """Read a figure of a row."""
    return page.locator(f"[id='{row}'] [data-label='{label}']").inner_text()


@pytest.mark.parametrize("scenario", HEADLINES)
def test_page_shows_all_traffic(
    browser: Browser, tmp_path: Path, keys: KeyPair, scenario: str
) -> None:
    """In each scenario the page has the headline, channels and failing codes of the traffic."""
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
                    failing[row_id(meaning.series)] = (meaning, count)
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
            steps = re.fullmatch(r"M0 100((?:V\d+h1){60})V100z", drawn)
            assert steps
            assert steps[1].startswith("V100h1" * 58)  # of the hour before the start
            assert "V0h1" in steps[1]  # the peak


def test_results_stop_and_the_ledger_fails(browser: Browser, tmp_path: Path) -> None:
    """Silence after traffic, and a ledger that cannot be used, are in the headline."""
    (tmp_path / "token").write_text(TOKEN)
    settings = {"results_token_files": tmp_path / "token"}
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
            expect(page.locator(".tiles")).to_contain_text("the ledger cannot be used")
            runbook = page.locator("#refused-request-results-ledger_unavailable a.runbook")
            expect(runbook).to_have_text("PushLedgerFailing")


def test_hostile_messages_do_not_run(browser: Browser, exporter: ExporterProcess) -> None:
    """Any message is shown as text, in the page and in the row to paste."""
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
        assert link.get_attribute("href") == "./runbooks/PushChannelRejected?channel=apns"


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


def test_nothing_comes_from_elsewhere(browser: Browser, exporter: ExporterProcess) -> None:
    """The pages ask for nothing but their own files."""
    asked: set[str] = set()
    context = browser.new_context()
    page = context.new_page()
    page.on("request", lambda request: asked.add(request.url))
    for path in ("/", "/codes", "/runbooks", "/runbooks/PushChannelRejected"):
        page.goto(exporter.admin + path)
    context.close()
    assert {url.removeprefix(exporter.admin) for url in asked} >= {
        "/",
        "/codes",
        "/assets/page.js",
    }
    assert [url for url in asked if not url.startswith(exporter.admin + "/")] == []
