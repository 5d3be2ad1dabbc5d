"""The habits of the project: imports of tests, locked tools, and the steps of a release."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from exporter.configuration.version import VERSION
from tests.support.markdown import ROOT

GROUPS: dict[str, list[Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))[
    "dependency-groups"
]
TOOLS = [Requirement(tool) for group in GROUPS.values() for tool in group if isinstance(tool, str)]
CHANGELOG = """\
# Changelog

## [Unreleased]

- Later.

## [1.2.3] - 2026-12-01

### Added

- One thing.

## [1.2.2] - 2026-11-01

- Before.
"""
TESTS = ROOT / "tests"
OLD_WORDS = (
    "mend the cause",
    "let it hurry",
    "hang up",
    "hangs up",
    "leave to send",
    "the settings in force",
    "is known when it comes again",
    "the item is no result",
    "laid over ours",
    "the most telling alert",
    "plain = _mended(value)",
    "_UNASKED = {1}",
    "def hurryUp():",
    "for whoever reads it",
    "says so in the log",
    "a name of its own",
    "what comes from outside",
    "the setting stands in the file",
    "items that say the same",
)
NEW_WORDS = (
    "fix the cause",
    "close the connection",
    "an evicted body",
    "the effective settings",
    "brute force, hanging, a hurricane, amended",
    "merged over the built-in tables",
    "there are no results yet",
    "_commended = AMENDMENTS",
    "check what a code means",
)


def test_dialect_is_kept_out() -> None:
    """The hooks of `make lint` report the project's old dialect, and accept standard words."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    hooks = {hook["id"]: hook["entry"] for hook in config["repos"][0]["hooks"]}
    command = [Path(sys.executable).parent / "codespell", *hooks["words"].split()[1:], "-"]
    lines = [*OLD_WORDS, *NEW_WORDS]
    spelled = subprocess.run(
        command, input="\n".join(lines), cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = {lines[int(line) - 1] for line in re.findall(r"^(\d+): ", spelled.stdout, re.MULTILINE)}
    found |= {line for line in lines if re.search(hooks["phrases"], line)}
    found |= {line for line in lines if re.search(hooks["clauses"], line)}
    assert found == {*OLD_WORDS}


SHARED = ("tests.bench", "tests.drill", "tests.soak", "tests.support")
"""What may be imported from tests/: the programs, and what tests share."""


def imported_names(file: Path) -> set[str]:
    """Return the modules, and the names of modules, that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names}
    return names


def test_load_tests_are_system_tests() -> None:
    """`make test-all` looks for tests about load nowhere else."""
    marked = {path for path in TESTS.rglob("*.py") if re.search(r"mark\.load\b", path.read_text())}
    others = {path for path in marked if not path.is_relative_to(TESTS / "system")}
    assert not others


def test_tests_import_no_tests() -> None:
    """A test module imports no other test module: what tests share is in tests/support/."""
    imported = {
        (str(file.relative_to(TESTS)), name)
        for file in TESTS.rglob("*.py")
        for name in imported_names(file)
        if name.startswith((".", "tests.")) and not name.startswith(SHARED)
    }
    assert imported == set()


@pytest.mark.parametrize("tool", TOOLS, ids=str)
def test_tool_is_locked(tool: Requirement) -> None:
    """Each development tool is locked by hash, to a version that pyproject allows."""
    lock = (ROOT / "tests" / "requirements.txt").read_text("utf-8")
    name = re.escape(tool.name)
    locked = re.search(rf"^{name}==([^ ;]+).*\\\n    --hash=sha256:", lock, re.MULTILINE)
    assert locked, "make lock"
    assert locked[1] in tool.specifier, "make lock"


def release_step(name: str, tag: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a step of the release workflow as its runner would for a tag."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8"))
    (script,) = [
        step["run"] for step in workflow["jobs"]["build"]["steps"] if step.get("name") == name
    ]
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=os.environ | {"GITHUB_REF_NAME": tag},
        capture_output=True,
        text=True,
        check=False,
    )


def test_release_takes_its_notes_from_the_changelog(tmp_path: Path) -> None:
    """The notes are the section of the version, and nothing of its neighbours."""
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    assert release_step("Take the notes from the changelog", "v1.2.3", tmp_path).returncode == 0
    notes = (tmp_path / "notes" / "notes.md").read_text()
    assert notes.split() == ["###", "Added", "-", "One", "thing."]


def test_release_without_notes_fails(tmp_path: Path) -> None:
    """A version that the changelog does not know is not released."""
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    assert release_step("Take the notes from the changelog", "v1.2", tmp_path).returncode != 0


@pytest.mark.parametrize(("tag", "released"), [(f"v{VERSION}", True), (f"v{VERSION}.1", False)])
def test_release_has_the_version_of_its_tag(tag: str, released: bool) -> None:
    """A tag releases only what calls itself by that version."""
    done = release_step("Hold the tag against the version", tag, ROOT)
    assert (done.returncode == 0) == released
