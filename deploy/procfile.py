"""The Procfile: the one list of processes, read by everything that starts them."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = "release"


def commands(root: Path = ROOT) -> dict[str, list[str]]:
    """Name and command of each process that keeps running, in the order of the file."""
    return {name: command for name, command in lines(root).items() if name != RELEASE}


def lines(root: Path = ROOT) -> dict[str, list[str]]:
    """Every line, including what a platform runs once before it starts the processes."""
    written = (root / "Procfile").read_text().splitlines()
    entries = (line.partition(":") for line in written if line.strip() and line[0] != "#")
    return {name.strip(): shlex.split(command) for name, _, command in entries}


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `own` on top; `python` and `gunicorn` are this venv's."""
    path = os.environ.get("PATH", os.defpath)
    programs = str(Path(sys.executable).parent)
    unbuffered = {"PYTHONUNBUFFERED": "1", "PATH": f"{programs}{os.pathsep}{path}"}
    return {**os.environ, **unbuffered, **own}
