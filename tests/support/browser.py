"""Debian's Chromium, and what a person would see in it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.programs import ExporterProcess, Launch, program

SCREENSHOTS = Path(__file__).parents[1] / "system" / "__screenshots__"
"""Ignored by git."""

_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

DESKTOP, PHONE = (1280, 900), (360, 740)


def short_minutes(seconds: float) -> Launch:
    """Start an exporter whose minutes of the last hour take so many seconds."""
    program = (
        f"import exporter.admin.history as one; one.MINUTE = {seconds};"
        "from exporter.commands.main import main; main(['serve'])"
    )
    return Launch((sys.executable, "-c", program))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser inside the block."""
    path = program("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser,
    url: str,
    size: tuple[int, int] = DESKTOP,
    *,
    dark: bool = False,
    scripts: bool = True,
) -> Iterator[Page]:
    """Open a page in a window of its own; nothing may be wrong in its console at the end."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda entry: wrong.append(entry.text) if entry.type != "log" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    try:
        page.goto(url)
        yield page
        assert wrong == [], wrong
    finally:
        context.close()


def sent(exporter: ExporterProcess, key: Path, scenario: str, count: int) -> None:
    """Send so many results of a scenario, as fast as they are taken."""
    command = [sys.executable, "-m", "exporter", "simulate", "--scenario", scenario]
    to = ["--url", f"{exporter.ingest}/webhooks/mps", "--private-key", str(key)]
    much = ["--rate", "100000", "--count", str(count), "--seed", "1"]
    subprocess.run([*command, *to, *much], check=True, capture_output=True, timeout=60)
