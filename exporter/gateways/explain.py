"""Work out what a code, or each result of a payload, means: which channel and why, what to do."""

from collections.abc import Mapping

import msgspec

from exporter.canonical import canonical_code
from exporter.classification.alerts import Alert, alerts_for
from exporter.classification.classifier import ChannelRule, Classifier, RowRule
from exporter.classification.tables import OTHER
from exporter.errors import ConfigurationError, RequestError
from exporter.gateways import generic as results
from exporter.gateways import mps
from exporter.gateways.authentication import Authenticator, StandardWebhooks
from exporter.records.record import Captured, as_record
from exporter.redaction import redact_text
from exporter.results import Batch, ClassifiedResult, PushResult, Rejection, ResultGroup, Series

_MAX_HINT = 100

RETRY = {
    "no": "Sending again does not help.",
    "backoff": "Send again later, and slower.",
    "after_refresh": "Send again after the credential is renewed.",
    "next_window": "Send again in the next window (day or allowed hours).",
    "auto": "The gateway sends again by itself.",
}
"""Whether sending again can help, in words."""


class Row(msgspec.Struct, frozen=True):
    """What a table says of a code."""

    table: str
    """The channel of the table; `mps` for a common code, valid on every channel."""
    description: str
    category: str
    retry: str
    retry_means: str
    action: str
    source: str
    origin: str


class Why(msgspec.Struct, frozen=True):
    """By which rules of the classifier a result got its channel and its row."""

    channel_by: ChannelRule
    row_by: RowRule
    hint: str | None
    results: int
    """How many results of the payload say this, and …"""
    pushes: int
    """… how many pushes they stand for."""


class Meaning(msgspec.Struct, frozen=True):
    """What one code means on one channel."""

    channel: str
    code: str
    name: str
    severity: str
    row: Row | None
    """None for a code that no table has here."""
    alerts: list[Alert]
    why: Why | None = None
    """None where the channel was given by whoever asks."""


class Signature(msgspec.Struct, frozen=True):
    """Whether the credentials that came with a payload fit it."""

    verifies: bool
    detail: str
    reason: str | None = None
    """The error that the exporter would answer."""

    @property
    def verdict(self) -> str:
        """Say it in a word or two."""
        return "verifies" if self.verifies else "does not verify"


class Explanation(msgspec.Struct, frozen=True):
    """The answer to a question about a code or a payload."""

    meanings: list[Meaning]
    code: str | None = None
    """The code that was asked for, in its one spelling; None for a payload."""
    source: str | None = None
    """The format of the payload."""
    rejected: list[Rejection] = []
    signature: Signature | None = None
    """None if no signature was given."""


def explain_code(classifier: Classifier, code: str, channel: str | None = None) -> Explanation:
    """Explain a code on a channel, or everywhere it exists.

    Raises ConfigurationError for a channel or a code that cannot be one.
    """
    canonical = canonical_code(code)
    if canonical is None:
        raise ConfigurationError(f"{code!r} cannot be a code: an integer, or 1 to 64 letters")
    if channel is None:
        found = classifier.meanings(canonical)
    elif classifier.channel(channel) is None:
        known = ", ".join(name for name in classifier.channels() if name != OTHER)
        raise ConfigurationError(
            f"unknown channel {channel!r}; known are {known} and their aliases"
        )
    else:
        found = [classifier.classify(PushResult(canonical, channel))]
    return Explanation([_meaning(classifier, one) for one in found], code=canonical)


def explain_payload(
    classifier: Classifier,
    body: bytes,
    channel: str | None = None,
    signature: Signature | None = None,
) -> Explanation:
    """Explain each thing that a body or a record says; RequestError if it is in neither format.

    `channel` is the hint that a gateway would give in the URL.
    """
    captured = _records(body) or [Captured(body)]
    batch = _decode(captured[0], channel) if len(captured) == 1 else _each(captured, channel)
    return Explanation(
        [
            _meaning(classifier, meaning, Why(channel_by, row_by, _hint(result), items, pushes))
            for result, (items, pushes) in _tally(batch.groups).items()
            for meaning, channel_by, row_by in [classifier.decide(result)]
        ],
        source=captured[0].source,
        rejected=batch.rejected,
        signature=signature,
    )


def verify(
    scheme: Authenticator, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> Signature:
    """Check a body as the webhook would; a line end that an editor or a shell added is forgiven."""
    refused = _verify(scheme, query, headers, body)
    if refused.verifies or not body.endswith(b"\n"):
        return refused
    shorter = _verify(scheme, query, headers, body.rstrip(b"\r\n"))
    return shorter if shorter.verifies else refused


def _verify(
    scheme: Authenticator, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> Signature:
    try:
        scheme(query, headers, body)
    except RequestError as refusal:
        if refusal.reason == "stale_timestamp" and isinstance(scheme, StandardWebhooks):
            # Whoever looks at a captured call is always late.
            good = scheme.signed(headers, body)
            made = "A configured secret made it" if good else "No configured secret made it"
            return Signature(good, f"{made}; by now the exporter would refuse it.", refusal.reason)
        return Signature(False, refusal.detail, refusal.reason)
    return Signature(True, "A configured key, token or secret fits.")


def _records(body: bytes) -> list[Captured]:
    """Read a record, or lines that hold some; nothing for any other body."""
    if b'"record"' not in body:
        return []
    return [record for line in body.split(b"\n") if (record := as_record(line))]


def _decode(captured: Captured, channel: str | None) -> Batch:
    """Read a body as its webhook would, with all that may have stood in the call's head."""
    body, record = captured
    if captured.source == "mps":
        try:
            return mps.decode(body, channel or (record.channel if record else None))
        except RequestError:
            lines = [Captured(line) for line in body.split(b"\n") if line.strip()]
            if len(lines) == 1:
                raise
            return _each(lines, channel)
    try:
        return results.decode(body)
    except RequestError:
        batch = results.decode(body, lines=True)
        if batch.rejected and not batch.groups:
            raise
        return batch


def _each(captured: list[Captured], channel: str | None) -> Batch:
    """Read bodies that were captured one a line; RequestError if none of them holds a result."""
    groups: list[ResultGroup] = []
    rejected: list[Rejection] = []
    refusal = None
    for index, one in enumerate(captured):
        try:
            batch = _decode(one, channel)
        except RequestError as error:
            refusal = refusal or error
            rejected.append(Rejection(index, error.reason, error.detail))
        else:
            groups += batch.groups
            rejected += [Rejection(index, one.reason, one.detail) for one in batch.rejected]
    if refusal and not groups:
        raise refusal
    return Batch(groups, rejected)


def _tally(groups: list[ResultGroup]) -> dict[PushResult, tuple[int, int]]:
    """Count what says the same: results, and the pushes that they stand for."""
    tally: dict[PushResult, tuple[int, int]] = {}
    for group in groups:
        items, pushes = tally.get(group.result, (0, 0))
        tally[group.result] = items + group.items, pushes + group.items * group.count
    return tally


def _meaning(classifier: Classifier, meaning: ClassifiedResult, why: Why | None = None) -> Meaning:
    channel, code, _ = meaning.series
    return Meaning(
        channel,
        code,
        meaning.name,
        meaning.severity.value,
        _row(classifier, meaning.series),
        alerts_for(meaning),
        why,
    )


def _hint(result: PushResult) -> str | None:
    """Return the sender's own word, as far as it may be a channel's and is no token."""
    return result.hint and redact_text(result.hint[:_MAX_HINT])


def _row(classifier: Classifier, series: Series) -> Row | None:
    row = classifier.row(series)
    if row is None:
        return None
    return Row(
        series.table,
        row.description,
        row.category.value,
        row.retry.value,
        RETRY[row.retry.value],
        row.action,
        row.source,
        row.origin,
    )
