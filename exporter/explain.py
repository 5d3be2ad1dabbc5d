"""Say in words what a code, or each result of a payload, means."""

from collections.abc import Iterator
from typing import Any

from exporter.canonical import canonical_code
from exporter.classifier import Classifier
from exporter.code_tables import GATEWAY, OTHER
from exporter.errors import ConfigurationError, Refusal
from exporter.payloads import mps, results
from exporter.results import Batch, ClassifiedResult, PushResult, ResultGroup

_RETRY = {
    "no": "Sending again does not help.",
    "backoff": "Send again later, and slower.",
    "after_refresh": "Send again after the credential is renewed.",
    "next_window": "Send again in the next window (day or allowed hours).",
    "auto": "The gateway sends again by itself.",
}


def explain_code(classifier: Classifier, code: str, channel: str | None = None) -> str:
    """Describe a code on a channel, or everywhere it exists.

    Raises ConfigurationError for a channel or a code that cannot be one.
    """
    canonical = canonical_code(code)
    if canonical is None:
        raise ConfigurationError(f"{code!r} cannot be a code: an integer, or 1 to 64 letters")
    if channel is None:
        meanings = classifier.meanings(canonical)
        if not meanings:
            return f"{canonical}: no table has this code."
        return "\n\n".join(_describe(classifier, meaning) for meaning in meanings)
    if classifier.channel(channel) is None:
        known = ", ".join(name for name in classifier.channels() if name != OTHER)
        raise ConfigurationError(
            f"unknown channel {channel!r}; known are {known} and their aliases"
        )
    return _describe(classifier, classifier.classify(PushResult(canonical, channel)))


def explain_payload(classifier: Classifier, body: bytes, channel: str | None = None) -> str:
    """Describe each thing that a body says, in either format; Refusal if it is neither."""
    batch = _decode(body, channel)
    parts = [_classified(classifier, group) for group in batch.groups]
    parts += [
        f"item {rejection.index} is not a result: {rejection.reason}: {rejection.detail}"
        for rejection in batch.rejected
    ]
    return "\n\n".join(parts) or "The body holds no result."


def _decode(body: bytes, channel: str | None) -> Batch:
    """Take the format that finds results in the body."""
    if b'"statusCode"' in body:
        return mps.decode(body, channel)
    try:
        return results.decode(body)
    except Refusal:
        batch = results.decode(body, lines=True)
        if batch.rejected and not batch.groups:
            raise
        return batch


def _classified(classifier: Classifier, group: ResultGroup) -> str:
    result = group.result
    meaning = classifier.classify(result)
    channel = meaning.series.channel
    if result.hint and result.hint.strip():
        why = f"the hint {result.hint!r}"
        why = (
            f"{why} that no table knows" if classifier.channel(result.hint.strip()) is None else why
        )
    elif meaning.series.table == GATEWAY:
        why = "a common code, from an iOS device" if result.ios else "a common code and no hint"
    elif not meaning.known:
        why = "no hint, and no table that alone claims the code"
    elif len(classifier.meanings(result.code)) > 1:
        why = "no hint, and only this table's words are in the message"
    else:
        why = "no hint, and only this table has the code"
    times = f" ({group.items} results)" if group.items > 1 else ""
    return f"Channel {channel}, by {why}{times}.\n{_describe(classifier, meaning)}"


def _describe(classifier: Classifier, meaning: ClassifiedResult) -> str:
    return "\n".join(_lines(classifier, meaning))


def _lines(classifier: Classifier, meaning: ClassifiedResult) -> Iterator[str]:
    channel, code, table = meaning.series
    yield f"{channel} {code} {meaning.name}"
    row: Any = classifier.row(meaning.series)
    if row is None:
        yield "  No table has this code here; it is counted with severity unknown."
        return
    if table != channel:
        yield "  A common code of the gateway, valid on every channel."
    yield f"  {row.description}"
    yield f"  Severity: {row.severity.value}. Category: {row.category.value}."
    yield f"  Retry: {_RETRY[row.retry.value]}"
    yield f"  Do: {row.action}"
    yield f"  Source: {row.source} ({row.origin})"
