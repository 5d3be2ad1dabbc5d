"""How tests are shared out among workers, in which order, and which of them are measured."""

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

_TOGETHER = {
    "tests/system/test_container.py": "debian",
    "tests/system/test_systemd.py": "debian",
}
"""Files that use one expensive fixture of the session: it is made once for each worker."""

_APART = (
    "tests/deploy/test_rules.py::test_alerts_fire_when_they_should",
    "tests/system/postgresql/test_postgres.py::",
)
"""Tests that share nothing, and would keep one worker busy for minutes."""

_UNMEASURED = {
    "admin",
    "commands/test_completion.py",
    "commands/test_config.py",
    "commands/test_demo.py",
    "commands/test_main.py",
    "commands/test_progress.py",
    "configuration",
    "dashboards",
    "deploy",
    "fuzz",
    "gateways/test_bounded_work.py",
    "gateways/test_reporters.py",
    "runtime/test_watch.py",
    "server/test_server.py",
    "system",
    "test_docs.py",
    "test_project.py",
    "test_secrets.py",
}
"""Tests that add no coverage of the pipeline, and take twice as long while it is measured."""

_TESTS = Path(__file__).parents[1]


class Shares(LoadFileScheduling):  # type: ignore[misc]
    """A share is a file, but for those named above."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(_APART):
            return nodeid
        file: str = super()._split_scope(nodeid)
        return _TOGETHER.get(file, file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Shares:
    """Tell pytest-xdist."""
    return Shares(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Make `no_cover` work in workers.

    pytest-cov 7.1 starts a measurement of the whole process in a worker, too, before the worker's
    own, and never stops it. coverage.py resumes it whenever the worker's is paused.
    """
    plugin = session.config.pluginmanager.getplugin("_cov")
    if plugin and plugin.cov_controller and hasattr(session.config, "workerinput"):
        plugin.cov_controller.cov.stop()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run slow tests first, so that no worker is left with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        path = item.path.relative_to(_TESTS)
        if path.parts[0] in _UNMEASURED or str(path) in _UNMEASURED:
            item.add_marker(pytest.mark.no_cover)
