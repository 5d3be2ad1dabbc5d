"""Makes the deliveries of a request: what is counted once, and what identifies it."""

from exporter.classification.tables import OTHER
from exporter.gateways.gateway import Credential, RequestKey
from exporter.results import (
    ClassifiedResult,
    DecodedItems,
    Delivery,
    Identified,
    ResultGroup,
    Scope,
    Series,
    Severity,
)
from exporter.runtime.frequent import MAX_NAMES
from exporter.runtime.submission import Submission, UnknownCodes

Classified = list[tuple[ResultGroup, ClassifiedResult]]
"""The groups of a body, each with what it means."""


class Content:
    """The content of a body, as far as it has been read."""

    def __init__(self) -> None:
        self.items = DecodedItems()
        self.classified: Classified = []
        self.undeclared_apps: dict[str, int] = {}
        """Items that name an app which is not declared, by that name."""

    def add_undeclared(self, app: str, items: int) -> None:
        """Count items that name an app, of no more apps than are shown."""
        known = self.undeclared_apps
        if app in known or len(known) < MAX_NAMES:
            known[app] = known.get(app, 0) + items


def make_submission(
    source: str,
    content: Content,
    credential: Credential,
    request_key: RequestKey | None,
) -> Submission:
    """Gather all that is to be counted of a request."""
    items = content.items
    exemplars: dict[Series, str] = {}
    unknown: UnknownCodes = {}
    for group, meaning in content.classified:
        if meaning.severity is Severity.INFO:
            continue
        if group.exemplar is not None:
            exemplars[meaning.series] = group.exemplar
        if meaning.severity is Severity.UNKNOWN:
            key = meaning.series, group.result.hint
            unknown[key] = group.result.message or unknown.get(key)
    return Submission(
        source,
        make_deliveries(content.classified, credential, request_key),
        exemplars,
        unknown,
        items.rejected,
        items.skipped,
        items.without_code,
        content.undeclared_apps,
    )


def make_deliveries(
    classified: Classified, credential: Credential, request_key: RequestKey | None
) -> list[Delivery]:
    """Make one delivery of a request with a key; else one for the results of each group."""
    if request_key is not None:
        return _whole(classified, credential.scope, request_key)
    deliveries = []
    for group, meaning in classified:
        series = meaning.series
        if group.anonymous:
            pushes = group.count * group.anonymous
            deliveries.append(Delivery({series: pushes}, group.anonymous))
        if group.ids:
            scope = _scope(group, series, credential.scope)
            deliveries.append(Delivery({series: group.count}, 1, scope, group.ids))
    return deliveries


def _whole(classified: Classified, credential: int, request_key: RequestKey) -> list[Delivery]:
    counts: dict[Series, int] = {}
    results = 0
    for group, meaning in classified:
        items = group.items
        results += items
        counts[meaning.series] = counts.get(meaning.series, 0) + group.count * items
    if not counts:
        return []
    scope = Scope(credential, Identified.REQUEST)
    return [Delivery(counts, results, scope, (request_key.identity,), request_key.content)]


def _scope(group: ResultGroup, series: Series, credential: int) -> Scope:
    """Scope the ids of a group to its channel and to its code as it was sent."""
    # Channels that no table has share a label, but their ids are not each other's.
    channel = repr(group.result.hint) if series.channel == OTHER else series.channel
    return Scope(credential, Identified.RESULT, channel, group.result.code)
