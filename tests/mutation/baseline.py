"""Baseline of mutation tests: which test runs which line, and how long each test takes."""

import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest

from deploy.procfile import ROOT

STORE = ROOT / "jobs/store"
LUA = STORE / "lua"
DOCTESTS = "tests/unit/test_steps.py"


class Run(NamedTuple):
    """Seconds that a test took, and the product's lines that it ran: `path:line`."""

    seconds: float
    lines: frozenset[str]


class Recorder:
    """A pytest plugin that records each test that passes."""

    def __init__(self, paths: list[str]) -> None:
        self.runs: dict[str, Run] = {}
        self._paths = {str(ROOT / path): path for path in paths}
        self._lines: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        self._lines = set()
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.runs[report.nodeid] = Run(report.duration, frozenset(self._lines))

    def _trace(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        path = self._paths.get(frame.f_code.co_filename)
        if path is None:
            return None
        lines = self._lines

        def local(frame: FrameType, _event: str, _argument: Any) -> Any:
            lines.add(f"{path}:{frame.f_lineno}")
            return local

        return local


def caller_lines(script: str) -> set[str]:
    """The lines of the store that call a script, or one that needs this shared script."""
    name = script.removeprefix("jobs/store/lua/").removesuffix(".lua")
    callers = [path for path in LUA.glob("*.lua") if f"{name}.lua" in path.read_text()]
    names = "|".join([name, *(path.stem for path in callers)])
    return {line for path in STORE.glob("*.py") for line in _calls(path, names)}


def _calls(path: Path, names: str) -> Iterator[str]:
    text = path.read_text()
    scripts = re.findall(rf'self\.(\w+) = .*(?:read|script)\("(?:{names})"', text)
    for n, line in enumerate(text.splitlines(), 1):
        if any(f"self.{name}" in line and f"self.{name} = " not in line for name in scripts):
            yield f"{path.relative_to(ROOT)}:{n}"


def covering(runs: dict[str, Run], wanted: set[str]) -> list[str]:
    """The tests that run one of the lines: doctests, which are made for it, then the quickest."""
    found = [test for test, run in runs.items() if run.lines & wanted]
    return sorted(found, key=lambda test: (DOCTESTS not in test, runs[test].seconds))
