"""The chart as Helm renders it: sets of values, and what each renders to, committed beside them.

`make renderings` writes the renderings; a change of the chart is reviewed as their difference.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "push-result-exporter"
FOLDER = Path(__file__).parents[1] / "deploy" / "helm"
SETS = sorted(path.name.removesuffix(".values.yaml") for path in FOLDER.glob("*.values.yaml"))
IMAGE = {"image": {"repository": "registry.example.com/push-result-exporter"}}
"""The only required value."""

BUILT = re.compile(r"^(spec|data):(\n .*|\n$)+", re.MULTILINE)

# In a process of its own, since the library brings the threads of Go.
RENDER = """
import json, pathlib, re, shutil, sys, tempfile
import helm_python as helm

def render(chart, values, name, version):
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(shutil.copytree(chart, pathlib.Path(folder, "chart")))
        if version:
            file = copy / "Chart.yaml"
            file.write_text(re.sub("(?m)^version: .*", f"version: {version}", file.read_text()))
        with helm.Chart.load(helm.package(str(copy), destination=folder)) as loaded:
            loaded.validate_schema(values)
            texts = loaded.render(values, name=name, namespace="push")
        messages = helm.lint(str(copy), values, strict=True)["messages"]
        assert not [one for one in messages if one["severity"] > 1], messages
        return texts

def attempt(request):
    try:
        return render(**request)
    except Exception as error:
        return str(error)

print(json.dumps([attempt(one) for one in json.load(sys.stdin)]))
"""

Manifest = dict[str, Any]


class Request(NamedTuple):
    """A chart to render with values, as a release."""

    values: dict[str, Any]
    name: str = "demo"
    version: str = ""
    """The version of the chart, where it is not its own."""
    chart: str = str(CHART)


def render(*requests: Request) -> list[Any]:
    """Render charts; return the text of each template by its path, or the error of Helm."""
    given = json.dumps([request._asdict() for request in requests])
    command = [sys.executable, "-c", RENDER]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


class GoLoader(yaml.SafeLoader):
    """Reads numbers as the parser of Kubernetes does, to which 1e6 is one."""


_EXPONENT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")
GoLoader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


def objects(text: str, *kinds: str) -> list[Manifest]:
    """Return the objects in a text, all or those of some kinds."""
    found = yaml.load_all(text, GoLoader)
    return [
        found_object
        for found_object in found
        if found_object and (not kinds or found_object["kind"] in kinds)
    ]


def rendered(name: str, *kinds: str) -> list[Manifest]:
    """Return the objects of a set, all or those of some kinds, as they are committed."""
    return objects((FOLDER / f"{name}.rendered.yaml").read_text("utf-8"), *kinds)


def rendered_now(values: dict[str, Any], *kinds: str, chart: Path = CHART) -> list[Manifest]:
    """Render a chart; return its objects, all or those of some kinds."""
    (texts,) = render(Request(values, chart=str(chart)))
    assert isinstance(texts, dict), texts
    parts = (text for path, text in texts.items() if path.endswith(".yaml"))
    return objects("\n---\n".join(parts), *kinds)


def request_of(name: str) -> Request:
    """Return the request to render a set; its file may have a line `# release: NAME VERSION`."""
    text = (FOLDER / f"{name}.values.yaml").read_text("utf-8")
    release = re.search(r"^# release: (\S+) (\S+)$", text, re.MULTILINE)
    return Request(IMAGE | yaml.safe_load(text), *(release.groups() if release else ()))


def renderings() -> Iterable[tuple[Path, str]]:
    """Render all sets; give the file and the text of each."""
    for name, texts in zip(SETS, render(*map(request_of, SETS)), strict=True):
        assert isinstance(texts, dict), f"{name}: {texts}"
        yield FOLDER / f"{name}.rendered.yaml", "".join(_parts(texts))


def _parts(texts: dict[str, str]) -> Iterable[str]:
    """Give the notes as comments, then the objects; rules and dashboards are built elsewhere."""
    for path, text in sorted(texts.items()):
        source, content = path.partition("/templates/")[2], text.strip().removeprefix("---").strip()
        if source == "NOTES.txt":
            yield "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())
        elif content:
            built = source in {"dashboards.yaml", "prometheusrule.yaml"}
            content = BUILT.sub(r"\1: {}", content) if built else content
            yield f"---\n# {source}\n{content}\n"


if __name__ == "__main__":
    for file, rendering in renderings():
        file.write_text(rendering, "utf-8")
