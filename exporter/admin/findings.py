"""Whether all is well, and if not, what: the alerts' thresholds held against the last minutes.

The alerts of Prometheus know the past and wait before they fire. This answers at once, from one
exporter's own memory, for who opens its page.
"""

import time
from collections.abc import Container, Iterator
from enum import StrEnum
from operator import itemgetter
from typing import NamedTuple

import msgspec

from exporter.admin.history import History
from exporter.classification.alerts import Alert, alerts_for
from exporter.classification.tables import OTHER
from exporter.gateways.matches import FIRST_ITEMS
from exporter.reasons import Reason
from exporter.results import ClassifiedResult
from exporter.runtime import Service

WINDOW = 15
"""Minutes that are looked at, as in the alerts."""

NAMED_CODES = 3


class Level(StrEnum):
    """How pressing a finding is, most first."""

    TROUBLE = "trouble"
    ATTENTION = "attention"
    NOTE = "note"


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be."""

    level: Level
    title: str
    detail: str
    action: str
    alert: Alert | None = None
    channel: str | None = None


class Health(msgspec.Struct, frozen=True):
    """The answer in one word, in one line, and what it rests on."""

    state: str
    """`trouble`, `attention`, `quiet` or `ok`."""
    headline: str
    findings: list[Finding]
    window_minutes: int = WINDOW
    """What the shares and numbers of the findings are taken of."""


class Threshold(NamedTuple):
    """What makes results or calls worth a finding: this many in the window, and this share."""

    number: int
    share: float
    level: Level
    title: str
    action: str = "Add a row for them to a table of your own: see below."
    """What to do where no row of a table says it."""


OF_RESULTS = {
    "PushChannelRejected": Threshold(3, 0, Level.TROUBLE, "rejected by {}"),
    "PushBadDeviceTokenSpike": Threshold(20, 0.05, Level.ATTENTION, "bad device tokens on {}"),
    "PushThrottled": Threshold(10, 0.05, Level.ATTENTION, "throttled by {}"),
    "PushInvalidTokenRatioHigh": Threshold(20, 0.05, Level.ATTENTION, "invalid tokens on {}"),
    "PushVendorOutage": Threshold(10, 0.1, Level.ATTENTION, "outage at {}"),
    "PushFailureRatioHigh": Threshold(10, 0.1, Level.ATTENTION, "failures on {}"),
    "PushUnknownCode": Threshold(1, 0, Level.NOTE, "unknown codes on {}"),
}
"""By alert, the most telling first; the figures are those of deploy/prometheus/rules.yml."""

OF_CALLS = {
    "PushWebhookRejecting": Threshold(
        10,
        0.05,
        Level.ATTENTION,
        "calls to /webhooks/{} are refused",
        "If they are your gateway's, compare keys, tokens and format; nothing of them was "
        "counted. If not, block the sender.",
    ),
    "PushExporterOverloaded": Threshold(
        10,
        0.01,
        Level.ATTENTION,
        "calls to /webhooks/{} are too many for the disk",
        "Give the exporter a faster disk, or add a replica.",
    ),
}
"""The same for calls, in the order in which they are told."""

STEADY_RESULTS = 40
"""Results in the rest of the hour with which a silence is no chance."""

Counted = list[tuple[ClassifiedResult, int]]


def health_of(service: Service, history: History) -> Health:
    """Judge the exporter and what it counted in the last minutes."""
    levels = list(Level)
    findings = sorted(_findings(service, history), key=lambda finding: levels.index(finding.level))
    pressing = [finding for finding in findings if finding.level is not Level.NOTE]
    if pressing:
        state = pressing[0].level.value
        more = f", and {len(pressing) - 1} more" if len(pressing) > 1 else ""
        return Health(state, f"{state.capitalize()}: {pressing[0].title}{more}", findings)
    last = max((count.last_at for count in service.ledger.counts.values()), default=None)
    if last is None:
        return Health("quiet", "Ready: no result has come yet", findings)
    if last < time.time() - WINDOW * 60:
        return Health("quiet", f"Quiet: no result in the last {WINDOW} minutes", findings)
    return Health("ok", "All is well", findings)


def _findings(service: Service, history: History) -> Iterator[Finding]:
    yield from _of_the_exporter(service)
    yield from _of_calls(history)
    yield from _of_descriptions(service)
    current = service.configuration.classifier.current
    channels: dict[str, Counted] = {}
    for series, count in history.results.counts(WINDOW).items():
        channels.setdefault(series.channel, []).append((current(series), count))
    for channel in sorted(channels):  # always in one order, or the headline would jump about
        yield from _of_channel(service, channel, channels[channel])
    yield from _stopped(history, channels.keys())


def _of_descriptions(service: Service) -> Iterator[Finding]:
    """Name the gateways whose items have had no code at all."""
    for name in service.configuration.gateways:
        if service.code_matches.is_silent(name):
            yield Finding(
                Level.ATTENTION,
                f"no code where /webhooks/{name} is said to have one",
                f"Of its first {FIRST_ITEMS} items and all since, none had a value at a path of "
                "the code.",
                f"Run `push-result-exporter explain --payload FILE --gateway {name}` on a record "
                "(set RECORD): it shows what each path gives.",
            )


def _of_the_exporter(service: Service) -> Iterator[Finding]:
    if problem := service.ledger.problem:
        yield Finding(
            Level.TROUBLE,
            "no result is taken, the ledger cannot be used",
            f"{service.settings.ledger_path}: {problem}.",
            "Mend the cause; no restart is needed. Calls are answered with 503 until then.",
            Alert.named("PushLedgerFailing"),
        )
    if service.draining:
        yield Finding(
            Level.TROUBLE,
            "no result is taken, the exporter is stopping",
            "It finishes the calls that are under way.",
            "Start it again if nobody stopped it on purpose.",
        )
    if problem := service.reload_problem:
        yield Finding(
            Level.ATTENTION,
            "the last reload failed",
            f"{problem}. What was loaded before stays in force.",
            "Mend the file and reload: it is read again at a restart, too, which would fail.",
        )


def _of_calls(history: History) -> Iterator[Finding]:
    calls = history.requests.counts(WINDOW)
    for source in sorted({source for source, _ in calls if source != "unknown"}):
        statuses = {status: count for (of, status), count in calls.items() if of == source}
        total = sum(statuses.values())
        for alert, threshold in OF_CALLS.items():
            told = {
                status: count
                for status, count in statuses.items()
                if watches_requests(alert, status)
            }
            if _reaches(threshold, sum(told.values()), total):
                yield Finding(
                    threshold.level,
                    threshold.title.format(source),
                    _detail(told, total, "calls"),
                    threshold.action,
                    Alert.named(alert),
                )


def watches_requests(alert: str, status: str) -> bool:
    """Whether an alert counts the requests that ended with a status."""
    if alert == "PushExporterOverloaded":
        return status == "overloaded"
    if alert == "PushWebhookRejecting":
        return status != "accepted" and not Reason(status).of_exporter
    return False


def _of_channel(service: Service, channel: str, counted: Counted) -> Iterator[Finding]:
    """Judge the results of a channel; each code is told once, by the most telling alert."""
    total = sum(count for _, count in counted)
    rejected = False
    for alert, threshold in OF_RESULTS.items():
        if rejected and threshold.share:  # who is rejected has worse to mend than its shares
            continue
        told = [one for one in counted if Alert.named(alert) in alerts_for(one[0])]
        if not _reaches(threshold, sum(count for _, count in told), total):
            continue
        rejected = rejected or alert == "PushChannelRejected"
        counted = [one for one in counted if one not in told]
        codes = {f"{meaning.series.code} {meaning.name}": count for meaning, count in told}
        row = service.configuration.classifier.row(max(told, key=itemgetter(1))[0].series)
        yield Finding(
            threshold.level,
            threshold.title.format("no known channel" if channel == OTHER else channel),
            _detail(codes, total, "results"),
            row.action if row else threshold.action,
            Alert.named(alert),
            channel,
        )


def _stopped(history: History, heard: Container[str]) -> Iterator[Finding]:
    """Name the channels that had results before the window, and have none in it."""
    before: dict[str, int] = {}
    for series, count in history.results.counts(after=WINDOW).items():
        before[series.channel] = before.get(series.channel, 0) + count
    silent = [
        channel
        for channel in sorted(before)
        if channel not in heard and before[channel] >= STEADY_RESULTS
    ]
    if silent:
        had = ", ".join(f"{channel} ({before[channel]:,})" for channel in silent)
        yield Finding(
            Level.TROUBLE,
            f"results of {silent[0] if len(silent) == 1 else f'{len(silent)} channels'} "
            "have stopped",
            f"None in the last {WINDOW} minutes, though there were in the time before: {had}.",
            "Find out whether pushes are still sent, and whether the gateway still calls.",
            Alert.named("PushResultsStopped"),
            silent[0] if len(silent) == 1 else None,
        )


def _reaches(threshold: Threshold, affected: int, total: int) -> bool:
    return affected >= threshold.number and affected >= threshold.share * total


def _detail(counts: dict[str, int], total: int, what: str) -> str:
    """Say how large a share of the window is, and what it consists of."""
    affected = sum(counts.values())
    share = f"{affected / total:.0%}" if affected >= total / 100 else "Less than 1%"
    most = sorted(counts, key=lambda name: -counts[name])
    named = ", ".join(f"{name} ({counts[name]:,})" for name in most[:NAMED_CODES])
    more = f" and {len(most) - NAMED_CODES} more" if len(most) > NAMED_CODES else ""
    return f"{share} of {total:,} {what}: {named}{more}."
