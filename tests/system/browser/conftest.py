"""Fixtures of the tests in a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run Chromium; Playwright runs an event loop meanwhile, beside which no other can run."""
    with chromium() as browser:
        yield browser
