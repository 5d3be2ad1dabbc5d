"""Explains a code: its row, the alerts on it, and the rules that classified it."""

import msgspec

from exporter.classification.alerts import Alert, alerts_for
from exporter.classification.classifier import ChannelRule, Classifier
from exporter.classification.codespace import RowRule
from exporter.classification.tables import OTHER
from exporter.errors import ConfigurationError, did_you_mean
from exporter.gateways.apps import AppOf, AppRule
from exporter.redaction import redact_text
from exporter.results import ClassifiedResult, PushResult, Series, canonical_code

_MAX_WORD = 100

RETRY = {
    "no": "Sending again does not help.",
    "backoff": "Send again later, with increasing pauses.",
    "after_refresh": "Send again after the credential is renewed.",
    "next_window": "Send again in the next window (day or allowed hours).",
    "auto": "The gateway sends again by itself.",
}
"""A sentence for each value of Retry."""


class Row(msgspec.Struct, frozen=True):
    """The row of a code table."""

    table: str
    """The channel of the table; `mps` for a common code, which is valid on every channel."""
    description: str
    category: str
    retry: str
    retry_means: str
    action: str
    source: str
    origin: str


class AppFound(msgspec.Struct, frozen=True):
    """The app of a result."""

    app: str
    by: AppRule
    named: str | None
    """The app named in the request."""


class Why(msgspec.Struct, frozen=True):
    """The rules that determined the channel, row and app of a result."""

    channel_by: ChannelRule
    row_by: RowRule
    hint: str | None
    results: int
    """The number of identical results in the payload."""
    pushes: int
    """The number of pushes of these results."""
    app: AppFound | None = None
    """None if no apps are declared."""


class ExplainedCode(msgspec.Struct, frozen=True):
    """The explanation of a code on one channel."""

    channel: str
    code: str
    name: str
    severity: str
    row: Row | None
    """None for an unknown code."""
    alerts: list[Alert]
    why: Why | None = None
    """None for a code without a payload."""


def explain_code(
    classifier: Classifier, code: str, channel: str | None = None
) -> list[ExplainedCode]:
    """Explain a code on a channel, by default on every channel that has it.

    Raises ConfigurationError for an unknown channel, a channel as the code, or an invalid code.
    """
    canonical = canonical_code(code)
    if canonical is None:
        raise ConfigurationError(f"{code!r} is not a valid code: an integer, or 1 to 64 letters")
    if channel is None:
        found = classifier.meanings(canonical)
        if not found and classifier.channel(code):
            raise ConfigurationError(_channel_alone(code))
    elif classifier.channel(channel) is None:
        raise ConfigurationError(unknown_channel(classifier, channel))
    else:
        found = [classifier.classify(PushResult(canonical, channel))]
    return [_explained(classifier, classified) for classified in found]


def _channel_alone(channel: str) -> str:
    return (
        f"{channel!r} is a channel: add a code (push-result-exporter explain {channel} CODE), "
        f"or list its codes (push-result-exporter codes {channel})"
    )


def unknown_channel(classifier: Classifier, channel: str) -> str:
    """Describe an unknown channel, with the most similar one or all of them."""
    known = [name for name in classifier.channels() if name != OTHER]
    hint = did_you_mean(channel, known) or f"; known are {', '.join(known)} and their aliases"
    return f"unknown channel {channel!r}{hint}"


def explain_result(
    classifier: Classifier,
    result: PushResult,
    *,
    results: int,
    pushes: int,
    app: AppOf | None = None,
) -> ExplainedCode:
    """Explain a result of a payload; `results` is the number of identical results."""
    classified, channel_by, row_by = classifier.decide(result)
    found = app and AppFound(app.app, app.rule, _shown(result.app))
    why = Why(channel_by, row_by, _shown(result.hint), results, pushes, found)
    return _explained(classifier, classified, why)


def _explained(
    classifier: Classifier, classified: ClassifiedResult, why: Why | None = None
) -> ExplainedCode:
    channel, code, *_ = classified.series
    return ExplainedCode(
        channel,
        code,
        classified.name,
        classified.severity.value,
        _row(classifier, classified.series),
        alerts_for(classified),
        why,
    )


def _shown(word: str | None) -> str | None:
    """Redact and truncate the sender's word for a channel or an app."""
    return word and redact_text(word[:_MAX_WORD])


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
