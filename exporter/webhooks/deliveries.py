"""Deduplication keys: what identifies a request or a result when it is delivered again."""

from struct import pack

from xxhash import xxh3_64_intdigest

from exporter.classification.tables import OTHER
from exporter.gateways.gateway import Credential, RequestKey
from exporter.results import Batch, ClassifiedResult, Delivery, ResultGroup, Series, Severity
from exporter.runtime.submission import Submission, UnknownCodes

# The seed of a key is made of the scope and of one of these, so that neither the keys of two
# credentials meet, nor keys of different kinds.
_REQUEST, _CONTENT, _RESULT = 1, 2, 3

Classified = list[tuple[ResultGroup, ClassifiedResult]]
"""The groups of a body, each with what it means."""


def make_submission(
    source: str,
    batch: Batch,
    classified: Classified,
    credential: Credential,
    request_key: RequestKey | None,
) -> Submission:
    """Gather all that is to be counted of a request."""
    exemplars: dict[Series, str] = {}
    unknown: UnknownCodes = {}
    for group, meaning in classified:
        if meaning.severity is Severity.INFO:
            continue
        if group.exemplar is not None:
            exemplars[meaning.series] = group.exemplar
        if meaning.severity is Severity.UNKNOWN:
            key = meaning.series, group.result.hint
            unknown[key] = group.result.message or unknown.get(key)
    return Submission(
        source,
        make_deliveries(classified, credential, request_key),
        exemplars,
        unknown,
        batch.rejected,
        batch.skipped,
        batch.without_code,
    )


def make_deliveries(
    classified: Classified, credential: Credential, request_key: RequestKey | None
) -> list[Delivery]:
    """Make one delivery of a request with a key; else one for each result that has an id."""
    if request_key is not None:
        return _whole(classified, credential.scope, request_key)
    deliveries = []
    for group, meaning in classified:
        series = meaning.series
        if group.anonymous:
            pushes = group.count * group.anonymous
            deliveries.append(Delivery([], {series: pushes}, group.anonymous))
        if group.ids:
            keys = _keys(group, series, credential.scope ^ _RESULT)
            deliveries.append(Delivery(keys, {series: group.count}, 1))
    return deliveries


def _whole(classified: Classified, scope: int, request_key: RequestKey) -> list[Delivery]:
    counts: dict[Series, int] = {}
    results = 0
    for group, meaning in classified:
        items = group.items
        results += items
        counts[meaning.series] = counts.get(meaning.series, 0) + group.count * items
    if not counts:
        return []
    key, fingerprint = request_key.key, request_key.fingerprint
    unique = xxh3_64_intdigest(pack("<Q", key), scope ^ _REQUEST)
    content = 0
    if fingerprint:
        content = xxh3_64_intdigest(pack("<QQ", key, fingerprint), scope ^ _CONTENT)
    return [Delivery([unique], counts, results, content)]


def _keys(group: ResultGroup, series: Series, seed: int) -> list[int]:
    """Make a key of channel, code and id for each result that has an id."""
    # The code as it was sent, not as it is labelled; and channels that we do not know share a
    # label, but their ids are not each other's.
    sender = repr(group.result.hint) if series.channel == OTHER else series.channel
    prefix = f"{sender}\0{group.result.code}\0"
    return [
        xxh3_64_intdigest(f"{prefix}{one}".encode("utf-8", "surrogatepass"), seed)
        for one in group.ids
    ]
