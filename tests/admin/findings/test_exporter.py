"""Findings about the exporter itself: its ledger, configuration, certificates and shutdown."""

from pathlib import Path

import pytest

from exporter.admin.findings.exporter import ledger_hint
from exporter.errors import Reason
from tests.support.certificates import make_certificate
from tests.support.exporter import TOKEN, MakeSettings, started
from tests.support.watched import Watched, accepted

LEDGER_PROBLEMS = {
    "database is locked": "Another process",
    "another process holds /data/ledger.sqlite3.lock": "Another process",
    "database or disk is full": "The disk is full",
    "attempt to write a readonly database": "read-only",
    "unable to open database file": "missing or inaccessible",
    "disk I/O error": "The disk is failing",
    "no such table: counts": "was replaced",
    "connection refused": "Fix the cause",
}


@pytest.mark.parametrize(("problem", "hint"), LEDGER_PROBLEMS.items())
def test_what_to_do_about_a_ledger(problem: str, hint: str) -> None:
    """The action names the usual cause of each message of SQLite."""
    assert hint in ledger_hint(f"{problem} (OperationalError)")


async def test_a_ledger_that_fails(watched: Watched) -> None:
    """A ledger that cannot be used is the most urgent finding."""
    path = watched.exporter.current.settings.ledger_path
    path.rename(path.with_suffix(".gone"))
    status, _ = await watched.exporter.results(b'{"code": 2}')
    assert status == 503
    health = watched.health()
    assert health.headline == "Trouble: not accepting results, the ledger cannot be used"
    assert str(path) in health.findings[0].detail


async def test_a_ledger_that_fails_repeatedly(watched: Watched) -> None:
    """A ledger that failed in two of the last minutes is trouble, though it works in between."""
    title = "the ledger fails repeatedly"
    for found in ([], [title]):
        watched.exporter.hub.finished("results", Reason.LEDGER_UNAVAILABLE, 0.1)
        assert watched.titles() == found
        watched.pass_minutes(1)
    assert "2 requests were refused" in watched.health().findings[0].detail
    watched.pass_minutes(4)
    assert watched.titles() == []


async def test_a_failed_reload(watched: Watched) -> None:
    """A reload that failed stays in view until one succeeds, with its runbook."""
    token = watched.exporter.current.settings.results_token_files[0]
    for content, status, found in (("", 500, ["PushReloadFailed"]), (TOKEN, 200, [])):
        token.write_text(content)
        async with watched.exporter.client.post(f"{watched.exporter.admin}/-/reload") as response:
            assert response.status == status
        names = [one.alert.name for one in watched.health().findings if one.alert]
        assert names == found


def test_a_stop(watched: Watched) -> None:
    """A stop is trouble."""
    watched.exporter.service.draining = True
    assert watched.health().state == "trouble"


async def test_a_short_reach_of_deduplication(make_settings: MakeSettings) -> None:
    """With more keys than memory for them, duplicates are recognized for a shorter time."""
    async with started(make_settings(dedupe_max_keys=1024)) as exporter:
        watched = Watched(exporter)
        assert watched.titles() == []
        batch = b"[" + b",".join(b'{"code": 2, "id": %d}' % n for n in range(1500)) + b"]"
        status, _ = await exporter.results(batch)
        assert status == 200
        [finding] = watched.health().findings
        assert finding.title == "duplicates are recognized for too short a time"
        assert "DEDUPE_WINDOW_SECONDS is 86,400 (1 d)" in finding.detail


@pytest.mark.parametrize(
    ("days", "text"), [(6, "It expires in 5 d"), (8, None)], ids=["six days", "eight days"]
)
async def test_a_certificate_that_ends_soon(
    make_settings: MakeSettings, tmp_path: Path, days: int, text: str | None
) -> None:
    """A certificate within seven days of its end is a finding, for each listener."""
    made = make_certificate(tmp_path, "push", "-nodes", "-days", str(days))
    settings = make_settings(ingest_tls_cert_file=made.chain, ingest_tls_key_file=made.key)
    async with started(settings) as exporter:
        findings = Watched(exporter).health().findings
    assert [one.title for one in findings] == (
        ["the certificate of the ingest listener ends soon"] if text else []
    )
    assert all(text and text in one.detail for one in findings)


async def test_a_new_exporter_has_no_finding(watched: Watched) -> None:
    """None of this is found in an exporter that runs as it should."""
    await watched.count(accepted("vivo", 1))
    assert watched.titles() == []
