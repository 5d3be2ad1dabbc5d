"""The chart as Helm itself renders it, for sets of values."""

import functools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "push-result-exporter"
FOLDER = Path(__file__).parents[1] / "deploy" / "helm"
IMAGE = {"image": {"repository": "registry.example.com/push-result-exporter"}}
"""The only value that has to be given."""

SETS: dict[str, dict[str, Any]] = {"default": IMAGE} | {
    path.stem: IMAGE | yaml.safe_load(path.read_text("utf-8")) for path in FOLDER.glob("*.yaml")
}

# In a process of its own, since the library brings the threads of Go.
RENDER = """
import json, sys, helm_python as helm
chart, values, folder, install = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], sys.argv[4]
with helm.Chart.load(helm.package(chart, destination=folder)) as loaded:
    loaded.validate_schema(values)
    rendered = loaded.render(values, name=install, namespace="push")
print(json.dumps([rendered, helm.lint(chart, values, strict=True)]))
"""

Manifest = dict[str, Any]


def helm(
    values: dict[str, Any], folder: Path, chart: Path = CHART, install: str = "demo"
) -> subprocess.CompletedProcess[str]:
    """Package a chart into a folder, and render and lint it with these values."""
    command = [sys.executable, "-c", RENDER, str(chart), json.dumps(values), str(folder), install]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Release:
    """What a chart renders to."""

    def __init__(self, values: dict[str, Any], chart: Path = CHART) -> None:
        with tempfile.TemporaryDirectory() as folder:
            done = helm(values, Path(folder), chart)
        assert done.returncode == 0, done.stderr
        rendered, lint = json.loads(done.stdout)
        assert not lint["errors"]
        assert not [one for one in lint["messages"] if one["severity"] > 1]
        self.notes = next(text for path, text in rendered.items() if path.endswith("NOTES.txt"))
        self.texts = {path: text for path, text in rendered.items() if path.endswith(".yaml")}
        self.manifests: list[Manifest] = [
            one for text in self.texts.values() for one in yaml.safe_load_all(text) if one
        ]

    def kinds(self, *kinds: str) -> list[Manifest]:
        """Return the objects of some kinds."""
        return [one for one in self.manifests if one["kind"] in kinds]

    @property
    def workload(self) -> Manifest:
        """Return the StatefulSet or Deployment."""
        (workload,) = self.kinds("StatefulSet", "Deployment")
        return workload

    @property
    def pod(self) -> Manifest:
        """Return the specification of the exporter's Pods."""
        spec: Manifest = self.workload["spec"]["template"]["spec"]
        return spec

    @property
    def container(self) -> Manifest:
        """Return the exporter's container."""
        (container,) = [one for one in self.pod["containers"] if one["name"] == "exporter"]
        return dict(container)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the exporter, but for what comes from elsewhere."""
        return {one["name"]: one["value"] for one in self.container["env"] if "value" in one}


@functools.cache
def released(name: str) -> Release:
    """Render each set once."""
    return Release(SETS[name])
