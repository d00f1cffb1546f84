"""A horse that stays for a while: it takes what comes, and leaves in time."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from jobs.states import State
from tests.harness import RedisServer
from tests.harness.floor import Floor
from tests.sandbox import Sandbox
from worker import turn


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    with redis_server.client() as client:
        yield client


@pytest.fixture
def floor(redis: Redis, sandbox: Sandbox, tmp_path: Path) -> Floor:
    return Floor.over(redis, sandbox, tmp_path)


def test_whoever_has_begun_goes_on_while_more_is_urgent(floor: Floor, redis: Redis) -> None:
    tasks = [floor.ready(life=life) for life in (1000, 2000, 3000)]
    assert turn.take(floor.wired, tasks[2].id, seconds=6)
    assert {floor.job(task).state for task in tasks} == {State.STORED}
    assert redis.llen("rq:queue:fluxkeep") == 0 and redis.keys("rq:job:*") == []


def test_whoever_stays_takes_what_comes(floor: Floor) -> None:
    first, later = floor.ready(), floor.finished()
    timer = threading.Timer(1.0, floor.unclear, [later])
    timer.start()
    assert turn.take(floor.wired, first.id, seconds=6)
    assert floor.job(later).state is State.STORED and all(floor.thumbnails(later))


def test_whoever_stays_leaves_when_its_worker_stops(floor: Floor) -> None:
    task = floor.ready()
    timer = threading.Timer(1.5, os.kill, (os.getpid(), turn.RECALL))
    timer.start()
    began = time.monotonic()
    assert turn.take(floor.wired, task.id, seconds=60)
    assert time.monotonic() - began < 30
    assert floor.job(task).state is State.STORED
