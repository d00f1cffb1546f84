"""Processes of the Procfile: names, commands and environment."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def commands(root: Path = ROOT) -> dict[str, list[str]]:
    """Name and command of each long-running process, in the order of the file."""
    processes = entries(root)
    processes.pop("release", None)
    return processes


def entries(root: Path = ROOT) -> dict[str, list[str]]:
    """Every entry, including `release`, which platforms run once before the processes."""
    commands_by_name = dict[str, list[str]]()
    for line in (root / "Procfile").read_text().splitlines():
        is_comment = line.startswith("#")
        if is_comment or not line.strip():
            continue
        name, _separator, command = line.partition(":")
        commands_by_name[name.strip()] = shlex.split(command)
    return commands_by_name


def environment(overrides: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `overrides`, and the programs of this venv in PATH."""
    path = os.environ.get("PATH", os.defpath)
    programs = str(Path(sys.executable).parent)
    variables = dict(os.environ)
    variables["PYTHONUNBUFFERED"] = "1"
    variables["PATH"] = f"{programs}{os.pathsep}{path}"
    variables.update(overrides)
    return variables
