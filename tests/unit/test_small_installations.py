"""The files of docs/one-server.md: everything in one container, or one service of systemd."""

import configparser
import json
import shlex
from importlib import resources

from jsonschema import Draft7Validator

from deploy.procfile import ROOT
from tests.harness.deploy_files import DEPLOY, copied, let_through, read

ALL = ["python", "-m", "deploy.all"]


def test_compose_understands_the_small_file() -> None:
    path = resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    errors = Draft7Validator(json.loads(path.read_text())).iter_errors(read("compose.small.yaml"))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_each_runs_the_same_command_over_a_volume() -> None:
    (service,) = read("compose.small.yaml")["services"].values()
    assert service["command"] == ALL
    assert "data:/data" in service["volumes"]
    fly = read("fly.small.toml")
    assert {name: shlex.split(command) for name, command in fly["processes"].items()} == {
        "all": ALL
    }
    assert fly["mounts"]["destination"] == "/data"
    railway = read("railway/all/railway.json")["deploy"]
    assert shlex.split(railway["startCommand"]) == ALL
    assert railway["requiredMountPath"] == "/data"
    assert "DATA_DIR=/data" in (DEPLOY / "Dockerfile").read_text()


def test_the_small_container_is_restricted_as_the_large_ones_are() -> None:
    (small,) = read("compose.small.yaml")["services"].values()
    web = read("compose.yaml")["services"]["web"]
    for name in ("read_only", "cap_drop", "security_opt", "restart", "stop_grace_period"):
        assert small[name] == web[name], name


def test_systemd_starts_it_as_a_user_without_rights_and_stops_redis_last() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names have capitals
    unit.read(DEPLOY / "fluxkeep.service")
    service = unit["Service"]
    assert shlex.split(service["ExecStart"])[1:] == ALL[1:]
    assert service["User"] == "fluxkeep"
    assert service["KillMode"] == "mixed"
    assert int(service["TimeoutStopSec"]) > 27
    assert f"DATA_DIR=/var/lib/{service['StateDirectory']}" in service["Environment"]


def test_the_image_has_what_the_one_container_runs() -> None:
    sources = set(copied())
    for name in ("all", "local_redis", "procfile", "supervisor", "volume"):
        path = f"deploy/{name}.py"
        assert path in sources
        assert let_through(path)
    assert "Procfile" in sources
    pins = (ROOT / "deploy/requirements-embedded.txt").read_text()
    local_pins = (ROOT / "deploy/requirements-local.txt").read_text()
    for line in pins.splitlines():
        if line.startswith(("valkey", "    --hash")):
            assert line in local_pins
