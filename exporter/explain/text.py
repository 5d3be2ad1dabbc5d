"""Renders an explanation as text, optionally in colour, or as JSON."""

from collections.abc import Iterator

import msgspec

from exporter.classification.classifier import ChannelRule
from exporter.classification.codespace import RowRule
from exporter.configuration.settings import Settings
from exporter.explain.codes import ExplainedCode, Row, Why
from exporter.explain.items import ItemTrace
from exporter.explain.payloads import Explanation, SignatureCheck
from exporter.gateways.apps import AppRule

MAX_REJECTED = 100
"""Maximum number of listed rejected items; the others are only counted."""

_CHANNEL_BY: dict[ChannelRule, str] = {
    "hint": "by the hint {hint!r}",
    "unknown_hint": "by the unknown hint {hint!r}",
    "ios": "no hint; a common code, from an iOS device",
    "common_code": "no hint; a common code",
    "only_table": "no hint; only this table has the code",
    "message": "no hint; the message matches only this table",
    "nothing": "no hint; several tables (or none) have this code",
}
_ROW_BY: dict[RowRule, str] = {
    "one_row": "",
    "name": " The code is a name or alias of this row.",
    "sentence": " The code is a sentence that names this row.",
    "http_message": " The code is an HTTP status, and the message names this row.",
    "message": " The code has several rows here; the message matches this row.",
    "own_row": " The channel and the common table have this code; the message matches neither.",
    "common_row": " The channel and the common table have this code; the message matches neither.",
}
_APP_BY: dict[AppRule, str] = {
    "credential": "the app of the credential",
    "request": "the request names it",
    "undeclared": "the request names {named!r}, which APPS does not declare",
    "none": "neither a credential nor the request names an app",
}
_COLOURS = {"info": 32, "warning": 33, "error": 31, "critical": 35, "unknown": 36}
_BOLD, _DIM = 1, 2

OWN_RUNBOOKS = f"http://127.0.0.1:{Settings.model_fields['admin_port'].default}/runbooks"
"""The runbooks of an exporter on this host, on its default port."""


def render_json(explanation: Explanation) -> str:
    """Render an explanation as JSON."""
    return msgspec.json.format(msgspec.json.encode(explanation), indent=1).decode()


def render_text(
    explanation: Explanation, *, runbooks: str = OWN_RUNBOOKS, colour: bool = False
) -> str:
    """Render an explanation as text, with a paragraph per meaning.

    `runbooks` is the base URL of the alerts' runbooks.
    """
    runbooks = runbooks.rstrip("/")
    paint = _Paint(on=colour)
    parts = ["\n".join(_traced(item, paint)) for item in explanation.items]
    parts += ["\n".join(_meaning(meaning, runbooks, paint)) for meaning in explanation.meanings]
    listed = explanation.rejected[:MAX_REJECTED]
    parts += [f"item {item.index} is rejected: {item.reason}: {item.detail}" for item in listed]
    if more := len(explanation.rejected) - len(listed):
        parts.append(f"and {more} more rejected items")
    if explanation.skipped:
        parts.append(f"{explanation.skipped} skipped by items.only")
    if not parts and explanation.code is not None:
        parts.append(f"{explanation.code}: no table has this code.")
    if not parts:
        parts.append("The body contains no results.")
    if explanation.suggestions:
        parts.append("\n".join(_suggested(explanation)))
    if explanation.signature:
        parts.append(_signature(explanation.signature, paint))
    return "\n\n".join(parts)


def _suggested(explanation: Explanation) -> Iterator[str]:
    yield "Did you mean one of these?"
    for suggestion in explanation.suggestions:
        command = f"push-result-exporter explain {suggestion.channel} {suggestion.code}"
        yield f"  {command}  ({suggestion.name})"
    yield "All codes: push-result-exporter codes"


class _Paint:
    """Colours text, unless switched off."""

    def __init__(self, *, on: bool) -> None:
        self._on = on

    def __call__(self, text: str, style: int) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._on else text


def _traced(item: ItemTrace, paint: _Paint) -> Iterator[str]:
    yield paint(f"item {item.index}: {item.outcome}", _BOLD)
    for found in item.found:
        yield f"  {found.field} = {found.path}: {found.value}"


def _meaning(meaning: ExplainedCode, runbooks: str, paint: _Paint) -> Iterator[str]:
    if meaning.why:
        yield _why(meaning.channel, meaning.why)
    yield paint(f"{meaning.channel} {meaning.code} {meaning.name}", _BOLD)
    severity = paint(meaning.severity, _COLOURS[meaning.severity])
    if meaning.row is None:
        yield f"  No table has this code here; it is counted with severity {severity}."
    else:
        yield from _row(meaning.channel, meaning.row, severity)
    for alert in meaning.alerts:
        yield f"  Alert: {alert.name}, see {paint(f'{runbooks}/{alert.name}', _DIM)}"
    if meaning.row:
        yield paint(f"  Source: {meaning.row.source} ({meaning.row.origin})", _DIM)


def _row(channel: str, row: Row, severity: str) -> Iterator[str]:
    if row.table != channel:
        yield "  A common code of the gateway, valid on every channel."
    yield f"  {row.description}"
    yield f"  Severity: {severity}. Category: {row.category}."
    yield f"  Retry: {row.retry_means}"
    yield f"  Do: {row.action}"


def _why(channel: str, why: Why) -> str:
    times = f" ({why.results} results)" if why.results > 1 else ""
    if why.pushes != why.results:
        times = f" ({why.results} results for {why.pushes} pushes)"
    by = _CHANNEL_BY[why.channel_by].format(hint=why.hint)
    app = (
        f" App {why.app.app}: {_APP_BY[why.app.by].format(named=why.app.named)}." if why.app else ""
    )
    return f"Channel {channel}, {by}{times}.{_ROW_BY[why.row_by]}{app}"


def _signature(signature: SignatureCheck, paint: _Paint) -> str:
    verdict = paint(signature.verdict, _COLOURS["info" if signature.verifies else "error"])
    reason = f" ({signature.reason})" if signature.reason else ""
    return f"Signature: {verdict}{reason}. {signature.detail}"
