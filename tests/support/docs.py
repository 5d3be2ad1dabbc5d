"""The tables of the documentation that are generated from the code.

`python -m tests.support.docs` writes each between its markers, as `<!-- settings -->` and
`<!-- /settings -->`; with `--check` it only says which are not current, and exits with 1.
"""

import argparse
import ast
import asyncio
import inspect
import re
import sys
import tempfile
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import Metric
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from exporter.admin.status import Status
from exporter.commands.main import _parser
from exporter.reasons import CALLS, ITEMS
from exporter.settings import Settings, load_settings
from exporter.webhooks.handler import STATUS
from tests.support.exporter import started
from tests.support.markdown import ROOT, documents
from tests.support.rules import ALERTS, RUNBOOKS

Rows = Sequence[Sequence[str]]
"""The first one is the header."""

_TYPES = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    Path: "file",
    Any: "any",
}


def settings_table() -> Rows:
    """List the settings as the operator writes them in the environment."""
    rows = [
        (f"`{name.upper()}`", _words(field.annotation), _default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return [("setting", "type", "default", "meaning"), *rows]


def reasons_table() -> Rows:
    """List why a request is refused."""
    rows = [(str(STATUS.get(name, 400)), f"`{name}`", text) for name, text in CALLS.items()]
    return [("status", "reason", "meaning"), *rows]


def item_reasons_table() -> Rows:
    """List why an item is rejected."""
    return [("reason", "meaning"), *((f"`{name}`", text) for name, text in ITEMS.items())]


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
    return [("field", "type", "meaning"), *_fields(Status, "")]


def commands_table() -> Rows:
    """List the commands and the flags that are not settings."""
    rows = []
    for name, command in _commands().items():
        flags = [*_flags(command)]
        if getattr(command.get_default("flags"), "settings_cls", None):
            flags.append("a flag for each setting")
        rows.append((f"`{name}`", command.description or "", ", ".join(flags)))
    return [("command", "does", "takes"), *rows]


def alerts_table() -> Rows:
    """List the alerts with the first sentence of their runbooks."""
    rows = []
    for alert in ALERTS:
        first = re.search(r"^\*\*Severity \w+\.\*\* (.*)$", RUNBOOKS[alert.name], re.MULTILINE)
        says = first[1] if first else ""
        link = f"[{alert.name}](runbooks/{alert.name}.md)"
        rows.append((link, alert.severity, says))
    return [("alert", "severity", "says"), *rows]


TABLES: dict[str, Callable[[], Rows]] = {
    "settings": settings_table,
    "reasons": reasons_table,
    "item reasons": item_reasons_table,
    "metrics": metrics_table,
    "status": status_table,
    "commands": commands_table,
    "alerts": alerts_table,
}


def _words(annotation: Any) -> str:
    """Say a type in the words of someone who writes TOML or JSON."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _words(arguments[0])
    if origin is typing.Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(one) for one in arguments if one is not types.NoneType)
    if origin in (list, tuple):
        return f"list of {_words(arguments[0])}s" if arguments[0] in _TYPES else "list"
    if origin is dict:
        return f"object of {_words(arguments[1])}s" if arguments[1] is not Any else "object"
    return _TYPES.get(annotation) or ("object" if _is_struct(annotation) else "text")


def _default(field: FieldInfo) -> str:
    value = field.default
    if value in (None, (), PydanticUndefined):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _fields(struct: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, str, str]]:
    """List the fields of a struct and of the structs inside it."""
    says = _docstrings(struct)
    for field in msgspec.structs.fields(struct):
        inner = [one for one in _parts(field.type) if _is_struct(one)]
        array = "[]" if typing.get_origin(field.type) is list else ""
        meaning = says.get(field.name) or next((_summary(one) for one in inner), "")
        optional = " or null" if types.NoneType in typing.get_args(field.type) else ""
        yield f"`{prefix}{field.name}{array}`", _words(field.type) + optional, meaning
        for one in inner:
            yield from _fields(one, f"{prefix}{field.name}{array}.")


def _parts(kind: Any) -> Iterator[Any]:
    yield kind
    for argument in typing.get_args(kind):
        yield from _parts(argument)


def _summary(struct: type[msgspec.Struct]) -> str:
    return (struct.__doc__ or "").partition("\n\n")[0]


def _docstrings(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Read the strings that stand below the fields of a struct, which Python does not keep."""
    (definition,) = ast.parse(inspect.getsource(struct)).body
    found = {}
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    for field, text in zip(body, body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str())):
                found[name] = " ".join(text.value.value.split())  # type: ignore[attr-defined]
    return found


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
        async with started(settings) as exporter:
            await exporter.post("/webhooks/results", b'{"channel": "apns", "code": 2009}')
            return list(exporter.service.metrics.registry.collect())


def _sample_name(metric: Metric) -> str:
    return metric.name + "_total" if metric.type == "counter" else metric.name


def _labels(metric: Metric) -> str:
    """Name the labels of a metric's first sample; one without a sample cannot be documented."""
    if not metric.samples:
        raise ValueError(f"{metric.name} has no series after a result was counted")
    return ", ".join(f"`{name}`" for name in metric.samples[0].labels if name != "le")


def _commands() -> dict[str, argparse.ArgumentParser]:
    (action,) = [one for one in _parser()._actions if one.nargs == argparse.PARSER]
    return dict(action.choices or {})  # type: ignore[call-overload]


def _flags(command: argparse.ArgumentParser) -> Iterator[str]:
    """Name what a command takes besides the settings and `--help`."""
    settings = {*Settings.model_fields} if command.get_default("flags") else set()
    for action in command._actions:
        if action.dest not in settings | {"help"}:
            words = action.option_strings or [str(action.metavar or action.dest)]
            yield f"`{words[-1]}`"


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
    old = [(file, text, updated(text)) for file in documents() for text in [file.read_text("utf-8")]]
    changed = [(file, new) for file, text, new in old if new != text]
    for file, new in changed:
        print(f"{file.relative_to(ROOT)}: {'not current: make docs' if check else 'written'}")
        if not check:
            file.write_text(new, "utf-8")
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
