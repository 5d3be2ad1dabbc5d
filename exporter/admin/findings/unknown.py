"""Findings about unknown codes."""

from collections.abc import Iterator, Mapping

from exporter.admin.findings.codes import finding_of_codes, number_of, recent
from exporter.admin.findings.finding import Finding, declared, describe
from exporter.admin.reading import AppChannel, CountedSeries, Reading, of_app
from exporter.classification.alerts import DECLARATIONS, AlertName
from exporter.classification.tables import OTHER
from exporter.classification.thresholds import THRESHOLDS
from exporter.runtime.unknown_codes import MAX_PER_CHANNEL

_PAST_BOUND = (
    f" After the first {MAX_PER_CHANNEL} unknown codes of a channel, further codes are labelled "
    "other; the latest of them are on the status page, too."
)

_Unknown = Mapping[AppChannel, list[CountedSeries]]
"""Unknown codes with results in the window."""


def unknown_findings(reading: Reading) -> Iterator[Finding]:
    """Yield a finding for each channel without any known code, and a note about the others."""
    unknown = {
        group: found
        for group, counted in reading.groups.items()
        if (found := [entry for entry in counted if entry.window and not entry.meaning.known])
    }
    for group, found in list(unknown.items()):
        results = recent(found)
        total = number_of(results)
        is_alone = not any(entry.meaning.known for entry in reading.groups[group])
        if is_alone and total >= THRESHOLDS["min_affected"]:
            yield finding_of_codes(reading, AlertName.ALL_CODES_UNKNOWN, group, results, total)
            del unknown[group]
    # A note is only shown with the results that it is about.
    shown = {
        group: found
        for group, found in unknown.items()
        if reading.selection.shows(group.channel, group.app)
    }
    if shown:
        yield _note(reading, shown)


def _note(reading: Reading, unknown: _Unknown) -> Finding:
    """Make a note about the unknown codes of all channels."""
    channels = {group.channel for group in unknown}
    apps = {group.app for group in unknown}
    several = len(channels) > 1
    codes: dict[str, int] = {}
    for found in unknown.values():
        for entry in found:
            name = f"{entry.series.channel} {entry.series.code}" if several else entry.series.code
            codes[name] = codes.get(name, 0) + entry.window
    total = sum(entry.window for group in unknown for entry in reading.groups[group])
    advice = DECLARATIONS[AlertName.UNKNOWN_CODE].advice
    past_bound = any(entry.series.code == OTHER for found in unknown.values() for entry in found)
    app = apps.pop() if len(apps) == 1 else ""
    only = None if several else channels.pop()
    return declared(
        AlertName.UNKNOWN_CODE,
        AppChannel(only, app).subject if only else of_app(f"{len(channels)} channels", app),
        describe(codes, total, "results"),
        advice + (_PAST_BOUND if past_bound else ""),
        channel=only,
        app=app,
    )
