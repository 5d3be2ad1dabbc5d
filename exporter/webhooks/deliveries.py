"""Builds the submission of a request, with its deliveries and their identities."""

from collections.abc import Iterator

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
from exporter.runtime.submission import Submission


class SubmissionBuilder:
    """Builds the submission of a request, step by step."""

    def __init__(self, source: str, credential: Credential, key: RequestKey | None) -> None:
        """`key` identifies the whole request; without it each result is a delivery."""
        self._credential = credential.scope
        self._key = key
        self._counts: dict[Series, int] = {}
        self._results = 0
        self._submission = Submission(source)

    def add_items(self, items: DecodedItems) -> None:
        """Add the uncounted items of a step."""
        submission = self._submission
        submission.rejected += items.rejected
        submission.skipped += items.skipped
        submission.without_code += items.without_code

    def add(self, group: ResultGroup, classified: ClassifiedResult) -> None:
        """Add the results of a group."""
        if classified.severity is not Severity.INFO:
            self._add_failing(group, classified)
        if self._key is None:
            self._submission.deliveries += deliveries_of(group, classified, self._credential)
            return
        items, series = group.items, classified.series
        self._results += items
        self._counts[series] = self._counts.get(series, 0) + group.count * items

    def _add_failing(self, group: ResultGroup, classified: ClassifiedResult) -> None:
        submission = self._submission
        if group.exemplar is not None:
            submission.exemplars[classified.series] = group.exemplar
        if classified.severity is Severity.UNKNOWN:
            key = classified.series, group.result.hint
            submission.unknown[key] = group.result.message or submission.unknown.get(key)

    def add_undeclared(self, app: str, items: int) -> None:
        """Count items that name an undeclared app, for at most MAX_NAMES apps."""
        known = self._submission.undeclared_apps
        if app in known or len(known) < MAX_NAMES:
            known[app] = known.get(app, 0) + items

    def build(self) -> Submission:
        """Return the submission."""
        submission, key = self._submission, self._key
        if key is not None and self._counts:
            scope = Scope(self._credential, Identified.REQUEST)
            whole = Delivery(self._counts, self._results, scope, (key.identity,), key.content)
            submission.deliveries.append(whole)
        return submission


def deliveries_of(
    group: ResultGroup, classified: ClassifiedResult, credential: int
) -> Iterator[Delivery]:
    """Yield a delivery of a group's results with ids, and a delivery of those without."""
    series = classified.series
    if group.anonymous:
        yield Delivery({series: group.count * group.anonymous}, group.anonymous)
    if group.ids:
        yield Delivery({series: group.count}, 1, _scope(group, series, credential), group.ids)


def _scope(group: ResultGroup, series: Series, credential: int) -> Scope:
    """Scope the ids of a group to its channel and its code as sent."""
    # Unknown channels share the label `other`, but have separate scopes.
    channel = repr(group.result.hint) if series.channel == OTHER else series.channel
    return Scope(credential, Identified.RESULT, channel, group.result.code)
