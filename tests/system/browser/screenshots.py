"""Take pictures of the pages with an hour of traffic behind them: `make screenshots`."""

import json
import shutil
import sys
import tempfile
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.support.browser import DESKTOP, PHONE, SCREENSHOTS, chromium, opened, short_minutes
from tests.support.exporter import TOKEN, KeyPair, make_key_pair
from tests.support.programs import ExporterProcess, exporter_process, fetch, started

README = Path(__file__).parents[3] / ".github" / "screenshots"
MINUTE = 0.5
"""Seconds that a minute takes."""

OTHERS = {
    "codes": "/codes?q=apns+token",
    "runbooks": "/runbooks",
    "runbook": "/runbooks/PushChannelRejected?channel=apns&app=shop",
    "app": "/?app=shop",
}
"""The pages beside the status page, as they are in trouble."""

UNKNOWN = [
    {
        "channel": "fcm",
        "code": "SENDER_ID_MISMATCH",
        "message": "sender id mismatch",
        "count": 14,
        "app": "news",
    },
    {
        "channel": "vivo",
        "code": 10099,
        "message": "The message type has reached its limit",
        "count": 3,
        "app": "shop",
    },
]


def main() -> None:
    """Play trouble, take each page in both widths and colours, and keep two for README."""
    SCREENSHOTS.mkdir(exist_ok=True)
    README.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        keys = make_key_pair(folder, "gateway")
        token = folder / "token"
        token.write_text(TOKEN)
        settings = {
            "mps_public_key_files": keys.public,
            "results_token_files": token,
            "apps": "shop,news",
        }
        with exporter_process(folder, short_minutes(MINUTE), **settings) as exporter:
            take(browser, exporter, "quiet")
            with (
                traffic(exporter, keys, folder, "healthy", app="news", rate=200),
                traffic(exporter, keys, folder, "healthy", app="shop", rate=100),
            ):
                time.sleep(60 * MINUTE)
                take(browser, exporter, "healthy")
                with traffic(exporter, keys, folder, "certificate-expired", app="shop", rate=100):
                    time.sleep(12 * MINUTE)
                    send_unknown(exporter)
                    with opened(browser, exporter.admin, (1060, 850)) as page:
                        shot(page, "readme", whole=False)
                    take(browser, exporter, "trouble")
            time.sleep(16 * MINUTE)
            take(browser, exporter, "stopped")
    shutil.copy(SCREENSHOTS / "readme.png", README / "status.png")
    shutil.copy(SCREENSHOTS / "trouble-360-dark.png", README / "phone.png")


def traffic(
    exporter: ExporterProcess, keys: KeyPair, folder: Path, scenario: str, *, app: str, rate: int
) -> AbstractContextManager[object]:
    """Send results of a scenario and an app inside the block."""
    command = [sys.executable, "-m", "exporter", "simulate", "--scenario", scenario]
    to = ["--url", f"{exporter.ingest}/webhooks/mps", "--private-key", str(keys.private)]
    how = ["--app", app, "--rate", str(rate)]
    return started([*command, *to, *how], folder / f"{scenario}-{app}.log")


def send_unknown(exporter: ExporterProcess) -> None:
    """Send requests that are refused, and an accepted one with unknown codes."""
    url = f"{exporter.ingest}/webhooks/results"
    for _ in range(30):
        with suppress(OSError):
            fetch(url, b"{}", {"Authorization": "Bearer of a rotated token"})
    fetch(url, json.dumps(UNKNOWN).encode(), {"Authorization": f"Bearer {TOKEN}"})


def take(browser: Browser, exporter: ExporterProcess, name: str) -> None:
    """Take the pages in both widths and colours."""
    for size in (DESKTOP, PHONE):
        for dark in (False, True):
            colours = "dark" if dark else "light"
            with opened(browser, exporter.admin, size, dark=dark) as page:
                shot(page, f"{name}-{size[0]}-{colours}", whole=False)
                shot(page, f"{name}-{size[0]}-{colours}-whole", whole=True)
            if name == "trouble":
                for page_name, path in OTHERS.items():
                    with opened(browser, exporter.admin + path, size, dark=dark) as page:
                        shot(page, f"{page_name}-{size[0]}-{colours}", whole=False)


def shot(page: Page, name: str, *, whole: bool) -> None:
    """Take a picture."""
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)


if __name__ == "__main__":
    main()
