"""What a code means: which row of which table, which alerts watch it, and by which rules."""

import msgspec

from exporter.classification.alerts import Alert, alerts_for
from exporter.classification.classifier import ChannelRule, Classifier
from exporter.classification.codespace import RowRule
from exporter.classification.tables import OTHER
from exporter.errors import ConfigurationError
from exporter.redaction import redact_text
from exporter.results import ClassifiedResult, PushResult, Series, canonical_code

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


def explain_code(classifier: Classifier, code: str, channel: str | None = None) -> list[Meaning]:
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
    return [_meaning(classifier, one) for one in found]


def explain_result(
    classifier: Classifier, result: PushResult, *, results: int, pushes: int
) -> Meaning:
    """Explain a result that a payload holds so many times."""
    meaning, channel_by, row_by = classifier.decide(result)
    return _meaning(classifier, meaning, Why(channel_by, row_by, _hint(result), results, pushes))


def _meaning(classifier: Classifier, meaning: ClassifiedResult, why: Why | None = None) -> Meaning:
    channel, code, *_ = meaning.series
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
