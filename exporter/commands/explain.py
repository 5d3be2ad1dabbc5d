"""The command `explain`: explain a code or a payload."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from urllib.parse import unquote

from multidict import CIMultiDict, MultiDict
from yarl import URL

from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.commands.completers import (
    complete_channel,
    complete_channel_or_code,
    complete_gateway,
)
from exporter.commands.flags import add_flags
from exporter.commands.gateways import formats
from exporter.commands.output import print_json
from exporter.configuration.groups import GatewaySettings, LinkSettings, TableSettings
from exporter.configuration.settings import Sourced, load_settings
from exporter.errors import ConfigurationError, RequestError
from exporter.explain.codes import explain_code
from exporter.explain.payloads import Explanation, Payload, SignatureCheck, explain_payload, verify
from exporter.explain.suggestions import suggest
from exporter.explain.text import OWN_RUNBOOKS, render_json, render_text
from exporter.gateways.compression import GZIP_MAGIC, unpack_gzip
from exporter.gateways.gateway import Gateway, ReceivedRequest
from exporter.gateways.registry import (
    Gateways,
    channels_of,
    find_gateway,
    load_gateways,
    recognize,
)
from exporter.records.record import Captured, as_record, read_whole
from exporter.results import canonical_code


class ExplainSettings(LinkSettings, TableSettings, GatewaySettings, Sourced):
    """The settings of `explain`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments and flags."""
    parser.usage = "%(prog)s [CHANNEL] CODE | %(prog)s --payload FILE [--gateway NAME-OR-FILE]"
    words = parser.add_argument("words", nargs="*", metavar="[CHANNEL] CODE")
    words.completer = complete_channel_or_code  # type: ignore[attr-defined] # argcomplete's way
    parser.add_argument(
        "--payload", metavar="FILE", help="a webhook body or a record; - for standard input"
    )
    gateway = parser.add_argument(
        "--gateway",
        metavar="NAME-OR-FILE",
        help="format of the payload, if it cannot be detected: a webhook's name, a shipped "
        "description, or a description's file",
    )
    gateway.completer = complete_gateway  # type: ignore[attr-defined]
    channel = parser.add_argument("--channel", help="the channel named in the webhook's URL")
    channel.completer = complete_channel  # type: ignore[attr-defined]
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--query", default="", help="verify the request's query, or its URL")
    parser.add_argument("--sign", help="verify this 'sign' parameter, or that of a whole URL")
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="verify this header of the request; may be repeated",
    )
    add_flags(parser, ExplainSettings)
    parser.set_defaults(run=explain)


def explain(options: argparse.Namespace) -> int:
    """Explain a code or a payload.

    Return 1 if no table has the code, the payload has no valid result, or its signature does not
    verify. A result with an unknown code is valid.
    """
    settings = load_settings(ExplainSettings, options)
    explanation = _explain(options, settings)
    if options.json:
        print_json(json.loads(render_json(explanation)))
    else:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        runbooks = settings.runbooks or OWN_RUNBOOKS
        print(render_text(explanation, runbooks=runbooks, colour=colour))
    forged = explanation.signature is not None and not explanation.signature.verifies
    if explanation.code is None:
        return int(forged or not explanation.meanings)
    return int(not any(meaning.row for meaning in explanation.meanings))


def _explain(options: argparse.Namespace, settings: ExplainSettings) -> Explanation:
    if options.payload is not None:
        if options.words:
            raise ConfigurationError("expected a code or a payload, not both")
        return _explain_body(options, settings, read_whole(options.payload))
    if _signed(options) or options.gateway:
        raise ConfigurationError("--sign, --query, --header and --gateway need a --payload")
    if len(options.words) not in (1, 2):
        raise ConfigurationError("expected a code, or a channel and a code")
    *named, code = options.words
    channel = named[0] if named else options.channel
    tables = load_tables(settings.code_table_files)
    classifier = Classifier(tables)
    meanings = explain_code(classifier, code, channel)
    found = any(meaning.row for meaning in meanings)
    suggestions = [] if found else suggest(classifier, tables, code, channel)
    return Explanation(meanings, code=canonical_code(code), suggestions=suggestions)


def _explain_body(
    options: argparse.Namespace, settings: ExplainSettings, body: bytes
) -> Explanation:
    """Explain a body; the error for an invalid body includes the verdict on its signature."""
    known = _gateways(options, settings)
    request = _request(options, body, settings.max_body_bytes)
    signature = _signature(options, known, request)
    captured_bodies = _records(body) or [Captured(request.content)]
    payloads = [_payload(captured, options.channel) for captured in captured_bodies]
    tables = load_tables(settings.code_table_files, channels_of(known.values()))
    try:
        return explain_payload(Classifier(tables), known, payloads, signature, settings.apps)
    except RequestError as refusal:
        if signature is None:
            raise
        detail = f"{refusal.detail} The signature {signature.verdict}."
        raise RequestError(refusal.reason, detail) from None


def _gateways(options: argparse.Namespace, settings: ExplainSettings) -> Gateways:
    """Load the possible gateways of a payload, with credentials only to verify it."""
    signed = _signed(options)
    known = load_gateways(settings) if signed else formats(settings)
    if not options.gateway:
        return known
    chosen = find_gateway(options.gateway, known, settings, credentials=signed)
    return {chosen.name: chosen}


def _signed(options: argparse.Namespace) -> bool:
    return bool(options.sign or options.query or options.header)


def _records(body: bytes) -> list[Captured]:
    """Parse a record, or lines of records; return an empty list for any other body."""
    if b'"record"' not in body:
        return []
    return [record for line in body.split(b"\n") if (record := as_record(line))]


def _payload(captured: Captured, channel: str | None) -> Payload:
    body, record = captured
    if record is None:
        return Payload(body, channel=channel)
    return Payload(
        body,
        record.source,
        channel or record.channel,
        record.content_type,
        record.app,
        record.credential_app,
    )


def _request(options: argparse.Namespace, body: bytes, max_bytes: int) -> ReceivedRequest:
    """Return the request of a body, with the options' headers, query and URL."""
    headers = CIMultiDict(dict(_header(text) for text in options.header))
    query = MultiDict(_query(options.query))
    if options.sign:
        query.add("sign", _sign(options.sign))
    content = body
    if "Content-Encoding" in headers and body.startswith(GZIP_MAGIC):
        content = unpack_gzip(body, max_bytes)
    address = options.query.partition("://")[2]
    return ReceivedRequest(body, headers, query, content=content, address=lambda: address)


def _signature(
    options: argparse.Namespace, known: Gateways, request: ReceivedRequest
) -> SignatureCheck | None:
    """Verify the credentials in the options, if any."""
    if not _signed(options):
        return None
    if as_record(request.body):
        raise ConfigurationError("a record is redacted, so its signature cannot be verified")
    return verify(_candidates(known, request.content), request)


def _candidates(known: Gateways, body: bytes) -> list[Gateway]:
    """Return the gateways with credentials, starting with the gateway of the body's format."""
    first = recognize(body, known.values())
    candidates = [gateway for gateway in known.values() if gateway.credentials]
    if not candidates:
        settings = ", ".join(name for gateway in known.values() for name in gateway.settings)
        raise ConfigurationError(f"no key, token or secret to verify with: set {settings}")
    return sorted(candidates, key=lambda gateway: gateway is not first)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ConfigurationError("--header: write it as 'name: value'")
    return name.strip().lower(), value.strip()


def _sign(text: str) -> str:
    """Return the value of `sign` in a URL or a query, or the unquoted text itself.

    Raises ConfigurationError for a URL or a query without `sign`.
    """
    sign = _query(text).get("sign")
    if sign is None and any(mark in text for mark in ("://", "?", "&")):  # in no signature
        raise ConfigurationError("--sign: the URL has no parameter 'sign', so it is not signed")
    return unquote(text) if sign is None else sign


def _query(text: str) -> Mapping[str, str]:
    """Parse the query of a URL, or a query alone, as aiohttp does."""
    return URL.build(query_string=text.rpartition("?")[2], encoded=True).query
