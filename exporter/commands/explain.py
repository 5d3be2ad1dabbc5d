"""The command `explain`, and the flags for files of one's own that `codes` has too."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, unquote

from pydantic import TypeAdapter

from exporter.classification.classifier import Classifier
from exporter.classification.tables import Tables, load_tables
from exporter.commands.explain_text import render_json, render_text
from exporter.errors import ConfigurationError, RequestError
from exporter.gateways.authentication import (
    Authenticator,
    load_bearer_token,
    load_rsa_signature,
    load_standard_webhooks,
)
from exporter.gateways.explain import Explanation, Signature, explain_code, explain_payload, verify
from exporter.records.record import as_record, read_whole
from exporter.settings import ENV_PREFIX, split_list

_PATHS = TypeAdapter(list[Path])
_CREDENTIALS = {
    "mps_public_key_files": "public keys for --sign, as for serve",
    "results_secret_files": "secrets for --header 'webhook-…', as for serve",
    "results_token_files": "tokens for --header 'Authorization: …', as for serve",
}


def add_explain(parser: argparse.ArgumentParser) -> None:
    """Give the command its flags."""
    parser.usage = "%(prog)s [CHANNEL] CODE | %(prog)s --payload FILE [--channel CHANNEL]"
    parser.add_argument("words", nargs="*", metavar="[CHANNEL] CODE")
    parser.add_argument(
        "--payload", metavar="FILE", help="a webhook body or a record; - for standard input"
    )
    parser.add_argument("--channel", help="the channel that the gateway would name in the URL")
    parser.add_argument("--json", action="store_true", help="for a script")
    parser.add_argument("--sign", help="verify this 'sign' of MPS, or that of a URL")
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="verify these headers of a call to /webhooks/results",
    )
    add_tables(parser)
    for name, text in _CREDENTIALS.items():
        _add_files(parser, name, text)


def explain(options: argparse.Namespace) -> int:
    """Explain a code or a payload; 1 for one without results, or a signature that is wrong."""
    classifier = Classifier(tables(options))
    explanation = _explain(options, classifier)
    if options.json:
        print(render_json(explanation))
    else:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print(render_text(explanation, colour=colour))
    forged = explanation.signature is not None and not explanation.signature.verifies
    empty = explanation.code is None and not explanation.meanings
    return int(forged or empty)


def _explain(options: argparse.Namespace, classifier: Classifier) -> Explanation:
    if options.payload is not None:
        if options.words:
            raise ConfigurationError("give a code or a payload, not both")
        body = read_whole(options.payload)
        return _explain_body(classifier, body, options.channel, _signature(options, body))
    if options.sign or options.header:
        raise ConfigurationError("--sign and --header belong to a --payload")
    if len(options.words) not in (1, 2):
        raise ConfigurationError("explain takes a code, or a channel and a code")
    *channel, code = options.words
    return explain_code(classifier, code, channel[0] if channel else options.channel)


def _explain_body(
    classifier: Classifier, body: bytes, channel: str | None, signature: Signature | None
) -> Explanation:
    """Explain a body; where that is refused, still say whether its signature verifies."""
    try:
        return explain_payload(classifier, body, channel, signature)
    except RequestError as refusal:
        if signature is None:
            raise
        detail = f"{refusal.detail} The signature {signature.verdict}."
        raise RequestError(refusal.reason, detail) from None


def _signature(options: argparse.Namespace, body: bytes) -> Signature | None:
    headers = dict(_header(text) for text in options.header)
    if not (options.sign or headers):
        return None
    if as_record(body):
        raise ConfigurationError("a record is redacted, so that no signature fits it any more")
    if options.sign and headers:
        raise ConfigurationError("give --sign or --header, not both")
    query = {"sign": _sign(options.sign)} if options.sign else {}
    return verify(_scheme(options, headers), query, headers, body)


def _scheme(options: argparse.Namespace, headers: Mapping[str, str]) -> Authenticator:
    if options.sign:
        if keys := _files(options, "mps_public_key_files"):
            return load_rsa_signature(keys)
        raise ConfigurationError("--sign is verified with MPS_PUBLIC_KEY_FILES; none is given")
    if "authorization" in headers:
        if tokens := _files(options, "results_token_files"):
            return load_bearer_token(tokens)
        raise ConfigurationError("a token is compared with RESULTS_TOKEN_FILES; none is given")
    if secrets := _files(options, "results_secret_files"):
        return load_standard_webhooks(secrets)
    raise ConfigurationError("--header is verified with RESULTS_SECRET_FILES; none is given")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ConfigurationError("--header: write it as 'name: value'")
    return name.strip().lower(), value.strip()


def _sign(text: str) -> str:
    """Take the value of `sign` out of a URL or a query, or for what it is."""
    if "sign=" not in text:
        return unquote(text)
    return parse_qs(text.rpartition("?")[2]).get("sign", [""])[0]


def add_tables(parser: argparse.ArgumentParser) -> None:
    """Give a command the flag for one's own code tables."""
    _add_files(parser, "code_table_files", "your own code tables, as for serve")


def tables(options: argparse.Namespace) -> Tables:
    """Load the code tables, with one's own on top."""
    return load_tables(_files(options, "code_table_files"))


def _add_files(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    parser.add_argument(
        f"--{name.replace('_', '-')}",
        default=os.environ.get(f"{ENV_PREFIX}{name.upper()}", ""),
        metavar="FILE[,FILE]",
        help=text,
    )


def _files(options: argparse.Namespace, name: str) -> list[Path]:
    try:
        return _PATHS.validate_python(split_list(getattr(options, name)))
    except ValueError:
        raise ConfigurationError(f"{name.upper()}: this is no list of files") from None
