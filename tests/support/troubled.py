"""An exporter with trouble of all kinds, for the tests in a browser."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.browser import sent
from tests.support.exporter import TOKEN, KeyPair
from tests.support.programs import ExporterProcess, exporter_process, fetch

RESULTS = 700

HOSTILE = [
    "<script>window.hacked = 1; alert(1)</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "</q></td></table><svg onload=window.hacked=1>",
    "</pre></details><iframe srcdoc='<script>parent.hacked=1</script>'>",
    '" autofocus onfocus=window.hacked=1 x="',
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "javascript:window.hacked=1",
    "turned \u202e round, new\nline, \u0000 and \u001b[31m",
]

LONG_TITLE = "推送结果" * 8 + " of the gateway " + "W" * 70


@contextmanager
def troubled(folder: Path, keys: KeyPair) -> Iterator[ExporterProcess]:
    """Run an exporter with failures, hostile unknown codes, and refused requests."""
    (folder / "token").write_text(TOKEN)
    settings = {"mps_public_key_files": keys.public, "results_token_files": folder / "token"}
    with exporter_process(folder, **settings) as exporter:
        sent(exporter, keys.private, "certificate-expired", RESULTS)
        unknown = [
            {"channel": "vivo", "code": f"H{n}", "message": text} for n, text in enumerate(HOSTILE)
        ]
        post(exporter, [*unknown, {"code": 2, "count": "many"}])
        for _ in range(3):
            with suppress(OSError):  # 401
                fetch(f"{exporter.ingest}/webhooks/mps?sign=forged", b"{}")
        yield exporter


@contextmanager
def with_apps(folder: Path) -> Iterator[ExporterProcess]:
    """Run an exporter with a bad app beside a good one, and names that are not declared."""
    (folder / "token").write_text(TOKEN)
    settings = {"results_token_files": folder / "token", "apps": "news,shop,games"}
    with exporter_process(folder, **settings) as exporter:
        dead = {"channel": "apns", "code": 2014, "count": 9, "app": "shop"}
        good = [
            {"channel": channel, "code": 2, "count": 50, "app": app}
            for channel in ("vivo", "fcm")
            for app in ("shop", "news", "kiosk", HOSTILE[0], "W" * 90)
        ]
        post(exporter, [dead, *good, {"channel": "vivo", "code": "NEW", "app": "news"}])
        yield exporter


@contextmanager
def stressed(folder: Path, keys: KeyPair) -> Iterator[ExporterProcess]:
    """Run an exporter with long, wide, odd and numerous results."""
    (folder / "token").write_text(TOKEN)
    description = folder / "long.toml"
    (folder / "secret").write_text("a secret of thirty-two characters")
    description.write_text(
        f'title = "{LONG_TITLE}"\n[auth]\nscheme = "bearer"\nsecrets = ["secret"]\n'
        '[fields]\ncode = "code"\n'
    )
    settings = {
        "mps_public_key_files": keys.public,
        "results_token_files": folder / "token",
        "gateway_files": description,
        "instance": "production-" + "x" * 60,
    }
    with exporter_process(folder, **settings) as exporter:
        sent(exporter, keys.private, "certificate-expired", RESULTS)
        post(exporter, [*_unknown(), *_hints(), {"channel": "oppo", "code": 2, "count": 98765432}])
        post(exporter, [{"count": n, "code": []} for n in range(50)] + [{"code": 2}])
        for _ in range(300):
            with suppress(OSError):
                fetch(f"{exporter.ingest}/webhooks/mps?sign=forged", b"{}")
        yield exporter


def _unknown() -> Iterator[dict[str, Any]]:
    """Yield unknown codes, more than a channel has labels for."""
    for channel in ("apns", "vivo", "oppo", "huawei"):
        for number in range(26):
            message = f"推送失败 {HOSTILE[number % len(HOSTILE)]} " + "long " * 120
            yield {"channel": channel, "code": f"C{number}-" + "x" * 60, "message": message[:600]}


def _hints() -> Iterator[dict[str, Any]]:
    for number in range(5):
        yield {"channel": f"פוש{number}" + "\u202e<b>" + "z" * 50, "code": 7}


def post(exporter: ExporterProcess, results: list[dict[str, Any]]) -> None:
    """Send results to the generic webhook."""
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    fetch(f"{exporter.ingest}/webhooks/results", json.dumps(results).encode(), bearer)
