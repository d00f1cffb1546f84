"""Lua scripts, read from `lua/`: each is one round trip and one atomic step.

A script's header documents its KEYS, ARGV and return value, and names the shared files that it
needs. Replies about jobs begin with the Redis time, by which leases and deadlines are measured.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Command = tuple[Any, ...]  # one of Redis, word by word

_DIRECTORY = Path(__file__).parents[1] / "lua"
_NEEDS = re.compile(r"^-- Needs (.+)$", re.MULTILINE)


def read(name: str, **shared: str) -> str:
    """A script, led by the shared files that it needs, of which some can be given as text."""
    text = (_DIRECTORY / f"{name}.lua").read_text()
    needed = re.findall(r"shared/(\w+)\.lua", "".join(_NEEDS.findall(text)))
    return "\n".join([*(shared.get(one) or read(f"shared/{one}") for one in needed), text])


def flat(commands: Sequence[Command]) -> list[Any]:
    """Commands as `lua/shared/commands.lua` reads them."""
    return [len(commands), *(word for one in commands for word in (len(one), *one))]
