"""Fixtures of the tests in a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run Chromium; no other event loop can run in this thread while Playwright's does."""
    with chromium() as browser:
        yield browser
