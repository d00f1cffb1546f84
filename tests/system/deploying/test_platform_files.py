"""Compose, Kubernetes and Docker accept our files by their own schemas."""

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from jsonschema import Draft7Validator

from tests.system.deploying.files import DEPLOY, KUBERNETES, manifests, read

CORE = ("v1", "apps/v1", "policy/v1", "networking.k8s.io/v1")


def test_compose_understands_its_file() -> None:
    found = resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    schema = json.loads(found.read_text())
    assert complaints(Draft7Validator(schema), read("compose.yaml")) == []


def complaints(validator: Any, document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


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


def test_the_dockerfile_has_no_lint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--no-color", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
