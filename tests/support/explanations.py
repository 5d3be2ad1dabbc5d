"""Explanations of each kind, and the golden texts in which they are rendered.

`make renderings` writes the texts; a change of wording is reviewed as their difference.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from exporter.classification.classifier import ChannelRule, Classifier
from exporter.classification.codespace import RowRule
from exporter.classification.tables import load_tables
from exporter.configuration.settings import load_settings
from exporter.explain.codes import AppFound, ExplainedCode, Why, explain_code
from exporter.explain.payloads import Explanation, Payload, SignatureCheck, explain_payload
from exporter.explain.suggestions import suggest
from exporter.explain.text import render_text
from exporter.gateways.apps import AppRule
from exporter.gateways.registry import find_gateway
from tests.support.commands import CUSTOM_TABLE
from tests.support.gateways import unsigned_gateways

GOLDEN = Path(__file__).parents[1] / "explain" / "golden"

TABLES = load_tables()
CLASSIFIER = Classifier(TABLES)
GATEWAYS = unsigned_gateways()

_RECEIPTS = b"""{"statuses": [
    {"status": 2, "token": "a-token", "requestId": "1"},
    {"status": "delivered to nobody", "token": null},
    {"requestId": "3"}
]}"""

_UNKNOWN = explain_code(CLASSIFIER, "4242", "vivo")

VALID = SignatureCheck(True, "A secret matches.")
_INVALID = SignatureCheck(False, "No secret matches.", "bad_signature")


def explained(body: bytes, channel: str | None = None) -> Explanation:
    """Explain a payload of a built-in gateway."""
    return explain_payload(CLASSIFIER, GATEWAYS, [Payload(body, None, channel)])


def _of_rules(*whys: Why) -> Explanation:
    """Make an explanation with a result of an unknown code for each set of rules."""
    return Explanation([ExplainedCode("apns", "x", "x", "unknown", None, [], why) for why in whys])


def _custom() -> Classifier:
    """Read a table of the operator's."""
    with TemporaryDirectory() as folder:
        table = Path(folder, "codes.toml")
        table.write_text(CUSTOM_TABLE)
        return Classifier(load_tables([table]))


def _suggestions() -> Explanation:
    found = suggest(CLASSIFIER, TABLES, "BadDeviceTokn", None)
    return Explanation([], code="BadDeviceTokn", suggestions=found)


def _description() -> Explanation:
    gateway = find_gateway("huawei-receipts", {}, load_settings(allow_unsigned=True))
    return explain_payload(CLASSIFIER, {gateway.name: gateway}, [Payload(_RECEIPTS)])


def explanations() -> dict[str, Explanation]:
    """Return an explanation of each kind."""
    return {
        "code": Explanation(explain_code(_custom(), "4242", "apns"), code="4242"),
        "common code": Explanation(explain_code(CLASSIFIER, "2", "vivo"), code="2"),
        "unknown code": Explanation(_UNKNOWN, code="4242"),
        "code of no table": Explanation([], code="4242"),
        "suggestions": _suggestions(),
        "no result": explained(b"[]"),
        "rejected items": explained(b'[{}, {"code": true}, 5]'),
        "skipped items": Explanation([], source="acme", skipped=3),
        "items of a description": _description(),
        "valid signature": Explanation(_UNKNOWN, signature=VALID),
        "invalid signature": Explanation(_UNKNOWN, signature=_INVALID),
        "rules of channels": _of_rules(
            *(Why(rule, "one_row", "IOS", 1, 1) for rule in get_args(ChannelRule))
        ),
        "rules of rows": _of_rules(*(Why("hint", rule, "IOS", 1, 1) for rule in get_args(RowRule))),
        "rules of apps": _of_rules(
            *(
                Why("hint", "one_row", "IOS", 1, 1, AppFound("shop", rule, "news"))
                for rule in get_args(AppRule)
            )
        ),
        "identical results": _of_rules(
            Why("hint", "one_row", "IOS", 2, 2), Why("hint", "one_row", "IOS", 3, 42)
        ),
    }


def golden(kind: str) -> Path:
    """Return the file of a kind's text."""
    return GOLDEN / f"{kind.replace(' ', '_')}.txt"


if __name__ == "__main__":
    for name, explanation in explanations().items():
        golden(name).write_text(render_text(explanation) + "\n", "utf-8")
