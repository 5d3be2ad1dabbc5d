"""The documentation: complete, current, short where it has to be, and its examples run."""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from exporter.configuration.settings import Settings
from exporter.errors import ItemReason, Reason
from exporter.metrics.metrics import EXPIRY_SECONDS, OLDEST_TRANSACTION, TLS_EXPIRY
from tests.support import docs
from tests.support.exporter import Exporter, KeyPair
from tests.support.markdown import (
    NOT_TESTED,
    ROOT,
    Block,
    anchors,
    code_blocks,
    documents,
    links,
)
from tests.support.programs import program
from tests.support.rules import RULES, RUNBOOKS
from tests.support.shell import run_examples, runnable

DOCUMENTS = documents()
BLOCKS = {file: list(code_blocks(file)) for file in DOCUMENTS}
README = ROOT / "README.md"
MANUAL = (ROOT / "deploy" / "README.md").read_text("utf-8")
API = (ROOT / "deploy" / "api.md").read_text("utf-8")
WITH_EXAMPLES = [
    file
    for file, blocks in BLOCKS.items()
    # The example of a runbook is a silence, for which there has to be an Alertmanager.
    if runnable(blocks) and file.parent.name != "runbooks"
]
TOOLS = {
    "amtool": "prometheus-alertmanager",
    "curl": "curl",
    "openssl": "openssl",
    "promtool": "prometheus",
    "sqlite3": "sqlite3",
}
"""What the examples use, with Debian's package of it."""

FOLDERS = ("codes", "dashboards", "deploy", "exporter", "tests")


def path(file: Path) -> str:
    """Name a document in a test's id."""
    return str(file.relative_to(ROOT))


each_document = pytest.mark.parametrize("file", DOCUMENTS, ids=path)


@pytest.mark.parametrize("name", docs.TABLES)
def test_generated_table_is_in_the_documentation(name: str) -> None:
    """Each table that is generated from the code has its place in a document."""
    assert any(f"<!-- {name} -->" in file.read_text("utf-8") for file in DOCUMENTS)


def test_generated_tables_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    """`make docs` would change nothing."""
    status = docs.main(["--check"])
    assert (status, capsys.readouterr().out) == (0, "")


def test_a_wrong_table_is_noticed() -> None:
    """A default that is not the code's is put right."""
    right = "| `INGEST_PORT` | integer | `10987` |"
    assert right in docs.updated("<!-- settings -->\n| wrong |\n<!-- /settings -->\n")


@pytest.mark.parametrize(
    "name", [*map(str.upper, Settings.model_fields), *Reason, *ItemReason, *docs.commands()]
)
def test_name_is_documented(name: str) -> None:
    """Every setting, reason and command stands in the operator's manual."""
    assert f"`{name}`" in MANUAL


@pytest.mark.parametrize("alert", RUNBOOKS)
def test_alert_is_documented(alert: str) -> None:
    """Every alert stands in the operator's manual, with a link to its runbook."""
    assert f"[{alert}](runbooks/{alert}.md)" in MANUAL


async def test_metrics_are_documented(exporter: Exporter) -> None:
    """Every metric is in the manual, and no document names an unknown metric."""
    async with exporter.client.get(exporter.admin + "/metrics") as response:
        text = await response.text()
    ours = set(re.findall(r"^# TYPE (push_\w+) ", text, re.MULTILINE))
    ours |= {OLDEST_TRANSACTION, EXPIRY_SECONDS, TLS_EXPIRY}  # over PostgreSQL, with TLS
    assert [name for name in sorted(ours) if f"`{name}`" not in MANUAL] == []
    everywhere = "".join(file.read_text("utf-8") for file in DOCUMENTS)
    named = set(re.findall(r"(?<![\w:])push_[a-z_]+[a-z](?![\w:])", everywhere))
    named = {re.sub("_(bucket|sum|count)$", "", name) for name in named}
    assert named - ours - {"push_result_exporter"} == set()


async def test_status_is_documented(exporter: Exporter) -> None:
    """Every field of the JSON is documented."""
    batch = b'[{"channel": "apns", "code": 2014, "count": 9}, {"channel": "apns", "code": "NEW"}]'
    await exporter.results(batch)
    await exporter.results(b"[{}]")
    for name in ("status", "codes"):
        async with exporter.client.get(f"{exporter.admin}/api/v1/{name}") as response:
            names = {*fields(await response.json())} - {*map(str.upper, Settings.model_fields)}
        missing = [name for name in names if not re.search(rf"`([\w\[\].]+\.)?{name}(\[\])?`", API)]
        assert missing == []


def fields(value: object) -> Iterator[str]:
    """Name the fields of a JSON value, at every depth, except keys that are data."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            if name not in {"severities", "ports", "settings"}:
                yield from fields(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner)


def test_readme_is_read_in_five_minutes() -> None:
    """The README for a newcomer is short."""
    text = README.read_text("utf-8")
    assert len(text.splitlines()) <= 150
    assert 500 <= len(text.split()) <= 1200


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder_has_a_readme_that_readme_links_to(folder: str) -> None:
    """The README links to the README of each folder."""
    assert f"({folder}/README.md)" in README.read_text("utf-8")


@each_document
def test_links_resolve(file: Path) -> None:
    """Every link inside the repository leads to a file, and to a heading that it has."""
    broken = []
    for link in links(file):
        name, _, anchor = link.partition("#")
        target = (file.parent / name).resolve() if name else file
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@each_document
def test_paths_exist(file: Path) -> None:
    """Every file of the repository that a document names is there."""
    top = r"exporter|codes|dashboards|deploy|tests|\.github|\.ci"
    named = re.findall(rf"`((?:{top})/[\w./-]*)`", file.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("file", WITH_EXAMPLES, ids=path)
def test_shell_examples_run(file: Path, tmp_path: Path, keys: KeyPair) -> None:
    """The examples of a document succeed in their order, and print the JSON that is shown."""
    for tool, package in TOOLS.items():
        if any(re.search(rf"\b{tool} ", block.code) for block in runnable(BLOCKS[file])):
            program(tool, package)
    printed = run_examples(BLOCKS[file], tmp_path, keys)
    for example, shown in pairwise(BLOCKS[file]):
        if example in printed and shown.language == "json" and example.leads_to(shown):
            assert json.loads(printed[example]) == json.loads(shown.code)


def test_examples_that_are_not_run_have_a_reason() -> None:
    """An example that no test runs is marked as such, with a reason."""
    marked = [
        block
        for blocks in BLOCKS.values()
        for block in blocks
        if block.language == "sh" and block.code.startswith(NOT_TESTED.rstrip(": "))
    ]
    assert marked
    for block in marked:
        assert re.match(rf"{NOT_TESTED}\w.{{5,}}\n", block.code), block


def check_yaml(code: str, folder: Path) -> None:
    """Check a Prometheus configuration with promtool."""
    data: Any = yaml.safe_load(code)
    if "scrape_configs" in data:
        (folder / "prometheus.yml").write_text(code)
        (folder / "rules.yml").write_bytes(RULES.read_bytes())
        command = [program("promtool", "prometheus"), "check", "config", "prometheus.yml"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)


CHECKS: dict[str, Callable[[str, Path], object]] = {
    "json": lambda code, _: json.loads(code),
    "promql": lambda code, _: promql_parser.parse(code),
    "toml": lambda code, _: tomllib.loads(code),
    "yaml": check_yaml,
}


@pytest.mark.parametrize(
    "block",
    [block for blocks in BLOCKS.values() for block in blocks if block.language in CHECKS],
    ids=str,
)
def test_example_is_well_formed(block: Block, tmp_path: Path) -> None:
    """JSON, PromQL, TOML and YAML that is shown can be read."""
    CHECKS[block.language](block.code, tmp_path)


@each_document
def test_make_targets_exist(file: Path) -> None:
    """Every target that a document names is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", file.read_text("utf-8"))) <= targets
