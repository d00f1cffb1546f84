"""The Procfile, read by whoever starts its processes: the one list of what has to run."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = "release"


def commands(root: Path = ROOT) -> dict[str, list[str]]:
    """Name and command of each process that goes on running, in the order of the file."""
    return {name: command for name, command in lines(root).items() if name != RELEASE}


def lines(root: Path = ROOT) -> dict[str, list[str]]:
    """Every line, also of what a platform runs once before it starts the rest."""
    written = (root / "Procfile").read_text().splitlines()
    entries = (line.partition(":") for line in written if line.strip() and line[0] != "#")
    return {name.strip(): shlex.split(command) for name, _, command in entries}


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `own` on top; `python` and `gunicorn` mean ours."""
    path = os.environ.get("PATH", os.defpath)
    programs = str(Path(sys.executable).parent)
    unbuffered = {"PYTHONUNBUFFERED": "1", "PATH": f"{programs}{os.pathsep}{path}"}
    return {**os.environ, **unbuffered, **own}
