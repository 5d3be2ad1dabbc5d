"""Makes the submission of a request, with its deliveries and their identities."""

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

ClassifiedGroups = list[tuple[ResultGroup, ClassifiedResult]]
"""The groups of a body, classified."""


class Content:
    """The content of a body, as far as it has been decoded."""

    def __init__(self) -> None:
        self.items = DecodedItems()
        self.groups: ClassifiedGroups = []
        self.undeclared_apps: dict[str, int] = {}
        """The number of items by undeclared app."""

    def add_undeclared(self, app: str, items: int) -> None:
        """Count the items of an undeclared app; the number of apps is bounded."""
        known = self.undeclared_apps
        if app in known or len(known) < MAX_NAMES:
            known[app] = known.get(app, 0) + items


def make_submission(
    source: str,
    content: Content,
    credential: Credential,
    request_key: RequestKey | None,
) -> Submission:
    """Make the submission of a request."""
    items = content.items
    exemplars: dict[Series, str] = {}
    unknown: UnknownCodes = {}
    for group, classified in content.groups:
        if classified.severity is Severity.INFO:
            continue
        if group.exemplar is not None:
            exemplars[classified.series] = group.exemplar
        if classified.severity is Severity.UNKNOWN:
            key = classified.series, group.result.hint
            unknown[key] = group.result.message or unknown.get(key)
    return Submission(
        source,
        make_deliveries(content.groups, credential, request_key),
        exemplars,
        unknown,
        items.rejected,
        items.skipped,
        items.without_code,
        content.undeclared_apps,
    )


def make_deliveries(
    groups: ClassifiedGroups, credential: Credential, request_key: RequestKey | None
) -> list[Delivery]:
    """Make one delivery for a request with a key, else one or two per group."""
    if request_key is not None:
        return _whole(groups, credential.scope, request_key)
    deliveries = []
    for group, classified in groups:
        series = classified.series
        if group.anonymous:
            pushes = group.count * group.anonymous
            deliveries.append(Delivery({series: pushes}, group.anonymous))
        if group.ids:
            scope = _scope(group, series, credential.scope)
            deliveries.append(Delivery({series: group.count}, 1, scope, group.ids))
    return deliveries


def _whole(groups: ClassifiedGroups, credential: int, request_key: RequestKey) -> list[Delivery]:
    counts: dict[Series, int] = {}
    results = 0
    for group, classified in groups:
        items = group.items
        results += items
        counts[classified.series] = counts.get(classified.series, 0) + group.count * items
    if not counts:
        return []
    scope = Scope(credential, Identified.REQUEST)
    return [Delivery(counts, results, scope, (request_key.identity,), request_key.content)]


def _scope(group: ResultGroup, series: Series, credential: int) -> Scope:
    """Scope the ids of a group to its channel and its code as sent."""
    # Unknown channels share the label `other`, but not the scope of ids.
    channel = repr(group.result.hint) if series.channel == OTHER else series.channel
    return Scope(credential, Identified.RESULT, channel, group.result.code)
