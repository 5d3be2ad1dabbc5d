"""What the tests of findings share."""

import pytest

from tests.support.exporter import Exporter
from tests.support.watched import Watched


@pytest.fixture
def watched(exporter: Exporter) -> Watched:
    """Follow the findings of an exporter."""
    return Watched(exporter)
