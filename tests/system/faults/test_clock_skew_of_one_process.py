"""One process whose clock is wrong by ten minutes, among others whose clocks are right."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.patience import wait_for
from tests.harness.stack import Stack, stopped_stack

pytestmark = pytest.mark.slow

JOBS = 5
TEN_MINUTES = 600.0
STORED_WITHIN_SECONDS = 25.0
# Python runs a module of this name before anything else; RQ goes by datetime, the rest by time.
WRONG_CLOCK = '''
"""Loaded by a process under test: it believes another time."""

import datetime
import os
import sys
import time

off_by = float(os.environ["CLOCK_OFF_BY"])
right = time.time


class Wrong(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)


time.time = lambda: right() + off_by
time.time_ns = lambda: int(time.time() * 1e9)
datetime.datetime = Wrong
print("it is now", datetime.datetime.now().timestamp(), file=sys.stderr)
'''


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("wrong_clock")
    (directory / "sitecustomize.py").write_text(WRONG_CLOCK)
    with stopped_stack(directory, CALLBACK_GRACE="1", LINK_TTL="60") as stack:
        stack.installation.start()
        stack.installation.wait_until_ready(path="/readyz")
        yield stack


def logged_time(log: Path, after: int) -> float:
    """Return the time by the process's clock, to prove that the clock is wrong."""

    def match() -> re.Match[str] | None:
        return re.search(r"it is now ([0-9.]+)\n", log.read_bytes()[after:].decode())

    found = wait_for("the clock is told", match)
    return float(found[1])


@pytest.fixture(params=[TEN_MINUTES, -TEN_MINUTES], ids=["fast", "slow"])
def odd(stack: Stack, process: str, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """All run; one kind of process was started with a wrong clock and is the only one of it."""
    installation = stack.installation
    installation.kill(process)
    log = installation.directory / f"{process}.log"
    before = log.stat().st_size
    installation.start(
        process, PYTHONPATH=str(installation.directory), CLOCK_OFF_BY=str(request.param)
    )
    assert abs(logged_time(log, before) - time.time() - request.param) < 60
    installation.wait_until_ready(path="/readyz")
    yield stack
    installation.kill(process)
    installation.start(process)
    installation.wait_until_ready()


@pytest.mark.parametrize("process", ["web", "worker", "sweep"])
def test_a_wrong_clock_in_one_process_loses_nothing(odd: Stack) -> None:
    called = [odd.generate() for _ in range(JOBS)]
    silent = [odd.expected() for _ in range(JOBS)]
    for source, tasks in (("callback", called), ("poll", silent)):
        for task in tasks:
            job = odd.stored(task, STORED_WITHIN_SECONDS)  # by its links, which live for a minute
            assert job["source"] == source
            assert len(odd.objects(task)) == len(odd.deliveries(task)) == 1
    odd.settled()
