"""The files that platforms read, taken apart."""

import fnmatch
import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy.procfile import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
IMAGE_COPY = re.compile(r"^COPY (?!--from)(.+)$", re.MULTILINE)


def read(name: str) -> Any:
    """The content of a file under `deploy/`, or at the root, where Heroku and Render look."""
    path = ROOT / name if name in ("app.json", "render.yaml") else DEPLOY / name
    text = path.read_text()
    if path.suffix == ".toml":
        return tomllib.loads(text)
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


def manifests(*names: str) -> Iterator[dict[str, Any]]:
    """Kubernetes's objects, of these files or of all that kustomize is told of."""
    for name in names or read("kubernetes/kustomization.yaml")["resources"]:
        yield from yaml.safe_load_all((KUBERNETES / name).read_text())


def pods() -> dict[str, dict[str, Any]]:
    """The pods of the three processes by name."""
    found = [one for one in manifests() if one["kind"] == "Deployment"]
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in found}


def copied() -> list[str]:
    """Sources of the Dockerfile's COPY lines; the last word of a line is the target."""
    lines = IMAGE_COPY.findall((DEPLOY / "Dockerfile").read_text())
    return [source for line in lines for source in shlex.split(line)[:-1]]


def let_through(path: str) -> bool:
    """Whether the builder is sent this file or folder: the last line that matches decides."""
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    answer = True
    for line in lines:
        pattern = line.removeprefix("!")
        if line and line[0] != "#" and fnmatch.fnmatch(path, pattern):
            answer = line.startswith("!")
    return answer


def image(directory: Path) -> Path:
    """The `/app` of the image, as far as it comes from here."""
    for source in copied():
        target = directory / source
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, target)
    return directory
