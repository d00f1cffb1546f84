"""Clocks that are wrong by ten minutes: leases and deadlines follow Redis."""

import re
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.harness import Process, Stack, stopped_stack, wait_for

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


def start_skewed(stack: Stack, name: str, off_by: float) -> Process:
    """Start a process with a wrong clock, and see in its log that it is wrong."""
    directory = stack.installation.directory
    log = directory / f"{name}.log"
    after = log.stat().st_size
    (started,) = stack.installation.start(name, PYTHONPATH=str(directory), CLOCK_OFF_BY=str(off_by))
    said = re.compile(rb"it is now ([0-9.]+)\n")
    found = wait_for("the process prints its time", lambda: said.search(log.read_bytes(), after))
    assert abs(float(found[1]) - time.time() - off_by) < 60
    return started


@pytest.fixture
def skewed(stack: Stack, processes: tuple[str, ...], off_by: float) -> Iterator[Stack]:
    """All run; those of `processes` were started with a wrong clock and are the only ones."""
    installation = stack.installation
    installation.kill(*processes)
    for name in processes:
        start_skewed(stack, name, off_by)
    installation.wait_until_ready(path="/readyz")
    yield stack
    installation.kill(*processes)
    installation.start(*processes)


@pytest.mark.parametrize(
    ("processes", "off_by"),
    [
        (("web",), -TEN_MINUTES),
        (("worker",), TEN_MINUTES),
        (("sweep",), TEN_MINUTES),
        (("web", "worker", "sweep"), -TEN_MINUTES),
    ],
)
def test_a_wrong_clock_loses_nothing(skewed: Stack) -> None:
    # Longer than the pause between two sweeps: nobody takes it from its worker.
    slow = skewed.generate(size=600_000, drip=100_000)
    called = [skewed.generate() for _ in range(JOBS)] + [slow]
    silent = [skewed.announced() for _ in range(JOBS)]
    for source, tasks in (("callback", called), ("poll", silent)):
        for task in tasks:
            job = skewed.stored(task, STORED_WITHIN_SECONDS)  # its links live for a minute
            assert job["source"] == source
            assert len(skewed.objects(task)) == len(skewed.deliveries(task)) == 1
            assert abs(datetime.fromisoformat(job["created_at"]).timestamp() - time.time()) < 300
    skewed.settled()


def test_a_link_lives_by_the_clock_of_redis(stack: Stack) -> None:
    installation = stack.installation
    fast_web = start_skewed(stack, "web", TEN_MINUTES)
    task = stack.generate()
    stack.stored(task)
    right, fast = installation.url, f"http://127.0.0.1:{fast_web.environment['PORT']}"
    for signed_by, read_by in ((right, fast), (fast, right)):
        job = installation.client(url=signed_by).job(task.id)
        link = job["media"][0]["url"].replace(signed_by, read_by)
        assert stack.client.get(link).status_code == 200
    fast_web.kill_all()
