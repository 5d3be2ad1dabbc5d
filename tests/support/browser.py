"""Debian's Chromium, and what a person would see in it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.programs import DEADLINE, ExporterProcess, Launch, program, unavailable

SCREENSHOTS = Path(__file__).parents[1] / "system" / "__screenshots__"
"""Ignored by git."""

_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

DESKTOP, PHONE = (1280, 900), (360, 740)


def short_minutes(seconds: float) -> Launch:
    """Start an exporter with shortened minutes in its last hour."""
    program = (
        f"import exporter.admin.history as one; one.MINUTE = {seconds};"
        "from exporter.commands.main import main; main(['serve'])"
    )
    return Launch((sys.executable, "-c", program))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser inside the block."""
    path = program("chromium", "chromium")
    expect.set_options(timeout=DEADLINE * 1000)
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
    errors: bool = False,
) -> Iterator[Page]:
    """Open a page in a window of its own; without `errors` its console has to stay empty."""
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
        assert errors or wrong == [], wrong
    finally:
        context.close()


def sent(exporter: ExporterProcess, key: Path, scenario: str, count: int) -> None:
    """Send so many results of a scenario, as fast as they are taken."""
    command = [sys.executable, "-m", "exporter", "simulate", "--scenario", scenario]
    to = ["--url", f"{exporter.ingest}/webhooks/mps", "--private-key", str(key)]
    much = ["--rate", "100000", "--count", str(count), "--seed", "1"]
    subprocess.run([*command, *to, *much], check=True, capture_output=True, timeout=60)


AXE = "axe-core@4.14.1"

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

_RUN_AXE = """async (rules) => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  const found = await axe.run(document, { runOnly: rules });
  const named = (kind) => found[kind].map(({ id, impact, nodes }) =>
    `${kind}: ${id} (${impact}, ${nodes.length}): ${nodes[0].html.slice(0, 200)}`);
  return [...named("violations"), ...named("incomplete"), `passed ${found.passes.length}`]; }"""


def install_axe(folder: Path) -> str:
    """Install axe-core from npm; return its script."""
    command = [program("npm", "npm"), "install", "--no-audit", "--no-fund", "--ignore-scripts", AXE]
    (folder / "package.json").write_text('{"private": true}')
    if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
        unavailable(f"npm cannot install {AXE}")
    return (folder / "node_modules/axe-core/axe.min.js").read_text("utf-8")


def axe_findings(page: Page, script: str) -> list[str]:
    """Return what axe-core finds on a page with all details open, or cannot judge there."""
    page.evaluate(script)
    *findings, passed = page.evaluate(_RUN_AXE, _RULES)
    assert int(passed.removeprefix("passed ")) > 10, "axe-core did not look"
    return list(findings)
