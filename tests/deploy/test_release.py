"""What is released: one wheel that stands alone, a lock that fits it, one version."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from prometheus_client.parser import text_string_to_metric_families

from exporter.classification.tables import load_tables
from exporter.configuration.version import VERSION
from tests.support.exporter import KeyPair
from tests.support.helm import rendered_now
from tests.support.programs import Launch, exporter_process, fetch, tool

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"].get("optional-dependencies", {})
LOCKS = {
    # The image has the extras, too.
    "requirements.txt": [*PROJECT["project"]["dependencies"], *chain(*EXTRAS.values())],
    "build-requirements.txt": PROJECT["build-system"]["requires"],
}


def locked(name: str) -> dict[str, list[str]]:
    """Read a lock: each version, and the lines of its hashes."""
    found: dict[str, list[str]] = {}
    text = (ROOT / "deploy" / "image" / name).read_text("utf-8").replace("\\\n", "")
    for line in text.splitlines():
        if line and not line.startswith(("#", " ")):
            requirement, *hashes = line.split(" --hash=")
            found[requirement.partition(";")[0].strip()] = hashes
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_lock_satisfies_every_bound(name: str) -> None:
    """Each dependency is locked to a version that pyproject allows, and everything has hashes."""
    lock = locked(name)
    assert all(all(one.strip().startswith("sha256:") for one in lock[line]) for line in lock)
    assert all(lock.values())
    versions = dict(line.split("==") for line in lock)
    for requirement in map(Requirement, LOCKS[name]):
        assert versions[requirement.name] in requirement.specifier, f"{requirement}: make lock"


def test_dependencies_have_a_lower_bound_and_a_reason() -> None:
    """What `make test-lowest` tests is stated, and every dependency says what it is for."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    for requirement in map(Requirement, LOCKS["requirements.txt"]):
        assert [one.operator for one in requirement.specifier] == [">="]
        lines = [one for one in text.splitlines() if f'"{requirement}"' in one]
        assert lines
        assert all("# " in line for line in lines)


def test_version_is_the_same_everywhere() -> None:
    """What manual, compose file and chart call the image is the version of pyproject."""
    assert PROJECT["project"]["version"] == VERSION
    texts = [ROOT / "deploy" / "README.md", ROOT / "deploy" / "compose.yaml"]
    named = [
        re.findall(r"push-result-exporter:(\d[\w.]*)", one.read_text("utf-8")) for one in texts
    ]
    assert all(versions and set(versions) == {VERSION} for versions in named)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.iterdir()
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """Install the wheel alone into a folder far from the checkout."""
    folder = wheel.parent / "site"
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "install", "--no-deps", "--target", folder, wheel], check=True)
    return folder


def test_wheel_holds_all_that_is_needed_and_nothing_else(wheel: Path) -> None:
    """Every file of the package and of the data beside it is inside, byte by byte; no test is."""
    assert wheel.name == f"push_result_exporter-{VERSION}-py3-none-any.whl"
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert "codes" in included
    wanted = {
        f"{target}/{path.relative_to(ROOT / source)}": path.read_bytes()
        for source, target in {"exporter": "exporter", **included}.items()
        for path in (ROOT / source).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        found = {
            name: archive.read(name)
            for name in archive.namelist()
            if not name.startswith(f"push_result_exporter-{VERSION}.dist-info/")
        }
    assert found.keys() == wanted.keys()
    assert found == wanted


def test_sdist_holds_chart_and_dashboards(tmp_path: Path) -> None:
    """The sdist has every file of the chart and of Grafana, including those in linked folders."""
    build = [str(tool("uv")), "build", "--quiet", "--sdist", "--python", sys.executable]
    subprocess.run([*build, "--out-dir", tmp_path, ROOT], check=True)
    with tarfile.open(tmp_path / f"push_result_exporter-{VERSION}.tar.gz") as archive:
        archive.extractall(tmp_path / "out", filter="data")
    deploy = tmp_path / "out" / f"push_result_exporter-{VERSION}" / "deploy"
    for name in ("helm", "grafana"):
        assert contents(deploy / name) == contents(ROOT / "deploy" / name)


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder, through links."""
    return {
        str((place := Path(parent, name)).relative_to(folder)): place.read_bytes()
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
    }


def test_wheel_knows_the_revision_that_a_build_wrote(tmp_path: Path) -> None:
    """A build that writes `exporter/REVISION` makes a wheel whose `--version` names it."""
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "tests", "dist")
    shutil.copytree(ROOT, source, ignore=ignored)
    shutil.copy(ROOT / ".gitignore", source)
    (source / "exporter" / "REVISION").write_text("0123abc\n")
    pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps"]
    subprocess.run([*pip, "--target", tmp_path / "site", source], check=True)
    command = [sys.executable, "-m", "exporter", "--version"]
    done = subprocess.run(command, cwd=tmp_path / "site", capture_output=True, check=True)
    assert b"(revision: 0123abc)\n" in done.stdout


def test_wheel_works_outside_the_checkout(
    installed: Path, tmp_path: Path, keys: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed from the wheel, the command serves, with code tables, pages and runbooks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(installed))
    where = [sys.executable, "-c", "import exporter; print(exporter.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).is_relative_to(installed)
    launch = Launch((sys.executable, str(installed / "bin" / "push-result-exporter"), "serve"))
    with exporter_process(tmp_path, launch, mps_public_key_files=keys.public) as running:
        page = fetch(f"{running.admin}/").decode()
        metrics = fetch(f"{running.admin}/metrics").decode()
        runbook = fetch(f"{running.admin}/runbooks/PushThrottled").decode()
    assert "</html>" in page
    assert "<h2>Do first</h2>" in runbook
    assert f'push_exporter_build_info{{revision="unknown",version="{VERSION}"}}' in metrics
    explained = {
        (sample.labels["channel"], sample.labels["code"])
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if family.name == "push_code_info"
    }
    assert explained > {(one, code) for one, table in load_tables().items() for code in table.codes}


def make(target: str, folder: Path, **variables: str) -> None:
    """Run a target of the Makefile that writes into a folder."""
    given = [f"{name}={value}" for name, value in {"DIST": folder, **variables}.items()]
    subprocess.run(["make", "--silent", target, *given], cwd=ROOT, check=True)


def test_archive_links_to_its_own_runbooks(tmp_path: Path) -> None:
    """The archive has what Prometheus, Alertmanager and Grafana read, with links to the version."""
    make("archive", tmp_path)
    top = f"push-result-exporter-{VERSION}"
    with tarfile.open(tmp_path / f"{top}-monitoring.tar.gz") as archive:
        archive.extractall(tmp_path / "out", filter="data")
    deploy = ROOT / "deploy"
    folders = ("alertmanager", "grafana", "prometheus", "runbooks")
    shipped = [one for name in folders for one in (deploy / name).rglob("*") if one.is_file()]
    for file in shipped:
        found = (tmp_path / "out" / top / file.relative_to(deploy)).read_text("utf-8")
        assert found == file.read_text("utf-8").replace("/blob/main/", f"/blob/v{VERSION}/")


def test_released_chart_names_its_image(tmp_path: Path) -> None:
    """Without a value, the chart of a release installs the image of that release."""
    make("chart", tmp_path, IMAGE="ghcr.io/example/exporter")
    (workload,) = rendered_now({}, "StatefulSet", chart=tmp_path / "push-result-exporter")
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"ghcr.io/example/exporter:{VERSION}"


@pytest.mark.parametrize(
    ("version", "tags"),
    [
        ("11.2.4", ["11.2.4", "11.2", "latest"]),
        ("1.2.10", ["1.2.10", "1.2"]),
        ("1.2.3", ["1.2.3"]),
        ("1.3.0-rc.1", ["1.3.0-rc.1"]),
    ],
)
def test_image_tags_move_forward_only(version: str, tags: list[str]) -> None:
    """X.Y and latest are the newest release, whichever is tagged last; a candidate is neither."""
    released = "1.2.3\n1.2.10\n11.2.4\n1.3.0-rc.1\n9.9.9.9\n"
    script = ROOT / ".github" / "image-tags.sh"
    done = subprocess.run(
        [script, version], input=released, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == tags


def test_base_image_is_pinned() -> None:
    """The base has a version and a digest, in a line that Dependabot reads, for each stage."""
    lines = re.findall(r"^FROM (.*)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64} AS base", lines[0])
    assert [line.split()[0] for line in lines[1:]] == ["${BASE}"] * 2


def test_pythons_are_the_same_everywhere() -> None:
    """The versions of the classifiers are those that the workflow and `make test-pythons` test."""
    classified = [
        one.rpartition(" ")[2] for one in PROJECT["project"]["classifiers"] if "Python :: 3" in one
    ]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert classified == [oldest, *workflow["jobs"]["pythons"]["strategy"]["matrix"]["python"]]
    assert f"VERSIONS = {' '.join(classified)}\n" in (ROOT / "Makefile").read_text("utf-8")
