"""Pure steps, each with all that it changes in a record: the doctests in `steps/*.txt`."""

import doctest
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.domain.job import Job
from jobs.domain.job_record import Evolving
from tests.harness.reports import NOW

FILES = sorted((Path(__file__).parent / "steps").glob("*.txt"))


def show(before: Job, after: Job) -> None:
    """Print the fields that differ, one part of the record a line, and the added events."""
    if after is before:
        print("the same")
        return
    old = vars(before)
    public = {name: value for name, value in vars(after).items() if value != old[name]}
    parts = {name: public.pop(name) for name in [*public] if isinstance(public[name], Evolving)}
    timeline = public.pop("timeline", ())[len(before.timeline) :]
    if public:
        print(*_fields(public))
    for name, part in parts.items():
        known = vars(old[name])
        changed = {field: value for field, value in vars(part).items() if value != known[field]}
        print(f"{name}:", *_fields(changed))
    for event in timeline:
        print(_value(event.at), event.event.value, *_fields(event.detail))


def _fields(values: Mapping[str, Any]) -> list[str]:
    return [f"{name}={_value(value)}" for name, value in values.items()]


def _value(value: Any) -> str:
    """Unix times as seconds after NOW; fencing tokens and versions as such times in brackets."""
    if isinstance(value, float) and value > NOW / 2:
        return f"{value - NOW:+g}"
    if isinstance(value, int) and value > NOW:
        return f"[{value / 1e6 - NOW:+.7g}]"
    if isinstance(value, dict):
        return "{" + ", ".join(_fields(value)) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_value, value)) + ")"
    if is_dataclass(value):
        values = ((one, getattr(value, one.name)) for one in fields(value))
        given = {one.name: value for one, value in values if value != one.default}
        return f"{type(value).__name__}({', '.join(_fields(given))})"
    return repr(str(value) if isinstance(value, str) else value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_step_changes_the_fields_that_are_listed(path: Path) -> None:
    found = doctest.testfile(str(path), module_relative=False, globs={"show": show})
    assert found.attempted and not found.failed
