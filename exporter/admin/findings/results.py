"""Whether all is well, and if not, what: the alerts' thresholds held against the last minutes.

The alerts of Prometheus know the past and wait before they fire. This answers at once, from one
exporter's own memory, for who opens its page.
"""

import time
from collections.abc import Container, Iterator, Mapping
from enum import StrEnum
from operator import itemgetter

import msgspec

from exporter.admin.history import MINUTES
from exporter.admin.view import View
from exporter.classification.alerts import (
    ACCEPTED,
    DECLARATIONS,
    NOT_THE_CHANNEL,
    THRESHOLDS,
    WATCHES,
    Alert,
    AlertName,
)
from exporter.classification.tables import OTHER
from exporter.errors import Reason
from exporter.results import ClassifiedResult, Series
from exporter.runtime.code_matches import FIRST_ITEMS

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
    """The state in one word, in one line, and what it rests on."""

    state: str
    """`trouble`, `attention`, `quiet` or `ok`."""
    headline: str
    findings: list[Finding]
    window_minutes: int = WINDOW
    """What the shares and numbers of the findings are taken of."""


LEVELS = {"critical": Level.TROUBLE, "warning": Level.ATTENTION, "info": Level.NOTE}
"""How pressing the finding of an alert of a severity is."""

OF_RESULTS = tuple(WATCHES)
"""The alerts whose codes are looked for, the most specific first."""

OF_REQUESTS = (AlertName.WEBHOOK_REJECTING, AlertName.EXPORTER_OVERLOADED)
"""The alerts about requests, in the order in which they are shown."""

STEADY_RESULTS = THRESHOLDS["steady_results"]
"""Results in two quarters of an hour with which a silence is no chance."""

Counted = list[tuple[ClassifiedResult, int]]


def health_of(view: View) -> Health:
    """Judge the exporter and what it counted in the last minutes."""
    levels = list(Level)
    findings = sorted(_findings(view), key=lambda finding: levels.index(finding.level))
    pressing = [finding for finding in findings if finding.level is not Level.NOTE]
    if pressing:
        state = pressing[0].level.value
        more = f", and {len(pressing) - 1} more" if len(pressing) > 1 else ""
        return Health(state, f"{state.capitalize()}: {pressing[0].title}{more}", findings)
    last = max((count.last_at for count in view.hub.ledger.counts.values()), default=None)
    if last is None:
        return Health("quiet", "Ready: no result has come yet", findings)
    if last < time.time() - WINDOW * 60:
        return Health("quiet", f"Quiet: no result in the last {WINDOW} minutes", findings)
    return Health("ok", "All is well", findings)


def _findings(view: View) -> Iterator[Finding]:
    yield from _of_the_exporter(view)
    yield from _of_requests(view)
    yield from _of_descriptions(view)
    current = view.classifier.current
    channels: dict[str, Counted] = {}
    for series, count in view.history.results.counts(WINDOW).items():
        channels.setdefault(series.channel, []).append((current(series), count))
    for channel in sorted(channels):  # always in one order, or the headline would jump about
        yield from _of_channel(view, channel, channels[channel])
    yield from _stopped(view, channels.keys())


def _of_descriptions(view: View) -> Iterator[Finding]:
    """Name the gateways whose items have had no code at all."""
    for name in view.current.snapshot.gateways:
        if view.hub.code_matches.is_silent(name):
            yield Finding(
                Level.ATTENTION,
                f"no code where /webhooks/{name} is said to have one",
                f"Of its first {FIRST_ITEMS} items and all since, none had a value at a path of "
                "the code.",
                f"Run `push-result-exporter explain --payload FILE --gateway {name}` on a record "
                "(set RECORD): it shows what each path gives.",
            )


def _of_the_exporter(view: View) -> Iterator[Finding]:
    if problem := view.hub.ledger.problem:
        yield Finding(
            Level.TROUBLE,
            "not accepting results, the ledger cannot be used",
            f"{view.hub.ledger.name}: {problem}.",
            "Fix the cause; no restart is needed. Until then the response to every request is 503.",
            Alert.named(AlertName.LEDGER_FAILING),
        )
    if view.service.draining:
        yield Finding(
            Level.TROUBLE,
            "not accepting results, the exporter is stopping",
            "It finishes the requests that are in flight.",
            "Start it again if nobody stopped it on purpose.",
        )
    if problem := view.current.problem:
        yield Finding(
            Level.ATTENTION,
            "the last reload failed",
            f"{problem}. What was loaded before stays effective.",
            "Fix the file and reload: it is read again at a restart, too, which would fail.",
        )


def _of_requests(view: View) -> Iterator[Finding]:
    requests = view.history.requests.counts(WINDOW)
    for source in sorted({source for source, _ in requests if source != "unknown"}):
        statuses = {status: count for (of, status), count in requests.items() if of == source}
        total = sum(statuses.values())
        for alert in OF_REQUESTS:
            affected = {
                status: count
                for status, count in statuses.items()
                if watches_requests(alert, status)
            }
            if _reaches(alert, sum(affected.values()), total):
                action = DECLARATIONS[alert].advice
                yield _finding(alert, source, _detail(affected, total, "requests"), action)


def watches_requests(alert: str, status: str) -> bool:
    """Whether an alert counts the requests that ended with a status."""
    if alert == AlertName.EXPORTER_OVERLOADED:
        return status == Reason.OVERLOADED
    if alert == AlertName.WEBHOOK_REJECTING:
        return status != "accepted" and not Reason(status).of_exporter
    return False


def _of_channel(view: View, channel: str, counted: Counted) -> Iterator[Finding]:
    """Judge the results of a channel; each code is named once, by the most specific alert."""
    total = sum(count for _, count in counted)
    dead = False
    for alert in OF_RESULTS:
        if dead and DECLARATIONS[alert].share:  # a dead channel has worse than its shares
            continue
        affected = [one for one in counted if WATCHES[alert].matches(one[0])]
        if _reaches(alert, sum(count for _, count in affected), total):
            dead = dead or alert is AlertName.CHANNEL_REJECTED
            counted = [one for one in counted if one not in affected]
            yield _of_codes(view, alert, channel, affected, total)
        if (
            alert is AlertName.CHANNEL_REJECTED
            and not dead
            and _nothing_accepted(view, channel, counted)
        ):
            dead = True
            yield _of_codes(view, AlertName.NOTHING_ACCEPTED, channel, counted, total)


def _nothing_accepted(view: View, channel: str, counted: Counted) -> bool:
    """Whether a channel that usually accepts pushes accepted none, in enough results."""
    if view.classifier.has_receipts(channel):  # of what has been accepted
        return False
    doubtful = sum(count for meaning, count in counted if meaning.category not in NOT_THE_CHANNEL)
    if doubtful < THRESHOLDS["nothing_accepted_results"]:
        return False
    if any(meaning.category in ACCEPTED for meaning, _ in counted):
        return False
    current = view.classifier.current
    totals = [
        (current(series).category in ACCEPTED, count.total)
        for series, count in view.hub.ledger.counts.items()
        if series.channel == channel
    ]
    accepted = sum(total for good, total in totals if good)
    return accepted >= THRESHOLDS["usually_accepted_share"] * sum(total for _, total in totals)


def _of_codes(view: View, alert: AlertName, channel: str, affected: Counted, total: int) -> Finding:
    """Name the codes that an alert is about, and what to do about the most frequent one."""
    codes = {f"{meaning.series.code} {meaning.name}": count for meaning, count in affected}
    row = view.classifier.row(max(affected, key=itemgetter(1))[0].series)
    return _finding(
        alert,
        "no known channel" if channel == OTHER else channel,
        _detail(codes, total, "results"),
        row.action if row else DECLARATIONS[alert].advice,
        channel,
    )


def _finding(
    alert: AlertName, subject: str, detail: str, action: str, channel: str | None = None
) -> Finding:
    declared = DECLARATIONS[alert]
    title = declared.title.format(subject)
    return Finding(LEVELS[declared.severity], title, detail, action, Alert.named(alert), channel)


def _stopped(view: View, heard: Container[str]) -> Iterator[Finding]:
    """Name the channels that had results steadily, and have none in the window.

    One campaign is no steady traffic, and receipts come when phones are switched on.
    """
    has_receipts = view.classifier.has_receipts
    quarters = [
        _by_channel(view.history.results.counts(after + WINDOW, after=after))
        for after in range(WINDOW, MINUTES, WINDOW)
    ]
    silent = {
        channel: sum(quarter.get(channel, 0) for quarter in quarters)
        for channel in sorted(set().union(*quarters))
        if channel not in heard
        and sum(quarter.get(channel, 0) >= STEADY_RESULTS for quarter in quarters) > 1
        and not has_receipts(channel)
    }
    if silent:
        had = ", ".join(f"{channel} ({count:,})" for channel, count in silent.items())
        only = next(iter(silent)) if len(silent) == 1 else None
        yield _finding(
            AlertName.RESULTS_STOPPED,
            only or f"{len(silent)} channels",
            f"None in the last {WINDOW} minutes, though there were in the time before: {had}.",
            DECLARATIONS[AlertName.RESULTS_STOPPED].advice,
            only,
        )


def _by_channel(counts: Mapping[Series, int]) -> dict[str, int]:
    channels: dict[str, int] = {}
    for series, count in counts.items():
        channels[series.channel] = channels.get(series.channel, 0) + count
    return channels


def _reaches(alert: AlertName, affected: int, total: int) -> bool:
    """Whether so many of all results or requests are as many as the alert's thresholds say."""
    declared = DECLARATIONS[alert]
    number = THRESHOLDS[declared.number] if declared.number else 0
    share = THRESHOLDS[declared.share] if declared.share else 0
    return affected >= number and affected >= share * total


def _detail(counts: dict[str, int], total: int, what: str) -> str:
    """Say how large a share of the window is, and what it consists of."""
    affected = sum(counts.values())
    share = f"{affected / total:.0%}" if affected >= total / 100 else "Less than 1%"
    most = sorted(counts, key=lambda name: -counts[name])
    named = ", ".join(f"{name} ({counts[name]:,})" for name in most[:NAMED_CODES])
    more = f" and {len(most) - NAMED_CODES} more" if len(most) > NAMED_CODES else ""
    return f"{share} of {total:,} {what}: {named}{more}."
