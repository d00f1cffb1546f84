"""Processes of the Procfile: names, commands and environment."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def commands(root: Path = ROOT) -> dict[str, list[str]]:
    """Name and command of each long-running process, in the order of the file."""
    return {name: command for name, command in entries(root).items() if name != "release"}


def entries(root: Path = ROOT) -> dict[str, list[str]]:
    """Every entry, including `release`, which platforms run once before the processes."""
    text = (root / "Procfile").read_text().splitlines()
    split = (line.partition(":") for line in text if line.strip() and line[0] != "#")
    return {name.strip(): shlex.split(command) for name, _, command in split}


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """This process's environment overridden by `own`, with the programs of this venv in PATH."""
    path = os.environ.get("PATH", os.defpath)
    programs = str(Path(sys.executable).parent)
    unbuffered = {"PYTHONUNBUFFERED": "1", "PATH": f"{programs}{os.pathsep}{path}"}
    return {**os.environ, **unbuffered, **own}
