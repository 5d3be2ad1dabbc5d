"""What operators apply from deploy/: each file is read as its program reads it."""

import asyncio
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from exporter.configuration.settings import Settings, load_settings
from tests.support.certificates import make_certificate
from tests.support.exporter import MakeSettings, started
from tests.support.markdown import ROOT
from tests.support.programs import checked, free_port, program, tool
from tests.support.rules import DEPLOY

# ---------------------------------------------------------------- image


def test_dockerfile_is_clean() -> None:
    """Hadolint finds nothing."""
    checked(tool("hadolint"), ROOT / "Dockerfile")


def test_builder_gets_what_it_needs_alone() -> None:
    """What the wheel is built from is let through to the builder, and what is not does not go."""
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in lines
    kept = {line[2:] for line in lines if line.startswith("!/")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    needed = {"LICENSE", "README.md", "deploy/image", "exporter", "pyproject.toml", *included}
    assert kept - {"deploy/runbooks"} == needed - {"deploy/runbooks"}
    assert all((ROOT / one).exists() for one in kept)


async def health_check(port: int, *words: object, **environment: object) -> int:
    """Run the image's health check as the engine does."""
    given = {"ingest_port": port} | environment
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-SI",
        DEPLOY / "image" / "healthcheck.py",
        *map(str, words),
        env={f"PUSH_EXPORTER_{name.upper()}": str(value) for name, value in given.items()},
    )
    return await process.wait()


@pytest.mark.parametrize("prefix", ["", "tls", "ingest_tls"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
async def test_health_check(
    make_settings: MakeSettings, tmp_path: Path, host: str, prefix: str
) -> None:
    """A running exporter is healthy and ready at any address, with TLS too; no other is."""
    port = free_port()
    settings: dict[str, object] = {"ingest_port": port, "ingest_host": host}
    tls: dict[str, object] = {}
    if prefix:
        certificate = make_certificate(tmp_path, "exporter")
        tls = {f"{prefix}_cert_file": certificate.chain, f"{prefix}_key_file": certificate.key}
    async with started(make_settings(**settings, **tls)):
        # What is set by a flag or a file, the check does not see.
        seen = {} if host in {"0.0.0.0", "::"} else {"ingest_host": host}
        assert await health_check(port, **seen) == 0
        assert await health_check(port, "/-/ready", ingest_host=host, **tls) == 0
    assert await health_check(port, ingest_host=host) == 1


async def test_health_check_tells_a_full_disk(make_settings: MakeSettings, tmp_path: Path) -> None:
    """An exporter that cannot write its ledger is healthy, as no restart helps, but not ready."""
    (tmp_path / "full").touch()
    port = free_port()
    async with started(make_settings(ingest_port=port, ledger_path=tmp_path / "full" / "ledger")):
        assert await health_check(port) == 0
        assert await health_check(port, "/-/ready") == 1


# ---------------------------------------------------------------- systemd, load balancers

UNIT = DEPLOY / "systemd" / "push-result-exporter.service"
TEMPLATE = DEPLOY / "systemd" / "push-result-exporter@.service"
DROP_IN = DEPLOY / "systemd" / "postgresql.conf"
NGINX = DEPLOY / "nginx" / "push-result-exporter.conf"
HAPROXY = DEPLOY / "haproxy" / "haproxy.cfg"


@pytest.fixture(params=[None, DROP_IN], ids=["alone", "postgresql"])
def units(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    """Give the units as installed for the exporter of these tests, the template as instance 1."""
    home = "/opt/push-result-exporter/bin/push-result-exporter"
    made = []
    for unit, name in ((UNIT, UNIT.name), (TEMPLATE, TEMPLATE.name.replace("@", "@1"))):
        text = unit.read_text("utf-8")
        assert home in text
        made.append(tmp_path / name)
        made[-1].write_text(text.replace(home, str(tool("push-result-exporter"))))
        shutil.copy(unit.with_suffix(".socket"), made[-1].with_suffix(".socket"))
        if request.param:
            folder = tmp_path / f"{name}.d"
            folder.mkdir()
            shutil.copy(request.param, folder)
    return made


def test_units_are_valid_and_confined(units: list[Path]) -> None:
    """Systemd knows every line, and puts the exposure at 1.5 of 10 at most."""
    analyze = program("systemd-analyze", "systemd")
    for unit in units:
        for one in (unit, unit.with_suffix(".socket")):
            done = subprocess.run(
                [analyze, "verify", one], capture_output=True, text=True, check=True
            )
            assert not done.stderr
        checked(analyze, "security", "--offline=true", "--threshold=15", unit)


def test_drop_in_is_read(units: list[Path]) -> None:
    """A drop-in beside the unit is part of what systemd checks: a mistake in it is found."""
    folder = units[0].with_name(f"{units[0].name}.d")
    folder.mkdir(exist_ok=True)
    (folder / "zz.conf").write_text("[Service]\nNoSuchSetting=1\n")
    analyze = program("systemd-analyze", "systemd")
    done = subprocess.run(
        [analyze, "verify", units[0]], capture_output=True, text=True, check=False
    )
    assert "NoSuchSetting" in done.stderr


def test_drop_in_sets_what_the_exporter_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the unit's environment its own is one that the exporter starts with."""
    (tmp_path / "mps-public-key").touch()
    (tmp_path / "ledger-password").touch()
    specifiers = {"%d": str(tmp_path), "%S": str(tmp_path), "%H": "host", "%N": UNIT.stem}
    for line in re.findall(
        r"^Environment=(.*)$", UNIT.read_text() + DROP_IN.read_text(), re.MULTILINE
    ):
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, re.sub("%.", lambda match: specifiers[match[0]], value))
    settings = load_settings()
    assert settings.ledger_url == "postgresql://push@db.example.com/push"
    assert settings.ledger_password_file == tmp_path / "ledger-password"
    assert settings.instance == "host-push-result-exporter"


def test_sockets_have_the_ports_of_the_services() -> None:
    """Each socket unit listens where its service would, under the name that the exporter knows."""
    for service in (UNIT, TEMPLATE):
        port = re.search(r"INGEST_PORT=(\S+)", service.read_text("utf-8"))
        text = service.with_suffix(".socket").read_text("utf-8")
        listen = re.search(r"^ListenStream=(?:127\.0\.0\.1:)?(\S+)$", text, re.MULTILINE)
        assert listen
        assert listen[1] == (port[1] if port else str(Settings.model_fields["ingest_port"].default))
        assert "FileDescriptorName=ingest\n" in text


def test_template_is_the_unit_with_ports() -> None:
    """The two units differ in their names, ports and folders alone."""
    unit, template = (one.read_text("utf-8").partition("[Unit]")[2] for one in (UNIT, TEMPLATE))
    ports = re.search(r"# Reachable only by nginx.*?\n\n", template, re.DOTALL)
    assert ports
    assert unit == template.replace(ports[0], "").replace(" (%i)", "").replace("-%i", "")


@pytest.mark.parametrize("config", [NGINX, HAPROXY])
def test_instances_are_where_load_balancers_look(config: Path) -> None:
    """The group of exporters with a SQLite ledger has the ports of instances 1, 2 and 3."""
    port = re.search(r"INGEST_PORT=(\S+)", TEMPLATE.read_text("utf-8"))
    assert port
    instances = [port[1].replace("%i", str(number)) for number in (1, 2, 3)]
    addresses = re.findall(
        r"^ +server .*127\.0\.0\.1:(\d+)", config.read_text("utf-8"), re.MULTILINE
    )
    assert [one for one in addresses if one != "10987"] == instances


def test_nginx_closes_idle_connections_first() -> None:
    """The exporter never closes a connection on which nginx may just be sending a request."""
    upstreams = NGINX.read_text("utf-8").partition("\nserver {")[0]
    seconds = re.findall(r"^ +keepalive_timeout (\d+)s;", upstreams, re.MULTILINE)
    assert len(seconds) == upstreams.count("\nupstream ")
    assert max(map(int, seconds)) < Settings.model_fields["keepalive_seconds"].default


def test_haproxy_knows_its_configuration(tmp_path: Path) -> None:
    """HAProxy accepts the file without a warning."""
    certificate = make_certificate(tmp_path, "push.example.com")
    chain = tmp_path / "push.pem"
    chain.write_bytes(certificate.chain.read_bytes() + certificate.key.read_bytes())
    text = HAPROXY.read_text("utf-8").replace("/etc/haproxy/push.example.com.pem", str(chain))
    (tmp_path / "haproxy.cfg").write_text(text)
    checked(program("haproxy", "haproxy"), "-c", "-dW", "-f", tmp_path / "haproxy.cfg")
