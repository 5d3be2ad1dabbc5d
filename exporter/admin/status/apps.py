"""Apps: the state of each, and undeclared names."""

from collections.abc import Sequence

import msgspec

from exporter.admin.findings.finding import Finding, Level
from exporter.admin.reading import Reading
from exporter.classification.drafts import draft_app
from exporter.configuration.fields import is_app_name
from exporter.results import Severity

_STATES = (*Level, "ok", "quiet")
"""The most urgent first."""


class AppStatus(msgspec.Struct):
    """An app in total and in the last hour; `failing` excludes severity info."""

    app: str | None
    """Null for results counted without an app."""
    declared: bool
    """Whether APPS declares it; `other` has the results of undeclared apps."""
    state: str
    """`trouble`, `attention`, `ok`, or `quiet` without a result in the last minutes."""
    results: int = 0
    """Of all time."""
    results_last_hour: int = 0
    failing_last_hour: int = 0
    failing_share_last_hour: float | None = None
    """From 0 to 1; null without results."""
    last_received: float | None = None
    """Unix time."""


class UndeclaredApp(msgspec.Struct, frozen=True):
    """An app name in results that APPS does not declare."""

    name: str
    """Redacted."""
    items: int
    """Since the start, repetitions included; they are counted under the app `other`."""
    last_seen: float
    """Unix time."""
    declaration: str
    """The setting that declares it, or lines for a gateway description."""


def apps_of(reading: Reading, findings: Sequence[Finding]) -> list[AppStatus]:
    """Summarize each app, the most urgent first; empty without apps."""
    if not reading.apps:
        return []
    declared = reading.view.current.settings.apps
    rows: dict[str | None, AppStatus] = {
        app: AppStatus(app, app in declared, "quiet") for app in reading.apps
    }
    for group, counted in reading.groups.items():
        row = rows.get(group.app)
        if row is None:
            row = rows[group.app] = AppStatus(None, False, "quiet")
        row.results += sum([entry.total for entry in counted])
        row.results_last_hour += sum([entry.hour for entry in counted])
        row.failing_last_hour += sum(
            [entry.hour for entry in counted if entry.meaning.severity is not Severity.INFO]
        )
        row.last_received = max(row.last_received or 0, *[entry.last_at for entry in counted])
        if row.state == "quiet" and any(entry.window for entry in counted):
            row.state = "ok"
    for finding in reversed(findings):  # the most urgent last
        # Without an app, a finding about a channel is about results that were counted without one.
        app = finding.app or ("" if finding.channel else None)
        if finding.level is not Level.NOTE and app in rows:
            rows[app].state = finding.level
    for row in rows.values():
        if row.results_last_hour:
            row.failing_share_last_hour = row.failing_last_hour / row.results_last_hour
    return sorted(rows.values(), key=lambda row: _STATES.index(row.state))


def undeclared_apps(reading: Reading) -> list[UndeclaredApp]:
    """Return the undeclared names, the most frequent first."""
    apps = reading.view.current.settings.apps
    return [
        UndeclaredApp(seen.name, seen.count, seen.last_seen, _declaration(seen.name, apps))
        for seen in reading.view.hub.undeclared_apps.most_frequent()
    ]


def _declaration(name: str, apps: Sequence[str]) -> str:
    """Return the line that declares a name, or maps it to an app if it is not a valid app name."""
    return f"APPS={','.join([*apps, name])}" if is_app_name(name) else draft_app(name)
