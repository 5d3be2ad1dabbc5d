"""The tables of the documentation that are generated from the code.

`python -m tests.support.docs` writes each between its markers, as `<!-- settings -->` and
`<!-- /settings -->`; with `--check` it only texts which are not current, and exits with 1.
"""

import argparse
import ast
import asyncio
import dataclasses
import re
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from prometheus_client import Metric
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from exporter.admin.status.status import Status
from exporter.classification.tables import load_tables
from exporter.commands.parser import COMMANDS, build_parser
from exporter.configuration.settings import Settings, load_settings
from exporter.errors import ItemReason, Reason
from exporter.ledger.store import Upkeep
from exporter.metrics.metrics import CertificateCollector, DatabaseCollector, KeyCollector
from exporter.server.logs import configure_logs
from exporter.webhooks.limits import Limits
from tests.support.chart_values import chart_values
from tests.support.exporter import started
from tests.support.fields import docstrings, fields, words
from tests.support.markdown import ROOT, documents
from tests.support.rules import ALERTS, RUNBOOKS

Rows = Sequence[Sequence[str]]
"""The first one is the header."""


def settings_table() -> Rows:
    """List the settings as the operator writes them in the environment."""
    rows = [
        (f"`{name.upper()}`", words(field.annotation), _default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return [("setting", "type", "default", "meaning"), *rows]


def limits_table() -> Rows:
    """List the bounds of the public listener."""
    texts = docstrings(Limits)
    rows = [
        (f"`{field.name}`", f"{field.default:,}".removesuffix(".0"), texts[field.name])
        for field in dataclasses.fields(Limits)
    ]
    return [("limit", "default", "meaning"), *rows]


def reasons_table() -> Rows:
    """List why a request is refused."""
    rows = [
        (
            str(reason.status),
            f"`{reason}`",
            reason.meaning,
            f"after {reason.retry_after} s" if reason.retry_after else "",
        )
        for reason in Reason
    ]
    return [("status", "reason", "meaning", "repeat it"), *rows]


def item_reasons_table() -> Rows:
    """List why an item is rejected."""
    return [("reason", "meaning"), *((f"`{reason}`", reason.meaning) for reason in ItemReason)]


def metrics_table() -> Rows:
    """List the metrics of a running exporter that has counted something."""
    rows = [
        (f"`{_sample_name(metric)}`", metric.type, _labels(metric), metric.documentation)
        for metric in asyncio.run(_scraped())
        if metric.name.startswith("push_")
    ]
    library = ("`process_*`, `python_*`", "", "", "The process and its Python.")
    return [("metric", "type", "labels", "meaning"), *rows, library]


def status_table() -> Rows:
    """List the fields of `/api/v1/status`, `[]` after those that are arrays."""
    return [("field", "type", "meaning"), *fields(Status, "", {})]


def commands_table() -> Rows:
    """List the commands and the flags that are not settings."""
    rows = []
    for name, command in commands().items():
        flags = [*_flags(command)]
        if _settings(command) >= {*Settings.model_fields}:
            flags.append("a flag for each setting")
        rows.append((f"`{name}`", command.description or "", ", ".join(flags)))
    return [("command", "does", "takes"), *rows]


def alerts_table() -> Rows:
    """List the alerts with the first sentence of their runbooks."""
    rows = []
    for alert in ALERTS:
        text = RUNBOOKS[alert.name]
        (texts,) = re.findall(r"^\*\*Severity \w+\.\*\* (.*?\.)", text, re.MULTILINE)
        rows.append((f"[{alert.name}](runbooks/{alert.name}.md)", alert.severity, texts))
    return [("alert", "severity", "meaning"), *rows]


def chart_values_table() -> Rows:
    """List the values of the chart."""
    return [("value", "default", "meaning"), *chart_values()]


def packages_table() -> Rows:
    """List the packages of the exporter, from the top layer of the import contract down."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [contract] = project["tool"]["importlinter"]["contracts"]
    rows = [("layer", "package", "responsibility")]
    layers = contract["layers"]
    for number, layer in zip(range(len(layers), 0, -1), layers, strict=True):
        for name in layer.split(" | "):
            package = ROOT / "exporter" / name
            path = package / "__init__.py" if package.is_dir() else package.with_suffix(".py")
            purpose = ast.get_docstring(ast.parse(path.read_text())) or ""
            shown = f"`{name}{'/' if package.is_dir() else ''}`"
            rows.append((str(number), shown, purpose.partition("\n")[0]))
    return rows


def channels_table() -> Rows:
    """List the channels in reading order with their hints."""
    rows = [
        (
            f"`{table.channel}`",
            table.title,
            ", ".join(
                [f"`{hint}`" for hint in table.aliases]
                + [f"`{hint}` (as spelled)" for hint in table.exact_aliases]
            ),
            "yes" if table.hint_only else "",
            str(len(table.codes)),
        )
        for table in load_tables().values()
    ]
    return [("channel", "service", "other hints", "needs a hint", "rows"), *rows]


TABLES: dict[str, Callable[[], Rows]] = {
    "packages": packages_table,
    "settings": settings_table,
    "limits": limits_table,
    "reasons": reasons_table,
    "item reasons": item_reasons_table,
    "metrics": metrics_table,
    "status": status_table,
    "commands": commands_table,
    "alerts": alerts_table,
    "channels": channels_table,
    "chart values": chart_values_table,
}


def _default(field: FieldInfo) -> str:
    value = field.default
    if value in (None, (), PydanticUndefined):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


async def _scraped() -> list[Metric]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite3"
        settings = load_settings(
            ingest_host="127.0.0.1",
            ingest_port=0,
            admin_port=0,
            allow_unsigned=True,
            ledger_path=path,
        )
        configure_logs("error", "console")
        async with started(settings) as exporter:
            await exporter.post("/webhooks/results", b'{"channel": "apns", "code": 2009}')
            database = DatabaseCollector(Upkeep())  # of a ledger in PostgreSQL
            certificates = CertificateCollector(lambda: {"ingest": 0.0})  # of a listener with TLS
            keys = KeyCollector(lambda: [("mps", "0" * 64)])  # of a gateway with a public key
            others = [*database.collect(), *certificates.collect(), *keys.collect()]
            found = [*exporter.hub.exposition.registry.collect(), *others]
            return list({metric.name: metric for metric in found}.values())


def _sample_name(metric: Metric) -> str:
    return metric.name + "_total" if metric.type == "counter" else metric.name


def _labels(metric: Metric) -> str:
    """Name the labels of a metric's first sample; one without a sample cannot be documented."""
    if not metric.samples:
        raise ValueError(f"{metric.name} has no series after a result was counted")
    return ", ".join(f"`{name}`" for name in metric.samples[0].labels if name != "le")


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command."""
    (action,) = [
        action for action in build_parser(COMMANDS)._actions if action.nargs == argparse.PARSER
    ]
    return dict(action.choices or {})


def _flags(command: argparse.ArgumentParser) -> Iterator[str]:
    """Name the flags of a command, without `--help`, and without those of all settings."""
    settings = _settings(command)
    every = settings >= {*Settings.model_fields}
    for action in command._actions:
        if action.dest != "help" and not (every and action.dest in settings):
            names = action.option_strings or [str(action.metavar or action.dest)]
            yield f"`{names[-1]}`"


def _settings(command: argparse.ArgumentParser) -> set[str]:
    """Return the settings that a command reads."""
    flags = command.get_default("flags")
    return {*flags.settings_cls.model_fields} if flags else set()


def render(rows: Rows) -> str:
    """Write a table in Markdown."""
    lines = [" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows]
    lines.insert(1, " | ".join("---" for _ in rows[0]))
    return "".join(f"| {line} |\n" for line in lines)


def updated(text: str) -> str:
    """Return a document with its tables as they have to be."""

    def table(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- {name} -->\n{render(TABLES[name]())}<!-- /{name} -->"

    return re.sub(r"<!-- (?P<name>[\w ]+) -->\n(.*\n)*?<!-- /(?P=name) -->", table, text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check every document."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(arguments).check
    old = [
        (file, text, updated(text)) for file in documents() for text in [file.read_text("utf-8")]
    ]
    changed = [(file, new) for file, text, new in old if new != text]
    for file, new in changed:
        print(f"{file.relative_to(ROOT)}: {'not current: make docs' if check else 'written'}")
        if not check:
            file.write_text(new, "utf-8")
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
