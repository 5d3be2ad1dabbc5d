"""The command `explain`, and the flag for custom code tables that `codes` has, too."""

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from multidict import CIMultiDict, MultiDict
from yarl import URL

from exporter.classification.classifier import Classifier
from exporter.classification.tables import Tables, load_tables
from exporter.commands.gateways import add_files, add_gateways, files, gateway, gateways
from exporter.configuration.settings import ENV_PREFIX
from exporter.errors import ConfigurationError, RequestError
from exporter.explain.codes import explain_code
from exporter.explain.payloads import (
    Explanation,
    Payload,
    SignatureCheck,
    explain_payload,
    verify,
)
from exporter.explain.text import OWN_RUNBOOKS, render_json, render_text
from exporter.gateways.gateway import Gateway, ReceivedRequest
from exporter.gateways.registry import Gateways, channels_of, recognize
from exporter.records.record import Captured, as_record, read_whole
from exporter.results import canonical_code


def add_explain(parser: argparse.ArgumentParser) -> None:
    """Give the command its flags."""
    parser.usage = "%(prog)s [CHANNEL] CODE | %(prog)s --payload FILE [--gateway NAME-OR-FILE]"
    parser.add_argument("words", nargs="*", metavar="[CHANNEL] CODE")
    parser.add_argument(
        "--payload", metavar="FILE", help="a webhook body or a record; - for standard input"
    )
    parser.add_argument(
        "--gateway",
        metavar="NAME-OR-FILE",
        help="whose format the payload has, if its look does not tell: a webhook's name, a shipped "
        "description, or a description's file",
    )
    parser.add_argument("--channel", help="the channel that the gateway would name in the URL")
    parser.add_argument("--json", action="store_true", help="for a script")
    parser.add_argument("--query", default="", help="verify the query of the request, or its URL")
    parser.add_argument("--sign", help="verify this 'sign' of the query, or that of a whole URL")
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="verify these headers of the request",
    )
    parser.add_argument(
        "--runbook-base-url",
        default=os.environ.get(f"{ENV_PREFIX}RUNBOOK_BASE_URL") or OWN_RUNBOOKS,
        metavar="URL",
        help="where the runbooks are, as for serve (default: %(default)s)",
    )
    add_tables(parser)
    add_gateways(parser, credentials=True)


def explain(options: argparse.Namespace) -> int:
    """Explain a code or a payload; 1 for one without results, or a signature that is wrong."""
    explanation = _explain(options)
    if options.json:
        print(render_json(explanation))
    else:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print(render_text(explanation, runbooks=options.runbook_base_url, colour=colour))
    forged = explanation.signature is not None and not explanation.signature.verifies
    empty = explanation.code is None and not explanation.meanings
    return int(forged or empty)


def _explain(options: argparse.Namespace) -> Explanation:
    if options.payload is not None:
        if options.words:
            raise ConfigurationError("give a code or a payload, not both")
        return _explain_body(options, read_whole(options.payload))
    if _signed(options) or options.gateway:
        raise ConfigurationError("--sign, --query, --header and --gateway belong to a --payload")
    if len(options.words) not in (1, 2):
        raise ConfigurationError("explain takes a code, or a channel and a code")
    *channel, code = options.words
    classifier = Classifier(tables(options))
    meanings = explain_code(classifier, code, channel[0] if channel else options.channel)
    return Explanation(meanings, code=canonical_code(code))


def _explain_body(options: argparse.Namespace, body: bytes) -> Explanation:
    """Explain a body; where that is refused, still say whether its signature verifies."""
    known = dict(gateways(options, credentials=_signed(options)))
    if options.gateway:
        one = gateway(options, options.gateway, known, credentials=_signed(options))
        known = {one.name: one}
    signature = _signature(options, known, body)
    payloads = [_payload(one, options.channel) for one in _records(body) or [Captured(body)]]
    classifier = Classifier(tables(options, known.values()))
    try:
        return explain_payload(classifier, known, payloads, signature)
    except RequestError as refusal:
        if signature is None:
            raise
        detail = f"{refusal.detail} The signature {signature.verdict}."
        raise RequestError(refusal.reason, detail) from None


def _signed(options: argparse.Namespace) -> bool:
    return bool(options.sign or options.query or options.header)


def _records(body: bytes) -> list[Captured]:
    """Read a record, or lines that hold some; nothing for any other body."""
    if b'"record"' not in body:
        return []
    return [record for line in body.split(b"\n") if (record := as_record(line))]


def _payload(captured: Captured, channel: str | None) -> Payload:
    body, record = captured
    if record is None:
        return Payload(body, channel=channel)
    return Payload(body, record.source, channel or record.channel, record.content_type)


def _signature(options: argparse.Namespace, known: Gateways, body: bytes) -> SignatureCheck | None:
    """Verify what is given of the request's credentials."""
    if not _signed(options):
        return None
    if as_record(body):
        raise ConfigurationError("a record is redacted, so that no signature fits it any more")
    headers = CIMultiDict(dict(_header(text) for text in options.header))
    query = MultiDict(_query(options.query))
    if options.sign:
        query.add("sign", _sign(options.sign))
    return verify(_candidates(known, body), ReceivedRequest(body, headers, query))


def _candidates(known: Gateways, body: bytes) -> list[Gateway]:
    """Return the gateways with credentials, first the one that the body looks like."""
    first = recognize(body, known.values())
    candidates = [gateway for gateway in known.values() if not gateway.missing_settings]
    if not candidates:
        settings = ", ".join(gateway.missing_settings or "" for gateway in known.values())
        raise ConfigurationError(f"there is nothing to verify a signature with: give {settings}")
    return sorted(candidates, key=lambda gateway: gateway is not first)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ConfigurationError("--header: write it as 'name: value'")
    return name.strip().lower(), value.strip()


def _sign(text: str) -> str:
    """Take the value of `sign` out of a URL or a query, or for what it is."""
    if "sign=" not in text:
        return unquote(text)
    return _query(text).get("sign", "")


def _query(text: str) -> Mapping[str, str]:
    """Parse the query of a URL, or one by itself, as aiohttp does when it arrives."""
    return URL.build(query_string=text.rpartition("?")[2], encoded=True).query


def add_tables(parser: argparse.ArgumentParser) -> None:
    """Give a command the flag for custom code tables."""
    add_files(parser, "code_table_files")


def tables(options: argparse.Namespace, known: Iterable[Gateway] = ()) -> Tables:
    """Load the code tables, with the custom ones merged over them, and the gateways' channels."""
    return load_tables(files(options, "code_table_files"), channels_of(known))
