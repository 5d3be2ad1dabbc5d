"""Recipes other than descriptions, and the README of gateways."""

import asyncio
import base64
import gzip
import json
import re
import runpy
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.commands.main import main
from exporter.gateways.auth.schemes import SCHEMES
from exporter.gateways.described.description import (
    Content,
    Default,
    Fields,
    Handshake,
    Items,
    Map,
    Probe,
    Require,
)
from exporter.gateways.described.files import load_description, shipped
from exporter.gateways.gateway import ReceivedRequest
from exporter.results import Series
from tests.support.exporter import TOKEN, MakeSettings, started
from tests.support.gateways import decoded, unsigned_gateways
from tests.support.libraries import Libraries
from tests.support.senders import RECIPES

CLASSIFIER = Classifier(load_tables(sorted((RECIPES / "codes").glob("*.toml"))))


def series(body: Any) -> list[tuple[Series, list[str | int | bytes]]]:
    """Decode a generic body; return its results and their ids."""
    text = body if isinstance(body, str) else json.dumps(body)
    batch = decoded(unsigned_gateways()["results"], ReceivedRequest(text.encode()))
    assert not batch.rejected
    return [(CLASSIFIER.classify(group.result).series, group.ids) for group in batch.groups]


SNS: dict[str, Any] = runpy.run_path(str(RECIPES / "aws_sns_forwarder.py"))
"""The names in the program for AWS Lambda."""


def invocation(*entries: dict[str, Any], first: int = 1) -> dict[str, Any]:
    """Pack log entries as CloudWatch Logs does; their ids are numbers from `first`."""
    events = [
        {"id": str(number), "timestamp": 1, "message": json.dumps(logged)}
        for number, logged in enumerate(entries, first)
    ]
    packed = gzip.compress(json.dumps({"logEvents": events}).encode())
    return {"awslogs": {"data": base64.b64encode(packed).decode()}}


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
            entry(
                "FAILURE",
                "GCM",
                404,
                '{"error":{"code":404,"status":"NOT_FOUND","details":[{"errorCode":"UNREGISTERED"}]}}',
            ),
            ("fcm", "90000003", "fcm"),
        ),
        (
            entry("FAILURE", "GCM", 404, '{"error":{"code":404,"status":"NOT_FOUND"}}'),
            ("fcm", "NOT_FOUND", "fcm"),
        ),
    ],
)
def test_sns_forwarder(logged: dict[str, Any], expected: tuple[str, ...]) -> None:
    """A log entry counts under the code that its reason names, on the channel of its platform."""
    made = SNS["results"](SNS["log_events"](invocation(logged)))
    assert series(made) == [(Series(*expected), ["9655abe4"])]
    assert "tokA" not in json.dumps(made)


async def test_sns_forwarder_counts_each_endpoint_of_a_topic_once(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries of one push to a topic all count, and count once though Lambda repeats them."""
    logged = entry("FAILURE", "APNS", 400, '{"reason":"BadDeviceToken"}')
    first, second = invocation(logged, logged, logged), invocation(logged, logged, first=4)
    async with started(make_settings()) as exporter:
        monkeypatch.setenv("EXPORTER_URL", f"{exporter.ingest}/webhooks/results")
        monkeypatch.setenv("EXPORTER_TOKEN", TOKEN)
        for event in (first, second, first):
            assert await asyncio.to_thread(SNS["handler"], event, None) == 200
        assert await exporter.counted() == {("apns", "2009", "warning"): 5}


def test_onesignal_template(libraries: Libraries, tmp_path: Path) -> None:
    """The template renders each event as a result with a code of its table."""
    reason = 'expired: "token"\nof the device'
    kinds = [
        f"message.push.{kind}" for kind in ("sent", "received", "clicked", "failed", "unsubscribed")
    ]
    events = [
        {"kind": event, "id": f"e-{event}", "data": {"failure_reason": reason}} for event in kinds
    ]
    command = libraries.command(tmp_path, "liquid.mjs")
    arguments = [str(RECIPES / "onesignal.liquid"), json.dumps(events)]
    done = subprocess.run(
        [*command, *arguments], env=libraries.environment, capture_output=True, check=True
    )
    for kind, body in zip(kinds, json.loads(done.stdout), strict=True):
        assert series(body) == [(Series("onesignal", kind, "onesignal"), [f"e-{kind}"])]


def _blocks(language: str) -> list[str]:
    text = (RECIPES / "README.md").read_text("utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for _, block in found]


def test_worked_example_of_the_readme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The README's body, read by its description, gives the lines that it shows."""
    first, rest, *uses = _blocks("toml")
    (tmp_path / "record.json").write_text(_blocks("json")[0], "utf-8")
    description = tmp_path / "acme.toml"
    words = ["explain", "--payload", str(tmp_path / "record.json"), "--gateway", str(description)]
    for text, shown in zip((first, first.partition("[fields]")[0] + rest), _blocks("console"),
                           strict=True):  # fmt: skip
        description.write_text(text, "utf-8")
        main(words)
        out = capsys.readouterr().out
        for line in shown.splitlines()[1:]:
            assert line.strip() == "…" or line in out
    for number, text in enumerate(uses):
        file = tmp_path / f"use{number}.toml"
        file.write_text(text, "utf-8")
        assert load_description(file).auth


def test_readme_names_every_key() -> None:
    """The reference has each key of a description, and the table each shipped one."""
    text = (RECIPES / "README.md").read_text("utf-8")
    reference = text.partition("## Every key")[2].partition("## What vendors")[0]
    for section, model in [*SECTIONS.items(), *(("auth", scheme) for scheme in SCHEMES.values())]:
        for key in model.model_fields:
            assert f"`{section}.{key}`" in reference or f"`.{key}`" in reference
    assert [name for name in shipped() if f"`{name}`" not in text] == []


SECTIONS: dict[str, type[BaseModel]] = {
    "require": Require,
    "handshake": Handshake,
    "probe": Probe,
    "content": Content,
    "items": Items,
    "fields": Fields,
    "default": Default,
    "map": Map,
}
