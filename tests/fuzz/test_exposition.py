"""Whatever text senders and operators write, both formats of /metrics stay readable and right."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as classic_families

from exporter.errors import ConfigurationError
from tests.support.exporter import KeyPair
from tests.support.fuzzing import PROFILE, Fuzzed, fuzzed
from tests.support.programs import program

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
ANY = st.text(st.characters(exclude_categories=()), max_size=30)  # halves of surrogate pairs, too
ITEMS = st.lists(
    st.fixed_dictionaries(
        {"code": ANY | st.sampled_from([2009, 10072, "NEW"])},
        optional={"channel": ANY | st.just("vivo"), "message": ANY, "id": ANY},
    ),
    max_size=5,
)
PARSE_CLASSIC: Callable[[str], Any] = classic_families
PARSE_OPENMETRICS: Callable[[str], Any] = openmetrics_families
TABLE = """channel = "custom"
[codes.7]
name = {text}
description = {text}
severity = "error"
category = "config"
retry = "no"
action = {text}
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the operator's table, with nothing odd in it yet."""
    path = tmp_path_factory.mktemp("tables") / "custom.toml"
    path.write_text(TABLE.format(text='"x"'))
    return path


@pytest.fixture(scope="module")
def target(
    tmp_path_factory: pytest.TempPathFactory, keys: KeyPair, table: Path
) -> Iterator[Fuzzed]:
    """Run one exporter for all examples."""
    folder = tmp_path_factory.mktemp("exposition")
    with fuzzed(folder, keys, code_table_files=[table], dedupe_window_seconds=0) as running:
        yield running


def toml(text: str) -> str:
    """Write any text as TOML does; half a surrogate pair cannot stand in a file."""
    clean = text.encode("utf-8", "replace").decode()
    return json.dumps(clean).replace("\x7f", "\\u007f")


@pytest.mark.slow
@settings(PROFILE, max_examples=PROFILE.max_examples // 10)  # each reloads, scrapes and parses
@given(items=ITEMS, text=ANY)
@example(items=[{"channel": "vivo", "code": 10072, "id": "a\0b"}], text="\0")
@example(items=[{"channel": "vivo", "code": 10072, "id": "\ud83d"}], text='"\\\n')
@example(items=[{"channel": "vivo", "code": 10072, "id": 'a"b"c"d'}], text="x\u2028y")
@example(items=[{"channel": "\0", "code": "\ud83d", "message": "\0"}], text=" ")
def test_any_text_leaves_metrics_readable(
    target: Fuzzed, table: Path, items: list[dict[str, Any]], text: str
) -> None:
    """Both formats parse, promtool reads them, and every count is there."""
    table.write_text(TABLE.format(text=toml(text)), "utf-8")
    try:
        target.exporter.current.reload()
    except ConfigurationError:
        table.write_text(TABLE.format(text='"x"'))  # a name that is none: the file is refused
        target.exporter.current.reload()
        target.discard_logs()  # the refusal is logged as an error, and is the operator's
    target.results(json.dumps([*items, {"channel": "custom", "code": 7}]).encode())
    classic = target.run(scrape(target, {}))
    openmetrics = target.run(scrape(target, OPENMETRICS))
    expected = target.counted()
    assert total(PARSE_CLASSIC(classic)) == expected
    assert total(PARSE_OPENMETRICS(openmetrics)) == expected
    checked = subprocess.run(
        [program("promtool", "prometheus"), "check", "metrics"],
        input=classic.encode(),
        capture_output=True,
        check=False,
    )
    assert checked.returncode in (0, 3), checked.stderr  # 3: advice on names, which are contract
    target.check_logs()


async def scrape(target: Fuzzed, headers: dict[str, str]) -> str:
    """Scrape in one of the formats."""
    url = f"{target.exporter.admin}/metrics"
    async with target.exporter.client.get(url, headers=headers) as response:
        assert response.status == 200
        return (await response.read()).decode()


def total(families: Any) -> float:
    """Add up the results of an exposition."""
    values: list[float] = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "push_results_total"
    ]
    return sum(values)
