"""Recipes that are no descriptions: a template and a forwarder that send our generic JSON."""

import base64
import gzip
import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, StrictUndefined

from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.gateways.gateway import ReceivedRequest
from exporter.results import Series
from tests.support.gateways import unsigned_gateways
from tests.support.senders import RECIPES

CLASSIFIER = Classifier(load_tables(sorted((RECIPES / "codes").glob("*.toml"))))


def series(body: Any) -> list[tuple[Series, list[str | int]]]:
    """Decode a generic body; return what counts, with the ids."""
    text = body if isinstance(body, str) else json.dumps(body)
    batch = unsigned_gateways()["results"].decode(ReceivedRequest(text.encode()))
    assert not batch.rejected
    return [(CLASSIFIER.classify(one.result).series, one.ids) for one in batch.groups]


def entry(status: str, platform: str, code: int, response: str) -> dict[str, Any]:
    """Write what SNS logs for a push, in the documented shape."""
    return {
        "status": status,
        "notification": {"timestamp": "2026-01-26 23:07:39.54", "messageId": "9655abe4"},
        "delivery": {
            "statusCode": code,
            "dwellTimeMs": 65,
            "token": "tokA",
            "attempts": 1,
            "providerResponse": response,
            "destination": f"arn:aws:sns:us-east-2:111122223333:endpoint/{platform}/app/c23e42de",
        },
    }


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        (entry("SUCCESS", "GCM", 200, '{"success":1}'), ("fcm", "2", "mps")),
        (entry("SUCCESS", "APNS", 200, ""), ("apns", "2", "mps")),
        (
            entry("FAILURE", "APNS", 400, '{"reason":"BadDeviceToken"}'),
            ("apns", "2009", "apns"),
        ),
        (
            entry("FAILURE", "GCM", 400, '{"results":[{"error":"NotRegistered"}]}'),
            ("fcm", "90000003", "fcm"),
        ),
    ],
)
def test_sns_forwarder(logged: dict[str, Any], expected: tuple[str, ...]) -> None:
    """A log entry counts under the code that its reason names, on the channel of its platform."""
    forwarder = runpy.run_path(str(RECIPES / "aws_sns_forwarder.py"))
    events = {"logEvents": [{"id": "1", "timestamp": 1, "message": json.dumps(logged)}]}
    packed = base64.b64encode(gzip.compress(json.dumps(events).encode())).decode()
    made = forwarder["results"]({"awslogs": {"data": packed}})
    assert series(made) == [(Series(*expected), ["9655abe4"])]
    assert "tokA" not in json.dumps(made)


@pytest.mark.parametrize("kind", ["sent", "received", "clicked", "failed", "unsubscribed"])
def test_onesignal_template(kind: str) -> None:
    """The template renders a result whose code the table beside it has."""
    text = Path(RECIPES / "onesignal.liquid").read_text("utf-8")
    event = {"kind": f"message.push.{kind}", "id": "e-1", "data": {"failure_reason": "expired"}}
    template = Environment(undefined=StrictUndefined, autoescape=False).from_string(text)
    [(found, ids)] = series(template.render(event=event))
    assert found == Series("onesignal", f"message.push.{kind}", "onesignal")
    assert ids == ["e-1"]
