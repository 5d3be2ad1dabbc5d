"""The form of the findings; what they find is not for a test that a registry can fail."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.markdown import ROOT

FINDINGS = sorted((ROOT / "findings").glob("*.sh"))


@pytest.mark.parametrize("script", FINDINGS, ids=lambda script: script.stem)
def test_finding_has_its_form(script: Path) -> None:
    """A finding states expectation and behaviour, pins its packages, and compares the output."""
    text = script.read_text("utf-8")
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    head = text.partition("\nset -euo pipefail\n")[0]
    assert re.findall(r"^# (Guess|Seen|So): ", head, re.MULTILINE) == ["Guess", "Seen", "So"]
    assert "folder=$(mktemp -d)" in text
    for line in re.findall(r"^.*(?:npm|pip) install (.*)$", text, re.MULTILINE):
        packages = [word for word in line.split() if not word.startswith("-")]
        assert packages
        assert [word for word in packages if not re.search(r"[@=]\d[\d.]*$", word)] == []
    assert text.rstrip().endswith("END")
    assert "\ndiff seen - <<'END'\n" in text


def test_readme_lists_every_finding() -> None:
    """The README has a line for each finding, and none for another."""
    text = (ROOT / "findings" / "README.md").read_text("utf-8")
    assert sorted(re.findall(r"\]\(([\w-]+\.sh)\)", text)) == [finding.name for finding in FINDINGS]
