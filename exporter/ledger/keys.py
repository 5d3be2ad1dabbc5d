"""What is counted once: the keys by which a call or a result is known when it comes again."""

from xxhash import xxh3_64_intdigest

from exporter.classification.tables import OTHER
from exporter.gateways.gateway import Credential, RequestKey
from exporter.results import ClassifiedResult, Delivery, ResultGroup, Series, Severity

# Keys of results never meet those of requests, which are hashed with the bare scope.
_RESULT_SEED = 3

Classified = list[tuple[ResultGroup, ClassifiedResult]]
"""The groups of a body, each with what it means."""


def make_deliveries(
    classified: Classified, credential: Credential, request_key: RequestKey | None
) -> list[Delivery]:
    """Make one delivery of a call with a key; else one of each result that has an id."""
    if request_key is not None:
        counts: dict[Series, int] = {}
        results = 0
        for group, meaning in classified:
            items = group.items
            results += items
            counts[meaning.series] = counts.get(meaning.series, 0) + group.count * items
        return [Delivery([request_key.key], counts, results)] if counts else []
    deliveries = []
    for group, meaning in classified:
        series = meaning.series
        if group.anonymous:
            pushes = group.count * group.anonymous
            deliveries.append(Delivery([], {series: pushes}, group.anonymous))
        if group.ids:
            deliveries.append(
                Delivery(_keys(group, series, credential.scope), {series: group.count}, 1)
            )
    return deliveries


def _keys(group: ResultGroup, series: Series, scope: int) -> list[int]:
    """Make a key of channel, code and id for each result that has an id."""
    # The code as it was sent, not as it is labelled; and channels that we do not know share a
    # label, but their ids are not each other's.
    sender = repr(group.result.hint) if series.channel == OTHER else series.channel
    prefix = f"{sender}\0{group.result.code}\0"
    return [xxh3_64_intdigest(f"{prefix}{one}".encode(), scope ^ _RESULT_SEED) for one in group.ids]


def message_ids(classified: Classified) -> dict[Series, str]:
    """Return the last message id of each series that is worth a look: warning and worse."""
    return {
        meaning.series: group.exemplar
        for group, meaning in classified
        if group.exemplar is not None and meaning.severity is not Severity.INFO
    }
