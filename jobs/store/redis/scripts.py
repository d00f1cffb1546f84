"""Lua scripts, read from `lua/`: each is one round trip and one atomic step.

A script's header documents its KEYS, ARGV and return value, and names the shared files that it
needs. Replies about jobs begin with the Redis time, by which leases and deadlines are measured.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Command = tuple[Any, ...]  # one of Redis, word by word

_DIRECTORY = Path(__file__).parents[1] / "lua"
_NEEDS = re.compile(r"^-- Needs (.+)$", re.MULTILINE)
_SHARED = re.compile(r"shared/(\w+)\.lua")


def read(name: str, **shared: str) -> str:
    """A script behind the shared files that it needs; `shared` has the text of some by name."""
    script = (_DIRECTORY / f"{name}.lua").read_text()
    needs = "".join(_NEEDS.findall(script))
    parts: list[str] = []
    for shared_name in _SHARED.findall(needs):
        text = shared.get(shared_name)
        if text is None:
            text = read(f"shared/{shared_name}")
        parts.append(text)
    parts.append(script)
    return "\n".join(parts)


def flat(commands: Sequence[Command]) -> list[Any]:
    """Their count, then each command led by its number of words, for `lua/shared/commands.lua`."""
    words: list[Any] = [len(commands)]
    for command in commands:
        words.append(len(command))
        words += command
    return words


def add_to_sets(member: str, scores: Mapping[str, float]) -> list[Command]:
    """The commands that add a member to sorted sets, with its score in each."""
    return [("ZADD", sorted_set, score, member) for sorted_set, score in scores.items()]


def remove_from_sets(member: str, sorted_sets: Iterable[str]) -> list[Command]:
    """The commands that remove a member from sorted sets."""
    return [("ZREM", sorted_set, member) for sorted_set in sorted_sets]
