"""Platforms understand our files, which repeat the Procfile, the settings and the code."""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from itertools import chain

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft7Validator

from deploy import procfile
from deploy.procfile import ROOT
from jobs.config.environment import PROVIDER_PREFIXES
from jobs.config.settings import Settings
from tests.harness.deploy_files import (
    DEPLOY,
    KUBERNETES,
    copied,
    let_through,
    manifests,
    pods,
    read,
)
from tests.harness.documents import page

LINES = procfile.entries()
RUNNING = procfile.commands()
# What others than Fluxkeep read: Python, and deploy/compose.yaml.
FOREIGN = {"TMPDIR", "REDIS_PASSWORD", "POSTGRES_PASSWORD", "SUBNET", "WORKERS"}
SHARED = {"REDIS_URL", "DATABASE_URL", "MEDIA_URL"}
Commands = dict[str, list[str]]


def split(commands: dict[str, str]) -> Commands:
    return {name: shlex.split(command) for name, command in commands.items()}


CORE = ("v1", "apps/v1", "policy/v1", "networking.k8s.io/v1")


def test_compose_understands_its_file() -> None:
    found = resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    schema = json.loads(found.read_text())
    errors = Draft7Validator(schema).iter_errors(read("compose.yaml"))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


@pytest.mark.parametrize("version", ["1.31", "1.34"])
def test_kubernetes_understands_every_manifest(version: str) -> None:
    for one in manifests():
        if one["apiVersion"] in CORE:
            kubernetes_validate.validate(one, version, strict=True)


def test_kustomize_lists_exactly_the_files() -> None:
    known = read("kubernetes/kustomization.yaml")["resources"]
    there = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(known) == there
    kinds = {one["apiVersion"] for one in manifests()}
    assert kinds == {*CORE, "keda.sh/v1alpha1"}


def of_compose() -> Commands:
    services = read("compose.yaml")["services"]
    assert services.keys() - LINES.keys() == {"redis", "postgres"}
    return {name: services[name]["command"] for name in LINES}


def of_render() -> Commands:
    services = [one for one in read("render.yaml")["services"] if one["type"] != "keyvalue"]
    found = {one["name"].removeprefix("fluxkeep-"): one["dockerCommand"] for one in services}
    release = next(one["preDeployCommand"] for one in services if one["type"] == "web")
    return split(found | {"release": release})


def of_fly() -> Commands:
    fly = read("fly.toml")
    assert int(fly["env"]["PORT"]) == fly["http_service"]["internal_port"]
    return split(fly["processes"] | {"release": fly["deploy"]["release_command"]})


def of_railway() -> Commands:
    deploys = {name: read(f"railway/{name}/railway.json")["deploy"] for name in RUNNING}
    (release,) = deploys["web"]["preDeployCommand"]
    found = {name: deploy["startCommand"] for name, deploy in deploys.items()}
    return split(found | {"release": release})


def of_kubernetes() -> Commands:
    release = pods()["web"]["initContainers"][0]["command"]
    found = {name: pod["containers"][0]["command"] for name, pod in pods().items()}
    return found | {"release": release}


@pytest.mark.parametrize("commands", [of_compose, of_render, of_fly, of_railway, of_kubernetes])
def test_a_platform_runs_the_procfile(commands: Callable[[], Commands]) -> None:
    assert commands() == LINES


def test_image_and_heroku_run_the_processes_of_the_procfile() -> None:
    assert [*LINES] == ["web", "worker", "sweep", "release"] and [*RUNNING] == [*LINES][:-1]
    assert read("app.json")["formation"].keys() == RUNNING.keys()
    (command,) = re.findall(r"^CMD (\[.+\])$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert yaml.safe_load(command) == LINES["web"]


def of_pods() -> Iterator[str]:
    (made,) = read("kubernetes/kustomization.yaml")["configMapGenerator"]
    yield from (entry.partition("=")[0] for entry in made["literals"])
    for pod in pods().values():
        yield from (entry["name"] for entry in pod["containers"][0].get("env", []))


def of_render_groups() -> Iterator[str]:
    blueprint = read("render.yaml")
    for one in [*blueprint["services"], *blueprint["envVarGroups"]]:
        yield from (entry["key"] for entry in one.get("envVars", []) if "key" in entry)


VARIABLES: dict[str, Iterable[str]] = {
    "app.json": read("app.json")["env"],
    "render.yaml": of_render_groups(),
    "fly.toml": read("fly.toml")["env"],
    "compose.yaml": chain(*(read("compose.yaml")["services"][n]["environment"] for n in LINES)),
    "kubernetes": of_pods(),
    "env.example": re.findall(r"^#?([A-Z_]+)=", (DEPLOY / "env.example").read_text(), re.MULTILINE),
}


@pytest.mark.parametrize("names", VARIABLES.values(), ids=VARIABLES)
def test_every_variable_that_is_set_is_one_that_exists(names: Iterable[str]) -> None:
    known = {name.upper() for name in Settings.model_fields} | FOREIGN
    unknown = {*names} - known
    assert not {name for name in unknown if not name.startswith(PROVIDER_PREFIXES)}


def test_every_process_on_render_has_what_production_needs() -> None:
    blueprint = read("render.yaml")
    shared = {entry["key"] for entry in blueprint["envVarGroups"][0]["envVars"]}
    needed = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    for service in blueprint["services"][1:]:
        own = {entry["key"] for entry in service["envVars"] if "key" in entry}
        assert needed | {*SHARED, "PUBLIC_URL"} <= own | shared, service["name"]


def test_every_process_in_compose_has_redis_database_and_storage() -> None:
    services = read("compose.yaml")["services"]
    for name in LINES:
        assert services[name]["environment"].keys() >= SHARED, name
    assert services["release"]["depends_on"].keys() == {"redis", "postgres"}
    command = " ".join(services["redis"]["command"])
    for option in ("--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction"):
        assert option in command


def test_every_container_in_kubernetes_reads_the_secret_and_may_reach_the_database() -> None:
    for pod in pods().values():
        for one in [*pod["containers"], *pod.get("initContainers", [])]:
            assert {"secretRef": {"name": "fluxkeep"}} in one["envFrom"]
    (policy,) = (one for one in manifests() if one.get("spec", {}).get("podSelector") == {})
    ports = chain(*(rule["ports"] for rule in policy["spec"]["egress"]))
    assert {6379, 5432, 443} <= {rule["port"] for rule in ports}


def test_render_and_heroku_make_the_database_that_they_name() -> None:
    blueprint = read("render.yaml")
    made = {one["name"] for one in blueprint["databases"]}
    entries = chain(*(one.get("envVars", []) for one in blueprint["services"]))
    named = {entry["fromDatabase"]["name"] for entry in entries if "fromDatabase" in entry}
    assert made == named
    assert [one["as"] for one in read("app.json")["addons"]] == ["REDIS", "DATABASE"]


@pytest.mark.parametrize("platform", ["Heroku", "Render", "Fly", "Railway", "Kubernetes"])
def test_the_steps_for_a_platform_say_where_its_database_comes_from(platform: str) -> None:
    section = (
        page("docs/deploy.md").read_text().partition(f"\n## {platform}\n")[2].partition("\n## ")[0]
    )
    assert "DATABASE_URL" in section


def test_every_pod_is_unprivileged_and_writes_only_its_tmp() -> None:
    for pod in pods().values():
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
        for one in [*pod["containers"], *pod.get("initContainers", [])]:
            assert one["securityContext"] == {
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
            assert [mount["mountPath"] for mount in one["volumeMounts"]] == ["/tmp"]  # noqa: S108
            assert one["resources"]["limits"]["memory"]
    budgets = [one for one in manifests() if one["kind"] == "PodDisruptionBudget"]
    assert {one["metadata"]["name"] for one in budgets} == pods().keys()


def test_what_the_image_copies_is_there_and_is_sent() -> None:
    for source in copied():
        assert (ROOT / source).exists() and let_through(source), source
    assert not let_through(".env") and not let_through("var") and not let_through("tests")
    named = re.findall(r'"deploy\.(\w+)\.', (DEPLOY / "gunicorn.conf.py").read_text())
    texts = [(ROOT / path).read_text() for path in copied() if path.startswith("deploy/gunicorn")]
    imported = re.findall(r"^from deploy\.(\w+) import", "\n".join(texts), re.MULTILINE)
    assert named and {f"deploy/{module}.py" for module in (*named, *imported)} <= set(copied())


def test_images_of_others_are_pinned_by_digest() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    (python,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", dockerfile, re.MULTILINE)
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert bases == ["${PYTHON_IMAGE}"] * 2, "both stages are built on one image"
    services = read("compose.yaml")["services"]
    own = [service for service in services.values() if service["image"] == "fluxkeep"]
    assert len(own) == len(LINES)
    pinned = [python]
    for name in ("redis", "postgres"):
        # Whoever has a registry of his own names its image in deploy/.env.
        default = re.fullmatch(r"\$\{[A-Z]+_IMAGE:-(\S+)\}", services[name]["image"])
        assert default, name
        pinned.append(default[1])
    assert not [image for image in pinned if not re.search("@sha256:[0-9a-f]{64}$", image)]


def test_compose_builds_one_image_once_and_never_fetches_one_of_its_name() -> None:
    services = read("compose.yaml")["services"]
    built = [name for name, service in services.items() if "build" in service]
    assert built == ["release"]
    for name in LINES:
        assert services[name]["image"] == "fluxkeep", name
        assert services[name]["pull_policy"] == "never", name


def test_every_service_in_compose_is_restricted() -> None:
    for name, service in read("compose.yaml")["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["stop_grace_period"] == "30s", name
        if name in LINES:
            assert "cap_add" not in service, name


def test_compose_trusts_the_network_from_which_a_proxy_on_the_machine_connects() -> None:
    compose = read("compose.yaml")
    ((network,),) = (one["ipam"]["config"] for one in [compose["networks"]["outer"]])
    subnet = network["subnet"]
    for name in LINES:
        trusted = compose["services"][name]["environment"]["FORWARDED_ALLOW_IPS"]
        assert trusted == f"${{FORWARDED_ALLOW_IPS:-{subnet}}}"
