"""Clocks that are wrong by ten minutes, and odd time zones: leases and deadlines follow Redis."""

import json
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.harness import Process, RedisServer
from tests.harness.parts import Parts
from tests.harness.stack import Stack, stopped_stack

TEN_MINUTES = 600.0
# Python runs a module of this name before anything else.
WRONG_CLOCK = """
import os
import time

_right, _off = time.time, float(os.environ["CLOCK_OFF_BY"])
time.time = lambda: _right() + _off
time.time_ns = lambda: int(time.time() * 1e9)
"""


@pytest.fixture
def wrong_clock(tmp_path: Path) -> str:
    """PYTHONPATH that shifts a process's clock by CLOCK_OFF_BY seconds."""
    directory = tmp_path / "wrong_clock"
    directory.mkdir()
    (directory / "sitecustomize.py").write_text(WRONG_CLOCK)
    return str(directory)


def now_by(redis: RedisServer) -> float:
    with redis.client() as client:
        seconds, microseconds = client.time()
        return float(seconds) + float(microseconds) / 1e6


@pytest.mark.parametrize("off_by", [TEN_MINUTES, -TEN_MINUTES])
def test_the_store_tells_the_time_of_redis(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, off_by: float
) -> None:
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + off_by)
    with redis_server.client() as client:
        store = Parts.over(client).store
        assert abs(store.now() - now_by(redis_server)) < 1
        monkeypatch.setattr(time, "time", lambda: right() - off_by)  # it jumps
        assert abs(store.now() - now_by(redis_server)) < 1
        store.load("anything")
        assert abs(store.now() - now_by(redis_server)) < 1


def assert_clock_is_off(process: Process, off_by: float) -> None:
    """By the time its log tells: else a test with a wrong clock proves nothing."""
    logged = json.loads(process.output().splitlines()[0])["time"]
    assert abs(datetime.fromisoformat(logged).timestamp() - time.time() - off_by) < 60


@pytest.mark.parametrize("off_by", [TEN_MINUTES, -TEN_MINUTES])
def test_a_wrong_clock_in_every_process_loses_nothing(
    stack_before_start: Stack, wrong_clock: str, off_by: float
) -> None:
    stack, installation = stack_before_start, stack_before_start.installation
    installation.settings |= {"CALLBACK_GRACE": "1", "CLOCK_OFF_BY": str(off_by)}
    installation.start(PYTHONPATH=wrong_clock)
    installation.wait_until_ready(path="/readyz")
    assert_clock_is_off(installation.worker[0], off_by)
    called, silent, short = stack.generate(), stack.expected(), stack.generate(life=5)
    for task in (called, silent, short):
        stack.stored(task)
        assert len(stack.deliveries(task)) == 1
    job = stack.client.job(called.id)
    assert abs(datetime.fromisoformat(job["created_at"]).timestamp() - time.time()) < 60
    stack.settled()


def test_a_sweeper_whose_clock_is_fast_takes_nothing_from_a_worker(
    stack_before_start: Stack, wrong_clock: str
) -> None:
    stack, installation = stack_before_start, stack_before_start.installation
    installation.start("web", "worker")
    installation.start("sweep", PYTHONPATH=wrong_clock, CLOCK_OFF_BY=str(TEN_MINUTES))
    installation.wait_until_ready(path="/readyz")
    # Longer than the pause between two sweeps.
    task = stack.generate(size=600_000, drip=100_000)
    job = stack.stored(task)
    assert "rescue.retried" not in [line["event"] for line in job["timeline"]]
    assert len(stack.deliveries(task)) == 1
    stack.settled()


def test_a_link_lives_by_the_clock_of_redis(stack_before_start: Stack, wrong_clock: str) -> None:
    stack, installation = stack_before_start, stack_before_start.installation
    installation.settings["LINK_TTL"] = "60"
    installation.start()
    installation.start("web", PYTHONPATH=wrong_clock, CLOCK_OFF_BY=str(TEN_MINUTES))
    installation.wait_until_ready()
    task = stack.generate()
    stack.stored(task)
    right, fast = installation.urls
    for signed_by, read_by in ((right, fast), (fast, right)):
        job = installation.client(url=signed_by).job(task.id)
        link = job["media"][0]["url"].replace(signed_by, read_by)
        assert stack.client.get(link).status_code == 200


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_time_zone_of_a_machine_does_not_show(tmp_path: Path, zone: str) -> None:
    with stopped_stack(tmp_path, TZ=zone, GIVE_UP_AFTER="30") as stack:
        stack.installation.start()
        stack.installation.wait_until_ready()
        task = stack.generate(life=5)
        job = stack.stored(task)
        for name, seconds in (("created_at", 0), ("updated_at", 0), ("deadline", 30)):
            at = datetime.fromisoformat(job[name])
            assert job[name].endswith("Z") and abs(at.timestamp() - time.time() - seconds) < 20
        (path,) = stack.objects(task)
        day = str(path.relative_to(stack.installation.media).parent)
        assert day == datetime.fromisoformat(job["created_at"]).strftime("%Y/%m/%d")
        stack.settled()
